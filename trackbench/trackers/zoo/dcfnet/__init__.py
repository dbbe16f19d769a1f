"""DCFNet: the correlation filter as a layer of a network (Wang et al., arXiv 1704.04057)."""
