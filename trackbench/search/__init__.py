"""Search for a tracker's settings on a data set."""
