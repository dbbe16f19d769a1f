"""Normalisation by fixed statistics is an affine map: inference folds it into the layer before it."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn

from trackbench.nn.layers.frozen_norm import FrozenBatchNorm2d

_NORMS = (nn.BatchNorm1d, nn.BatchNorm2d, FrozenBatchNorm2d)


def fold_batch_norms(root: nn.Module) -> int:
    """Fold every batch norm into the convolution or linear layer before it, in place; return how many were folded.

    The layer before a norm is the child that its parent registered directly before it, as in ``nn.Sequential`` and in
    the blocks of a ResNet. A parent that calls its children in another order must not be folded. In the place of a
    norm stays an ``nn.Identity``.

    Raises:
        ValueError: a norm is in training mode, where it uses the statistics of the batch.
    """
    folded = 0
    for parent in list(root.modules()):
        for (_, layer), (name, norm) in pairwise(list(parent.named_children())):
            if not isinstance(norm, _NORMS) or not _fits(layer, norm):
                continue
            if norm.training and not isinstance(norm, FrozenBatchNorm2d):
                raise ValueError(f"batch norm '{name}' of {type(parent).__name__} is in training mode")
            _fold(layer, norm)
            setattr(parent, name, nn.Identity())
            folded += 1
    return folded


def _fits(layer: nn.Module, norm: nn.Module) -> bool:
    channels = _values(norm, "running_mean").numel()
    match layer:
        case nn.Conv2d():
            return layer.out_channels == channels
        case nn.Linear():
            return layer.out_features == channels
    return False


@torch.no_grad()
def _fold(layer: nn.Module, norm: nn.Module) -> None:
    weight = _values(layer, "weight")
    mean, variance = _values(norm, "running_mean"), _values(norm, "running_var")
    eps = norm.eps
    assert isinstance(eps, float)
    scale = _values(norm, "weight") / (variance + eps).sqrt() if norm.weight is not None else (variance + eps).rsqrt()
    shift = -mean * scale
    if norm.bias is not None:
        shift = shift + _values(norm, "bias")
    if layer.bias is not None:
        shift = shift + _values(layer, "bias") * scale
    folded = weight * scale.view(-1, *[1] * (weight.dim() - 1))
    kept = layer.weight
    assert isinstance(kept, Tensor)
    layer.weight = nn.Parameter(folded.to(kept.dtype), requires_grad=kept.requires_grad)
    layer.bias = nn.Parameter(shift.to(kept.dtype), requires_grad=kept.requires_grad)


def _values(module: nn.Module, name: str) -> Tensor:
    """Return a parameter or buffer in float64, so that folding itself rounds nothing."""
    value = getattr(module, name)
    assert isinstance(value, Tensor)
    return value.detach().double()
