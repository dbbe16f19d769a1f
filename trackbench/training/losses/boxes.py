"""Overlap of boxes as losses need it: differentiable, pair by pair."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor


class Overlap(NamedTuple):
    """How pairs of boxes overlap."""

    iou: Tensor
    """Intersection over union, (...)."""
    giou: Tensor
    """IoU - (C - U) / C, with C the area of the smallest box that encloses both, (...)."""


def corners_of_centred(boxes: Tensor) -> Tensor:
    """Return centre x, centre y, width, height (..., 4) as x1, y1, x2, y2."""
    cx, cy, w, h = boxes.unbind(-1)
    return torch.stack([cx - 0.5 * w, cy - 0.5 * h, cx + 0.5 * w, cy + 0.5 * h], -1)


def corners_of(boxes: Tensor) -> Tensor:
    """Return x, y, width, height (..., 4) as x1, y1, x2, y2."""
    x, y, w, h = boxes.unbind(-1)
    return torch.stack([x, y, x + w, y + h], -1)


def overlap(first: Tensor, second: Tensor) -> Overlap:
    """Return IoU and GIoU of corners (..., 4), pair by pair (Rezatofighi et al., CVPR 2019, Alg. 1).

    Nothing guards against a union of zero: two boxes of zero size at one place give NaN, as in STARK's code.
    """
    areas = [(box[..., 2] - box[..., 0]) * (box[..., 3] - box[..., 1]) for box in (first, second)]
    inner = (torch.minimum(first[..., 2:], second[..., 2:]) - torch.maximum(first[..., :2], second[..., :2])).clamp(0)
    outer = (torch.maximum(first[..., 2:], second[..., 2:]) - torch.minimum(first[..., :2], second[..., :2])).clamp(0)
    intersection, enclosing = inner[..., 0] * inner[..., 1], outer[..., 0] * outer[..., 1]
    union = areas[0] + areas[1] - intersection
    iou = intersection / union
    return Overlap(iou, iou - (enclosing - union) / enclosing)


def inverted(boxes: Tensor) -> Tensor:
    """Return which corners (..., 4) have x2 < x1 or y2 < y1, bool (...)."""
    return (boxes[..., 2:] < boxes[..., :2]).any(-1)
