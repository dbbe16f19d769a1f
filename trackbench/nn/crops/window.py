"""Windows of frames of any size and shape, resampled to one size and stacked, at sub-pixel places."""

from __future__ import annotations

import math
from typing import Literal

import cv2
import numpy as np
from numpy.typing import NDArray

from trackbench.frames import Frame

Border = Literal["replicate", "mean"]
"""What lies outside of a frame: its outermost pixels again and again, or its mean colour."""


def crop(
    frames: list[Frame],
    centres: NDArray[np.float64],
    sizes: NDArray[np.float64],
    output: tuple[int, int],
    border: Border = "replicate",
) -> NDArray[np.uint8]:
    """Resample one window of each frame.

    Coordinates are continuous: the pixel in column i covers x in [i, i + 1), so output pixel u samples
    ``centre - size / 2 + (u + 1/2) * size / output``, bilinearly. A window that is more than twice as large as the
    output is first shrunk by averaging whole blocks of pixels, so that fine texture does not alias.

    Args:
        frames: N images, uint8 (H, W, 3), of any sizes.
        centres: (N, 2), x and y of the windows' centres in pixels.
        sizes: (N, 2), widths and heights of the windows in pixels, positive.
        output: width and height of every crop.
        border: what to see outside of the frame.

    Returns:
        uint8 (N, h, w, 3).
    """
    width, height = output
    crops = np.empty((len(frames), height, width, 3), np.uint8)
    for frame, (cx, cy), (w, h), target in zip(frames, centres.tolist(), sizes.tolist(), crops, strict=True):
        value = cv2.mean(frame) if border == "mean" else (0.0, 0.0, 0.0, 0.0)
        x, y, step_x, step_y = cx - w / 2, cy - h / 2, w / width, h / height
        source, factor = frame, math.floor(min(step_x, step_y))
        if factor > 1:
            left, columns = _blocks(x, w, factor, frame.shape[1])
            top, rows = _blocks(y, h, factor, frame.shape[0])
            seen = frame[top * factor : (top + rows) * factor, left * factor : (left + columns) * factor]
            source = cv2.resize(seen, (columns, rows), interpolation=cv2.INTER_AREA)  # type: ignore[assignment]
            x, y, step_x, step_y = x / factor - left, y / factor - top, step_x / factor, step_y / factor
        # OpenCV counts from the centre of the first pixel.
        matrix = np.array([[step_x, 0, x + step_x / 2 - 0.5], [0, step_y, y + step_y / 2 - 0.5]])
        cv2.warpAffine(
            source,
            matrix,
            output,
            dst=target,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE if border == "replicate" else cv2.BORDER_CONSTANT,
            borderValue=value,
        )
    return crops


def _blocks(start: float, length: float, factor: int, limit: int) -> tuple[int, int]:
    """Return first and number of the blocks of ``factor`` pixels, out of ``limit`` pixels, that a window needs.

    Two blocks of margin leave the bilinear samples at the window's edge their neighbours.
    """
    last = max(limit // factor, 1)
    first = min(max(math.floor(start / factor) - 2, 0), last - 1)
    end = min(max(math.ceil((start + length) / factor) + 2, first + 1), last)
    return first, end - first
