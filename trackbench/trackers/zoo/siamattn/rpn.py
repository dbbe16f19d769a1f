"""Siamese region proposals (paper Sec. 3.2, SiamRPN++): blocks of correlation on three levels, their sum weighted."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from trackbench.nn.layers.correlation import depthwise_correlation


class CorrelationBlock(nn.Module):
    """Both branches adjusted, correlated channel by channel, and read out.

    Args:
        channels: C of both branches.
        outputs: O of the result.
    """

    def __init__(self, channels: int, outputs: int) -> None:
        super().__init__()
        self.conv_kernel = _adjust(channels)
        self.conv_search = _adjust(channels)
        self.head = nn.Sequential(
            nn.Conv2d(channels, channels, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, outputs, 1),
        )

    def forward(self, template: Tensor, search: Tensor) -> Tensor:
        """Map (B, C, 7, 7) and (B, C, 31, 31) to (B, O, 25, 25)."""
        out: Tensor = self.head(depthwise_correlation(self.conv_search(search), self.conv_kernel(template)))
        return out


def _adjust(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, channels, 3, bias=False), nn.BatchNorm2d(channels), nn.ReLU(inplace=True))


class Level(nn.Module):
    """The two correlation blocks of one level.

    Args:
        channels: C of the features.
        anchors: anchors at each place.
    """

    def __init__(self, channels: int, anchors: int) -> None:
        super().__init__()
        self.cls = CorrelationBlock(channels, 2 * anchors)
        self.loc = CorrelationBlock(channels, 4 * anchors)


class RegionProposals(nn.Module):
    """The region proposal network.

    Args:
        levels: number of levels.
        channels: C of the features.
        anchors: K, anchors at each place.
    """

    def __init__(self, levels: int, channels: int, anchors: int) -> None:
        super().__init__()
        self.levels = nn.ModuleList(Level(channels, anchors) for _ in range(levels))
        self.cls_weight = nn.Parameter(torch.ones(levels))
        self.loc_weight = nn.Parameter(torch.ones(levels))

    def forward(self, templates: Sequence[Tensor], searches: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return class scores, (B, 2 K, R, R), and box deltas, (B, 4 K, R, R).

        Channel k of scores is class * K + anchor, class 0 the background; of deltas coordinate * K + anchor.
        """
        pairs = list(zip(self.levels, templates, searches, strict=True))
        cls = [level.get_submodule("cls")(template, search) for level, template, search in pairs]
        loc = [level.get_submodule("loc")(template, search) for level, template, search in pairs]
        return _weighted(cls, self.cls_weight), _weighted(loc, self.loc_weight)


def _weighted(maps: list[Tensor], weights: Tensor) -> Tensor:
    """Return the sum of maps weighted by the softmax of learned weights."""
    return (torch.stack(maps) * weights.softmax(0).view(-1, 1, 1, 1, 1)).sum(0)
