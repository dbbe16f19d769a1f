"""What AiATrack trains on besides the corner loss: proposals with their IoU, and target regions.

Gao et al., ECCV 2022, section 3.2; ``lib/train/data/processing_utils.py`` and ``lib/train/data/processing.py`` of the
official repository. The loss is ``2 GIoU + 5 L1 + 2 mean (iou - target)²``.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]

SIGMAS = (0.03, 0.05, 0.1, 0.2, 0.3)
"""Standard deviations of a proposal's noise over sqrt(w * h); one is drawn for each proposal."""
TRIES = 10
LEAST_IOU = 0.1
"""IoU above which a proposal is accepted."""


class BoxProposals(NamedTuple):
    """Boxes around a target for the IoU head."""

    boxes: Floats
    """(N, 4), x, y, w, h in the target's units; widths and heights may be negative."""
    targets: Floats
    """(N,), 2 IoU - 1."""
    tries: NDArray[np.int64]
    """(N,), how often each was drawn."""


def make_proposals(box: Floats, choice: NDArray[np.int64], normal: Floats) -> BoxProposals:
    """Return noisy boxes around a target and how well they fit it.

    Centre and size each get noise of ``sigma sqrt(w h)``; a proposal with an IoU of 0.1 or less is drawn again with
    noise 0.9 times as strong, ten times at the most; the tenth is kept whatever its IoU.

    Args:
        box: the target, float32 (4,), x, y, w, h over the side of the crop.
        choice: index into :data:`SIGMAS` of each proposal, (N,).
        normal: standard normal numbers, float32 (N, 10, 4), for cx, cy, w, h of each try.
    """
    box = np.asarray(box, np.float32)
    x, y, w, h = box
    start = np.array([x + np.float32(0.5) * w, y + np.float32(0.5) * h, w, h], np.float32)
    boxes, tries = np.empty((len(choice), 4), np.float32), np.empty(len(choice), np.int64)
    targets = np.empty(len(choice), np.float32)
    for index, sigma in enumerate(choice):
        scale = np.float32(SIGMAS[sigma]) * np.sqrt(w * h)
        for attempt in range(TRIES):
            cx, cy, width, height = start + np.asarray(normal[index, attempt], np.float32) * scale
            proposal = np.array([cx - width / 2, cy - height / 2, width, height], np.float32)
            iou = _iou(box, proposal)
            if iou > LEAST_IOU:
                break
            scale = scale * np.float32(0.9)
        boxes[index], targets[index], tries[index] = proposal, 2 * iou - 1, attempt + 1
    return BoxProposals(boxes, targets, tries)


def _iou(box: Floats, other: Floats) -> np.float32:
    """Return the IoU as the official code computes it: areas are signed, and nothing guards the division."""
    low = np.maximum(box[:2], other[:2])
    high = np.minimum(box[:2] + box[2:], other[:2] + other[2:])
    size = np.maximum(high - low, 0)
    intersection = size[0] * size[1]
    return np.float32(intersection / (box[2] * box[3] + other[2] * other[3] - intersection))


def target_region(box: Floats, cells: int) -> NDArray[np.bool_]:
    """Return the cells of a reference that show the target, bool (cells * cells,), row by row.

    x, y, w and h are rounded to cells each for itself, half to even.

    Args:
        box: x, y, w, h over the side of the crop, (4,).
        cells: along a side.
    """
    x, y, w, h = np.rint(np.asarray(box, np.float32) * np.float32(cells)).astype(np.int64).tolist()
    region = np.zeros((cells, cells), bool)
    region[max(y, 0) : max(min(y + h, cells), 0), max(x, 0) : max(min(x + w, cells), 0)] = True
    return region.ravel()
