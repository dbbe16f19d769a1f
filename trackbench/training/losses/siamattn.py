"""Losses of SiamAttn (Yu et al., CVPR 2020, Sec. 3.4; ``pysot/models/loss.py`` of the official code)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

HARDEST = 0.7
"""Share of the mask's pixels that count: those with the largest loss."""


def classification_loss(cls: Tensor, labels: Tensor) -> Tensor:
    """Return ``0.5 mean(-log p_1) + 0.5 mean(-log p_0)`` over the positive and the negative anchors of the batch.

    An empty set gives 0. So does, in the official code and here, a set of exactly one anchor, whose index loses its
    dimension there.

    Args:
        cls: (B, 2 K, R, R), channel class * K + anchor.
        labels: int (B, K, R, R), 1 positive, 0 negative, -1 ignored.
    """
    log = cls.view(len(cls), 2, -1, *cls.shape[2:]).log_softmax(1)
    total = cls.sum() * 0  # stays attached to the graph where no anchor counts
    for value in (1, 0):
        chosen = log[:, value][labels == value]
        if len(chosen) > 1:
            total = total - 0.5 * chosen.mean()
    return total


def anchor_loss(loc: Tensor, deltas: Tensor, weights: Tensor) -> Tensor:
    """Return ``sum w |loc - delta| / B``, summed over the four coordinates: plain L1, where the paper has smooth L1.

    Args:
        loc: (B, 4 K, R, R), channel coordinate * K + anchor.
        deltas: (B, 4, K, R, R).
        weights: (B, K, R, R), 1 over the number of the image's positives at those, else 0.
    """
    predicted = loc.view(len(loc), 4, -1, *loc.shape[2:])
    return ((predicted - deltas).abs().sum(1) * weights).sum() / len(loc)


def refinement_loss(deltas: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Return the smooth L1 distance (beta 1), mean over all elements of the images that count; 0 where none does.

    Args:
        deltas: of the box head, (B, N, 4), over the standard deviations.
        targets: (B, N, 4).
        weights: (B,), 1 for images that count.
    """
    kept = weights == 1
    if not kept.any():
        return deltas.sum() * 0
    return F.smooth_l1_loss(deltas[kept], targets[kept])


class MaskLoss(NamedTuple):
    """The loss of the masks."""

    loss: Tensor
    iou: Tensor
    """Mean IoU of the masks, share above 0.5 and above 0.7, (3,), for the log; without gradient."""


def mask_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> MaskLoss:
    """Return the mean binary cross entropy of the 70 % of all pixels at which it is largest; 0 where no image counts.

    Args:
        logits: (B, N, m, m).
        targets: 0 or 1, (B, N, m, m).
        weights: (B,), 1 for images that count.
    """
    kept = weights == 1
    if not kept.any():
        return MaskLoss(logits.sum() * 0, logits.new_zeros(3))
    predicted, wanted = logits[kept], targets[kept].to(logits.dtype)
    entropy = F.binary_cross_entropy_with_logits(predicted, wanted, reduction="none").flatten()
    hardest = entropy.topk(int(HARDEST * len(entropy))).values
    with torch.no_grad():
        mask, ground_truth = predicted >= 0, wanted > 0.5
        intersection = (mask & ground_truth).sum((2, 3)).float()
        iou = (intersection / ((mask | ground_truth).sum((2, 3)) + 1e-5)).flatten()
        shares = torch.stack([iou.mean(), (iou > 0.5).float().mean(), (iou > 0.7).float().mean()])
    return MaskLoss(hardest.mean(), shares)
