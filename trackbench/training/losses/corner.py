"""The loss of STARK's corner head: SimTrack and AiATrack.

Yan et al., ICCV 2021, Eq. 3; ``lib/train/actors/stark_s.py``, ``simtrack.py`` and ``aiatrack.py`` of the official
repositories.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from trackbench.training.losses.boxes import corners_of, corners_of_centred, inverted, overlap

InvertedRule = Literal["batch", "box"]
"""What an inverted box takes out of the GIoU term: the whole batch, as the official code does, or itself alone."""


class CornerLoss(NamedTuple):
    """The terms, not weighted."""

    giou: Tensor
    """Mean of 1 - GIoU."""
    l1: Tensor
    """Mean distance of the corners' coordinates."""
    iou: Tensor
    """Mean IoU, for the log; without gradient."""


def corner_loss(predicted: Tensor, target: Tensor, rule: InvertedRule = "batch") -> CornerLoss:
    """Return the terms of the corner head's loss.

    ``L1 = mean |p - g|`` over the 4 B corner coordinates, ``GIoU = mean (1 - GIoU(p, g))`` over the B boxes; the
    target's corners are clamped to [0, 1], the prediction's are not.

    An assertion in the official code, ``x2 >= x1`` and ``y2 >= y1`` for every box, is caught where it fails, and the
    GIoU term and the logged IoU of the whole batch are then the constant 0. ``rule="box"`` leaves out only the
    inverted boxes: training starts faster, but it is another recipe.

    Args:
        predicted: centre x and y, width, height over the side of the crop, (B, 4).
        target: x, y, w, h over the side of the crop, (B, 4).
        rule: what an inverted box takes out.

    Raises:
        FloatingPointError: a prediction is not a number.
    """
    p, g = corners_of_centred(predicted), corners_of(target).clamp(0, 1)
    if not torch.isfinite(p).all():
        raise FloatingPointError("the network predicts boxes that are not numbers")
    l1 = F.l1_loss(p, g)
    wrong = inverted(p) | inverted(g)
    if rule == "batch":
        if wrong.any():
            zero = l1.new_zeros(())
            return CornerLoss(zero, l1, zero)
        ious = overlap(p, g)
        return CornerLoss((1 - ious.giou).mean(), l1, ious.iou.detach().mean())
    kept = ~wrong
    ious = overlap(p[kept], g[kept])
    count = max(len(wrong), 1)
    return CornerLoss((1 - ious.giou).sum() / count, l1, ious.iou.detach().sum() / count)
