"""The SiamAttn network (paper Fig. 2): backbone, neck, attention, region proposals and region refinement.

=============  ==================================  ============================
map            search region, 255x255              template, 127x127
=============  ==================================  ============================
p0, stem       64, 125x125                         64, 61x61 (not used)
p1, layer1     256, 63x63                          256, 31x31 (not used)
p2, layer2     512, 31x31                          512, 15x15
p3, layer3     1024, 31x31                         1024, 15x15
p4, layer4     2048, 31x31                         2048, 15x15
neck, p2 - p4  256, 31x31                          256, 7x7 (the middle)
=============  ==================================  ============================
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from trackbench.nn.layers.resnet import ResNet, ResNetStage
from trackbench.trackers.zoo.siamattn.attention import BranchFeatures, SiameseAttention
from trackbench.trackers.zoo.siamattn.refinement import BoxFeatures, BoxHead, MaskFeatures, MaskHead
from trackbench.trackers.zoo.siamattn.rpn import RegionProposals

DILATED = (
    ResNetStage(),
    ResNetStage(stride=2, first_padding=0, shortcut=3),
    ResNetStage(dilation=2, first_dilation=1, shortcut=3),
    ResNetStage(dilation=4, first_dilation=2, shortcut=3),
)
"""ResNet-50 with stride 8, as the pysot family dilates it: 3x3 shortcuts, no padding where layer2 strides."""
LEVELS = 3
MIDDLE = 7
"""Side of the template's maps: narrow maps are cut to their middle (SiamRPN++, Sec. 3.4)."""


@dataclass(frozen=True)
class Parts:
    """Which parts the network has; without them the rows of the paper's Tables 5 and 6.

    Without both attentions there is no attention module at all, hence no deformable convolution: SiamRPN++, the
    baseline of Table 5.
    """

    self_attention: bool = True
    cross_attention: bool = True
    deform_conv: bool = True
    deform_pool: bool = True
    refine_box: bool = True
    mask: bool = True

    @property
    def attention(self) -> bool:
        """Whether there is an attention module."""
        return self.self_attention or self.cross_attention


class Proposals(NamedTuple):
    """What the network says about the whole search region."""

    cls: Tensor
    """(B, 2 K, R, R), class scores; channel class * K + anchor."""
    loc: Tensor
    """(B, 4 K, R, R), box deltas; channel coordinate * K + anchor."""
    box_features: Tensor | None
    """(B, C, R, R), for the box head."""
    mask_features: Tensor | None
    """(B, C, 63, 63), for the mask head."""


class SiamAttn(nn.Module):
    """The network.

    Args:
        parts: what it has.
        anchors: K, anchors at each place.
        instance_size: side of the search region in pixels.
        channels: C, of the neck and all that follows.
        width: channels of the backbone's stem.
    """

    def __init__(
        self, parts: Parts, anchors: int = 5, instance_size: int = 255, channels: int = 256, width: int = 64
    ) -> None:
        super().__init__()
        outputs = ("stem", "layer1", "layer2", "layer3", "layer4")
        self.backbone = ResNet(50, outputs, nn.BatchNorm2d, DILATED, stem_padding=0, width=width)
        self.neck = nn.ModuleList(
            nn.Sequential(nn.Conv2d(width * 8 << level, channels, 1, bias=False), nn.BatchNorm2d(channels))
            for level in range(LEVELS)
        )
        self.attention = nn.ModuleList()
        if parts.attention:
            self.attention.extend(
                SiameseAttention(channels, parts.self_attention, parts.cross_attention, parts.deform_conv)
                for _ in range(LEVELS)
            )
        self.rpn = RegionProposals(LEVELS, channels, anchors)
        level, finer = map_sizes(instance_size)
        response = level - MIDDLE + 1
        self.box_features = BoxFeatures(LEVELS, channels) if parts.refine_box else None
        self.box_head = BoxHead(channels, response / instance_size, parts.deform_pool) if parts.refine_box else None
        inputs = (width, 4 * width, *[channels] * LEVELS)
        self.mask_features = MaskFeatures(inputs, channels) if parts.mask else None
        self.mask_head = MaskHead(channels, finer / instance_size, parts.deform_pool) if parts.mask else None

    def template(self, images: Tensor) -> list[BranchFeatures]:
        """Return what templates, (B, 3, 127, 127), give to each level; BGR, 0 to 255, not normalised."""
        return [self.side(level, features) for level, features in enumerate(self.levels(self.backbone(images)))]

    def levels(self, maps: list[Tensor]) -> list[Tensor]:
        """Return the neck's maps for the last three of the backbone's, the middle of narrow ones."""
        reduced = [neck(features) for neck, features in zip(self.neck, maps[-LEVELS:], strict=True)]
        return [_middle(features) if features.shape[-1] < 20 else features for features in reduced]

    def side(self, level: int, features: Tensor) -> BranchFeatures:
        """Return what one branch gives to the attention of one level."""
        if not self.attention:
            return BranchFeatures(features, features, features.new_empty(len(features), 0, 0))
        attention = self.attention[level]
        assert isinstance(attention, SiameseAttention)
        return attention.side(features)

    def forward(self, templates: list[BranchFeatures], images: Tensor) -> Proposals:
        """Compare templates with search regions, (B, 3, 255, 255), pair by pair."""
        maps = self.backbone(images)
        searches = [self.side(level, features) for level, features in enumerate(self.levels(maps))]
        return self.compare(templates, searches, maps)

    def compare(self, templates: list[BranchFeatures], searches: list[BranchFeatures], maps: list[Tensor]) -> Proposals:
        """Return the proposals for both branches and the backbone's maps of the search regions."""
        enhanced = [(template.features, search.features) for template, search in zip(templates, searches, strict=True)]
        if self.attention:
            enhanced = [
                attention(template, search)
                for attention, template, search in zip(self.attention, templates, searches, strict=True)
            ]
        zs, xs = [z for z, _ in enhanced], [x for _, x in enhanced]
        cls, loc = self.rpn(zs, xs)
        return Proposals(
            cls,
            loc,
            None if self.box_features is None else self.box_features(zs, xs),
            None if self.mask_features is None else self.mask_features([*maps[:2], *xs]),
        )


def map_sizes(instance_size: int) -> tuple[int, int]:
    """Return the sides of the levels' maps and of layer1's for a search region of so many pixels.

    Example:
        >>> map_sizes(255)
        (31, 63)
    """
    stem = (instance_size - 7) // 2 + 1
    finer = (stem - 1) // 2 + 1
    return (finer - 3) // 2 + 1, finer


def _middle(features: Tensor) -> Tensor:
    start = (features.shape[-1] - MIDDLE) // 2
    return features[..., start : start + MIDDLE, start : start + MIDDLE].contiguous()


def stack_sides(sides: list[BranchFeatures]) -> BranchFeatures:
    """Return one level's sides of several targets, (C, h, w) each, as a batch."""
    return BranchFeatures(*(torch.stack(parts) for parts in zip(*sides, strict=True)))
