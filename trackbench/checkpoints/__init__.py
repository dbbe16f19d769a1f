"""Checkpoints: read without executing anything, matched name by name, kept in the user's cache."""
