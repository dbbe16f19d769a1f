"""The target focus network: a transformer that encodes the template and decodes the search region (section 3.1).

Layers are normalised after each residual sum. Positions are added once, to what goes into the first layer, so that
values and residuals carry them too. Tokens are (B, N, 256), row by row.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trackbench.trackers.zoo.sparsett.attention import Attention

EPS = 1e-6
"""Epsilon of every LayerNorm of the target focus network."""


@dataclass(frozen=True)
class FocusSize:
    """Sizes of the target focus network."""

    encoder_layers: int = 2
    """N."""
    decoder_layers: int = 2
    """M."""
    top_k: int = 32
    """K, keys of a query in the decoder's self-attention; all tokens or more is plain attention."""
    width: int = 256
    heads: int = 8
    hidden: int = 2048
    """Width of the feed-forward networks' hidden layer."""
    dropout: float = 0.1


class Positions(nn.Module):
    """Learned position of each cell of a square map: its column's vector and its row's, in this order."""

    def __init__(self, side: int, width: int) -> None:
        super().__init__()
        self.row_embed = nn.Embedding(side, width // 2)
        self.col_embed = nn.Embedding(side, width // 2)
        for table in (self.row_embed, self.col_embed):
            nn.init.uniform_(table.weight)

    def forward(self) -> Tensor:
        """Return the positions of all cells, (side², C)."""
        rows, columns = self.row_embed.weight, self.col_embed.weight
        side = len(rows)
        both = torch.cat([columns[None].expand(side, -1, -1), rows[:, None].expand(-1, side, -1)], -1)
        return both.flatten(0, 1)


class FeedForward(nn.Module):
    """norm(x + two linear layers with a ReLU between them)."""

    def __init__(self, width: int, hidden: int, dropout: float) -> None:
        super().__init__()
        self.w_1 = nn.Linear(width, hidden)
        self.w_2 = nn.Linear(hidden, width)
        self.layer_norm = nn.LayerNorm(width, EPS)
        self.dropout = nn.Dropout(dropout)
        for layer in (self.w_1, self.w_2):
            nn.init.uniform_(layer.weight, -(layer.in_features**-0.5), layer.in_features**-0.5)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        return cast(Tensor, self.layer_norm(x + self.dropout(self.w_2(F.relu(self.w_1(x))))))


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward network (equation 1)."""

    def __init__(self, size: FocusSize) -> None:
        super().__init__()
        self.slf_attn = Attention(size.width, size.heads, size.dropout)
        self.norm = nn.LayerNorm(size.width, EPS)
        self.pos_ffn = FeedForward(size.width, size.hidden, size.dropout)

    def forward(self, x: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C)."""
        return cast(Tensor, self.pos_ffn(self.norm(x + self.slf_attn(x))))


class DecoderLayer(nn.Module):
    """Sparse self-attention, dense attention to the template, a feed-forward network (equation 3)."""

    def __init__(self, size: FocusSize) -> None:
        super().__init__()
        self.slf_attn = Attention(size.width, size.heads, size.dropout, size.top_k)
        self.norm1 = nn.LayerNorm(size.width, EPS)
        self.enc_attn = Attention(size.width, size.heads, size.dropout)
        self.norm2 = nn.LayerNorm(size.width, EPS)
        self.pos_ffn = FeedForward(size.width, size.hidden, size.dropout)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """(B, N, C) and the template's keys and values for this layer -> (B, N, C)."""
        x = self.norm1(x + self.slf_attn(x))
        return cast(Tensor, self.pos_ffn(self.norm2(x + self.enc_attn(x, memory))))


class Encoder(nn.Module):
    """Encodes the template's tokens; without layers it only adds their positions."""

    def __init__(self, size: FocusSize, side: int) -> None:
        super().__init__()
        self.positions = Positions(side, size.width)
        self.layers = nn.ModuleList(EncoderLayer(size) for _ in range(size.encoder_layers))

    def forward(self, x: Tensor) -> Tensor:
        """(B, side², C) -> (B, side², C)."""
        x = x + self.positions()
        for layer in self.layers:
            x = layer(x)
        return x


class Decoder(nn.Module):
    """Decodes the search region's tokens by what was encoded of the template."""

    def __init__(self, size: FocusSize, side: int) -> None:
        super().__init__()
        self.positions = Positions(side, size.width)
        self.layers = nn.ModuleList(DecoderLayer(size) for _ in range(size.decoder_layers))

    def memory(self, encoded: Tensor) -> Tensor:
        """Return keys and values of the encoded template (B, N, C) in each layer: (B, M, 2, heads, N, C / heads)."""
        return torch.stack([cast(DecoderLayer, layer).enc_attn.keys_values(encoded) for layer in self.layers], 1)

    def forward(self, x: Tensor, memory: Tensor) -> Tensor:
        """(B, side², C) and :meth:`memory` -> (B, side², C)."""
        x = x + self.positions()
        for layer, keys_values in zip(self.layers, memory.unbind(1), strict=True):
            x = layer(x, keys_values)
        return x
