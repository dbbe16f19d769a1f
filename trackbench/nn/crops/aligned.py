"""Square crops whose outermost pixels lie on the corners of a window, in the pixels of OpenCV 4."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from trackbench.frames import Frame
from trackbench.nn.crops.warp import warp_affine


def aligned_crop(
    frames: list[Frame],
    centres: NDArray[np.float64],
    sides: NDArray[np.float64],
    size: int,
    borders: list[tuple[int, ...]],
) -> NDArray[np.uint8]:
    """Resample one square window of each frame, as trackers of the SiamFC++ family do.

    A window of ``side`` pixels spans ``centre ± (side - 1) / 2``, and output pixel u samples
    ``centre + (side - 1) (u / (size - 1) - 1/2)``. Both ends are float32, as in the official code.

    Args:
        frames: N images, uint8 (H, W, 3), of any sizes.
        centres: (N, 2), x and y of the windows' centres, the centre of the first pixel being 0.
        sides: (N,) sides of the windows in pixels, above 1.
        size: side of every crop.
        borders: what to see outside of each frame, a grey level for each channel.

    Returns:
        uint8 (N, size, size, 3).
    """
    half = (sides.astype(np.float32)[:, None] - 1) / 2
    middle = centres.astype(np.float32)
    low, high = middle - half, middle + half
    slopes = (high - low).astype(np.float64) / (size - 1)
    crops = np.empty((len(frames), size, size, 3), np.uint8)
    for i, (frame, border) in enumerate(zip(frames, borders, strict=True)):
        matrix = [[slopes[i, 0], 0, low[i, 0]], [0, slopes[i, 1], low[i, 1]]]
        crops[i] = warp_affine(frame, matrix, (size, size), border, inverse=True)
    return crops
