"""Inference-only linear layers in oneDNN's packed layout: their weights do not change any more.

oneDNN multiplies with weights in blocks of its own; without this it, or MKL, rearranges them in every call, which costs
10 to 20 % of a transformer on one target. The operators are those that torch's compiler puts in when it freezes a
network; where they are missing, and on other devices, a layer stays as it is.
"""

from __future__ import annotations

from typing import Literal, cast

import torch
from torch import Tensor, nn

Activation = Literal["none", "relu", "gelu", "swish"]
_OPERATORS = (
    "_reorder_linear_weight",
    "_linear_pointwise",
    "_reorder_convolution_weight",
    "_convolution_pointwise",
)
_POINT = [0, 0], [1, 1], [1, 1], 1
"""Padding, stride, dilation and groups of a 1x1 convolution."""


class PackedLinear(nn.Module):
    """A linear layer with an activation, for inference on a CPU in float32.

    Args:
        linear: the layer; it is not changed.
        rows: how many tokens usually come in at once; the layout suits any number.
        activation: applied to the result; ``swish`` is x·sigmoid(x), ``gelu`` the exact one.
    """

    def __init__(self, linear: nn.Linear, rows: int, activation: Activation = "none") -> None:
        super().__init__()
        self.activation = activation
        # As a 1x1 convolution oneDNN multiplies large matrices 1 to 2 % faster. With fewer tokens or channels it wants
        # another layout for each number of tokens, and would rearrange the weights whenever others come in.
        self.convolves = rows >= 256 and min(linear.weight.shape) >= 1024
        weight = linear.weight.detach()
        if self.convolves:
            weight = weight[:, :, None, None].contiguous(memory_format=torch.channels_last)
            usual = (1, linear.in_features, rows, 1)
            self.packed = torch.ops.mkldnn._reorder_convolution_weight(weight, *_POINT, usual)
        else:
            self.packed = torch.ops.mkldnn._reorder_linear_weight(weight, rows)
        self.bias = None if linear.bias is None else linear.bias.detach()

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) -> (..., outputs)."""
        # Of the two algorithms of the GELU, "none" is the exact one; other activations have no choice.
        activation: tuple[str, list[float], str] = (self.activation, [], "none")
        if not self.convolves:
            return cast(Tensor, torch.ops.mkldnn._linear_pointwise(x, self.packed, self.bias, *activation))
        tokens = x.reshape(1, -1, 1, x.shape[-1]).permute(0, 3, 1, 2)
        product = torch.ops.mkldnn._convolution_pointwise(tokens, self.packed, self.bias, *_POINT, *activation)
        return cast(Tensor, product.permute(0, 2, 3, 1).reshape(*x.shape[:-1], -1))


def can_pack() -> bool:
    """Whether this torch has the operators."""
    available: bool = torch.backends.mkldnn.is_available()  # type: ignore[no-untyped-call]
    return available and all(hasattr(torch.ops.mkldnn, name) for name in _OPERATORS)


def pack_linears(root: nn.Module, rows: int) -> int:
    """Replace every linear layer below ``root`` by its packed form, in place; return how many were replaced.

    Layers that are not float32 or not on a CPU stay, and so do all where :func:`can_pack` is false.
    """
    if not can_pack():
        return 0
    packed = 0
    for parent in list(root.modules()):
        for name, layer in list(parent.named_children()):
            if type(layer) is nn.Linear and layer.weight.dtype == torch.float32 and layer.weight.device.type == "cpu":
                setattr(parent, name, PackedLinear(layer, rows))
                packed += 1
    return packed
