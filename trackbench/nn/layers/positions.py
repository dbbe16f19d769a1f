"""Sine encodings of places on a map (Carion et al., DETR, ECCV 2020), which know of padding."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def sine_positions(padded: Tensor, channels: int, temperature: float = 10000.0) -> Tensor:
    """Return the encoding of every cell of maps with padding, float32 (B, channels, H, W).

    Coordinates count the cells that are not padding, from 1, and are scaled so that the last is 2 pi. The first half
    of the channels encodes y, the second x; even channels are sines, odd ones cosines of the same frequency as the
    channel before.

    Args:
        padded: bool (B, H, W), where a map shows padding.
        channels: a multiple of 4.
        temperature: ratio of the largest to the smallest wavelength, nearly.
    """
    valid = (~padded).float()
    y, x = valid.cumsum(1), valid.cumsum(2)
    # In padding that reaches over a whole row or column, 0 / 0 would be left without the small term.
    y = y / (y[:, -1:, :] + 1e-6) * (2 * math.pi)
    x = x / (x[:, :, -1:] + 1e-6) * (2 * math.pi)
    half = channels // 2
    index = torch.arange(half, device=padded.device, dtype=torch.float32)
    wavelengths = temperature ** (2 * (index / 2).floor() / half)
    encoded = []
    for coordinate in (y, x):
        phase = coordinate[..., None] / wavelengths
        encoded.append(torch.stack([phase[..., 0::2].sin(), phase[..., 1::2].cos()], -1).flatten(3))
    return torch.cat(encoded, 3).permute(0, 3, 1, 2)
