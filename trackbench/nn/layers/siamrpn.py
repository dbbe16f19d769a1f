"""What SiamRPN's ranking of proposals has in common in all trackers that took it over.

Source: Li et al., "High Performance Visual Tracking with Siamese Region Proposal Network", CVPR 2018, Sec. 4.3.
"""

from __future__ import annotations

import torch
from torch import Tensor


def padded_side(sizes: Tensor) -> Tensor:
    """Return SiamRPN's overall size of targets (..., 2): the side of a square with their area and context, (...,).

    The context is half the perimeter's half on each axis: ``sqrt((w + p) (h + p))`` with ``p = (w + h) / 2``.
    """
    return (sizes + sizes.sum(-1, keepdim=True) / 2).prod(-1).sqrt()


def change_penalty(sizes: Tensor, last: Tensor, strength: float) -> Tensor:
    """Return the penalty for changes of size and aspect ratio, (...,), 1 for none (SiamRPN, Eq. 13).

    Args:
        sizes: widths and heights of proposals, (..., 2).
        last: those of the target in the frame before, in the same pixels, (..., 2); it broadcasts.
        strength: k of the paper.
    """
    growth = _change(padded_side(sizes) / padded_side(last))
    stretch = _change((last[..., 0] / last[..., 1]) / (sizes[..., 0] / sizes[..., 1]))
    return torch.exp((1 - growth * stretch) * strength)


def _change(ratio: Tensor) -> Tensor:
    """Return the ratio or its inverse, whichever is larger."""
    return torch.maximum(ratio, 1 / ratio)
