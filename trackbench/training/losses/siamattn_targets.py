"""What SiamAttn's anchors, regions and masks are trained on (``anchor_target.py``, ``mask_target_builder.py``).

Random choices come from NumPy's legacy generator, in the order of the official code.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Labels = NDArray[np.int64]

POSITIVE_IOU, NEGATIVE_IOU = 0.6, 0.3
MOST_POSITIVES, MOST_ANCHORS = 16, 64
"""Anchors of one image that are kept: 16 positives, and with the negatives 64 less 16."""
NEGATIVES_OF_NEGATIVE_PAIR = 16
FOREGROUND_IOU = 0.5
"""Least IoU of a region with the target."""


class AnchorTargets(NamedTuple):
    """What the region proposals of one image should say; K anchors at R x R places."""

    labels: Labels
    """(K, R, R): 1 positive, 0 negative, -1 ignored."""
    deltas: Floats
    """(4, K, R, R)."""
    weights: Floats
    """(K, R, R): 1 over the number of positives at those, else 0."""


def anchor_overlaps(anchors: Floats, corners: Floats) -> Floats:
    """Return the IoU of anchors (..., 4), cx, cy, w, h, with a target x1, y1, x2, y2: (...)."""
    low = np.maximum(anchors[..., :2] - anchors[..., 2:] / 2, corners[:2])
    high = np.minimum(anchors[..., :2] + anchors[..., 2:] / 2, corners[2:])
    size = np.maximum(high - low, 0)
    intersection = size[..., 0] * size[..., 1]
    target = (corners[2] - corners[0]) * (corners[3] - corners[1])
    return np.asarray(intersection / (anchors[..., 2] * anchors[..., 3] + target - intersection), np.float64)


def anchor_candidates(overlaps: Floats) -> Labels:
    """Return 1 for an IoU above 0.6, 0 below 0.3, else -1."""
    return np.where(overlaps > POSITIVE_IOU, 1, np.where(overlaps < NEGATIVE_IOU, 0, -1))


def anchor_targets(anchors: Floats, corners: Floats, random: np.random.RandomState) -> AnchorTargets:
    """Return the targets of a positive pair; at most 16 positives and 48 negatives are kept, chosen at random.

    Args:
        anchors: (K, R, R, 4), cx, cy, w, h in pixels of the search region.
        corners: the target, x1, y1, x2, y2 in pixels of the search region, (4,).
        random: the generator.
    """
    candidates = anchor_candidates(anchor_overlaps(anchors, corners))
    labels = np.full(candidates.shape, -1, np.int64)
    weights = np.zeros(candidates.shape)
    positives = _some(np.flatnonzero(candidates == 1), MOST_POSITIVES, random)
    labels.flat[positives] = 1
    weights.flat[positives] = 1 / (len(positives) + 1e-6)
    labels.flat[_some(np.flatnonzero(candidates == 0), MOST_ANCHORS - MOST_POSITIVES, random)] = 0
    centre, size = (corners[:2] + corners[2:]) / 2, corners[2:] - corners[:2]
    deltas = np.concatenate([(centre - anchors[..., :2]) / anchors[..., 2:], np.log(size / anchors[..., 2:])], axis=-1)
    return AnchorTargets(labels, np.moveaxis(deltas, -1, 0), weights)


def negative_candidates(anchors: Floats, corners: Floats, side: int, stride: int) -> Labels:
    """Return 0 for the anchors of a negative pair that may be kept, else -1, (K, R, R).

    They lie in 7 x 7 places around the other object. Its place is rounded up from half a cell beyond its own, one cell
    to the right and below of it, as in the official code; a window beyond the map is empty.

    Args:
        anchors: (K, R, R, 4); only its shape counts.
        corners: the other object, x1, y1, x2, y2 in pixels of the search region.
        side: of the search region in pixels.
        stride: pixels from one place to the next.
    """
    places = anchors.shape[1]
    centre = (corners[:2] + corners[2:]) / 2
    column, row = (places // 2 + np.ceil((centre - side // 2) / stride + 0.5)).astype(int).tolist()
    labels = np.full(anchors.shape[:3], -1, np.int64)
    labels[:, max(0, row - 3) : max(0, min(places, row + 4)), max(0, column - 3) : max(0, min(places, column + 4))] = 0
    return labels


def negative_targets(
    anchors: Floats, corners: Floats, side: int, stride: int, random: np.random.RandomState
) -> AnchorTargets:
    """Return the targets of a negative pair: 16 negatives on the other object, nothing else counts.

    Args: see :func:`negative_candidates`.
    """
    labels = np.full(anchors.shape[:3], -1, np.int64)
    candidates = np.flatnonzero(negative_candidates(anchors, corners, side, stride) == 0)
    labels.flat[_some(candidates, NEGATIVES_OF_NEGATIVE_PAIR, random)] = 0
    return AnchorTargets(labels, np.zeros((4, *labels.shape)), np.zeros(labels.shape))


def _some(indices: NDArray[np.int64], most: int, random: np.random.RandomState) -> NDArray[np.int64]:
    if len(indices) <= most:
        return indices
    order = np.arange(len(indices))
    random.shuffle(order)
    return indices[order[:most]]


class RegionTargets(NamedTuple):
    """Regions of one image and what the box head should say of them."""

    regions: NDArray[np.float32]
    """(N, 4), x1, y1, x2, y2 in pixels of the search region."""
    deltas: NDArray[np.float32]
    """(N, 4), over the standard deviations."""


def region_targets(
    boxes: NDArray[np.float32],
    corners: NDArray[np.float32],
    count: int,
    stds: tuple[float, float, float, float],
    random: np.random.RandomState,
) -> RegionTargets:
    """Choose regions among the proposals and the target itself, all with an IoU of 0.5 at least.

    Where there are fewer than ``count``, all of them are repeated, and the rest is drawn among them.

    Args:
        boxes: proposals, x1, y1, x2, y2 in pixels of the search region, (P, 4).
        corners: the target, (4,).
        count: N.
        stds: what the deltas are divided by.
        random: the generator.
    """
    corners = np.asarray(corners, np.float32)
    every = np.concatenate([boxes, corners[None]])
    overlaps = region_overlaps(every, corners)
    foreground, background = (
        np.flatnonzero(chosen) for chosen in (overlaps >= FOREGROUND_IOU, overlaps < FOREGROUND_IOU)
    )
    if len(foreground) > count:
        chosen = random.choice(foreground, count, replace=False)
    else:
        # The target itself is a candidate, unless it has no area.
        foreground = foreground if len(foreground) else np.array([len(every) - 1])
        repeated = np.tile(foreground, count // len(foreground))
        chosen = np.concatenate([repeated, random.choice(foreground, count % len(foreground), replace=False)])
    random.choice(
        background if len(background) else foreground, 0, replace=False
    )  # consumes what the official code does
    regions = every[chosen]
    size, target = regions[:, 2:] - regions[:, :2], corners[2:] - corners[:2]
    centre, middle = (regions[:, :2] + regions[:, 2:]) / 2, (corners[:2] + corners[2:]) / 2
    deltas = np.concatenate([(middle - centre) / size, np.log(target / size)], 1) / np.asarray(stds, np.float32)
    return RegionTargets(regions, deltas.astype(np.float32))


def region_overlaps(boxes: NDArray[np.float32], corners: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return the IoU of boxes (P, 4) with a target (4,), all x1, y1, x2, y2: (P,)."""
    size = np.maximum(np.minimum(boxes[:, 2:], corners[2:]) - np.maximum(boxes[:, :2], corners[:2]), 0)
    intersection = size.prod(1)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(1), (corners[2:] - corners[:2]).prod()
    return np.asarray(intersection / (areas[0] + areas[1] - intersection), np.float32)


