"""Cross-correlation of a template with a search region, channel by channel (Li et al., SiamRPN++, CVPR 2019)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor


def depthwise_correlation(search: Tensor, kernel: Tensor) -> Tensor:
    """Correlate every channel of every search region with its own kernel, without padding.

    Args:
        search: (B, C, H, W).
        kernel: (B, C, h, w).

    Returns:
        (B, C, H - h + 1, W - w + 1).
    """
    batch, channels, height, width = search.shape
    groups = batch * channels
    out = F.conv2d(
        search.reshape(1, groups, height, width), kernel.reshape(groups, 1, *kernel.shape[-2:]), groups=groups
    )
    return out.view(batch, channels, *out.shape[-2:])
