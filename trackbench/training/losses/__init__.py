"""Losses and label assignment, pure functions, one module a tracker or a family of them."""
