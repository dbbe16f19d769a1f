"""Prediction heads: what every token of the search image says about the target (Sec. 3.4 of the paper)."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor, nn


class HeadOutput(NamedTuple):
    """Predictions of all tokens."""

    logits: Tensor
    """(B, N, 2): target, background."""
    boxes: Tensor
    """(B, N, 4): centre x and y, width and height over the side of the search window, in [0, 1]."""


class MixMLP(nn.Module):
    """Two rounds of a linear layer along the tokens and one along the channels, with ReLU after all but the last.

    The first round leaves ``dim`` tokens, the second makes ``tokens`` of them again. The published checkpoint mixes
    tokens first, Eq. 7 of the paper channels.

    Args:
        tokens: number of tokens.
        dim: their channels.
        out: channels of the prediction.
        channels_first: whether each round mixes channels before tokens.
    """

    def __init__(self, tokens: int, dim: int, out: int, *, channels_first: bool = False) -> None:
        super().__init__()
        self.channels_first = channels_first
        self.spatial = nn.ModuleList([nn.Linear(tokens, dim), nn.Linear(dim, tokens)])
        self.channel = nn.ModuleList([nn.Linear(dim, dim), nn.Linear(dim, out)])

    def forward(self, features: Tensor) -> Tensor:
        """Return the prediction (B, tokens, out) for features (B, tokens, dim)."""
        hidden = self._step_all(0, features).relu()
        return self._step_all(1, hidden)

    def _step_all(self, index: int, features: Tensor) -> Tensor:
        spatial, channel = self.spatial[index], self.channel[index]
        assert isinstance(spatial, nn.Linear)
        if self.channels_first:
            return _along_tokens(spatial, channel(features).relu())
        mixed: Tensor = channel(_along_tokens(spatial, features).relu())
        return mixed


class MLP(nn.Sequential):
    """Two linear layers on each token, with ReLU between."""

    def __init__(self, dim: int, out: int) -> None:
        super().__init__(nn.Linear(dim, dim), nn.ReLU(), nn.Linear(dim, out))


class Head(nn.Module):
    """A classification and a regression head that share nothing.

    Args:
        kind: ``mix-mlp``, ``mix-mlp-paper`` (channels first) or ``mlp``.
        tokens: number of tokens of the search image.
        dim: their channels.
    """

    def __init__(self, kind: str, tokens: int, dim: int) -> None:
        super().__init__()
        self.class_head, self.bbox_head = (
            MLP(dim, out) if kind == "mlp" else MixMLP(tokens, dim, out, channels_first=kind == "mix-mlp-paper")
            for out in (2, 4)
        )
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.xavier_uniform_(parameter)

    def forward(self, features: Tensor) -> HeadOutput:
        """Return the predictions for features (B, tokens, dim)."""
        return HeadOutput(self.class_head(features), self.bbox_head(features).sigmoid())


def _along_tokens(layer: nn.Linear, features: Tensor) -> Tensor:
    """Return ``layer`` applied along the tokens of features (B, tokens, C)."""
    return torch.matmul(layer.weight, features) + layer.bias[:, None]
