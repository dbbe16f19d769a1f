"""Jittered square crops and their labels, as STARK makes them: SBT, SimTrack, AiATrack.

``lib/train/data/processing.py``, ``processing_utils.py`` and ``transforms.py`` of the official repositories. The crop
is that of tracking (:mod:`trackbench.nn.crops.square`), around a box that is moved and resized at random.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np
from numpy.typing import NDArray

from trackbench.errors import TrackerError
from trackbench.frames import Frame
from trackbench.nn.crops.square import square_crop
from trackbench.training.draws import Draws

Floats = NDArray[np.float32]

STRIDE = 16
"""Pixels of the crop for each cell of the padding mask as the network sees it."""


@dataclass(frozen=True)
class CropView:
    """How one frame of a sample is cut."""

    factor: float
    """Side of the crop over sqrt(w * h) of the box that it is cut around."""
    size: int
    """Side of the crop in pixels."""
    scale_jitter: float = 0.0
    """Width and height are multiplied by exp of so many standard normal numbers."""
    centre_jitter: float = 0.0
    """The centre moves by at most half of this, times sqrt(w * h) of the resized box."""


@dataclass(frozen=True)
class Augmentation:
    """What happens to the colours and sides of a sample."""

    grey: float = 0.05
    """Probability that all frames lose their colours."""
    flip: float = 0.5
    """Probability that all frames are flipped together."""
    brightness: float = 0.2
    """A crop's values are multiplied by 1 ± at most this."""
    crop_flip: float = 0.5
    """Probability with which each crop is flipped for itself."""


@dataclass(frozen=True)
class Crop:
    """One frame of a sample as the network gets it."""

    image: NDArray[np.uint8]
    """(S, S, 3), RGB."""
    label: Floats
    """The target, x, y, w, h over the side of the crop, (4,); not clamped."""
    rows: NDArray[np.bool_]
    """(S,): which rows of the crop show padding."""
    columns: NDArray[np.bool_]
    """(S,): the same of columns."""
    factor: float
    """Pixels of the crop for each pixel of the frame."""
    brightness: float = 1.0
    """What the values are multiplied by before they are normalised."""
    extract: Floats = field(default_factory=lambda: np.zeros(4, np.float32))
    """The jittered box, x, y, w, h in pixels of the frame."""

    @property
    def shows_nothing(self) -> bool:
        """Whether all is padding, at the first pixel of every 16 x 16: such a sample is drawn again."""
        return bool(self.rows[::STRIDE].all() or self.columns[::STRIDE].all())

    def padded(self) -> NDArray[np.bool_]:
        """Return which pixels of the crop show padding, bool (S, S)."""
        return self.rows[:, None] | self.columns[None]


def jittered(box: Floats, view: CropView, normal: Floats, uniform: Floats) -> Floats:
    """Return a box resized and moved at random, float32 (4,).

    ``w' = w exp(s n1)``, ``h' = h exp(s n2)``; the centre moves by ``c sqrt(w' h') (u - 1/2)`` in x and y.

    Args:
        box: x, y, w, h in pixels of the frame, float32 (4,).
        view: s and c.
        normal: n1, n2.
        uniform: u of x and of y.
    """
    size = box[2:] * np.exp(normal * np.float32(view.scale_jitter))
    most = np.sqrt(size.prod()) * np.float32(view.centre_jitter)
    centre = box[:2] + np.float32(0.5) * box[2:] + most * (uniform - np.float32(0.5))
    return np.concatenate([centre - np.float32(0.5) * size, size])


def crop_label(box: Floats, extract: Floats, factor: float, size: int) -> Floats:
    """Return where an annotated box is in the crop around ``extract``, over the crop's side, float32 (4,).

    The crop counts as centred on the unrounded centre of ``extract``, which lies at its pixel ``(size - 1) / 2``.
    """
    r, half = np.float32(factor), np.float32(0.5)
    centre, middle = (part[:2] + half * part[2:] for part in (box, extract))
    placed = np.float32((size - 1) / 2) + (centre - middle) * r
    sides = box[2:] * r
    return np.asarray(np.concatenate([placed - half * sides, sides]) / np.float32(size), np.float32)


def cut(frame: Frame, box: Floats, extract: Floats, view: CropView) -> Crop | None:
    """Cut a crop around ``extract``, or return None where it has no side or sees nothing of the frame."""
    if not np.ceil(np.sqrt(extract[2] * extract[3]) * np.float32(view.factor)) >= 1:
        return None
    try:
        made = square_crop([frame], extract.astype(np.float64)[None], view.factor, view.size)
    except TrackerError:
        return None
    factor = float(made.factors[0])
    return Crop(
        made.images[0],
        crop_label(box, extract, factor, view.size),
        made.padded_rows[0],
        made.padded_columns[0],
        factor,
        extract=extract,
    )


def flipped(crop: Crop) -> Crop:
    """Return the crop and all that belongs to it mirrored left to right."""
    x, y, w, h = crop.label
    label = np.array([np.float32(1) - x - w, y, w, h], np.float32)
    image = np.ascontiguousarray(crop.image[:, ::-1])
    return Crop(image, label, crop.rows, crop.columns[::-1], crop.factor, crop.brightness, crop.extract)


def make_crops(
    frames: Sequence[Frame],
    boxes: Floats,
    views: Sequence[CropView],
    order: Sequence[Sequence[int]],
    augmentation: Augmentation,
    draws: Draws,
) -> list[Crop] | None:
    """Return the crops of a sample in the order of its frames, or None where it has to be drawn again.

    First all frames together become grey and are flipped, each with its probability; then each group of ``order`` is
    jittered and cut, and its crops get a brightness and a flip of their own.

    Args:
        frames: uint8 (H, W, 3) RGB.
        boxes: the target in them, x, y, w, h in pixels, float32 (N, 4).
        views: how each frame is cut.
        order: indices of frames, in groups that are cut one after the other.
        augmentation: probabilities.
        draws: random numbers.
    """
    boxes = np.array(boxes, np.float32)
    if draws.coin() < augmentation.grey:
        frames = [_grey(frame) for frame in frames]
    if draws.coin() < augmentation.flip:
        for box, frame in zip(boxes, frames, strict=True):
            box[0] = np.float32(frame.shape[1] - 1) - box[0] - box[2]
        frames = [frame[:, ::-1] for frame in frames]
    crops: list[Crop | None] = [None] * len(frames)
    for group in order:
        extracts = [jittered(boxes[i], views[i], draws.normal(2), draws.uniform(2)) for i in group]
        for index, extract in zip(group, extracts, strict=True):
            crop = cut(frames[index], boxes[index], extract, views[index])
            if crop is None:
                return None
            crops[index] = crop
        for index in group:
            crop = crops[index]
            assert crop is not None
            bright = 1 - augmentation.brightness + 2 * augmentation.brightness * draws.brightness()
            crop = Crop(crop.image, crop.label, crop.rows, crop.columns, crop.factor, bright, crop.extract)
            crop = flipped(crop) if draws.coin() < augmentation.crop_flip else crop
            if crop.shows_nothing:
                return None
            crops[index] = crop
    return [crop for crop in crops if crop is not None]


def _grey(frame: Frame) -> Frame:
    return np.repeat(cv2.cvtColor(frame, cv2.COLOR_RGB2GRAY)[..., None], 3, 2).astype(np.uint8)
