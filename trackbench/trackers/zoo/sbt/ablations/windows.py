"""Attention within windows (Liu et al., Swin Transformer, ICCV 2021), which SBT's paper compares in Table 1 (left)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from trackbench.nn.layers.pyramid import KeysValues, TokenMap
from trackbench.nn.layers.swin import WindowPlan, relative_places, window_plan


class WindowAttention(nn.Module):
    """Multi-head attention from each window of a map to the same window of a map of that size.

    Args:
        dim: channels of the tokens.
        heads: number of heads, a divisor of ``dim``.
        window: side of the windows in tokens; it divides the sides of the maps.
        shifted: whether the windows lie half a window further right and down, around the border.
        relative: whether offsets within a window have a learned bias.
    """

    places: Tensor

    def __init__(self, dim: int, heads: int, window: int, *, shifted: bool, relative: bool) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.shift = window // 2 if shifted else 0
        self.q = nn.Linear(dim, dim)
        self.kv = nn.Linear(dim, 2 * dim)
        self.proj = nn.Linear(dim, dim)
        self.table: nn.Embedding | None = None
        if relative:
            self.table = nn.Embedding((2 * window - 1) ** 2, heads)
            nn.init.trunc_normal_(self.table.weight, std=0.02)
            self.register_buffer("places", relative_places(window), persistent=False)

    def keys_values(self, source: TokenMap) -> KeysValues:
        """Return the keys and values of (normalised) tokens, (B * windows, heads, window², C / heads) each."""
        windows = self._windows(source)
        projected = self.kv(windows).reshape(*windows.shape[:2], 2, self.heads, -1)
        return KeysValues(*projected.permute(2, 0, 3, 1, 4))

    def forward(self, queries: TokenMap, source: KeysValues, bias: Tensor | None = None) -> Tensor:
        """Return what the (normalised) tokens ``queries`` (B, N, C) find in the windows of ``source``, (B, N, C).

        ``bias`` is added to the scaled products: it broadcasts to (B * windows, heads, window², window²).
        """
        batch, plan, windows = len(queries.tokens), self._plan(queries), self._windows(queries)
        split = self.q(windows).reshape(*windows.shape[:2], self.heads, -1).transpose(1, 2)
        if self.table is not None:
            relative_bias = self.table(self.places).permute(2, 0, 1)
            bias = relative_bias if bias is None else bias + relative_bias
        if plan.mask is not None:
            apart = plan.mask.repeat(batch, 1, 1, 1)
            bias = apart if bias is None else bias + apart
        if bias is not None:
            bias = bias.to(split.dtype)
        gathered = F.scaled_dot_product_attention(split, source.keys, source.values, attn_mask=bias)
        tokens = gathered.transpose(1, 2).reshape(batch, len(plan.gather), -1).index_select(1, plan.back)
        mixed: Tensor = self.proj(tokens)
        return mixed

    def _plan(self, source: TokenMap) -> WindowPlan:
        return window_plan((source.height, source.width), self.window, self.shift, source.tokens.device)

    def _windows(self, source: TokenMap) -> Tensor:
        """Return the tokens of each window, (B * windows, window², C)."""
        windows = source.tokens.index_select(1, self._plan(source).gather)
        return windows.reshape(-1, self.window**2, windows.shape[2])
