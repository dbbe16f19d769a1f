"""Region refinement (paper Sec. 3.3): fused features for one region, its box and its mask.

Deviations of the official code from the paper, which the published weights need: the box is read from fused correlation
maps of 25x25, but the mask from search features alone, of 63x63 and without correlation.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trackbench.nn.layers.deformable import DeformableRoIPool
from trackbench.nn.layers.roi_align import RoIAlign
from trackbench.trackers.zoo.siamattn.rpn import CorrelationBlock

BOX_BINS, MASK_BINS, MASK_SIZE = 4, 16, 64
"""Bins along each side of the regions of both heads, and pixels along each side of the mask."""
HIDDEN = 512
"""Width of the box head's layers."""


def conv_module(inputs: int, outputs: int, kernel: int = 1) -> nn.Sequential:
    """Return convolution, batch norm and ReLU; the map keeps its size."""
    conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return nn.Sequential(
        OrderedDict(conv=conv, norm=nn.BatchNorm2d(outputs), relu=nn.ReLU(inplace=True)),
    )


def roi_pool(channels: int, size: int, scale: float, deform_pool: bool) -> nn.Module:
    """Return the pooling of a head: deformable, or RoIAlign as in the last rows of Table 6."""
    return DeformableRoIPool(channels, size, scale) if deform_pool else RoIAlign(size, scale)


class BoxFeatures(nn.Module):
    """Correlation maps of all levels, aligned and summed.

    Args:
        levels: number of levels.
        channels: C.
    """

    def __init__(self, levels: int, channels: int) -> None:
        super().__init__()
        self.xcorr = nn.ModuleList(CorrelationBlock(channels, channels) for _ in range(levels))
        self.convs = nn.ModuleList(conv_module(channels, channels) for _ in range(levels))

    def forward(self, templates: Sequence[Tensor], searches: Sequence[Tensor]) -> Tensor:
        """Map attentional features, (B, C, 7, 7) and (B, C, 31, 31) each, to (B, C, 25, 25)."""
        total = torch.zeros(())
        for index, (xcorr, conv) in enumerate(zip(self.xcorr, self.convs, strict=True)):
            part = conv(xcorr(templates[index], searches[index]))
            total = total + part if index else part
        return total


class MaskFeatures(nn.Module):
    """Maps of all five stages of the search region, brought to the size of the second and summed.

    Args:
        inputs: channels of the maps, finest first.
        channels: C.
    """

    def __init__(self, inputs: Sequence[int], channels: int) -> None:
        super().__init__()
        self.lateral_convs = nn.ModuleList(conv_module(count, channels) for count in inputs)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Map the maps (B, c, h, w), the second of them (B, c, 63, 63), to (B, C, 63, 63)."""
        size = maps[1].shape[-2:]
        total: Tensor = self.lateral_convs[1](maps[1])
        for index in (0, *range(2, len(maps))):
            resized = F.interpolate(maps[index], size=size, mode="bilinear", align_corners=True)
            total = total + self.lateral_convs[index](resized)
        return total


class RegionHead(nn.Module):
    """A head that pools a region of a map.

    Args:
        channels: C.
        bins: along each side of a region.
        scale: size of the map over that of the search region.
        deform_pool: whether the pooling is deformable.
    """

    def __init__(self, channels: int, bins: int, scale: float, deform_pool: bool) -> None:
        super().__init__()
        self.roi_pool = roi_pool(channels, bins, scale, deform_pool)


class BoxHead(RegionHead):
    """Four deltas for a region; arguments as of :class:`RegionHead`."""

    def __init__(self, channels: int, scale: float, deform_pool: bool) -> None:
        super().__init__(channels, BOX_BINS, scale, deform_pool)
        self.tail_det = nn.Sequential(
            nn.Linear(channels * BOX_BINS**2, HIDDEN), nn.ReLU(), nn.Linear(HIDDEN, HIDDEN), nn.ReLU()
        )
        self.tail_det_box = nn.Linear(HIDDEN, 4)
        for layer in (self.tail_det[0], self.tail_det[2]):
            assert isinstance(layer, nn.Linear)
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)
        nn.init.normal_(self.tail_det_box.weight, std=0.001)
        nn.init.zeros_(self.tail_det_box.bias)

    def forward(self, features: Tensor, rois: Tensor) -> Tensor:
        """Map (B, C, 25, 25) and regions (R, 5) to deltas of centre and size, (R, 4)."""
        deltas: Tensor = self.tail_det_box(self.tail_det(self.roi_pool(features, rois).flatten(1)))
        return deltas


class MaskHead(RegionHead):
    """Mask logits for a region; arguments as of :class:`RegionHead`."""

    def __init__(self, channels: int, scale: float, deform_pool: bool) -> None:
        super().__init__(channels, MASK_BINS, scale, deform_pool)
        ratio = MASK_SIZE // MASK_BINS
        self.convs = nn.Sequential(*(conv_module(channels, channels, 3) for _ in range(4)))
        self.upsample = nn.ConvTranspose2d(channels, channels, ratio, stride=ratio)
        self.conv_logits = nn.Conv2d(channels, 1, 1)

    def forward(self, features: Tensor, rois: Tensor) -> Tensor:
        """Map (B, C, 63, 63) and regions (R, 5) to logits, (R, 64, 64)."""
        pooled = self.convs(self.roi_pool(features, rois))
        logits: Tensor = self.conv_logits(F.relu(self.upsample(pooled)))
        return logits.squeeze(1)
