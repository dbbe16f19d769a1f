"""Parts of SBT's paper that no published number can confirm.

Correlation after the features and its Siamese baselines (Table 7, Fig. 9), windowed attention and other position
encodings (Table 1, left), and correlation-aware features in another tracker (Sec. 5.3). The paper names them, the
official code does not have them, and there are no checkpoints: what the paper leaves open is our reading, said in each
module. Tests build them, run a forward and a backward pass and check their shapes and symmetries; their accuracy is
not verified.
"""
