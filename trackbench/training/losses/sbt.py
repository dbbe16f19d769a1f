"""Labels and loss of SBT (Xie et al., CVPR 2022, Sec. 3.4; ``lib/train/actors/sbt.py`` of the official code)."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trackbench.training.losses.boxes import corners_of, corners_of_centred, overlap

BACKGROUND_WEIGHT = 0.0625
"""Weight of background tokens in the cross entropy; that of target tokens is 1."""


def token_labels(box: NDArray[np.float32], cells: int, *, clip: bool = False) -> NDArray[np.bool_]:
    """Return which tokens of a search image belong to the target, bool (cells * cells,), row by row.

    A token stands for the left and top edge of its cell: those from ``ceil(cells x1)`` to ``ceil(cells x2) - 1`` are
    positive, one at least. The official code marks them with a slice, so that a start of -1 or less counts from the far
    side: a box that sticks out at the left or the top by a cell or more usually has no positive token at all.

    Args:
        box: x, y, w, h over the side of the search image, float32 (4,).
        cells: tokens along a side.
        clip: start at the border instead of the far side; more samples then count, but it is another recipe.
    """
    x, y, w, h = np.asarray(box, np.float32)
    centre, size = ((x + w / 2).item(), (y + h / 2).item()), (w.item(), h.item())
    spans = []
    for middle, length in zip(centre, size, strict=True):
        first, last = (math.ceil(cells * (middle + sign * length / 2)) for sign in (-1, 1))
        last += first == last
        spans.append(slice(max(first, 0) if clip else first, max(last, 0) if clip else last))
    labels = np.zeros((cells, cells), bool)
    labels[spans[1], spans[0]] = True
    return labels.ravel()


class TokenLoss(NamedTuple):
    """The terms, not weighted."""

    classification: Tensor
    l1: Tensor
    giou: Tensor
    iou: Tensor
    """Mean IoU of the positive tokens, for the log; without gradient."""


def token_loss(logits: Tensor, boxes: Tensor, target: Tensor, positive: Tensor) -> TokenLoss:
    """Return the terms of SBT's loss; the official sum is ``120 CE + 70 L1 + 50 GIoU``.

    ``CE = sum v_y (-log softmax_y) / sum v_y`` over all tokens of the batch, with v = 1 for the target and
    :data:`BACKGROUND_WEIGHT` for the background. Over the P positive tokens of the whole batch (1 where there are
    none): ``L1 = sum |p - g| / P``, summed over the four coordinates; ``GIoU = sum (1 - GIoU) / P``.

    Args:
        logits: target and background, (B, N, 2).
        boxes: centre x and y, width, height over the side of the search image, (B, N, 4).
        target: x, y, w, h over the side of the search image, (B, 4), not clamped.
        positive: bool (B, N).
    """
    log = logits.log_softmax(-1)
    weights = torch.where(positive, 1.0, BACKGROUND_WEIGHT).to(log.dtype)
    chosen = torch.where(positive, log[..., 0], log[..., 1])
    classification = -(weights * chosen).sum() / weights.sum()
    wanted = torch.cat([target[:, :2] + target[:, 2:] / 2, target[:, 2:]], 1)[:, None].expand_as(boxes)[positive]
    corners = corners_of(target)[:, None].expand_as(boxes)[positive]
    predicted = boxes[positive]
    count = max(len(predicted), 1)
    pairs = overlap(corners_of_centred(predicted), corners)
    return TokenLoss(
        classification,
        (predicted - wanted).abs().sum() / count,
        (1 - pairs.giou).sum() / count,
        pairs.iou.detach().sum() / count,
    )
