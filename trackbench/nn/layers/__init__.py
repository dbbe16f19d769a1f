"""Network and filter parts that several trackers share."""
