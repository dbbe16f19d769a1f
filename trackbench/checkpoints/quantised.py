"""Weights in a quarter of their size: int8 with a scale for each row of a matrix or output channel of a convolution.

Only the file is small: whoever reads it gets float32 numbers back.
"""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

SCALE = ":int8_scale"
"""What is put after a tensor's name to name its scales."""
LARGEST = 127
LEAST = 4096
"""Tensors with fewer numbers are kept as float16."""


def quantised(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return the tensors to write: matrices and convolutions as int8, (R, ...), with float32 scales (R,).

    A number is off by at most half a scale, which is 1/254 of the largest in its row. Other floating-point numbers
    become float16.
    """
    packed: dict[str, Tensor] = {}
    for name, tensor in weights.items():
        if not tensor.is_floating_point():
            packed[name] = tensor
        elif tensor.ndim < 2 or tensor.numel() < LEAST:
            packed[name] = tensor.half()
        else:
            rows = tensor.float().flatten(1)
            scales = (rows.abs().amax(1) / LARGEST).clamp_min(torch.finfo(torch.float32).tiny)
            packed[name] = (rows / scales[:, None]).round().to(torch.int8).view(tensor.shape)
            packed[name + SCALE] = scales
    return packed


def restored(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a file's tensors as float32 where they were written by :func:`quantised`; other files as they are.

    Raises:
        ValueError: the scales of a tensor do not fit it.
    """
    if not any(name.endswith(SCALE) for name in state):
        return dict(state)
    weights: dict[str, Tensor] = {}
    for name, tensor in state.items():
        if name.endswith(SCALE):
            continue
        scales = state.get(name + SCALE)
        if scales is None:
            weights[name] = tensor.float() if tensor.is_floating_point() else tensor
        elif scales.shape != tensor.shape[:1]:
            raise ValueError(f"'{name}' of shape {tuple(tensor.shape)} has {scales.numel()} scales")
        else:
            weights[name] = (tensor.float().flatten(1) * scales[:, None]).view(tensor.shape)
    return weights
