"""Square crops around targets, as STARK and the trackers that follow it cut them.

The side of a crop is ``ceil(factor * sqrt(w * h))``, its corner is rounded half to even, and what lies outside of the
frame is black. Of a crop that reaches the last column (row) of the frame, that column (row) counts as outside: the
official code pads one pixel more than needed, and the published weights were trained with it.
"""

from __future__ import annotations

import math
from typing import Generic, NamedTuple, TypeVar

import cv2
import numpy as np
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from trackbench.errors import TrackerError
from trackbench.frames import Frame

LARGEST_SIDE = 1 << 15
"""Pixels along a square that is cut at most: all that a target as large as a frame of 6500 by 6500 needs. Annotations
beyond it are faults, which would ask for more memory than there is."""


Images = TypeVar("Images", NDArray[np.uint8], Tensor)


class SquareCrops(NamedTuple, Generic[Images]):
    """N crops of one size."""

    images: Images
    """uint8 (N, size, size, 3): an array, or a tensor on the device where they were resampled."""
    factors: NDArray[np.float64]
    """(N,): pixels of the crop for each pixel of the frame."""
    padded_rows: NDArray[np.bool_]
    """(N, size): whether a row of the crop shows anything from above or below the frame."""
    padded_columns: NDArray[np.bool_]
    """(N, size): the same of columns. A pixel is padding where its row or its column is."""


def square_crop(
    frames: list[Frame], boxes: NDArray[np.float64], factor: float, size: int
) -> SquareCrops[NDArray[np.uint8]]:
    """Cut a square around each box and resample it bilinearly.

    Args:
        frames: N images, uint8 (H, W, 3), of any sizes.
        boxes: (N, 4) float64, x, y, w, h in pixels.
        factor: side of the square over ``sqrt(w * h)``.
        size: side of the crops.

    Raises:
        TrackerError: a box that is not finite, without area or far too large, or whose square sees nothing of its
            frame.
    """
    windows = square_windows(frames, boxes, factor)
    images = np.empty((len(frames), size, size, 3), np.uint8)
    for window, image in zip(windows, images, strict=True):
        cv2.resize(window.image, (size, size), dst=image, interpolation=cv2.INTER_LINEAR)
    return described(windows, images)


def square_windows(frames: list[Frame], boxes: NDArray[np.float64], factor: float) -> list[Window]:
    """Cut a square around each box without resampling it; arguments and errors as of :func:`square_crop`."""
    windows = []
    for frame, box in zip(frames, boxes.tolist(), strict=True):
        left, top, side = square_around(box, factor)
        windows.append(cut_window(frame, left, top, side, side))
    return windows


def square_around(box: list[float], factor: float) -> tuple[int, int, int]:
    """Return left, top and side of the square around a box, x, y, w, h in pixels; errors as of :func:`square_crop`."""
    x, y, w, h = box
    area = w * h
    exact = math.sqrt(area) * factor if math.isfinite(sum(box)) and area > 0 else 0.0
    if not 0 < exact <= LARGEST_SIDE:
        why = f"its side would be {exact:g} pixels, more than {LARGEST_SIDE}" if exact else "it has no area"
        raise TrackerError(f"cannot cut a crop around box x={x:g} y={y:g} w={w:g} h={h:g}: {why}")
    side = math.ceil(exact)
    return round(x + 0.5 * w - 0.5 * side), round(y + 0.5 * h - 0.5 * side), side


def described(windows: list[Window], images: Images) -> SquareCrops[Images]:
    """Return crops (N, size, size, 3) of square windows with what else is known of them."""
    size = images.shape[1]
    factors = np.array([size / len(window.image) for window in windows])
    rows = [_resized_padding(window.above, window.below, len(window.image), size) for window in windows]
    columns = [_resized_padding(window.left, window.right, len(window.image), size) for window in windows]
    return SquareCrops(images, factors, np.stack(rows), np.stack(columns))


class Window(NamedTuple):
    """A rectangle of pixels cut from a frame, and how many on each side of it are black padding."""

    image: NDArray[np.uint8]
    """(height, width, 3)."""
    left: int
    right: int
    above: int
    below: int


