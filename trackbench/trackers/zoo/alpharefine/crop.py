"""Crops of Alpha-Refine, and the way back of a mask from a crop to the frame.

Unlike the trackers' square crops, width and height are scaled each by itself, so that every target covers the same part
of its crop whatever its aspect ratio.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from trackbench.nn.crops.square import cut_window
from trackbench.regions import Box, Mask
from trackbench.trackers.base import Frame

#: The largest rectangle that is cut, in pixels: four times a frame of 8192 by 8192.
LARGEST = 1 << 28


@dataclass(frozen=True)
class Rectangle:
    """Pixels of a frame, which may reach beyond it: top-left column and row, width and height."""

    x: int
    y: int
    w: int
    h: int

    def cut(self, frame: Frame, size: int) -> NDArray[np.uint8]:
        """Return what is within, bilinearly resampled to (size, size, 3); black outside of the frame."""
        window = cut_window(frame, self.x, self.y, self.w, self.h)
        return np.asarray(cv2.resize(window.image, (size, size), interpolation=cv2.INTER_LINEAR), np.uint8)

    def box_within(self, box: Box, size: int) -> NDArray[np.float32]:
        """Return x1, y1, x2, y2 of ``box`` in pixels of the crop of side ``size``, (4,), in the official float32.

        The crop counts as centred on the box, although its corner was rounded.
        """
        centre = np.float32((size - 1) / 2)
        extent = np.array([box.w * (size / self.w), box.h * (size / self.h)], np.float32)
        first = np.clip(centre - np.float32(0.5) * extent, 0, size)
        last = np.clip(centre + np.float32(0.5) * extent, 0, size)
        return np.concatenate([first, first + (last - first)])

    def paste(self, probability: NDArray[np.float32], threshold: float, size: tuple[int, int]) -> Mask:
        """Return the pixels of the frame whose probability is above ``threshold``.

        Args:
            probability: of the crop, (S, S).
            threshold: in float64, as the official code compares.
            size: width and height of the frame.
        """
        resized = cv2.resize(probability, (self.w, self.h), interpolation=cv2.INTER_LINEAR)
        left, top = max(-self.x, 0), max(-self.y, 0)
        right, bottom = min(self.w, size[0] - self.x), min(self.h, size[1] - self.y)
        return Mask(resized[top:bottom, left:right] > np.float64(threshold), self.x + left, self.y + top)


def rectangle_around(box: Box, factor: float, frame: Frame) -> Rectangle | None:
    """Return the rectangle ``factor`` times as wide and as high as ``box``, about its centre, in whole pixels.

    Sizes are rounded up, the corner half to even. None where there is nothing to see or far too much: the box has no
    area or is not finite, the rectangle lies outside of the frame, or it has more than ``LARGEST`` pixels.
    """
    if not box.is_valid or factor * box.w * factor * box.h > LARGEST:
        return None
    w, h = math.ceil(factor * box.w), math.ceil(factor * box.h)
    rectangle = Rectangle(round(box.x + 0.5 * box.w - 0.5 * w), round(box.y + 0.5 * box.h - 0.5 * h), w, h)
    rows, columns = frame.shape[:2]
    # The last row and column of the frame count as outside where the rectangle reaches them, as in all of these crops.
    inside = rectangle.x < columns - 1 and rectangle.y < rows - 1 and rectangle.x + w > 0 and rectangle.y + h > 0
    return rectangle if inside else None
