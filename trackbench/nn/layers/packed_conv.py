"""Inference-only convolutions in oneDNN's packed layout; see ``packed_linear``."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn

from trackbench.nn.layers.packed_linear import Activation, can_pack


class PackedConv2d(nn.Module):
    """A convolution for inference on a CPU in float32; it takes and gives maps that are channels last in memory.

    Args:
        conv: the layer, padded with zeros; it is not changed.
        side: of the maps that usually come in; the layout suits any size.
        activation: applied to the result; see :class:`~trackbench.nn.layers.packed_linear.PackedLinear`.
    """

    def __init__(self, conv: nn.Conv2d, side: int, activation: Activation = "none") -> None:
        super().__init__()
        self.activation = activation
        self.sizes = list(cast(tuple[int, ...], conv.padding)), list(conv.stride), list(conv.dilation), conv.groups
        weight = conv.weight.detach().contiguous(memory_format=torch.channels_last)
        usual = (1, conv.in_channels, side, side)
        self.packed = torch.ops.mkldnn._reorder_convolution_weight(weight, *self.sizes, usual)
        self.bias = None if conv.bias is None else conv.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, output, H', W')."""
        x = x.contiguous(memory_format=torch.channels_last)
        convolved = torch.ops.mkldnn._convolution_pointwise(
            x, self.packed, self.bias, *self.sizes, self.activation, [], "none"
        )
        return cast(Tensor, convolved)


def pack_convolutions(root: nn.Module, side: int) -> int:
    """Replace every convolution below ``root`` by its packed form, in place; return how many were replaced.

    Layers that are not float32, not on a CPU or not padded with zeros stay; so do all where torch cannot pack.
    """
    if not can_pack():
        return 0
    packed = 0
    for parent in list(root.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is nn.Conv2d and _fits(layer):
                setattr(parent, name, PackedConv2d(layer, side))
                packed += 1
    return packed


def _fits(conv: nn.Conv2d) -> bool:
    plain = conv.padding_mode == "zeros" and not isinstance(conv.padding, str)
    return plain and conv.weight.dtype == torch.float32 and conv.weight.device.type == "cpu"
