"""Alpha-Refine (Yan et al., CVPR 2021): from the box of any tracker to the target's pixels."""
