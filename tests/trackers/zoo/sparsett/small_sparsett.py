"""A SparseTT of few channels, on images of the real size, that tests share."""

from __future__ import annotations

import zlib

import numpy as np
import torch
from torch import nn

from trackbench.nn.layers.swin import SwinSize
from trackbench.trackers.zoo.sparsett.focus import FocusSize
from trackbench.trackers.zoo.sparsett.network import NetworkSize, SparseTTNetwork
from trackbench.trackers.zoo.sparsett.tracker import SparseTT, SparseTTOptions

SWIN = SwinSize(8, (1, 1, 2, 1), (1, 2, 2, 4))


def small_network(options: SparseTTOptions) -> SparseTTNetwork:
    """Return the options' network with few channels and deterministic values."""
    focus = FocusSize(
        options.encoder_layers, options.decoder_layers, options.top_k, width=16, heads=2, hidden=32, dropout=0.1
    )
    size = NetworkSize(focus, options.heads, head_width=32, bottlenecks=1)
    network = SparseTTNetwork(size, SWIN)
    fill(network)
    return network


@torch.no_grad()
def fill(network: nn.Module) -> None:
    """Give every parameter and statistic a value that its name decides, so that boxes move and stay in the frame."""
    for name, tensor in network.state_dict().items():
        if not tensor.is_floating_point():
            continue
        generator = np.random.default_rng(zlib.crc32(name.encode()))
        values = generator.standard_normal(tuple(tensor.shape))
        if name.endswith("running_var"):
            values = 1 + 0.2 * np.abs(values)
        elif tensor.dim() < 2:
            values = 0.05 * values + (0 if name.endswith(("bias", "mean", "bi")) else 1)
        else:
            values = values / np.sqrt(np.prod(tensor.shape[1:]))
        tensor.copy_(torch.from_numpy(np.asarray(values)))


class SmallSparseTT(SparseTT):
    """The tracker with the small network."""

    @classmethod
    def build_network(cls, options: SparseTTOptions) -> SparseTTNetwork:
        """Return the small network."""
        return small_network(options)


def sequences(count: int, length: int) -> tuple[list[list[np.ndarray]], np.ndarray]:
    """Return frames [target][time], of different sizes, and first boxes (count, 4)."""
    generator = np.random.default_rng(5)
    frames = []
    for target in range(count):
        height, width = 120 + 12 * target, 170 - 5 * target
        coarse = generator.integers(0, 256, (12, 15, 3)).astype(np.float64)
        fine = np.kron(coarse, np.ones((-(-height // 12), -(-width // 15), 1)))[:height, :width]
        frames.append([np.roll(fine, (2 * t, 3 * t), (0, 1)).astype(np.uint8) for t in range(length)])
    boxes = np.array([[40 + 2 * i, 35 + i, 30 + 1.5 * i, 41 - 2 * i] for i in range(count)])
    return frames, boxes
