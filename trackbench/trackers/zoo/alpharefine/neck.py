"""The neck of Alpha-Refine: where in the search crop each part of the reference is seen.

The channels of its maps are the P * P = K places of the reference, row by row.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F


class ChannelAttention(nn.Module):
    """Squeeze and excitation (Hu et al., CVPR 2018) over the places of the reference.

    Args:
        channels: K, a multiple of 4: the bottleneck has a quarter of them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = nn.Conv2d(channels, channels // 4, 1)
        self.fc2 = nn.Conv2d(channels // 4, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        """Scale each channel of ``x`` (B, K, H, W) by a gate in (0, 1)."""
        gate: Tensor = self.fc2(F.relu(self.fc1(x.mean((2, 3), keepdim=True))))
        return x * gate.sigmoid()


class SpatialAttention(nn.Module):
    """A non-local block (Wang et al., CVPR 2018, embedded Gaussian), keys and values at half the resolution.

    Args:
        channels: K, even: queries, keys and values have half of them.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        inner = channels // 2
        self.theta = nn.Conv2d(channels, inner, 1)
        self.phi = nn.Sequential(nn.Conv2d(channels, inner, 1), nn.MaxPool2d(2))
        self.g = nn.Sequential(nn.Conv2d(channels, inner, 1), nn.MaxPool2d(2))
        self.W = nn.Sequential(nn.Conv2d(inner, channels, 1), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Add to ``x`` (B, K, H, W) what every place sees elsewhere; the products are not scaled."""
        query, key, value = (branch(x).flatten(2).transpose(1, 2) for branch in (self.theta, self.phi, self.g))
        seen = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        batch, _, height, width = x.shape
        out: Tensor = self.W(seen.transpose(1, 2).view(batch, -1, height, width)) + x
        return out


class Neck(nn.Module):
    """Pixel-wise correlation, then both attentions.

    Args:
        places: K, how many places of the reference there are.
    """

    def __init__(self, places: int) -> None:
        super().__init__()
        self.channel_attention = ChannelAttention(places)
        self.spatial_attention = SpatialAttention(places)

    def forward(self, kernel: Tensor, features: Tensor) -> Tensor:
        """Return (B, K, H, W) for the reference's ``kernel`` (B, K, C) and the search ``features`` (B, C, H, W)."""
        out: Tensor = self.spatial_attention(self.channel_attention(correlate(kernel, features)))
        return out


def correlate(kernel: Tensor, features: Tensor) -> Tensor:
    """Return the inner product of each place of the reference with each place of the search crop.

    Args:
        kernel: (B, K, C).
        features: (B, C, H, W).

    Returns:
        (B, K, H, W), the paper's pixel-wise correlation.
    """
    batch, _, height, width = features.shape
    # In this order the result lies in memory as features with their channels last do.
    products = features.flatten(2).transpose(1, 2) @ kernel.transpose(1, 2)
    return products.transpose(1, 2).view(batch, -1, height, width)
