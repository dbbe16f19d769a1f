"""Names of the official checkpoints: ours are the same."""

from __future__ import annotations

from trackbench.checkpoints.key_map import KeyMap

KEYS = KeyMap(unused=(r"feature_extractor\.fc\.(weight|bias)",))
"""The classifier of ImageNet came along with the backbone."""
