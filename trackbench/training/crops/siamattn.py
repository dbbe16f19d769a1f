"""The crops of the pysot family, for SiamAttn: a 511 x 511 image around the target, and cuts of it.

``training_dataset/*/par_crop.py`` and ``pysot/datasets/augmentation.py`` of the official code. Boxes are corners.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from trackbench.frames import Frame

Floats = NDArray[np.float64]
Image = NDArray[np.float32]

COLOURS = np.array(
    [
        [-0.55919361, 0.98062831, -0.41940627],
        [1.72091413, 0.19879334, -1.82968581],
        [4.64467907, 4.73710203, 4.88324118],
    ]
)
"""Directions of colour noise, in the order red, green, blue of its result."""
SMALLEST_BLUR, LARGEST_BLUR = 5, 45


@dataclass(frozen=True)
class CutAugmentation:
    """How one branch's image is changed; shift in pixels, the others as shares or probabilities."""

    shift: float
    scale: float
    colour: float = 1.0
    blur: float = 0.0
    flip: float = 0.0


@dataclass(frozen=True)
class Cut:
    """One branch's image."""

    image: Image
    """(O, O, 3), RGB, grey levels that need not lie in [0, 255]."""
    box: Floats
    """The target's corners in its pixels, (4,)."""
    mask: NDArray[np.uint8] | None = None
    """(O, O), 0 or 1."""


def context_image(
    frame: Frame, box: Floats, mask: NDArray[np.uint8] | None = None, size: int = 511, exemplar: int = 127
) -> Cut:
    """Return the image around a target from which both branches are cut.

    A window of the side ``sqrt((w + p)(h + p))``, p = (w + h) / 2, has ``exemplar`` pixels in it; what lies outside of
    the frame has the frame's mean colour.

    Args:
        frame: uint8 (H, W, 3) RGB.
        box: x, y, w, h in pixels of the frame, (4,).
        mask: of the target, 0 or 1, (H, W).
        size: of the image.
        exemplar: pixels of the template.
    """
    centre, extent = box[:2] + box[2:] / 2, box[2:]
    side = float(np.sqrt((extent + extent.sum() / 2).prod())) * size / exemplar
    corner, step = centre - side / 2, (size - 1) / side
    matrix = np.array([[step, 0, -step * corner[0]], [0, step, -step * corner[1]]])
    border = frame.mean((0, 1)).tolist()
    image = cv2.warpAffine(frame, matrix, (size, size), borderMode=cv2.BORDER_CONSTANT, borderValue=border)
    warped = None if mask is None else cv2.warpAffine(mask, matrix, (size, size), flags=cv2.INTER_NEAREST)
    # pysot places the target by its size in the image, at pixel size // 2.
    half = extent * exemplar / (side * exemplar / size) / 2
    return Cut(
        np.asarray(image, np.float32),
        np.concatenate([size // 2 - half, size // 2 + half]),
        None if warped is None else np.asarray(warped, np.uint8),
    )


def window(box: Floats, side: int, output: int, augmentation: CutAugmentation, draws: Floats) -> tuple[Floats, Floats]:
    """Return the corners of a cut and the target's in it.

    The square of ``output - 1`` pixels in the image's middle is scaled along each axis by 1 ± scale and moved by ±
    shift, both limited so that it stays in the image.

    Args:
        box: the target's corners in the image, (4,).
        side: of the image.
        output: side of the cut in pixels.
        augmentation: the limits.
        draws: numbers in [-1, 1]: scale of x and y, shift of x and y.
    """
    scale = np.minimum(1 + augmentation.scale * draws[:2], side / (output - 1))
    half = (output - 1) * scale / 2
    low, high = side // 2 - half, side // 2 + half
    # A cut as wide as the image may still be half a pixel off at its left and top; the official order of limits.
    shift = np.maximum(-low, np.minimum(augmentation.shift * draws[2:], side - 1 - high))
    low, high = low + shift, high + shift
    return np.concatenate([low, high]), (box - np.tile(low, 2)) / np.tile(scale, 2)


def cut_window(image: NDArray[Any], corners: Floats, output: int, nearest: bool = False) -> NDArray[Any]:
    """Resample the window ``corners`` of an image to ``output`` pixels; zeros outside."""
    low, high = corners[:2], corners[2:]
    step = (output - 1) / (high - low)
    matrix = np.array([[step[0], 0, -step[0] * low[0]], [0, step[1], -step[1] * low[1]]])
    flags = cv2.INTER_NEAREST if nearest else cv2.INTER_LINEAR
    cut = cv2.warpAffine(image, matrix, (output, output), flags=flags, borderValue=0)
    return np.asarray(cut, image.dtype)


def colour_noise(normal: Floats) -> Floats:
    """Return what three standard normal numbers add to blue, green and red, (3,): minus M n, reversed."""
    return -(COLOURS @ normal)[::-1]


def blur_kernel(size: int, weight: float) -> Image:
    """Return a cross of one column and one row through the middle, (size, size), whose sums are weight and 1 - weight.

    Args:
        size: odd.
        weight: in [0, 1].
    """
    kernel = np.zeros((size, size), np.float32)
    kernel[:, size // 2] += weight / size
    kernel[size // 2] += (1 - weight) / size
    return kernel


def cut_branch(source: Cut, output: int, augmentation: CutAugmentation, grey: bool, random: np.random.Generator) -> Cut:
    """Return one branch's image: grey, scale and shift, colour, blur, flip, in this order.

    Args:
        source: what :func:`context_image` returned.
        output: side in pixels.
        augmentation: its strength.
        grey: whether colours are dropped.
        random: the generator.
    """
    image = source.image
    if grey:
        image = np.repeat(cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)[..., None], 3, 2).astype(np.float32)
    corners, box = window(source.box, len(image), output, augmentation, random.uniform(-1, 1, 4))
    cut = np.asarray(cut_window(image, corners, output), np.float32)
    mask = None if source.mask is None else np.asarray(cut_window(source.mask, corners, output, True), np.uint8)
    if random.random() < augmentation.colour:
        cut = cut + colour_noise(random.standard_normal(3))[::-1].astype(np.float32)
    if random.random() < augmentation.blur:
        size = int(random.choice(np.arange(SMALLEST_BLUR, LARGEST_BLUR + 1, 2)))
        cut = np.asarray(cv2.filter2D(cut, -1, blur_kernel(size, float(random.random()))), np.float32)
    if random.random() < augmentation.flip:
        cut = np.ascontiguousarray(cut[:, ::-1])
        mask = None if mask is None else np.ascontiguousarray(mask[:, ::-1])
        box = np.array([output - 1 - box[2], box[1], output - 1 - box[0], box[3]])
    return Cut(cut, box, mask)
