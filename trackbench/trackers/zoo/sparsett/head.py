"""The double-head predictor (section 3.5, after Double-Head R-CNN, CVPR 2020).

Both heads see every cell of the search region and give it a logit and the distances of the box's sides. The fully
connected head works on each cell alone; the convolutional head is a residual block and bottlenecks. Logits and
distances end in a batch norm, as in the official code.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Heads = Literal["double", "conv", "fc"]
"""Which heads there are: both with fused scores and the convolutional head's boxes, or only one."""


@dataclass(frozen=True)
class HeadResponses:
    """What one head says of each cell, row by row."""

    logits: Tensor
    """(B, cells)."""
    raw: Tensor
    """Distances before the exponential, (B, cells, 4)."""
    boxes: Tensor
    """x1, y1, x2, y2 in pixels of the search region, (B, cells, 4)."""


class ConvNorm(nn.Module):
    """A convolution without bias and a batch norm."""

    def __init__(self, channels: int, output: int, kernel: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, output, kernel, padding=kernel // 2, bias=False)
        self.bn = nn.BatchNorm2d(output)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, output, H, W)."""
        return cast(Tensor, self.bn(self.conv(x)))


class WideningBlock(nn.Module):
    """A residual block whose identity path widens the map by a 1x1 convolution."""

    def __init__(self, channels: int, output: int) -> None:
        super().__init__()
        self.conv1 = ConvNorm(channels, channels, 3)
        self.conv2 = ConvNorm(channels, output)
        self.conv_identity = ConvNorm(channels, output)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, output, H, W)."""
        return F.relu(self.conv2(F.relu(self.conv1(x))) + self.conv_identity(x))


class Bottleneck(nn.Module):
    """A residual block: 1x1, 3x3 and 1x1 convolutions with a quarter of the channels in between."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        narrow = channels // 4
        self.conv1 = nn.Conv2d(channels, narrow, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(narrow)
        self.conv2 = nn.Conv2d(narrow, narrow, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(narrow)
        self.conv3 = nn.Conv2d(narrow, channels, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C, H, W)."""
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        return F.relu(self.bn3(self.conv3(y)) + x)


class Branch(nn.Module):
    """One head: features of each cell, from them logits and distances.

    The distance of a side is ``exp(si · raw + bi) · stride`` pixels from the cell's centre.
    """

    def __init__(self, features: nn.Sequential, width: int) -> None:
        super().__init__()
        self.features = features
        self.cls = ConvNorm(width, 1)
        self.reg = ConvNorm(width, 4)
        for prediction in (self.cls, self.reg):
            nn.init.kaiming_normal_(prediction.conv.weight, mode="fan_out", nonlinearity="relu")
        self.si = nn.Parameter(torch.tensor(1.0))
        self.bi = nn.Parameter(torch.tensor(0.0))

    def logits(self, features: Tensor) -> Tensor:
        """Return the logits (B, cells) of features (B, C, H, W)."""
        return cast(Tensor, self.cls(features)).flatten(1)

    def raw(self, features: Tensor) -> Tensor:
        """Return the distances before the exponential (B, cells, 4) of features (B, C, H, W)."""
        return cast(Tensor, self.reg(features)).flatten(2).transpose(1, 2)

    def distances(self, raw: Tensor) -> Tensor:
        """Return the distances of left, top, right and bottom side in strides, (B, cells, 4)."""
        return torch.exp(self.si * raw + self.bi)


def fc_branch(channels: int, width: int) -> Branch:
    """Return the fully connected head, as 1x1 convolutions."""
    layers = nn.Conv2d(channels, width, 1), nn.Conv2d(width, width, 1)
    for layer in layers:
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(cast(Tensor, layer.bias))
    return Branch(nn.Sequential(layers[0], nn.ReLU(), layers[1], nn.ReLU()), width)


def conv_branch(channels: int, width: int, bottlenecks: int) -> Branch:
    """Return the convolutional head."""
    blocks = nn.Sequential(WideningBlock(channels, width), *(Bottleneck(width) for _ in range(bottlenecks)))
    for module in blocks.modules():
        if isinstance(module, nn.Conv2d):
            nn.init.normal_(module.weight, std=0.01)
    return Branch(blocks, width)


class DoubleHead(nn.Module):
    """Both heads, or one of them.

    Args:
        channels: of the map that comes in.
        width: channels of both heads' features.
        bottlenecks: of the convolutional head, after its widening block.
        side: of the map in cells.
        stride: pixels between cells; the first cell's centre is pixel 0.
        heads: which heads there are.
    """

    centres: Tensor

    def __init__(self, channels: int, width: int, bottlenecks: int, side: int, stride: int, heads: Heads) -> None:
        super().__init__()
        self.stride = stride
        self.fc = fc_branch(channels, width) if heads != "conv" else None
        self.conv = conv_branch(channels, width, bottlenecks) if heads != "fc" else None
        line = torch.arange(side, dtype=torch.float32) * stride
        centres = torch.stack([line.repeat(side), line.repeat_interleave(side)], 1)
        self.register_buffer("centres", centres, persistent=False)

    def forward(self, x: Tensor) -> dict[str, HeadResponses]:
        """Return what each head says of a map (B, C, side, side), by its name, ``fc`` or ``conv``."""
        responses = {}
        for name, branch in (("fc", self.fc), ("conv", self.conv)):
            if branch is not None:
                features = branch.features(x)
                raw = branch.raw(features)
                responses[name] = HeadResponses(branch.logits(features), raw, self._boxes(branch, raw))
        return responses

    def scores_and_boxes(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return each cell's fused score (B, cells) and its box (B, cells, 4), in pixels of the search region.

        The fusion, ``fc + conv · (1 - fc)``, is that of the official code; the boxes of two heads are those of the
        convolutional one.
        """
        score = torch.zeros((), device=x.device)
        boxes = x
        for branch in (self.fc, self.conv):
            if branch is not None:
                features = branch.features(x)
                score = score + branch.logits(features).sigmoid() * (1 - score)
                if branch is self.conv or self.conv is None:
                    boxes = self._boxes(branch, branch.raw(features))
        return score, boxes

    def _boxes(self, branch: Branch, raw: Tensor) -> Tensor:
        left_top, right_bottom = (branch.distances(raw) * self.stride).chunk(2, -1)
        return torch.cat([self.centres - left_top, self.centres + right_bottom], -1)
