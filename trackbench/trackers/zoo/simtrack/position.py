"""Distinguishable position embedding of the exemplar (Sec. 3.2, Eq. 7) and the foveal window (Sec. 3.3).

The paper gives Eq. 7 as FCs(i, j, R_ij). The order of the inputs, their range and that of the output, and that the
foveal tokens take the mean of two exemplar positions instead of an own evaluation of Eq. 7, are the official code's.
"""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn


def cell_inputs(boxes: Tensor, grid: int) -> Tensor:
    """Return what Eq. 7 is given about each cell of the exemplar, (B, grid², 3), row by row.

    The columns are (R + 1) / 2 and the cell's centre x, y, where R is the share of the cell that the target covers.

    Args:
        boxes: the target x, y, w, h in units of the exemplar's side, (B, 4); cut at the exemplar's border.
        grid: cells along a side.
    """
    lines = torch.arange(grid + 1, dtype=boxes.dtype, device=boxes.device) / grid
    first, last = lines[:-1], lines[1:]
    low, high = boxes[:, :2].clamp(0, 1), (boxes[:, :2] + boxes[:, 2:]).clamp(0, 1)
    # Overlap of each column (x) and each row (y) with the target, as a share of a cell's side: (B, 2, grid).
    overlap = torch.minimum(high[..., None], last) - torch.maximum(low[..., None], first)
    share = overlap.clamp(min=0) * grid
    ratio = share[:, 1, :, None] * share[:, 0, None, :]
    centre = (first + last) / 2
    y, x = torch.meshgrid(centre, centre, indexing="ij")
    return torch.stack([(ratio + 1) / 2, x.expand_as(ratio), y.expand_as(ratio)], -1).flatten(1, 2)


class ExemplarPosition(nn.Sequential):
    """The two fully connected layers of Eq. 7, onto (-1, 1)."""

    def __init__(self, width: int) -> None:
        super().__init__(nn.Linear(3, width // 2), nn.ReLU(), nn.Linear(width // 2, width), nn.Sigmoid())

    def start_at_zero(self) -> None:
        """Let the embedding be 0 until it is trained, so that it does not hide tokens that are smaller than it."""
        last = cast(nn.Linear, self[2])
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def embed(self, boxes: Tensor, grid: int) -> Tensor:
        """Return the position embedding (B, grid², width) of an exemplar with the target at ``boxes`` (B, 4)."""
        return 2 * cast(Tensor, self(cell_inputs(boxes, grid))) - 1


def foveal_start(cells: int, foveal_cells: int, patch: int, shift: bool) -> int:
    """Return the pixel of the exemplar at which the foveal window begins, in x and in y.

    Args:
        cells: patches along a side of the exemplar.
        foveal_cells: patches along a side of the foveal window.
        patch: side of a patch in pixels.
        shift: whether a window that would begin on a line of the exemplar's grid is moved by half a patch.
    """
    left_over = cells - foveal_cells
    return left_over // 2 * patch + patch // 2 if shift else left_over * patch // 2


def foveal_positions(positions: Tensor, cells: int, foveal_cells: int) -> Tensor:
    """Return the position embedding of the foveal tokens, (B, foveal_cells², C).

    Each is the mean of the exemplar's cell below and to the right of its corner point, and of that above and to the
    left of it.

    Args:
        positions: that of the exemplar, (B, cells², C).
        cells: patches along a side of the exemplar.
        foveal_cells: patches along a side of the foveal window.
    """
    grid = positions.view(len(positions), cells, cells, -1)
    first = (cells - foveal_cells) // 2
    after = slice(first + 1, first + 1 + foveal_cells)
    before = slice(first, first + foveal_cells)
    means: Tensor = (grid[:, after, after] + grid[:, before, before]) / 2
    return means.flatten(1, 2)
