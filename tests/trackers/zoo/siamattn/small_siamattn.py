"""A SiamAttn with few channels, and frames to track in."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trackbench.regions import Box
from trackbench.trackers.zoo.siamattn.tracker import SiamAttnOptions, SiamAttnTracker

SMALL: dict[str, Any] = {"channels": 16, "backbone_width": 8}


def small_tracker(seed: int = 0, **options: Any) -> SiamAttnTracker:
    """Return a small tracker with random weights of an ordinary size, whose attention and deformations do something."""
    given = SiamAttnOptions(**{**SMALL, **options})
    return SiamAttnTracker(given, weights=_weights(seed, given))


@cache
def _weights(seed: int, given: SiamAttnOptions) -> dict[str, torch.Tensor]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = SiamAttnTracker.build_network(given)
        weights = network.state_dict()
        SiamAttnTracker(given, weights=weights).calibrate_random_weights(network)
        for name, tensor in network.state_dict().items():
            if name.endswith("gamma"):
                tensor.fill_(0.3)
            if "conv_offset" in name or "offset_fc.4" in name:
                tensor.normal_(std=0.02)
            if name.startswith("rpn.levels") and ".loc.head.3" in name:
                tensor.mul_(0.1)
        return {name: tensor.clone() for name, tensor in network.state_dict().items()}


def scene(seed: int, length: int, size: tuple[int, int] = (120, 160)) -> tuple[list[NDArray[np.uint8]], Box]:
    """Return frames with a bright square moving over noise, and its box in the first."""
    generator = np.random.default_rng(seed)
    height, width = size
    ground = generator.integers(0, 120, (height, width, 3), dtype=np.uint8)
    target = generator.integers(130, 255, (24, 32, 3), dtype=np.uint8)
    frames = []
    for index in range(length):
        frame = ground.copy()
        x, y = 50 + 2 * index, 40 + index
        frame[y : y + 24, x : x + 32] = target
        frames.append(frame)
    return frames, Box(50, 40, 32, 24)
