"""Videos: reading any file, a camera or a folder frame by frame, writing, and drawing on frames."""
