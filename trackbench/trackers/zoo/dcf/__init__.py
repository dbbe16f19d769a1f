"""A discriminative correlation filter on hand-made features: no weights, no training."""
