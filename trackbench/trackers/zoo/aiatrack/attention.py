"""Attention whose correlations are refined before the softmax (section 3.1 of the paper).

Notation: B items, h heads of d channels, R reference frames of L keys each, L queries. The correlations of one head
with one reference frame are a map M = Q K^T / sqrt(d), (L queries, L keys). What refines it works on each of these maps
alone, so that references do not meet before the softmax over all keys of all references.

In evaluation the maps are never made. M has rank d, and layer norm, aggregation and the output map of the inner
attention keep that: with Q' = Q / sqrt(d), centred over the queries to Q_c, s_k the standard deviation of the
correlations of key k, g and b scale and shift of their layer norm, A the inner weights, the residual of equation 2 is

    InnerAttn(M)^T = A diag(1 / s) K Q_c^T diag(g) (1 + Wo)  +  a term for each query,

and what is the same for all keys of a query cancels in the softmax over the keys. So the refined correlations are a
product of 2 d channels, [Q', (1 + Wo)^T diag(g) Q_c] with [K, A diag(1 / s) K]: two ordinary attentions, a third of the
multiplications, and no map in memory.
"""

from __future__ import annotations

import math
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Perspective = Literal["keys", "queries"]
"""What a vector of correlations belongs to: those of a key with all queries, or those of a query with all keys."""


class InnerAttention(nn.Module):
    """The inner attention module: correlation vectors seek consensus among themselves (equation 2).

    The residual of equation 2 has biases in all linear maps and shares its parameters between heads and references.

    Args:
        length: numbers in a correlation vector.
        channels: channels of the inner queries and keys, D.
        positions: whether places are encoded (variant (h) of Table 3 goes without).
        dropout: of the inner weights and of the output, in training.
    """

    def __init__(self, length: int, channels: int, positions: bool, dropout: float) -> None:
        super().__init__()
        self.positions = positions
        self.corr_proj = nn.Linear(length, channels)
        self.feat_norm1 = nn.LayerNorm(channels)
        self.feat_norm2 = nn.LayerNorm(length)
        self.q_proj = nn.Linear(channels, channels)
        self.k_proj = nn.Linear(channels, channels)
        self.out_proj = nn.Linear(length, length)
        self.dropout = nn.Dropout(dropout)

    def forward(self, vectors: Tensor, positions: Tensor) -> Tensor:
        """Return the residual of each correlation vector.

        Args:
            vectors: (B, h, R, tokens, length).
            positions: sine encodings of the tokens' places, (B, R or 1, tokens, D).
        """
        reduced = self.feat_norm1(self.corr_proj(vectors))
        if self.positions:
            reduced = reduced + positions[:, None]
        queries = self.q_proj(reduced) * (1 / math.sqrt(reduced.shape[-1]))
        weights = self.dropout((queries @ self.k_proj(reduced).transpose(-1, -2)).softmax(-1))
        aggregated = weights @ self.feat_norm2(vectors)
        residual: Tensor = self.dropout(aggregated + self.out_proj(aggregated))
        return residual

    def factors(self, queries: Tensor, keys: Tensor, positions: Tensor) -> tuple[Tensor, Tensor]:
        """Return the residual for correlation vectors of keys as a product, as in the module's text; no dropout.

        Args:
            queries: Q', (B, h, L, d).
            keys: K, (B, h, R, L, d).
            positions: sine encodings of the keys' places, (B, R, L, D).

        Returns:
            (1 + Wo)^T diag(g) Q_c, (B, h, L, d), and A diag(1 / s) K, (B, h, R, L, d): the residual is the product of
            the second with the transpose of the first, up to a number for each query.
        """
        weight = self.corr_proj.weight @ queries
        reduced = self.feat_norm1(keys @ weight.transpose(-1, -2)[:, :, None] + self.corr_proj.bias)
        if self.positions:
            reduced = reduced + positions[:, None]
        centred = queries - queries.mean(2, keepdim=True)
        # The variance of a key's correlations is a quadratic form of the queries' covariance. Where keys avoid the
        # directions in which queries spread, single precision would lose it.
        spread = centred.double()
        covariance = (spread.transpose(2, 3) @ spread / spread.shape[2])[:, :, None]
        doubled = keys.double()
        variance = ((doubled @ covariance) * doubled).sum(-1, keepdim=True)
        normalised = keys * (variance + self.feat_norm2.eps).rsqrt().to(keys.dtype)
        aggregated = F.scaled_dot_product_attention(
            self.q_proj(reduced).flatten(1, 2), self.k_proj(reduced).flatten(1, 2), normalised.flatten(1, 2)
        ).view_as(keys)
        scaled = self.feat_norm2.weight[:, None] * centred
        return scaled + self.out_proj.weight @ scaled, aggregated


