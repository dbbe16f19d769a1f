"""Anchors, and the choice of one proposal among them (paper Sec. 3.2)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from trackbench.nn.layers.siamrpn import change_penalty


class Choice(NamedTuple):
    """The best proposal of each search region."""

    box: Tensor
    """(B, 4), cx, cy, w, h in pixels of the search region, the centre from the region's centre."""
    score: Tensor
    """(B,), probability of the target."""
    penalty: Tensor
    """(B,), for changes of size and ratio, at most 1."""
    anchor: Tensor
    """int64 (B,), anchor * R * R + row * R + column."""
    ranking: Tensor
    """(B, K * R * R), penalised and windowed scores of all proposals."""


def anchor_boxes(side: int, stride: int, ratios: Sequence[float], scales: Sequence[float]) -> Tensor:
    """Return the anchors, float32 (K * R * R, 4), cx, cy, w, h in pixels from the centre of the search region.

    They are in the order anchor, row, column. An anchor has the area of ``stride * stride`` and its ratio h / w, both
    sides cut to whole pixels, times its scale.

    Args:
        side: R, places along each side of the map.
        stride: pixels from one place to the next.
        ratios: height over width.
        scales: factors of the size.

    Example:
        >>> anchor_boxes(3, 8, (0.33, 1.0), (8.0,))[[0, 5, 9]].tolist()
        [[-8.0, -8.0, 104.0, 32.0], [8.0, 0.0, 104.0, 32.0], [-8.0, -8.0, 64.0, 64.0]]
    """
    axis = (torch.arange(side, dtype=torch.float32) - side // 2) * stride
    sizes = []
    for ratio in ratios:
        width = int(math.sqrt(stride * stride / ratio))
        sizes += [(width * scale, int(width * ratio) * scale) for scale in scales]
    boxes = torch.empty(len(sizes), side, side, 4)
    boxes[..., 0] = axis
    boxes[..., 1] = axis[:, None]
    boxes[..., 2:] = torch.tensor(sizes)[:, None, None]
    return boxes.view(-1, 4)


def choose_proposals(
    cls: Tensor, loc: Tensor, anchors: Tensor, window: Tensor, sizes: Tensor, penalty_k: float, window_influence: float
) -> Choice:
    """Return the proposal with the best score after the penalties for changes and for distance from the centre.

    Args:
        cls: (B, 2 K, R, R), class scores.
        loc: (B, 4 K, R, R), box deltas.
        anchors: (K * R * R, 4).
        window: (K * R * R,).
        sizes: (B, 2), width and height of the targets so far, in pixels of the search region.
        penalty_k: strength of the penalty for changes.
        window_influence: weight of the window.
    """
    batch = len(cls)
    score = cls.view(batch, 2, -1).softmax(1)[:, 1]
    boxes = decode(loc, anchors)
    penalty = change_penalty(boxes[..., 2:], sizes.to(boxes.dtype)[:, None], penalty_k)
    ranking = penalty * score * (1 - window_influence) + window * window_influence
    # Untrained weights can give sizes beyond all numbers; such a proposal loses.
    index = ranking.nan_to_num(nan=-torch.inf).argmax(1)
    items = torch.arange(batch, device=cls.device)
    return Choice(boxes[items, index], score[items, index], penalty[items, index], index, ranking)


def decode(loc: Tensor, anchors: Tensor) -> Tensor:
    """Return the boxes of deltas (B, 4 K, R, R): centres move by anchor sizes, sizes grow exponentially.

    Returns:
        (B, K * R * R, 4), cx, cy, w, h in the anchors' pixels.
    """
    deltas = loc.view(len(loc), 4, -1).transpose(1, 2)
    return apply_deltas(anchors, deltas)


def apply_deltas(boxes: Tensor, deltas: Tensor) -> Tensor:
    """Return boxes (..., 4), cx, cy, w, h, moved and resized by deltas (..., 4)."""
    size = boxes[..., 2:]
    return torch.cat([deltas[..., :2] * size + boxes[..., :2], deltas[..., 2:].exp() * size], -1)
