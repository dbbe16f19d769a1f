"""Data sets: sequences of frames with their truth, read from the layouts in which they are published."""
