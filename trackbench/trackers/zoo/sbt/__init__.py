"""SBT: Correlation-Aware Deep Tracking (Xie et al., CVPR 2022)."""
