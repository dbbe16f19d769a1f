"""Stored results: what each tracker answered, and how it came about."""
