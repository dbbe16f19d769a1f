"""From the mask of a region back to the pixels of the frame (paper Sec. 4.3: one rotated rectangle around the mask).

The rectangle itself is :func:`trackbench.regions.mask_to_rotated_box`, which the protocols of rotated boxes apply.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from trackbench.regions import Mask


def paste_mask(
    probability: NDArray[np.float32], box: tuple[float, float, float, float], size: tuple[int, int], threshold: float
) -> Mask:
    """Return the pixels of a frame whose probability is above the threshold.

    Args:
        probability: float32 (n, n) over the box.
        box: x, y, w, h in pixels, positive size.
        size: width and height of the frame.
        threshold: of the probability.
    """
    pasted, x, y = paste_probability(probability, box, size)
    return Mask(pasted > threshold, x, y).cropped()


def paste_probability(
    probability: NDArray[np.float32], box: tuple[float, float, float, float], size: tuple[int, int]
) -> tuple[NDArray[np.float32], int, int]:
    """Return the probability resampled to the frame's pixels, zero outside of the box.

    The official code resamples with ``cv2.warpAffine``, whose matrix has factors (W - 1) / W and (H - 1) / H that make
    the mask a trifle smaller than its box. A matrix without rotation resamples rows and columns apart, here in two
    products of matrices with the bilinear weights of OpenCV 4, which rounds places to 1/32 pixel (OpenCV 5 does not:
    values differ by up to 0.01).

    Args:
        probability: float32 (n, n).
        box: x, y, w, h in pixels, positive size.
        size: width and height of the frame.

    Returns:
        float32 (rows, columns) over the part of the frame where it can be positive, and that part's left and top.
    """
    x, y, w, h = box
    width, height = size
    columns, rows = (
        _Axis(start, length, len(probability), limit) for start, length, limit in ((x, w, width), (y, h, height))
    )
    # Slope and offset of a row's places are rounded apart from each other, those of a column's places together.
    across = np.rint(1024 * columns.offset) + 16 + np.rint(1024 * columns.slope * columns.pixels)
    down = np.rint(1024 * (rows.slope * rows.pixels + rows.offset)) + 16
    pasted = _bilinear(down, len(probability)) @ probability @ _bilinear(across, len(probability)).T
    return np.asarray(pasted, np.float32), int(columns.pixels[0]), int(rows.pixels[0])


class _Axis:
    """The map from pixels of one axis of the frame to cells of the mask, and the pixels where it can be positive.

    Args:
        start: of the box in pixels.
        length: of the box.
        count: cells of the mask.
        limit: pixels of the frame.
    """

    def __init__(self, start: float, length: float, count: int, limit: int) -> None:
        shrink = (limit - 1) / limit
        step = length / count * shrink
        self.slope, self.offset = 1 / step, -start * shrink / step
        first = min(max(math.floor(start * shrink - step) - 1, 0), limit - 1)
        last = min(max(math.ceil(start * shrink + length) + 2, first + 1), limit)
        self.pixels = np.arange(first, last)


def _bilinear(places: NDArray[np.float64], count: int) -> NDArray[np.float32]:
    """Return the weight of each of ``count`` cells at places in 1/1024 cell, float32 (places, count)."""
    fixed = places.astype(np.int64) >> 5
    weights = np.maximum(1 - np.abs(fixed[:, None] / 32 - np.arange(count)), 0)
    return np.asarray(weights, np.float32)
