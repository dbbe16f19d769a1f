"""Metrics: pure functions from arrays to arrays, each checked against the toolkit whose rules it follows."""
