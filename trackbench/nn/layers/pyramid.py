"""Parts of pyramid transformers, whose stages see smaller and smaller maps (PVT, PVT v2).

Wang et al., Pyramid Vision Transformer, ICCV 2021 (spatial-reduction attention), and PVT v2, CVMJ 2022 (overlapping
patch embedding, convolutional feed-forward). Tokens are (B, H * W, C), row by row; seen as a map they are (B, C, H, W)
without a copy, in the channels-last layout. A network that is converted by ``.to(memory_format=torch.channels_last)``
computes its convolutions in that layout; the depth-wise ones are an order of magnitude faster so.
"""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn


class TokenMap(NamedTuple):
    """Tokens of an image and the size of the map that they form."""

    tokens: Tensor
    """(B, height * width, C), row by row."""
    height: int
    width: int

    def image(self) -> Tensor:
        """Return the tokens as a map, (B, C, height, width): a view."""
        return self.tokens.transpose(1, 2).reshape(len(self.tokens), -1, self.height, self.width)

    def replaced(self, tokens: Tensor) -> TokenMap:
        """Return other tokens on the same map."""
        return TokenMap(tokens, self.height, self.width)

    @classmethod
    def of(cls, image: Tensor) -> TokenMap:
        """Return the tokens of a map (B, C, H, W)."""
        return cls(image.flatten(2).transpose(1, 2), image.shape[2], image.shape[3])


class KeysValues(NamedTuple):
    """What an image offers to attention: keys and values, (B, heads, M, C / heads) each."""

    keys: Tensor
    values: Tensor


class PatchEmbedding(nn.Module):
    """A convolution that makes tokens of a map, and a normalisation (PVT v2, Sec. 3.2).

    Args:
        channels: of the map that comes in.
        dim: channels of the tokens.
        kernel: side of the convolution; with ``kernel == stride`` patches do not overlap (PVT), otherwise the map is
            padded with ``kernel // 2`` zeros.
        stride: of the convolution.
    """

    def __init__(self, channels: int, dim: int, kernel: int, stride: int) -> None:
        super().__init__()
        padding = 0 if kernel == stride else kernel // 2
        self.proj = nn.Conv2d(channels, dim, kernel, stride, padding)
        self.norm = nn.LayerNorm(dim)

    def forward(self, image: Tensor) -> TokenMap:
        """Return the tokens of a map (B, channels, H, W)."""
        embedded = TokenMap.of(self.proj(image))
        return embedded.replaced(self.norm(embedded.tokens))


class SpatialReductionAttention(nn.Module):
    """Multi-head attention to keys and values of a map that is first reduced by a strided convolution (PVT, Sec. 3.3).

    Queries, and keys with values, are computed apart, so that an image can attend to itself, to another one, or to
    several at once.

    Args:
        dim: channels of the tokens.
        heads: number of heads, a divisor of ``dim``.
        ratio: side of the cells that become one key; 1 is plain global attention.
        depthwise: whether each channel is reduced by itself, by a convolution of side ``ratio + 1``, instead of by one
            over all channels.
    """

    def __init__(self, dim: int, heads: int, ratio: int, *, depthwise: bool = False) -> None:
        super().__init__()
        self.heads = heads
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)
        self.sr: nn.Conv2d | None = None
        if ratio > 1:
            self.sr = (
                nn.Conv2d(dim, dim, ratio + 1, ratio, padding=ratio // 2, groups=dim)
                if depthwise
                else nn.Conv2d(dim, dim, ratio, ratio)
            )
            self.norm = nn.LayerNorm(dim)

    def keys_values(self, source: TokenMap) -> KeysValues:
        """Return the keys and values of (normalised) tokens."""
        tokens = source.tokens
        if self.sr is not None:
            tokens = self.norm(TokenMap.of(self.sr(source.image())).tokens)
        batch, length, _ = tokens.shape
        keys, values = self.kv(tokens).reshape(batch, length, 2, self.heads, -1).permute(2, 0, 3, 1, 4)
        return KeysValues(keys, values)

    def forward(self, queries: TokenMap, source: KeysValues, bias: Tensor | None = None) -> Tensor:
        """Return what the (normalised) tokens ``queries`` (B, N, C) find in ``source``, (B, N, C).

        ``bias`` is added to the scaled products of queries and keys: it broadcasts to (B, heads, N, M).
        """
        batch, length, _ = queries.tokens.shape
        split = self.q(queries.tokens).reshape(batch, length, self.heads, -1).transpose(1, 2)
        if bias is not None:
            bias = bias.to(split.dtype)
        gathered = F.scaled_dot_product_attention(split, source.keys, source.values, attn_mask=bias)
        mixed: Tensor = self.proj(gathered.transpose(1, 2).flatten(2))
        return mixed


class ConvFeedForward(nn.Module):
    """Two linear layers with GELU, and before it a 3x3 depth-wise convolution, zero-padded (PVT v2, Sec. 3.3).

    The convolution tells tokens where they are: it is the conditional position encoding of SBT (Sec. 3.3 there).

    Args:
        dim: channels that come in and go out.
        hidden: channels between the layers.
        convolution: whether there is the convolution.
    """

    def __init__(self, dim: int, hidden: int, *, convolution: bool = True) -> None:
        super().__init__()
        self.fc1 = nn.Linear(dim, hidden)
        self.position = nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden) if convolution else None
        self.fc2 = nn.Linear(hidden, dim)

    def forward(self, source: TokenMap) -> Tensor:
        """Return new tokens (B, N, dim) for (normalised) tokens."""
        hidden = source.replaced(self.fc1(source.tokens))
        if self.position is not None:
            hidden = TokenMap.of(self.position(hidden.image()))
        changed: Tensor = self.fc2(F.gelu(hidden.tokens))
        return changed
