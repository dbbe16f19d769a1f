"""Multi-head attention, dense or with only the strongest similarities of each query (section 3.4)."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Attention(nn.Module):
    """Multi-head attention.

    Args:
        width: channels, C.
        heads: attention heads.
        dropout: of the attention weights while training.
        top_k: how many keys each query attends to, K; with None, or with no more keys than that, to all of them.
    """

    def __init__(self, width: int, heads: int, dropout: float, top_k: int | None = None) -> None:
        super().__init__()
        self.heads, self.dropout, self.top_k = heads, dropout, top_k
        self.query = nn.Linear(width, width)
        self.key_value = nn.Linear(width, 2 * width)
        self.out_proj = nn.Linear(width, width)
        for layer in (self.query, self.key_value):
            # Xavier's bound of the three projections taken as one.
            nn.init.uniform_(layer.weight, -((1.5 / width) ** 0.5), (1.5 / width) ** 0.5)
        for layer in (self.query, self.key_value, self.out_proj):
            nn.init.zeros_(layer.bias)

    def keys_values(self, tokens: Tensor) -> Tensor:
        """Return keys and values of tokens (B, N, C): (B, 2, heads, N, C / heads)."""
        projected = cast(Tensor, self.key_value(tokens))
        return projected.view(*tokens.shape[:2], 2, self.heads, -1).permute(0, 2, 3, 1, 4)

    def queries(self, tokens: Tensor) -> Tensor:
        """Return the queries of tokens (B, N, C): (B, heads, N, C / heads)."""
        return cast(Tensor, self.query(tokens)).view(*tokens.shape[:2], self.heads, -1).transpose(1, 2)

    def forward(self, x: Tensor, memory: Tensor | None = None) -> Tensor:
        """Return what the tokens ``x`` (B, N, C) gather from themselves, or from ``memory``: (B, N, C).

        Args:
            x: the tokens that ask.
            memory: :meth:`keys_values` of the tokens that answer.
        """
        q = self.queries(x)
        k, v = (self.keys_values(x) if memory is None else memory).unbind(1)
        dropout = self.dropout if self.training else 0.0
        if self.top_k is None or self.top_k >= k.shape[2]:
            gathered = F.scaled_dot_product_attention(q, k, v, dropout_p=dropout)
        else:
            gathered = sparse_attention(q, k, v, self.top_k, dropout)
        return cast(Tensor, self.out_proj(gathered.transpose(1, 2).reshape(x.shape)))


def similarities(q: Tensor, k: Tensor) -> Tensor:
    """Return scaled dot products of queries (B, heads, N, d) and keys (B, heads, S, d): (B, heads, N, S)."""
    return (q * float(q.shape[-1] ** -0.5)) @ k.transpose(-1, -2)


def sparse_attention(q: Tensor, k: Tensor, v: Tensor, top_k: int, dropout: float = 0.0) -> Tensor:
    """Return the values (B, heads, S, d) weighted by the softmax over the ``top_k`` most similar keys of each query.

    Each query has exactly ``top_k`` keys; among equal similarities at the limit the choice is torch's. The weights are
    put into one matrix of zeros, which is the only dense tensor made here besides the similarities: a matrix product
    with it is several times faster than gathering rows of values. Gradients flow through the chosen keys.

    Args:
        q: queries (B, heads, N, d).
        k: keys (B, heads, S, d).
        v: values (B, heads, S, d).
        top_k: keys of each query, below S.
        dropout: share of the weights that become zero; the others are scaled accordingly.
    """
    scores = similarities(q, k)
    plain = scores.device.type == "cpu" and scores.dtype == torch.float32
    if plain and not torch.is_grad_enabled() and not dropout:
        gathered = _above_limit(scores, v, top_k)
        if gathered is not None:
            return gathered
    strongest, keys = scores.topk(top_k, -1, sorted=False)
    weights = F.dropout(strongest.softmax(-1), dropout).to(scores.dtype)
    return torch.zeros_like(scores).scatter_(-1, keys, weights) @ v


def _above_limit(scores: Tensor, v: Tensor, top_k: int) -> Tensor | None:
    """Return :func:`sparse_attention` by a limit for each query, or None where a limit would let more keys pass.

    NumPy sorts several times faster than torch finds the strongest, and a limit needs no places to scatter to.
    """
    ranked = torch.from_numpy(np.sort(scores.numpy(), axis=-1))
    limits, highest = ranked[..., -top_k, None], ranked[..., -1:]
    if torch.any(ranked[..., -top_k - 1, None] == limits):
        return None
    total = (ranked[..., -top_k:] - highest).exp_().sum(-1, keepdim=True)
    weights = (scores - highest).exp_().mul_(scores.ge_(limits))
    return (weights @ v).div_(total)
