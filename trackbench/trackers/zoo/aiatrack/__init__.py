"""AiATrack (Gao et al., "AiATrack: Attention in Attention for Transformer Visual Tracking", ECCV 2022)."""
