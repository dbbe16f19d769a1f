"""The corner predictor of STARK (Yan et al., ICCV 2021, section 3.1): a box as the expectation of two corner maps."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class Corners(NamedTuple):
    """What the head says about a batch."""

    boxes: Tensor
    """(B, 4): x1, y1, x2, y2 over the side of the crop, in [0, (size - 1) / size]; corners can be inverted."""
    top_left: Tensor
    """Logits of the top-left corner's place, (B, size, size)."""
    bottom_right: Tensor
    """Logits of the bottom-right corner's place, (B, size, size)."""


class CornerHead(nn.Module):
    """Two towers of four 3x3 convolutions, each with batch norm and ReLU, and a 1x1 convolution to a map of logits.

    A cell stands for the coordinate of its left and top edge. The names of the parameters are the official ones.

    Args:
        channels: channels of the features.
        hidden: channels after the first convolution; halved by each that follows.
        size: cells along each side of the map.
    """

    def __init__(self, channels: int = 256, hidden: int = 256, size: int = 20) -> None:
        super().__init__()
        self.size = size
        widths = (channels, hidden, hidden // 2, hidden // 4, hidden // 8)
        for corner in ("tl", "br"):
            for number in range(1, 5):
                self.add_module(f"conv{number}_{corner}", conv_norm_relu(widths[number - 1], widths[number]))
            self.add_module(f"conv5_{corner}", nn.Conv2d(widths[4], 1, 1))

    def forward(self, features: Tensor) -> Corners:
        """Return the boxes of ``features``, (B, channels, size, size)."""
        top_left, bottom_right = self._tower(features, "tl"), self._tower(features, "br")
        boxes = torch.cat([self._expectation(top_left), self._expectation(bottom_right)], 1)
        return Corners(boxes, top_left, bottom_right)

    def _tower(self, features: Tensor, corner: str) -> Tensor:
        for number in range(1, 6):
            features = self.get_submodule(f"conv{number}_{corner}")(features)
        return features[:, 0]

    def _expectation(self, logits: Tensor) -> Tensor:
        """Return the expected x and y of a corner over the side of the crop, (B, 2)."""
        probability = logits.flatten(1).softmax(1).view_as(logits)
        cells = torch.arange(self.size, device=logits.device, dtype=probability.dtype) / self.size
        # No matrix product: autocast would compute it, and with it the box, in half precision.
        return torch.stack([(probability.sum(1) * cells).sum(1), (probability.sum(2) * cells).sum(1)], 1)


def conv_norm_relu(channels: int, out: int) -> nn.Sequential:
    """Return a 3x3 convolution with bias, batch norm and ReLU."""
    return nn.Sequential(nn.Conv2d(channels, out, 3, padding=1), nn.BatchNorm2d(out), nn.ReLU(inplace=True))


def centre_form(boxes: Tensor) -> Tensor:
    """Return x1, y1, x2, y2 (..., 4) as centre x, centre y, width, height; sizes of inverted boxes are negative."""
    x1, y1, x2, y2 = boxes.unbind(-1)
    return torch.stack([(x1 + x2) / 2, (y1 + y2) / 2, x2 - x1, y2 - y1], -1)
