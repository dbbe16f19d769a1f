"""Square crops with context around the target, as SiamFC and the pysot family of trackers cut them.

The window has whole pixels; what lies outside of the frame has the colour given; then the window is resampled
bilinearly. ``cv2.resize`` of 8-bit images gives the same pixels in OpenCV 4 and 5.
"""

from __future__ import annotations

import math

import cv2
import numpy as np
from numpy.typing import NDArray

from trackbench.errors import TrackerError
from trackbench.frames import Frame
from trackbench.nn.crops.square import LARGEST_SIDE


def context_side(width: float, height: float, context: float) -> float:
    """Return the side in pixels of the square around a target that holds it and its surroundings.

    Bertinetto et al. 2016, Sec. 2.4: ``sqrt((w + 2p) * (h + 2p))`` with ``2p = context * (w + h)``.

    Raises:
        TrackerError: it is far larger than any frame.
    """
    margin = context * (width + height)
    side = math.sqrt((width + margin) * (height + margin))
    if not side <= LARGEST_SIDE:
        raise TrackerError(
            f"cannot cut a crop around a target of {width:g}x{height:g} pixels: "
            f"its side would be {side:g} pixels, more than {LARGEST_SIDE}"
        )
    return side


def context_crop(
    frame: Frame, centre: tuple[float, float], side: int, size: int, colour: NDArray[np.float64]
) -> NDArray[np.uint8]:
    """Cut a square window and resample it.

    Args:
        frame: uint8 (H, W, 3).
        centre: x and y of the window's centre in pixels, 0 is the centre of the first pixel.
        side: of the window in pixels.
        size: of the crop in pixels.
        colour: (3,), of what lies outside of the frame; its fraction is cut off, as assigning it to 8 bits does.

    Returns:
        uint8 (size, size, 3).
    """
    left, top = (math.floor(c - (side + 1) / 2 + 0.5) for c in centre)
    height, width = frame.shape[:2]
    rows = slice(max(top, 0), max(min(top + side, height), 0))
    columns = slice(max(left, 0), max(min(left + side, width), 0))
    window = frame[rows, columns]
    if window.shape[:2] != (side, side):
        padded = np.empty((side, side, 3), np.uint8)
        padded[:] = colour.astype(np.uint8)
        if window.size:
            y, x = rows.start - top, columns.start - left
            padded[y : y + window.shape[0], x : x + window.shape[1]] = window
        window = padded
    if side != size:
        window = cv2.resize(window, (size, size))  # type: ignore[assignment]
    return np.ascontiguousarray(window, np.uint8)