def cut_window(frame: Frame, x: int, y: int, width: int, height: int) -> Window:
    """Cut ``width`` by ``height`` pixels with the top-left pixel at column ``x`` and row ``y``.

    Raises:
        TrackerError: nothing of the frame lies within.
    """
    rows, columns = frame.shape[:2]
    left, right = max(0, -x), max(0, x + width - columns + 1)
    above, below = max(0, -y), max(0, y + height - rows + 1)
    if left + right >= width or above + below >= height:
        raise TrackerError(
            f"cannot cut a crop of {width}x{height} pixels at x={x} y={y}: "
            f"it sees nothing of the {columns}x{rows} frame"
        )
    image = np.zeros((height, width, 3), np.uint8)
    image[above : height - below, left : width - right] = frame[
        y + above : y + height - below, x + left : x + width - right
    ]
    return Window(image, left, right, above, below)


def _resized_padding(before: int, after: int, side: int, size: int) -> NDArray[np.bool_]:
    """Return which of ``size`` cells show any padding; ``before`` and ``after`` of ``side`` pixels are padding.

    The official code resamples a map of zeros and ones in two dimensions and counts every value that is not zero. The
    padding is a union of bands, so the two dimensions part.
    """
    if not before and not after:
        return np.zeros(size, bool)
    line = np.zeros((1, side), np.float32)
    line[0, :before] = 1
    line[0, side - after :] = 1
    return np.asarray(cv2.resize(line, (size, 1), interpolation=cv2.INTER_LINEAR)[0] != 0)


def to_frame(
    predicted: NDArray[np.float32], boxes: NDArray[np.float64], factors: NDArray[np.float64], size: int
) -> NDArray[np.float64]:
    """Return predictions within crops as boxes of the frames, (N, 4) float64, x, y, w, h in pixels.

    The crop counts as centred on the box that it was cut around, although its corner was rounded: so does the
    official code.

    Args:
        predicted: (N, 4) float32, centre x and y, width and height over the side of the crop.
        boxes: (N, 4), the boxes that the crops were cut around.
        factors: (N,), pixels of the crop for each pixel of the frame.
        size: side of the crops in pixels.
    """
    # Scaled in float32, as the official code does on its tensors; everything after that is float64.
    scaled = (predicted.astype(np.float32) * np.float32(size) / factors.astype(np.float32)[:, None]).astype(np.float64)
    centres = scaled[:, :2] + (boxes[:, :2] + 0.5 * boxes[:, 2:] - (0.5 * size / factors)[:, None])
    return np.concatenate([centres - 0.5 * scaled[:, 2:], scaled[:, 2:]], 1)


def clip_box(
    boxes: NDArray[np.float64], height: ArrayLike, width: ArrayLike, margin: float = 10
) -> NDArray[np.float64]:
    """Return boxes moved and cut so that at least ``margin`` pixels of each side lie within the frame.

    Args:
        boxes: (..., 4), x, y, w, h in pixels; widths and heights may be negative.
        height: height of the frame or, (...), of each frame.
        width: its width.
        margin: smallest width and height of the result.

    Example:
        >>> clip_box(np.array([-30.0, 235.0, 100.0, 30.0]), 240, 320).tolist()
        [0.0, 230.0, 70.0, 10.0]
    """
    limits = np.stack(np.broadcast_arrays(np.asarray(width, np.float64), np.asarray(height, np.float64)), -1)
    first, last = boxes[..., :2], boxes[..., :2] + boxes[..., 2:]
    first = np.minimum(np.maximum(0, first), limits - margin)
    last = np.minimum(np.maximum(margin, last), limits)
    return np.concatenate([first, np.maximum(margin, last - first)], -1)


def next_boxes(
    predicted: NDArray[np.float32],
    boxes: NDArray[np.float64],
    factors: NDArray[np.float64],
    size: int,
    frames: list[Frame],
) -> NDArray[np.float64]:
    """Return predictions within crops as boxes of the frames, clipped: where the trackers of this family go on from.

    Arguments are those of :func:`to_frame`, and the N frames that the crops were cut from.
    """
    height, width = np.array([frame.shape[:2] for frame in frames]).T
    return clip_box(to_frame(predicted, boxes, factors, size), height, width)
