"""A small AiATrack for tests: 6 cells a side, weights by a rule, and a sequence to follow."""

from __future__ import annotations

import zlib
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from trackbench.trackers.zoo.aiatrack.network import AiATrackNetwork
from trackbench.trackers.zoo.aiatrack.tracker import AiATrack, AiATrackOptions

SMALL = {"search_size": 96, "channels": 32, "heads": 2, "feed_forward": 48, "encoder_layers": 2, "inner_channels": 16}


def small_options(network: dict[str, Any] | None = None, **options: Any) -> AiATrackOptions:
    """Return options with a small network."""
    return AiATrackOptions.model_validate({"network": SMALL | (network or {}), **options})


def rule_weights(network: AiATrackNetwork) -> dict[str, torch.Tensor]:
    """Return a state dict whose numbers depend on names and shapes alone; the box head's give boxes with area."""
    weights = {}
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point():
            weights[name] = torch.zeros_like(tensor)
            continue
        seed = f"725{name}" if name.startswith("box_head.") else name
        draw = _normal(seed, tuple(tensor.shape))
        if name.endswith("running_var"):
            draw = 1 + 0.2 * np.abs(draw)
        elif tensor.dim() > 1:
            gain = 1 if seed == name else 3 if "conv5" in name else 2
            draw = gain * draw / np.sqrt(np.prod(tensor.shape[1:]))
        else:
            draw = 0.05 * draw + (0 if name.endswith(("bias", "running_mean")) else 1)
        weights[name] = torch.tensor(draw, dtype=torch.float32)
    return weights


@cache
def _normal(seed: str, shape: tuple[int, ...]) -> NDArray[np.float64]:
    return np.random.default_rng(zlib.crc32(seed.encode())).standard_normal(shape)


def small_tracker(network: dict[str, Any] | None = None, **options: Any) -> AiATrack:
    """Return a small tracker with the rule's weights."""
    chosen = small_options(network, **options)
    return AiATrack(chosen, weights=rule_weights(AiATrack.build_network(chosen)))


def sequence(length: int = 8, seed: int = 0) -> tuple[list[NDArray[np.uint8]], NDArray[np.float64]]:
    """Return frames, (120, 160, 3), of a bright patch that wanders over noise, and its boxes, (length, 4)."""
    generator = np.random.default_rng(seed)
    background = generator.integers(0, 120, (120, 160, 3), np.uint8)
    patch = generator.integers(100, 256, (24, 30, 3), np.uint8)
    frames, boxes = [], []
    for index in range(length):
        x, y = 50 + 4 * index + 7 * seed % 20, 40 + 3 * index
        frame = background.copy()
        frame[y : y + 24, x : x + 30] = patch
        frames.append(frame)
        boxes.append((x, y, 30.0, 24.0))
    return frames, np.array(boxes)
