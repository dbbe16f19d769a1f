"""A SimTrack with few numbers, for tests."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackbench.trackers.zoo.simtrack.options import SimTrackOptions

SMALL: dict[str, Any] = {
    "width": (32,),
    "depth": (4,),
    "heads": (4,),
    "patch": 8,
    "pretraining_size": 32,
    "template_size": 32,
    "search_size": 64,
    "foveal_size": 16,
}

PYRAMID: dict[str, Any] = {
    "width": (16, 32, 64),
    "depth": (1, 1, 2),
    "heads": (2, 2, 2),
    "patch": 4,
    "pretraining": "imagenet",
    "pretraining_size": 64,
    "template_size": 32,
    "search_size": 64,
    "foveal_size": 0,
}
SWIN = PYRAMID | {"backbone": "swin", "asymmetric": True}
PVT = PYRAMID | {"backbone": "pvt"}


def small(**changed: Any) -> SimTrackOptions:
    """Return options of a network of 4 blocks with 16 + 4 exemplar, 1 class and 64 search tokens."""
    return SimTrackOptions.model_validate(SMALL | changed)


def scene(seed: int, length: int = 4) -> tuple[list[NDArray[np.uint8]], NDArray[np.float64]]:
    """Return frames of noise, of a size that depends on the seed, and a box in the first."""
    generator = np.random.default_rng(seed)
    height, width = generator.integers(60, 140, 2)
    frames = list(generator.integers(0, 256, (length, height, width, 3), dtype=np.uint8))
    return frames, np.concatenate([generator.uniform(5, 25, 2), generator.uniform(15, 40, 2)])
