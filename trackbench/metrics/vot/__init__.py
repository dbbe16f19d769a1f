"""VOT's measures: rasterised overlaps, the reset-based experiment, the multi-start experiment."""
