"""The trackers that come with trackbench, a package or module each."""