def mask_targets(mask: NDArray[np.uint8], regions: NDArray[np.float32], size: int) -> NDArray[np.uint8]:
    """Return the target's mask within regions, 0 or 1, (N, size, size).

    Corners are clamped to the search region and cut to whole pixels, the last of which belongs to the region; pixels
    are repeated or left out, none is blended.

    Args:
        mask: of the search region, 0 or 1, (S, S).
        regions: (N, 4), x1, y1, x2, y2 in pixels.
        size: of a target.
    """
    limit = len(mask) - 1
    targets = np.empty((len(regions), size, size), np.uint8)
    for index, corners in enumerate(regions):
        x1, y1, x2, y2 = np.clip(corners, 0, limit).astype(int).tolist()
        part = mask[y1 : y2 + 1, x1 : x2 + 1]
        rows, columns = (np.arange(size) * length // size for length in part.shape)
        targets[index] = part[np.ix_(rows, columns)]
    return targets


def proposal_corners(boxes: NDArray[np.float32], side: int, smallest: float = 10.0) -> NDArray[np.float32]:
    """Return proposals (..., 4), cx, cy, w, h from the region's centre, as corners in pixels of the search region.

    Centres are clamped to [0, side - 1] and sizes to [smallest, side - 1]; the corners are not clamped again.
    """
    centres = np.clip(boxes[..., :2] + np.float32(side // 2), 0, side - 1)
    half = np.clip(boxes[..., 2:], smallest, side - 1) / 2
    return np.asarray(np.concatenate([centres - half, centres + half], -1), np.float32)
