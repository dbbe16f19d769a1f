"""Scaled and shifted copies of frames in the pixels of OpenCV 4's ``warpAffine``, whatever OpenCV is installed.

OpenCV 4 samples bilinearly in fixed point: places are rounded to 1/32 pixel and the four weights to 15 bits. OpenCV 5
samples in floating point, which changes up to a tenth of the pixels by a few grey levels. Published results were made
with the former. Its arithmetic on the matrix ``[[ax, 0, x0], [0, ay, y0]]`` from output to frame pixels, all roundings
half to even:

- places in 1/32 pixel: ``X(u) = (rint(1024 x0) + 16 + rint(1024 ax u)) >> 5`` for column u, whose slope and offset
  are rounded apart, and ``Y(v) = (rint(1024 (ay v + y0)) + 16) >> 5`` for row v, rounded once;
- value: ``(sum of taps * 32 (32 - fx) (32 - fy) etc. + 2^14) >> 15`` with the fractions ``fx = X & 31, fy = Y & 31``;
- a tap outside of the frame is the border's value, each tap on its own.

The weights are products of integers, so rows and columns may be weighted one after the other without any difference.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray


def warp_affine(
    image: NDArray[np.uint8],
    matrix: ArrayLike,
    size: tuple[int, int],
    border_value: int | Sequence[int] = 0,
    *,
    inverse: bool = False,
) -> NDArray[np.uint8]:
    """Resample ``image`` as OpenCV 4's ``warpAffine`` with bilinear interpolation and a constant border does.

    Args:
        image: uint8 (H, W, C).
        matrix: (2, 3), a scaling and a shift: the map from image to output pixels (x, y).
        size: width and height of the output.
        border_value: grey level of what lies outside of the image, for all channels or for each.
        inverse: whether ``matrix`` is the map from output to image pixels (``WARP_INVERSE_MAP``).

    Returns:
        uint8 (height, width, C).

    Raises:
        ValueError: a matrix that rotates or shears, or that is not finite or not invertible.

    Example:
        >>> image = np.arange(4, dtype=np.uint8).reshape(1, 4, 1) * 10
        >>> warp_affine(image, [[2, 0, 0], [0, 1, 0]], (6, 1))[0, :, 0].tolist()
        [0, 5, 10, 15, 20, 25]
    """
    (ax, shear_x, x0), (shear_y, ay, y0) = np.asarray(matrix, np.float64).tolist()
    if shear_x or shear_y or not np.isfinite([ax, ay, x0, y0]).all() or not ax * ay:
        raise ValueError(f"expected a matrix of a scaling and a shift, got {np.asarray(matrix).tolist()}")
    if not inverse:
        determinant = 1 / (ax * ay)
        ax, ay = ay * determinant, ax * determinant
        x0, y0 = -ax * x0, -ay * y0
    width, height = size
    columns = (np.rint(1024 * x0) + 16 + np.rint(1024 * ax * np.arange(width))).astype(np.int64) >> 5
    rows = (np.rint(1024 * (ay * np.arange(height) + y0)) + 16).astype(np.int64) >> 5

    left, right = _taps(columns, image.shape[1])
    top, bottom = _taps(rows, image.shape[0])
    # Only rows that are asked for are resampled, and each of them once.
    needed, place = np.unique(np.concatenate([top, bottom]), return_inverse=True)
    first, last = min(left.min(), right.min()), max(left.max(), right.max())
    channels = image.shape[2]
    seen = _rows(image, needed, first, last, border_value).reshape(len(needed), -1)
    entries = np.arange(channels)
    # Every number below has at most 19 significant bits, so float32 is exact, and faster than integers.
    fraction = np.repeat(np.float32(1 / 32) * (columns & 31).astype(np.float32), channels)
    lines = _between(
        seen[:, ((left - first)[:, None] * channels + entries).ravel()].astype(np.float32),
        seen[:, ((right - first)[:, None] * channels + entries).ravel()].astype(np.float32),
        fraction,
    )
    fraction = np.float32(1 / 32) * (rows & 31).astype(np.float32)[:, None]
    values = _between(lines[place[:height]], lines[place[height:]], fraction)
    values += np.float32(0.5)
    return values.astype(np.uint8).reshape(height, width, channels)


def _between(low: NDArray[np.float32], high: NDArray[np.float32], fraction: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the values at ``fraction`` of the way from ``low`` to ``high``, in the memory of ``high``."""
    high -= low
    high *= fraction
    high += low
    return high


def _taps(places: NDArray[np.int64], limit: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the two neighbours of places in 1/32 pixel; -1 and ``limit`` stand for all that is outside."""
    return np.clip(places >> 5, -1, limit), np.clip((places >> 5) + 1, -1, limit)


def _rows(
    image: NDArray[np.uint8], rows: NDArray[np.int64], first: int, last: int, border_value: int | Sequence[int]
) -> NDArray[np.uint8]:
    """Return columns ``first`` to ``last`` of some rows, uint8 (rows, columns, C), with the border where it is seen."""
    height, width, channels = image.shape
    seen = np.empty((len(rows), last - first + 1, channels), np.uint8)
    inside = (rows >= 0) & (rows < height)
    start, end = max(first, 0), min(last + 1, width)
    seen[~inside] = border_value
    seen[:, : start - first] = border_value
    seen[:, max(end - first, 0) :] = border_value
    if start < end:
        seen[inside, start - first : end - first] = image[rows[inside], start:end]
    return seen
