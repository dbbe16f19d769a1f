"""Encoder and decoder of AiATrack (section 3.2, "Transformer Architecture"), post-norm throughout.

Equal references of an ensemble are one reference with a count: each key then stands for several.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor, nn

from trackbench.trackers.zoo.aiatrack.attention import Attention

MakeAttention = Callable[[], Attention]


class References(NamedTuple):
    """Reference frames, projected for one branch of the decoder; B items with R of them each."""

    projected: Tensor
    """Keys and values for each block, (B, blocks, 2, h, R, L, d)."""
    positions: Tensor
    """Inner encodings of places, (B, R, L, D)."""
    log_counts: Tensor | None = None
    """(B, R): logarithm of how often each is meant; None where all of an item are meant equally often."""


class Residual(nn.Module):
    """A branch that is added to its input and normalised after that.

    Args:
        channels: C.
        dropout: in training.
    """

    def __init__(self, channels: int, dropout: float) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)


class FeedForward(Residual):
    """Two linear layers with ReLU."""

    def __init__(self, channels: int, hidden: int, dropout: float) -> None:
        super().__init__(channels, dropout)
        self.linear1 = nn.Linear(channels, hidden)
        self.linear2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, L, C) for (B, L, C)."""
        hidden = self.dropout(self.linear1(x).relu_())
        out: Tensor = self.norm(x + self.dropout(self.linear2(hidden)))
        return out


class SelfAttentionBlock(Residual):
    """Self-attention, add, norm."""

    def __init__(self, channels: int, make: MakeAttention, dropout: float) -> None:
        super().__init__(channels, dropout)
        self.self_attn = make()

    def forward(self, x: Tensor, places: Tensor, positions: Tensor) -> Tensor:
        """Return (B, L, C) for (B, L, C); see :class:`EncoderLayer`."""
        placed = x + places
        itself = self.self_attn.project(placed, x).unsqueeze(3)
        out: Tensor = self.norm(x + self.dropout(self.self_attn(placed, itself, positions[:, None], positions)))
        return out


class EncoderLayer(nn.Module):
    """Self-attention within one frame and a feed-forward network.

    Args:
        channels: C.
        hidden: channels within the feed-forward network.
        make: makes the attention.
        blocks: Attention-Add-Norm blocks in a row: 1, or 2 in the cascade of Table 4.
        dropout: in training.
    """

    def __init__(self, channels: int, hidden: int, make: MakeAttention, blocks: int, dropout: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(SelfAttentionBlock(channels, make, dropout) for _ in range(blocks))
        self.feed_forward = FeedForward(channels, hidden, dropout)

    def forward(self, x: Tensor, places: Tensor, positions: Tensor) -> Tensor:
        """Return the reinforced features, (B, L, C).

        Args:
            x: features, (B, L, C).
            places: encodings of places that queries and keys see, (B, L, C).
            positions: encodings of places that the inner attention sees, (B, L, D).
        """
        for block in self.blocks:
            x = block(x, places, positions)
        out: Tensor = self.feed_forward(x)
        return out


class CrossAttentionBlock(Residual):
    """From the search frame to its references: one attention for each branch, add, norm.

    Args:
        channels: C.
        make: makes an attention.
        branches: names of the attentions; their outputs are added.
        dropout: in training.
    """

    def __init__(self, channels: int, make: MakeAttention, branches: tuple[str, ...], dropout: float) -> None:
        super().__init__(channels, dropout)
        self.branches = branches
        for name in branches:
            self.add_module(name, make())

    def forward(self, x: Tensor, index: int, references: list[References], positions: Tensor) -> Tensor:
        """Return (B, L, C) for (B, L, C); ``index`` is that of the block, ``references`` has one for each branch."""
        total = x
        for name, branch in zip(self.branches, references, strict=True):
            attention = self.get_submodule(name)
            attended = attention(x, branch.projected[:, index], branch.positions, positions, branch.log_counts)
            total = total + self.dropout(attended)
        out: Tensor = self.norm(total)
        return out


class Decoder(nn.Module):
    """One layer: cross-attention to the references in one or two branches, a feed-forward network and a last norm.

    Args:
        channels: C.
        hidden: channels within the feed-forward network.
        make: makes an attention.
        branches: names of the branches.
        blocks: Attention-Add-Norm blocks in a row.
        dropout: in training.
    """

    def __init__(
        self,
        channels: int,
        hidden: int,
        make: MakeAttention,
        branches: tuple[str, ...],
        blocks: int,
        dropout: float,
    ) -> None:
        super().__init__()
        self.branches = branches
        self.blocks = nn.ModuleList(CrossAttentionBlock(channels, make, branches, dropout) for _ in range(blocks))
        self.feed_forward = FeedForward(channels, hidden, dropout)
        self.norm = nn.LayerNorm(channels)

    def project(self, branch: str, keys: Tensor, values: Tensor) -> Tensor:
        """Return keys and values of reference frames for all blocks of a branch, (B, blocks, 2, h, L, d).

        Args:
            branch: its name.
            keys: features that make keys, (B, L, C).
            values: features that make values, (B, L, C).
        """
        projected = []
        for block in self.blocks:
            attention = block.get_submodule(branch)
            assert isinstance(attention, Attention)
            projected.append(attention.project(keys, values))
        return torch.stack(projected, 1)

    def forward(self, x: Tensor, references: list[References], positions: Tensor) -> Tensor:
        """Return the decoded features of the search frame, (B, L, C).

        Args:
            x: its encoded features, (B, L, C).
            references: those of each branch.
            positions: inner encodings of the search frame's places, (B, L, D).
        """
        for index, block in enumerate(self.blocks):
            x = block(x, index, references, positions)
        out: Tensor = self.norm(self.feed_forward(x))
        return out
