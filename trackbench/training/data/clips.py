"""One target in a video or a still image, and sets of them."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trackbench.frames import Frame, read_frame

Mask = NDArray[np.uint8]


@dataclass(frozen=True)
class Clip:
    """One target."""

    name: str
    boxes: NDArray[np.float64]
    """(N, 4): x, y, w, h in pixels of the frames."""
    visible: NDArray[np.bool_]
    """(N,): whether the frame may be trained on: a box with an area, and a target that is not called absent."""
    path: Callable[[int], Path]
    """Gives the file of a frame."""
    still: bool = False
    """Whether it is one still image."""
    read_mask: Callable[[int], Mask] | None = None
    """Gives the target's pixels in a frame, 0 or 1, (H, W); None where there are none."""

    def __len__(self) -> int:
        return len(self.boxes)

    def frame(self, index: int) -> Frame:
        """Return a frame, uint8 (H, W, 3) RGB.

        Raises:
            DataError: the file is missing or no image.
        """
        return read_frame(self.path(index))


class ClipSet(ABC):
    """Targets of one data set; annotations are read when a target is asked for."""

    name: str
    """As recipes call it."""
    stills: bool = False
    """Whether its clips are still images."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def clip(self, index: int, random: np.random.Generator | None = None) -> Clip:
        """Return a target; sets of images with several targets draw one of them with ``random``.

        Raises:
            DataError: its annotation cannot be read.
        """

    @abstractmethod
    def frame_count(self) -> int | None:
        """Return how many frames there are in all, or None where that would take long to find out."""


def with_area(boxes: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which boxes (N, 4) are finite and have an area, bool (N,)."""
    return np.isfinite(boxes).all(1) & (boxes[:, 2] > 0) & (boxes[:, 3] > 0)
