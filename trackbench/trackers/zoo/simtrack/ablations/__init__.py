"""Parts of SimTrack's paper that no published number can confirm.

The pyramids of Table 7 and the transformer head of the baseline. The paper gives their results, the official code does
not have them, and there are no checkpoints: what the paper leaves open is our reading, said in each module. Tests build
them, run a forward and a backward pass and check their shapes and symmetries; their accuracy is not verified.
"""
