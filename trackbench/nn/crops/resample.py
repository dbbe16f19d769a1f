"""Resampling of windows on a device, in the pixels of ``cv2.resize``: where crops are made changes no result.

OpenCV, 4 and 5 alike, resamples 8-bit images bilinearly in integers. Output pixel u lies at
``(u + 1/2) * side / size - 1/2`` of the window, rounded to float32; the weights of its two neighbours are rounded to
11 bits; a line is ``D = p0 a0 + p1 a1``, and a pixel ``(((b0 (D0 >> 4)) >> 16) + ((b1 (D1 >> 4)) >> 16) + 2) >> 2``.
Beyond the first and the last pixel, columns take that pixel with its whole weight, rows take it twice with both
weights.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trackbench.nn.staging import upload


def resample_squares(windows: list[NDArray[np.uint8]], size: int, device: str | torch.device) -> Tensor:
    """Return square windows resampled to one size, bit for bit as ``cv2.resize`` with ``INTER_LINEAR`` does.

    Pixels and weights reach the device in one upload.

    Args:
        windows: N images, uint8 (side, side, 3), each with a side of its own.
        size: side of the output in pixels.
        device: where to resample.

    Returns:
        uint8 (N, size, size, 3) on the device.
    """
    starts = np.cumsum([0, *(window.shape[0] ** 2 for window in windows)])
    taps = np.stack([_taps(window.shape[0], size) for window in windows])
    # Rows are counted from the first pixel of all windows.
    for index, window in enumerate(windows):
        taps[index, 4:6] = starts[index] + taps[index, 4:6] * window.shape[0]
    pixels = np.concatenate([window.reshape(-1) for window in windows])
    spare = np.zeros(-len(pixels) % 4, np.uint8)
    together = np.concatenate([pixels, spare, taps.reshape(-1).view(np.uint8)])
    uploaded = upload(together, device)
    table = uploaded[: len(pixels)].view(-1, 3)
    x0, x1, a0, a1, y0, y1, b0, b1 = uploaded[len(pixels) + len(spare) :].view(torch.int32).view(taps.shape).unbind(1)

    def line(row: Tensor) -> Tensor:
        """Return D of each output pixel in the rows that begin at ``row``, int32 (N, size, size, 3)."""
        near, far = (table[(row[:, :, None] + column[:, None]).long()].int() for column in (x0, x1))
        return near * a0[:, None, :, None] + far * a1[:, None, :, None]

    top, bottom = ((weight[:, :, None, None] * (line(row) >> 4)) >> 16 for row, weight in ((y0, b0), (y1, b1)))
    return ((top + bottom + 2) >> 2).to(torch.uint8)


def _taps(side: int, size: int) -> NDArray[np.int32]:
    """Return neighbours and weights of each output column, then of each row, int32 (8, size)."""
    places = ((np.arange(size) + 0.5) * (side / size) - 0.5).astype(np.float32)
    first = np.floor(places)
    fraction = places - first
    inside = (first >= 0) & (first < side - 1)
    columns, rows = np.where(inside, fraction, np.float32(0)), fraction
    near, far = np.clip(first, 0, side - 1), np.clip(first + 1, 0, side - 1)
    weights = [np.rint(part * np.float32(2048)) for f in (columns, rows) for part in (1 - f, f)]
    return np.stack([near, far, *weights[:2], near, far, *weights[2:]]).astype(np.int32)
