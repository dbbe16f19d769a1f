"""Pyramid transformers for inference in oneDNN's packed layout; see ``packed_linear``."""

from __future__ import annotations

from functools import reduce
from typing import cast

import torch
from torch import Tensor, nn

from trackbench.nn.layers.packed_conv import PackedConv2d, pack_convolutions
from trackbench.nn.layers.packed_linear import PackedLinear, can_pack, pack_linears
from trackbench.nn.layers.pyramid import ConvFeedForward, TokenMap

_CACHED = 1 << 19
"""Numbers that a core keeps at hand, about 2 MB in float32."""


class PackedFeedForward(nn.Module):
    """A :class:`ConvFeedForward` for inference on a CPU in float32.

    What comes before the GELU applies it too. To write and read the hidden map would take as long as to convolve it;
    its channels are computed in groups that stay in the cache, and what the groups give is summed.

    Args:
        layer: the layer; it is not changed.
        side: of the maps that usually come in; the layout suits any size.
    """

    def __init__(self, layer: ConvFeedForward, side: int) -> None:
        super().__init__()
        dim, hidden = layer.fc1.in_features, layer.fc1.out_features
        groups = max(1, side * side * hidden // _CACHED)
        self.fc1, self.position, self.fc2 = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for index, part in enumerate(torch.arange(hidden).tensor_split(groups)):
            fc1, fc2 = nn.Linear(dim, len(part)), nn.Linear(len(part), dim, bias=index == 0)
            fc1.load_state_dict({name: tensor[part] for name, tensor in layer.fc1.state_dict().items()})
            fc2.load_state_dict({"weight": layer.fc2.weight[:, part]} | ({} if index else {"bias": layer.fc2.bias}))
            self.fc1.append(PackedLinear(fc1, side * side, "none" if layer.position else "gelu"))
            self.fc2.append(PackedLinear(fc2, side * side))
            if layer.position is not None:
                position = nn.Conv2d(len(part), len(part), 3, padding=1, groups=len(part))
                position.load_state_dict({name: tensor[part] for name, tensor in layer.position.state_dict().items()})
                self.position.append(PackedConv2d(position, side, "gelu"))

    def forward(self, source: TokenMap) -> Tensor:
        """Return new tokens (B, N, dim) for (normalised) tokens."""
        return reduce(torch.add, (self._group(source, index) for index in range(len(self.fc1))))

    def _group(self, source: TokenMap, index: int) -> Tensor:
        """Return what the hidden channels of one group give, (B, N, dim)."""
        hidden = source.replaced(self.fc1[index](source.tokens))
        if self.position:
            hidden = TokenMap.of(self.position[index](hidden.image()))
        return cast(Tensor, self.fc2[index](hidden.tokens))


def pack_pyramid(root: nn.Module, side: int) -> None:
    """Rearrange all weights below ``root`` as a CPU wants them, in place, for inference in float32.

    Nothing happens where torch cannot; see :mod:`trackbench.nn.layers.packed_linear`.

    Args:
        root: in evaluation mode; its weights do not change any more.
        side: of the maps that usually come in; the layout suits any size.
    """
    if not can_pack():
        return
    for parent in list(root.modules()):
        for name, layer in list(parent.named_children()):
            if isinstance(layer, ConvFeedForward):
                setattr(parent, name, PackedFeedForward(layer, side))
    pack_linears(root, side * side)
    pack_convolutions(root, side)
