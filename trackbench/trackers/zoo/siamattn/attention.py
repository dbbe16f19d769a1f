"""Deformable Siamese attention (paper Sec. 3.2): what template and search region learn from themselves and each other.

One instance serves one level and both branches with the same weights. With Z the template's map and X the search
region's, C the channel attention, U its application and S the spatial attention,

    Z' = S(Z) + U(Z, C(Z)) + U(Z, C(X)),    X' = S(X) + U(X, C(X)) + U(X, C(Z)),

each term with its residual, then a deformable 3x3 convolution. The published weights need the official code's reading
of the paper, not the paper's words:

- Eq. 3, the channel attention, is the softmax of ``max - similarity``: it is largest for the *least* similar channel;
- Eq. 1, the spatial attention, is a softmax over the keys of each query;
- one scalar gamma (Eq. 4) serves self- and cross-attention of both branches, and the residuals add up to 3 Z and 3 X;
- the cross term sees the raw maps, not self-attended ones.

Tables 5 and 6 take parts away: without self-attention S(.) and U(., C(.)) of the same branch go, without
cross-attention U(., C(other)), each with its residual; without the deformable convolution an ordinary one with bias is
in its place.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trackbench.nn.layers.deformable import DeformableConv2d


class BranchFeatures(NamedTuple):
    """What one branch gives to the attention, computed from that branch alone."""

    features: Tensor
    """The map of the neck, (B, C, h, w)."""
    own: Tensor
    """The terms that depend on this branch only, (B, C, h, w)."""
    channels: Tensor
    """Channel attention of the map, (B, C, C)."""


class SpatialAttention(nn.Module):
    """Spatial self-attention with a residual, Eq. 1 and 2; keys and queries have an eighth of the channels."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.query_conv = nn.Conv2d(channels, channels // 8, 1)
        self.key_conv = nn.Conv2d(channels, channels // 8, 1)
        self.value_conv = nn.Conv2d(channels, channels, 1)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, h, w) to the same shape."""
        query, key, value = (
            conv(features).flatten(2).transpose(1, 2) for conv in (self.query_conv, self.key_conv, self.value_conv)
        )
        mixed = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        return torch.addcmul(features, mixed.transpose(1, 2).reshape(features.shape), self.gamma)


def channel_attention(features: Tensor) -> Tensor:
    """Return which channels each channel attends to, (B, C, C), rows sum to one; Eq. 3 with the sign of the code.

    It is computed in float32 or better: sums over all places of features that are not normalised leave float16's range.
    """
    with torch.autocast(features.device.type, enabled=False):
        flat = features.flatten(2).to(torch.promote_types(features.dtype, torch.float32))
        energy = flat @ flat.transpose(1, 2)
        # softmax(max - energy), which no shift changes.
        return torch.softmax(-energy, -1)


class SiameseAttention(nn.Module):
    """The attention of one level.

    Args:
        channels: C.
        self_attention: whether the terms of the own branch are there.
        cross_attention: whether the terms of the other branch are there.
        deform_conv: whether the last convolution is deformable.
    """

    def __init__(self, channels: int, self_attention: bool, cross_attention: bool, deform_conv: bool) -> None:
        super().__init__()
        self.cross_attention = cross_attention
        self.spatial = SpatialAttention(channels) if self_attention else None
        self.gamma = nn.Parameter(torch.zeros(1))
        self.convolution: nn.Module = (
            DeformableConv2d(channels, channels) if deform_conv else nn.Conv2d(channels, channels, 3, padding=1)
        )

    def side(self, features: Tensor) -> BranchFeatures:
        """Return what the map (B, C, h, w) of one branch gives; for a template it is computed once."""
        channels = channel_attention(features)
        own = torch.zeros_like(features)
        if self.spatial is not None:
            own = self.spatial(features) + self.apply_channels(features, channels)
        return BranchFeatures(features, own, channels)

    def apply_channels(self, features: Tensor, channels: Tensor) -> Tensor:
        """Return U: the map with its channels mixed, and its residual, Eq. 4."""
        mixed = (channels @ features.flatten(2)).view(features.shape)
        return torch.addcmul(features, mixed, self.gamma)

    def combine(self, side: BranchFeatures, other: BranchFeatures) -> Tensor:
        """Return the terms of one branch, (B, C, h, w), before the last convolution."""
        return side.own + self.apply_channels(side.features, other.channels) if self.cross_attention else side.own

    def forward(self, template: BranchFeatures, search: BranchFeatures) -> tuple[Tensor, Tensor]:
        """Return the attentional features of template and search region, (B, C, h, w) and (B, C, H, W)."""
        return self.convolution(self.combine(template, search)), self.convolution(self.combine(search, template))
