"""Multi-head attention, dense or with only the strongest similarities of each query (section 3.4)."""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head attention; the rows of ``in_proj_weight`` make queries, keys and values, in this order.

    Args:
        width: channels, C.
        heads: attention heads.
        dropout: of the attention weights while training.
        top_k: how many keys each query attends to, K; with None, or with no more keys than that, to all of them.
    """

    def __init__(self, width: int, heads: int, dropout: float, top_k: int | None = None) -> None:
        super().__init__()
        self.heads, self.dropout, self.top_k = heads, dropout, top_k
        self.in_proj_weight = nn.Parameter(torch.empty(3 * width, width))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * width))
        self.out_proj = nn.Linear(width, width)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def keys_values(self, tokens: Tensor) -> Tensor:
        """Return keys and values of tokens (B, N, C): (B, 2, heads, N, C / heads)."""
        width = tokens.shape[2]
        return self._project(tokens, slice(width, 3 * width))

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        """Return what the tokens ``x`` (B, N, C) gather from themselves, or from ``memory``: (B, N, C).

        Args:
            x: the tokens that ask.
            memory: :meth:`keys_values` of the tokens that answer.
        """
        batch, tokens, width = x.shape
        if memory is None:
            q, k, v = self._project(x, slice(0, 3 * width)).unbind(1)
        else:
            q, (k, v) = self._project(x, slice(0, width))[:, 0], memory.unbind(1)
        dropout = self.dropout if self.training else 0.0
        if self.top_k is None or self.top_k >= k.shape[2]:
            gathered = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
        else:
            gathered = sparse_attention(q, k, v, self.top_k, dropout)
        return cast(Tensor, self.out_proj(gathered.transpose(1, 2).reshape(batch, tokens, width)))

    def _project(self, tokens: Tensor, rows: slice) -> Tensor:
        projected = F.linear(tokens, self.in_proj_weight[rows], self.in_proj_bias[rows])
        batch, count, width = tokens.shape
        return projected.view(batch, count, -1, self.heads, width // self.heads).permute(0, 2, 3, 1, 4)


def similarities(q: Tensor, k: Tensor) -> Tensor:
    """Return scaled dot products of queries (B, heads, N, d) and keys (B, heads, S, d): (B, heads, N, S)."""
    return (q * float(q.shape[-1] ** -0.5)) @ k.transpose(-1, -2)


def sparse_attention(q: Tensor, k: Tensor, v: Tensor, top_k: int, dropout: float = 0.0) -> Tensor:
    """Return the values (B, heads, S, d) weighted by the softmax over the ``top_k`` most similar keys of each query.

    Each query has exactly ``top_k`` keys; among equal similarities at the limit the choice is torch's. The weights are
    put into one matrix of zeros, which is the only dense tensor made here besides the similarities: a matrix product
    with it is several times faster than gathering rows of values.

    Args:
        q: queries (B, heads, N, d).
        k: keys (B, heads, S, d).
        v: values (B, heads, S, d).
        top_k: keys of each query, below S.
        dropout: share of the weights that become zero; the others are scaled accordingly.
    """
    scores = similarities(q, k)
    strongest, keys = scores.topk(top_k, -1, sorted=False)
    weights = F.dropout(strongest.softmax(-1), dropout)
    return torch.zeros_like(scores).scatter_(-1, keys, weights) @ v
