"""How each tracker is trained: its samples, and its loss on a batch of them."""
