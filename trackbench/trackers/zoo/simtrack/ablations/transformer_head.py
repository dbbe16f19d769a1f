"""STARK-S's transformer between backbone and predictor: the head of the paper's baseline, STARK-SV (Sec. 3.1, Fig. 2a).

Yan et al., Learning Spatio-Temporal Transformer for Visual Tracking, ICCV 2021, Sec. 3.1: an encoder over the tokens of
both images, a decoder with one query, and search tokens that are weighted by their similarity to the decoded query.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trackbench.nn.layers.positions import sine_positions

LAYERS = 6
HEADS = 8
HIDDEN = 2048
DROPOUT = 0.1


class _Layer(nn.Module):
    """What layers of encoder and decoder share: residual branches with the norm after the sum."""

    def __init__(self, width: int, attentions: int) -> None:
        super().__init__()
        self.attentions = nn.ModuleList(
            nn.MultiheadAttention(width, HEADS, dropout=DROPOUT, batch_first=True) for _ in range(attentions)
        )
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(attentions + 1))
        self.linear1 = nn.Linear(width, HIDDEN)
        self.linear2 = nn.Linear(HIDDEN, width)
        self.dropout = nn.Dropout(DROPOUT)

    def _attend(self, index: int, x: Tensor, place: Tensor, source: Tensor, source_place: Tensor) -> Tensor:
        gathered, _ = self.attentions[index](x + place, source + source_place, source, need_weights=False)
        normed: Tensor = self.norms[index](x + self.dropout(gathered))
        return normed

    def _feed(self, x: Tensor) -> Tensor:
        changed = self.linear2(self.dropout(F.relu(self.linear1(x))))
        normed: Tensor = self.norms[-1](x + self.dropout(changed))
        return normed


class EncoderLayer(_Layer):
    """Self-attention and a feed-forward network."""

    def __init__(self, width: int) -> None:
        super().__init__(width, attentions=1)

    def forward(self, x: Tensor, places: Tensor) -> Tensor:
        """(B, N, C) -> (B, N, C); ``places`` (1, N, C) are added to queries and keys."""
        return self._feed(self._attend(0, x, places, x, places))


class DecoderLayer(_Layer):
    """Self-attention of the queries, attention to the encoder's tokens, and a feed-forward network."""

    def __init__(self, width: int) -> None:
        super().__init__(width, attentions=2)

    def forward(self, x: Tensor, query: Tensor, source: Tensor, places: Tensor) -> Tensor:
        """(B, Q, C) -> (B, Q, C).

        Args:
            x: the queries' content.
            query: their places, (1, Q, C).
            source: the encoder's tokens, (B, N, C).
            places: of those, (1, N, C).
        """
        x = self._attend(0, x, query, x, query)
        return self._feed(self._attend(1, x, query, source, places))


class TransformerHead(nn.Module):
    """Encoder, decoder and the weighting of the search tokens.

    Args:
        width: channels of the tokens, C.
        cells: tokens along a side of the exemplar and of the search image.
    """

    places: Tensor

    def __init__(self, width: int, cells: tuple[int, int]) -> None:
        super().__init__()
        self.encoder = nn.ModuleList(EncoderLayer(width) for _ in range(LAYERS))
        self.decoder = nn.ModuleList(DecoderLayer(width) for _ in range(LAYERS))
        self.norm = nn.LayerNorm(width)
        for parameter in self.parameters():
            if parameter.dim() > 1:
                nn.init.xavier_uniform_(parameter)
        self.query = nn.Parameter(torch.randn(1, 1, width))
        maps = [sine_positions(torch.zeros(1, side, side, dtype=torch.bool), width) for side in cells]
        places = torch.cat([encoded.flatten(2) for encoded in maps], 2).transpose(1, 2)
        self.register_buffer("places", places, persistent=False)

    def forward(self, search: Tensor, exemplar: Tensor) -> Tensor:
        """Return the weighted search tokens (B, s², C) for those of both images."""
        tokens = torch.cat([exemplar, search], dim=1)
        for layer in self.encoder:
            tokens = layer(tokens, self.places)
        gathered = torch.zeros_like(self.query).expand(len(tokens), -1, -1)
        for layer in self.decoder:
            gathered = layer(gathered, self.query, tokens, self.places)
        encoded = tokens[:, exemplar.shape[1] :]
        similarity = encoded @ self.norm(gathered).transpose(1, 2)
        weighted: Tensor = encoded * similarity
        return weighted
