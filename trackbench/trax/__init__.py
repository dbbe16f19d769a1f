"""Working with other tools that run trackers: vot-toolkit."""
