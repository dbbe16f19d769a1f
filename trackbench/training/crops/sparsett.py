"""SparseTT's training crops: the template as it is, the search region scaled and shifted at random.

``videoanalyst/data/target``, ``transformer`` and ``crop_track_pair`` of the official code. Boxes are corners, and sides
count their last pixel: width = x2 - x1 + 1.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import cv2
import numpy as np
from numpy.typing import NDArray

from trackbench.frames import Frame

Floats = NDArray[np.float64]

CONTEXT = 0.5
MAX_SCALE = 0.3
"""The side of the search region is multiplied by a number in [1 / 1.3, 1.3]."""
MAX_SHIFT = 0.4
"""The target moves by at most half of this, times the search region's side, in x and y."""
TRIES = 50
LARGEST_ASPECT = 10.0


class PairCrops(NamedTuple):
    """A template and a search region."""

    template: NDArray[np.uint8]
    """(127, 127, 3), RGB."""
    search: NDArray[np.uint8]
    """(289, 289, 3), RGB."""
    template_box: Floats
    """The target's corners in pixels of the template, (4,)."""
    search_box: Floats
    """The same in the search region."""
    matrices: Floats
    """Affine maps from pixels of template and search region to those of the frames, (2, 2, 3)."""


def is_odd(width: float, height: float) -> bool:
    """Whether a box is never trained on: empty, or ten times as long as wide.

    The limits of the area in the official configuration have no effect there.
    """
    ratio = height / (width + 1e-6)
    return not max(ratio, 1 / max(ratio, 1e-6)) < LARGEST_ASPECT


def make_pair(
    frames: tuple[Frame, Frame],
    boxes: Floats,
    uniform: Callable[[], NDArray[np.float64]],
    sizes: tuple[int, int] = (127, 289),
) -> PairCrops:
    """Cut a template and a search region.

    A template's window has the side ``sqrt((w + p)(h + p))``, p = (w + h) / 2, and the target in its middle. The
    search region's has 289 / 127 of the side that belongs to its own box, scaled, and is shifted. Draws are repeated
    until both boxes lie inside of their crops, fifty times at most; then the search region is taken as it is.

    Args:
        frames: of template and search region, uint8 (H, W, 3) RGB.
        boxes: the targets' corners in them, (2, 4).
        uniform: gives six numbers in [0, 1) for each try: search scale, template scale, x and y of the search shift,
            and of the template's; those of the template have no effect.
        sizes: sides of template and search region in pixels.
    """
    size_z, size_x = sizes
    extents = boxes[:, 2:] - boxes[:, :2] + 1
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    padded = extents + CONTEXT * extents.sum(1, keepdims=True)
    factors = size_z / np.sqrt(padded.prod(1))
    template_box = _in_crop(np.zeros(2), extents[0], factors[0], size_z)
    for attempt in range(TRIES + 1):
        if attempt < TRIES:
            draws = uniform()
            low = 1 / (1 + MAX_SCALE)
            factor = factors[1] / (low + draws[0] * (1 + MAX_SCALE - low))
            shift = (2 * MAX_SHIFT * draws[2:4] - MAX_SHIFT) * (size_x / factor) / 2
        else:
            factor, shift = factors[1], np.zeros(2)
        search_box = _in_crop(shift, extents[1], factor, size_x)
        if _inside(template_box, size_z) and _inside(search_box, size_x):
            break
    matrices = np.stack(
        [
            _matrix(centres[0], size_z / factors[0], size_z),
            _matrix(centres[1] - shift, size_x / factor, size_x),
        ]
    )
    border = [int(level) for level in frames[0].mean((0, 1))]
    template, search = (
        cv2.warpAffine(
            frame,
            matrix,
            (size, size),
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_CONSTANT,
            borderValue=border,
        )
        for frame, matrix, size in zip(frames, matrices, sizes, strict=True)
    )
    return PairCrops(np.asarray(template, np.uint8), np.asarray(search, np.uint8), template_box, search_box, matrices)


def _in_crop(shift: Floats, extent: Floats, factor: float, size: int) -> Floats:
    """Return the corners of a target that lies ``shift`` pixels of the frame off the crop's middle."""
    centre, half = size // 2 + shift * factor, (extent * factor - 1) / 2
    return np.concatenate([centre - half, centre + half])


def _inside(box: Floats, size: int) -> bool:
    return bool(((box >= 0) & (box <= size - 1)).all())


def _matrix(centre: Floats, side: float, size: int) -> Floats:
    """Return the map from pixels of a crop to those of the frame; the outermost pixels lie on the window's corners."""
    corner, step = centre - (side - 1) / 2, (side - 1) / (size - 1)
    return np.array([[step, 0, corner[0]], [0, step, corner[1]]])
