"""Training of the trackers as their papers and official code do it."""
