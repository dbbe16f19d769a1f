"""The mask head of Alpha-Refine, after the segmentation network of FRTM (Robinson et al., CVPR 2020, section 3.3).

From the deepest level of the backbone to the finest, each level joins its features with the neck's map and refines what
the level before it has found.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn import functional as F

WIDTH = 64
"""Channels of every level."""


class TargetEncoder(nn.Module):
    """TSE: a level's features, reduced, joined with the neck's map.

    Args:
        features: channels of the level.
        scores: channels of the neck's map.
    """

    def __init__(self, features: int, scores: int) -> None:
        super().__init__()
        joined = WIDTH + scores
        self.reduce = nn.Sequential(nn.Conv2d(features, WIDTH, 1), nn.ReLU(inplace=True), nn.Conv2d(WIDTH, WIDTH, 1))
        self.transform = nn.Sequential(
            nn.Conv2d(joined, joined, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(joined, joined, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(joined, WIDTH, 3, padding=1),
            nn.ReLU(inplace=True),
        )

    def forward(self, features: Tensor, scores: Tensor) -> tuple[Tensor, Tensor]:
        """Return the joined map and the reduced features, both (B, 64, H, W)."""
        reduced: Tensor = self.reduce(features)
        return self.transform(torch.cat([reduced, resize(scores, reduced)], 1)), reduced


class ResidualBlock(nn.Module):
    """RRB: a 1x1 convolution and a residual block of two 3x3 ones."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1x1 = nn.Conv2d(WIDTH, WIDTH, 1)
        self.bblock = nn.Sequential(
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1),
            nn.BatchNorm2d(WIDTH),
            nn.ReLU(inplace=True),
            nn.Conv2d(WIDTH, WIDTH, 3, padding=1, bias=False),
        )

    def forward(self, x: Tensor) -> Tensor:
        """Return a map of the shape of ``x``, (B, 64, H, W)."""
        x = self.conv1x1(x)
        return F.relu(x + self.bblock(x))


class ChannelGate(nn.Module):
    """CAB: which channels of a level count, told by it and the level before; the map of that level is added."""

    def __init__(self) -> None:
        super().__init__()
        self.convreluconv = nn.Sequential(
            nn.Conv2d(2 * WIDTH, WIDTH, 1), nn.ReLU(inplace=True), nn.Conv2d(WIDTH, WIDTH, 1)
        )

    def forward(self, deeper: Tensor, shallower: Tensor) -> Tensor:
        """Return (B, 64, H, W), the shape of ``shallower``; ``deeper`` (B, 64, h, w) may be a single place."""
        means = torch.cat([x.mean((2, 3), keepdim=True) for x in (shallower, deeper)], 1)
        gate: Tensor = self.convreluconv(means)
        return shallower * gate.sigmoid() + resize(deeper, shallower)


class Projection(nn.Module):
    """From the finest level to one number a pixel of the crop, at four times its resolution.

    Each of the two convolutions sees its input at twice the resolution, bicubic with a = -0.75, the border repeated.
    """

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(WIDTH, 32, 3, padding=1)
        self.conv2 = nn.Conv2d(32, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Return logits (B, 1, 4 * H, 4 * W) of ``x`` (B, 64, H, W)."""
        x = F.relu(self.conv1(_double(x)))
        weight, bias = self.conv2.weight, self.conv2.bias
        assert bias is not None
        return _double_convolve(x, weight) + bias[0]


def _double(x: Tensor) -> Tensor:
    """Return ``x`` (B, C, h, w) at twice the resolution.

    The filter is a product over the two axes, each the same for all rows and channels, so that two products with its
    matrices do it, in half the time of an interpolation on a CPU. The channels are last in memory.
    """
    channels, height, width = x.shape[1:]
    tall = _doubling(height, x) @ x.permute(0, 2, 3, 1).reshape(-1, height, width * channels)
    return (_doubling(width, x) @ tall.view(-1, 2 * height, width, channels)).permute(0, 3, 1, 2)


def _double_convolve(x: Tensor, weight: Tensor) -> Tensor:
    """Return the 3x3 convolution, to one channel, of ``x`` at twice the resolution, zero outside of it.

    Doubling treats every channel by itself, so the sum over the channels comes first. That leaves nine maps, one for
    each place of the kernel, to be doubled, shifted and added; the matrices that double also shift.

    Args:
        x: (B, C, h, w).
        weight: (1, C, 3, 3).

    Returns:
        (B, 1, 2 * h, 2 * w).
    """
    height, width = x.shape[2:]
    maps = F.conv2d(x, weight[0].flatten(1).t()[..., None, None])
    by_column = maps.view(-1, 3, 3, height, width).transpose(1, 2).reshape(-1, 3, 3 * height, width)
    tall = _shifted_doubling(height, x) @ by_column
    by_row = tall.transpose(1, 2).reshape(-1, 1, 2 * height, 3 * width)
    return by_row @ _shifted_doubling(width, x).t()


def _doubling(n: int, like: Tensor) -> Tensor:
    """Return the matrix (2 * n, n) that doubles a line of ``n`` values."""
    unit = torch.eye(n, dtype=like.dtype, device=like.device)
    return F.interpolate(unit[None, None], (2 * n, n), mode="bicubic", align_corners=False)[0, 0]


def _shifted_doubling(n: int, like: Tensor) -> Tensor:
    """Return the matrix (2 * n, 3 * n) that doubles three lines and adds them, each value to that of its place - 1.

    Of the first line the value before counts, of the second the value itself, of the third the value after.
    """
    doubling = _doubling(n, like)
    before, after = F.pad(doubling, (0, 0, 1, 0))[:-1], F.pad(doubling, (0, 0, 0, 1))[1:]
    return torch.cat([before, doubling, after], 1)


class Decoder(nn.Module):
    """The levels and the projection.

    Args:
        levels: name -> channels, the deepest level first.
        scores: channels of the neck's map.
    """

    def __init__(self, levels: Mapping[str, int], scores: int) -> None:
        super().__init__()
        self.levels = tuple(levels)
        self.TSE = nn.ModuleDict({name: TargetEncoder(channels, scores) for name, channels in levels.items()})
        self.RRB1 = nn.ModuleDict({name: ResidualBlock() for name in levels})
        self.CAB = nn.ModuleDict({name: ChannelGate() for name in levels})
        self.RRB2 = nn.ModuleDict({name: ResidualBlock() for name in levels})
        self.project = Projection()

    def forward(self, scores: Tensor, features: Mapping[str, Tensor]) -> Tensor:
        """Return mask logits at four times the resolution of the finest level.

        Args:
            scores: the neck's map (B, K, h, w).
            features: level -> (B, C, H, W).
        """
        refined: Tensor | None = None
        for name in self.levels:
            joined, reduced = self.TSE[name](features[name], scores)
            # The deepest level has none before it: its own mean stands in.
            before = reduced.mean((2, 3), keepdim=True) if refined is None else refined
            refined = self.RRB2[name](self.CAB[name](before, self.RRB1[name](joined)))
        logits: Tensor = self.project(refined)
        return logits


def resize(x: Tensor, like: Tensor) -> Tensor:
    """Return ``x`` (B, C, h, w) at the resolution of ``like``, bilinear between pixel centres."""
    if x.shape[2:] == like.shape[2:]:
        return x
    return F.interpolate(x, like.shape[2:], mode="bilinear", align_corners=False)
