"""Position encodings that SBT's paper compares with the conditional one (Table 1 left)."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trackbench.nn.layers.positions import sine_positions
from trackbench.nn.layers.pyramid import TokenMap


def with_absolute_positions(source: TokenMap) -> TokenMap:
    """Return tokens with the sines of their coordinates added (Abs)."""
    nowhere = source.tokens.new_zeros(1, source.height, source.width, dtype=torch.bool)
    positions = sine_positions(nowhere, source.tokens.shape[2])
    return source.replaced(source.tokens + TokenMap.of(positions).tokens)


class RelativePositions(nn.Module):
    """A learned bias for each head and each offset from a query to a key of the same image (Rel).

    A key of a reduced map stands where the first pixel of its cell is. Between two images there is no offset, and no
    bias.

    Args:
        heads: number of heads.
        side: of the largest map.
        ratio: side of the cells that become one key.
    """

    def __init__(self, heads: int, side: int, ratio: int) -> None:
        super().__init__()
        self.side, self.ratio = side, ratio
        self.table = nn.Parameter(torch.zeros(heads, 2 * side - 1, 2 * side - 1))
        nn.init.trunc_normal_(self.table, std=0.02)

    def forward(self, height: int, width: int) -> Tensor:
        """Return the bias of a map, (heads, height * width, keys)."""
        rows, columns = (self._offsets(length) for length in (height, width))
        return self.table[:, rows[:, None, :, None], columns[None, :, None, :]].flatten(3).flatten(1, 2)

    def _offsets(self, length: int) -> Tensor:
        """Return the indices of the offsets along one axis, (queries, keys)."""
        places = torch.arange(length, device=self.table.device)
        return places[:, None] - places[None, :: self.ratio] + self.side - 1
