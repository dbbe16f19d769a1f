"""How benchmarks lie on disk: one module for each layout, or patterns in a definition."""
