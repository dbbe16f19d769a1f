"""Labels and losses of SparseTT (Fu et al., IJCAI 2022, Eq. 4; ``videoanalyst`` part of the official code)."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from torch import Tensor

ALPHA = 0.75
"""Weight of positive cells in the focal loss; that of the others is 1 - ALPHA."""
IGNORED = -1
SMALLEST = float(np.finfo(np.float32).tiny)


class CellLabels(NamedTuple):
    """What each cell of the search region should say."""

    classes: NDArray[np.int64]
    """(cells * cells,): 1 the target, 0 background, -1 ignored; row by row."""
    boxes: NDArray[np.float32]
    """(cells * cells, 4): the target's corners in positive cells of a positive pair, else zeros."""


def cell_labels(corners: NDArray[np.float64], cells: int, stride: int, *, negative: bool = False) -> CellLabels:
    """Return the labels of one search region.

    A cell is positive where its centre, pixel ``stride * (column, row)``, lies strictly inside of the box. In a
    negative pair, whose search region shows another object, those cells are background and all others are ignored.

    Args:
        corners: x1, y1, x2, y2 in pixels of the search region, (4,).
        cells: along a side.
        stride: pixels from one cell to the next.
        negative: whether template and search region show different objects.
    """
    x1, y1, x2, y2 = np.asarray(corners, np.float32)
    places = np.arange(cells, dtype=np.float32) * stride
    inside = (((y1 < places) & (places < y2))[:, None] & ((x1 < places) & (places < x2))[None]).ravel()
    boxes = np.zeros((cells * cells, 4), np.float32)
    if negative:
        return CellLabels(np.where(inside, 0, IGNORED), boxes)
    boxes[inside] = (x1, y1, x2, y2)
    return CellLabels(inside.astype(np.int64), boxes)


def focal_loss(logits: Tensor, classes: Tensor) -> Tensor:
    """Return the focal loss of one head over all cells of the batch that are not ignored.

    ``sum a_t (1 - p_t)² (-log p_t) / max(P, 1)`` with ``p_t`` the probability of the cell's own label, ``a_t`` =
    :data:`ALPHA` or 1 - :data:`ALPHA`, and P the positive cells of the whole batch. A batch of negative pairs divides
    by 1 and so weighs much more for each cell, as in the official code.

    Args:
        logits: (B, N).
        classes: int (B, N), 1, 0 or -1.
    """
    kept = classes != IGNORED
    label = (classes == 1)[kept].to(logits.dtype)
    logit = logits[kept]
    entropy = F.binary_cross_entropy_with_logits(logit, label, reduction="none")
    # 1 - p_t is the probability of the other label: a sigmoid, which does not cancel as 1 - exp(-entropy) would.
    other = torch.sigmoid(torch.where(label > 0, -logit, logit))
    weight = ALPHA * label + (1 - ALPHA) * (1 - label)
    return (weight * other**2 * entropy).sum() / (classes == 1).sum().clamp(min=1)


class IoULoss(NamedTuple):
    """The loss of the boxes of one head."""

    loss: Tensor
    iou: Tensor
    """Mean IoU of the positive cells, for the log; without gradient."""


def iou_loss(boxes: Tensor, target: Tensor, classes: Tensor) -> IoULoss:
    """Return ``sum -log max(IoU, tiny) / max(P, 1)`` over the P positive cells of the batch.

    Sides count their last pixel: a side is ``x2 - x1 + 1``. A box that does not meet the target costs 87.3 and has no
    gradient.

    Args:
        boxes: corners in pixels of the search region, (B, N, 4).
        target: the same of the target, (B, N, 4).
        classes: int (B, N), 1 where the cell is positive.
    """
    positive = classes == 1
    count = positive.sum().clamp(min=1)
    p, g = boxes[positive], target[positive]
    areas = [((box[:, 2] - box[:, 0] + 1) * (box[:, 3] - box[:, 1] + 1)).abs() for box in (p, g)]
    size = (torch.minimum(p[:, 2:], g[:, 2:]) - torch.maximum(p[:, :2], g[:, :2]) + 1).clamp(min=0)
    intersection = size[:, 0] * size[:, 1]
    iou = (intersection / (areas[0] + areas[1] - intersection)).clamp(min=0)
    return IoULoss((-iou.clamp(min=SMALLEST).log()).sum() / count, iou.detach().sum() / count)
