"""Data sets: sequences of frames with their ground truth, read from the layouts in which they are published."""