class ConvBottleneck(nn.Module):
    """A convolutional bottleneck in the place of the inner attention (Table 4, "conv in both").

    The paper says no more than "convolutional bottleneck" of "similar computational cost". Here the vectors lie on the
    map of their tokens, and the residual is 1x1, 3x3 and 1x1 convolutions with batch norm, as in He et al., CVPR 2016.

    Args:
        length: numbers in a correlation vector.
        cells: tokens along each side of the map.
        width: channels in between; by default as many as cost what the inner attention does at 20 cells and D = 64.
    """

    def __init__(self, length: int, cells: int, width: int = 164) -> None:
        super().__init__()
        self.cells = cells
        self.conv1 = nn.Conv2d(length, width, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = nn.Conv2d(width, length, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(length)

    def forward(self, vectors: Tensor, positions: Tensor) -> Tensor:
        """Return the residual of each correlation vector, (B, h, R, tokens, length); it needs no ``positions``."""
        maps = vectors.reshape(-1, self.cells, self.cells, vectors.shape[-1]).permute(0, 3, 1, 2)
        maps = self.bn1(self.conv1(maps)).relu()
        maps = self.bn2(self.conv2(maps)).relu()
        residual: Tensor = self.bn3(self.conv3(maps)).permute(0, 2, 3, 1).reshape(vectors.shape)
        return residual


class Attention(nn.Module):
    """Multi-head attention over reference frames, with or without refined correlations (equations 1 and 3).

    Args:
        channels: channels of queries, keys, values and output.
        heads: number of heads.
        refinement: :class:`InnerAttention`, :class:`ConvBottleneck` or None, which is conventional attention.
        perspective: what one correlation vector is.
        dropout: of the weights, in training.
    """

    def __init__(
        self, channels: int, heads: int, refinement: nn.Module | None, perspective: Perspective, dropout: float
    ) -> None:
        super().__init__()
        self.heads = heads
        self.perspective = perspective
        self.dropout = dropout
        self.in_proj_weight = nn.Parameter(torch.empty(3 * channels, channels))
        self.in_proj_bias = nn.Parameter(torch.zeros(3 * channels))
        self.inner_attn = refinement
        self.out_proj = nn.Linear(channels, channels)
        nn.init.xavier_uniform_(self.in_proj_weight)
        nn.init.zeros_(self.out_proj.bias)

    def project(self, keys: Tensor, values: Tensor) -> Tensor:
        """Return what queries will meet: keys and values of each head, (B, 2, h, L, d).

        It depends on the reference alone, so that tracking does it once for each.

        Args:
            keys: features of the reference that make its keys, (B, L, C).
            values: features that make its values, (B, L, C).
        """
        _, weight_k, weight_v = self.in_proj_weight.chunk(3)
        _, bias_k, bias_v = self.in_proj_bias.chunk(3)
        both = [self._split(F.linear(keys, weight_k, bias_k)), self._split(F.linear(values, weight_v, bias_v))]
        return torch.stack(both, 1)

    def forward(
        self,
        queries: Tensor,
        references: Tensor,
        reference_positions: Tensor,
        query_positions: Tensor,
        log_counts: Tensor | None = None,
    ) -> Tensor:
        """Return the attended values, (B, L, C).

        Args:
            queries: features that make the queries, (B, L, C).
            references: from :meth:`project`, stacked to (B, 2, h, R, L, d).
            reference_positions: inner encodings of the references' places, (B, R, L, D).
            query_positions: inner encodings of the queries' places, (B, L, D).
            log_counts: (B, R), logarithms of how many equal references each one stands for; None where these do not
                differ within an item.
        """
        keys, values = references.unbind(1)
        weight, bias = self.in_proj_weight.chunk(3)[0], self.in_proj_bias.chunk(3)[0]
        projected = self._split(F.linear(queries, weight, bias))
        scaled = projected * (1 / math.sqrt(keys.shape[-1]))
        inner = self.inner_attn
        if inner is None:
            attended = self._conventional(projected, keys, values, log_counts)
        elif isinstance(inner, InnerAttention) and self.perspective == "keys" and not self.training:
            attended = self._factored(inner, scaled, keys, values, reference_positions, log_counts)
        else:
            attended = self._refined(scaled, keys, values, reference_positions, query_positions, log_counts)
        out: Tensor = self.out_proj(attended.transpose(1, 2).flatten(2))
        return out

    def _conventional(self, queries: Tensor, keys: Tensor, values: Tensor, log_counts: Tensor | None) -> Tensor:
        dropout = self.dropout if self.training else 0.0
        bias = _key_bias(log_counts, keys)
        return F.scaled_dot_product_attention(queries, keys.flatten(2, 3), values.flatten(2, 3), bias, dropout)

    def _factored(
        self,
        inner: InnerAttention,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        reference_positions: Tensor,
        log_counts: Tensor | None,
    ) -> Tensor:
        """Return what :meth:`_refined` returns in evaluation, without making maps."""
        left, right = inner.factors(queries, keys, reference_positions)
        queries, keys = torch.cat([queries, left], -1), torch.cat([keys, right], -1)
        # Fused kernels want values as wide as keys.
        width = values.shape[-1]
        padded = F.pad(values, (0, width)).flatten(2, 3)
        bias = _key_bias(log_counts, keys)
        return F.scaled_dot_product_attention(queries, keys.flatten(2, 3), padded, bias, scale=1.0)[..., :width]

    def _refined(
        self,
        queries: Tensor,
        keys: Tensor,
        values: Tensor,
        reference_positions: Tensor,
        query_positions: Tensor,
        log_counts: Tensor | None,
    ) -> Tensor:
        correlations = self.correlate(queries, keys)
        refined = correlations + self.residual(correlations, reference_positions, query_positions)
        if log_counts is not None:
            # n equal references have n times the weight of one.
            refined = refined + log_counts[:, None, :, None, None]
        weights = F.dropout(refined.flatten(2, 3).softmax(2), self.dropout, self.training)
        return weights.transpose(2, 3) @ values.flatten(2, 3)

    def correlate(self, queries: Tensor, keys: Tensor) -> Tensor:
        """Return the correlations (B, h, R, keys, queries) of keys (B, h, R, L, d) with scaled queries (B, h, L, d)."""
        return (keys.flatten(2, 3) @ queries.transpose(2, 3)).view(*keys.shape[:4], queries.shape[2])

    def residual(self, correlations: Tensor, reference_positions: Tensor, query_positions: Tensor) -> Tensor:
        """Return what the refinement adds to the correlations, (B, h, R, keys, queries)."""
        assert self.inner_attn is not None
        if self.perspective == "keys":
            residual: Tensor = self.inner_attn(correlations, reference_positions)
            return residual
        transposed: Tensor = self.inner_attn(correlations.transpose(3, 4), query_positions[:, None])
        return transposed.transpose(3, 4)

    def _split(self, x: Tensor) -> Tensor:
        """Return (B, L, C) as (B, h, L, d)."""
        return x.view(*x.shape[:2], self.heads, -1).transpose(1, 2)


def _key_bias(log_counts: Tensor | None, keys: Tensor) -> Tensor | None:
    """Return what is added to the correlations of each key, (B, 1, 1, R * L), or None."""
    return None if log_counts is None else log_counts.repeat_interleave(keys.shape[3], 1)[:, None, None]
