"""Depth-wise correlation against sums over shifted windows."""

from __future__ import annotations

import torch

from trackbench.nn.layers.correlation import depthwise_correlation


def test_every_channel_meets_its_own_kernel() -> None:
    generator = torch.Generator().manual_seed(0)
    search = torch.randn(2, 3, 8, 7, generator=generator).to(memory_format=torch.channels_last)
    kernel = torch.randn(2, 3, 3, 2, generator=generator)
    out = depthwise_correlation(search, kernel)
    assert out.shape == (2, 3, 6, 6)
    for row in range(6):
        for column in range(6):
            window = search[:, :, row : row + 3, column : column + 2]
            torch.testing.assert_close(out[:, :, row, column], (window * kernel).sum((2, 3)))
