"""Targets for foreign trackers, as tests start them, and a video."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from trackbench.frames import Frame
from trackbench.trackers.base import Target, Video


def target(region: object, length: int = 8, **rest: object) -> Target:
    """A target in a sequence ``a``."""
    return Target(region, video=Video("a", [Path(f"{i}.png") for i in range(length)]), **rest)  # type: ignore[arg-type]


def moving_patch(count: int, height: int, width: int) -> list[Frame]:
    """A patch of 32 x 24 pixels that starts at (10, 15), moves over a background for 30 frames, and comes back."""
    rng = np.random.default_rng(0)
    background = np.asarray(cv2.resize(rng.integers(0, 255, (12, 16, 3), np.uint8), (width, height)), np.uint8)
    patch = cv2.resize(rng.integers(0, 255, (6, 8, 3), np.uint8), (32, 24))
    frames = []
    for i in range(count):
        frame, step = background.copy(), min(i % 60, 60 - i % 60)
        frame[15 + step : 39 + step, 10 + 2 * step : 42 + 2 * step] = patch
        frames.append(frame)
    return frames
