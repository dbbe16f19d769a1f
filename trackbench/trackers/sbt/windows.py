"""Attention within windows (Liu et al., Swin Transformer, ICCV 2021), which SBT's paper compares in Table 1 (left)."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trackbench.trackers.layers.pyramid import KeysValues, TokenMap
from trackbench.trackers.sbt.positions import RelativePositions


class WindowAttention(nn.Module):
    """Multi-head attention from each window of a map to the same window of a map of that size.

    Args:
        dim: channels of the tokens.
        heads: number of heads, a divisor of ``dim``.
        window: side of the windows; it divides the sides of the maps.
        shifted: whether the windows lie half a window further right and down, around the border.
        relative: whether offsets within a window have a learned bias.
    """

    def __init__(self, dim: int, heads: int, window: int, *, shifted: bool, relative: bool) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.shift = window // 2 if shifted else 0
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)
        self.relative = RelativePositions(heads, window, 1) if relative else None

    def keys_values(self, source: TokenMap) -> KeysValues:
        """Return keys and values of (normalised) tokens by window: (B * windows, heads, window², C / heads)."""
        keys, values = self.kv(source.tokens).chunk(2, 2)
        return KeysValues(self._split(source.replaced(keys)), self._split(source.replaced(values)))

    def forward(self, queries: TokenMap, source: KeysValues, bias: Tensor | None = None) -> Tensor:
        """Return what the (normalised) tokens ``queries`` (B, N, C) find in the windows of ``source``, (B, N, C)."""
        split = self._split(queries.replaced(self.q(queries.tokens)))
        bias = self._bias(queries, bias)
        if bias is not None:
            bias = bias.repeat(len(queries.tokens), 1, 1, 1)
        found = F.scaled_dot_product_attention(split, source.keys, source.values, attn_mask=bias)
        mixed: Tensor = self.proj(self._join(found, queries))
        return mixed

    def _bias(self, queries: TokenMap, bias: Tensor | None) -> Tensor | None:
        """Return what is added to the products in the windows of one image, (windows, heads or 1, window², window²)."""
        if self.relative is not None:
            own = self.relative(self.window, self.window)[None]
            bias = own if bias is None else bias + own
        if self.shift:
            apart = self._apart(queries)
            bias = apart if bias is None else bias + apart
        elif bias is not None:
            bias = bias.expand(queries.height * queries.width // self.window**2, -1, -1, -1)
        return bias

    def _apart(self, queries: TokenMap) -> Tensor:
        """Return minus infinity between tokens that meet in a window only around the border, else 0."""
        rows, columns = (
            torch.arange(length, device=queries.tokens.device) >= length - self.shift
            for length in (queries.height, queries.width)
        )
        region = (2 * rows[:, None] + columns).view(1, -1, 1).to(queries.tokens.dtype)
        cut = _windows(TokenMap(region, queries.height, queries.width), self.window)[:, :, 0]
        return torch.where(cut[:, None, :, None] == cut[:, None, None, :], 0.0, -torch.inf).to(queries.tokens.dtype)

    def _split(self, source: TokenMap) -> Tensor:
        """Return the tokens window by window, (B * windows, heads, window², C / heads)."""
        if self.shift:
            moved = source.image().roll((-self.shift, -self.shift), (2, 3))
            source = TokenMap.of(moved)
        cut = _windows(source, self.window)
        return cut.reshape(len(cut), self.window**2, self.heads, -1).transpose(1, 2)

    def _join(self, found: Tensor, queries: TokenMap) -> Tensor:
        """Return what was found in windows as tokens (B, N, C)."""
        w, height, width = self.window, queries.height, queries.width
        cut = found.transpose(1, 2).reshape(-1, height // w, width // w, w, w, found.shape[1] * found.shape[3])
        image = cut.transpose(2, 3).flatten(3, 4).flatten(1, 2)
        if self.shift:
            image = image.roll((self.shift, self.shift), (1, 2))
        return image.flatten(1, 2)


def _windows(source: TokenMap, window: int) -> Tensor:
    """Return the tokens of each window, (B * windows, window², C)."""
    batch, _, channels = source.tokens.shape
    rows, columns = source.height // window, source.width // window
    cut = source.tokens.reshape(batch, rows, window, columns, window, channels)
    return cut.transpose(2, 3).reshape(-1, window * window, channels)
