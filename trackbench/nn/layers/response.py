"""Reading a response map: where its peak is, below the cell, and how far it stands out."""

from __future__ import annotations

import functools
import math
from typing import NamedTuple

import torch
from torch import Tensor

FINE = 8
"""Points a cell at which the response is evaluated around its highest cell."""


class Peak(NamedTuple):
    """The highest point of each of B responses."""

    shift: Tensor
    """(B, 2): x and y of the peak in cells, fractional, in [-n/2, n/2]."""
    value: Tensor
    """(B,): the highest cell."""
    sharpness: Tensor
    """(B,): peak-to-sidelobe ratio."""


def find_peak(spectrum: Tensor, cells: int) -> Peak:
    """Return the peaks of responses, given by their spectra.

    The response is a trigonometric polynomial: around its highest cell it is evaluated exactly on a grid of
    ``1 / FINE`` cells by a product with small Fourier matrices (Guizar-Sicairos et al. 2008, Sec. 2), then a parabola
    along each axis gives the rest.

    Args:
        spectrum: complex (B, n, n // 2 + 1), rfft2 of the responses.
        cells: n, even.
    """
    response = torch.fft.irfft2(spectrum, s=(cells, cells))
    value, index = response.flatten(1).max(1)
    row, column = index // cells, index % cells
    grid, rows, columns = _frequencies(cells, spectrum.device)
    left = torch.exp(1j * (row[:, None] + grid)[:, :, None] * rows)
    # The half of the spectrum that rfft2 leaves out is the mirror image of the rest: every column but two counts twice.
    twice = torch.full_like(columns, 2.0)
    twice[0] = twice[-1] = 1.0
    right = torch.exp(1j * columns[:, None] * (column[:, None] + grid)[:, None, :]) * twice[:, None]
    fine = (left @ spectrum @ right).real
    shift = torch.stack([column, row], 1) + _parabolic(fine) / FINE
    shift = torch.where(shift > cells / 2, shift - cells, shift)
    return Peak(shift, value, peak_to_sidelobe(response, row, column))


def peak_to_sidelobe(response: Tensor, row: Tensor, column: Tensor, radius: int = 5) -> Tensor:
    """Return ``(peak - mean) / deviation`` (B,), both over the cells beyond ``radius`` of the peak (Bolme 2010, 3.5).

    Args:
        response: (B, n, n), cyclic.
        row: (B,), row of the peak.
        column: (B,), column of the peak.
        radius: half the side of the square around the peak that is not a sidelobe, in cells; 5 gives the paper's 11x11.
    """
    cells = response.shape[-1]
    axis = torch.arange(cells, device=response.device)
    far_y = _circular(axis - row[:, None], cells) > radius
    far_x = _circular(axis - column[:, None], cells) > radius
    sidelobe = (far_y[:, :, None] | far_x[:, None, :]).flatten(1).to(response.dtype)
    flat, count = response.flatten(1), sidelobe.sum(1)
    mean = (flat * sidelobe).sum(1) / count
    variance = (flat.square() * sidelobe).sum(1) / count - mean.square()
    return (flat.amax(1) - mean) / variance.clamp_min(1e-12).sqrt()


def _circular(distance: Tensor, cells: int) -> Tensor:
    distance = distance.abs()
    return torch.minimum(distance, cells - distance)


def _parabolic(fine: Tensor) -> Tensor:
    """Return x and y, (B, 2), of the peak of maps (B, m, m) relative to their middle, in grid steps."""
    batch, side, _ = fine.shape
    index = fine[:, 1:-1, 1:-1].flatten(1).argmax(1)
    row, column = index // (side - 2) + 1, index % (side - 2) + 1
    at = torch.arange(batch, device=fine.device)
    middle = fine[at, row, column]
    x = _vertex(fine[at, row, column - 1], middle, fine[at, row, column + 1])
    y = _vertex(fine[at, row - 1, column], middle, fine[at, row + 1, column])
    return torch.stack([column + x, row + y], 1) - (side - 1) / 2


def _vertex(before: Tensor, middle: Tensor, after: Tensor) -> Tensor:
    curvature = (before - 2 * middle + after).clamp_max(-1e-12)
    return (0.5 * (before - after) / curvature).clamp(-0.5, 0.5)


@functools.lru_cache(maxsize=8)
def _frequencies(cells: int, device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """Return the fine grid around a cell, and the angular frequencies of rows and of columns, a cell."""
    grid = torch.arange(-FINE, FINE + 1, device=device) / FINE
    rows = torch.fft.fftfreq(cells, device=device) * (2 * math.pi)
    columns = torch.fft.rfftfreq(cells, device=device) * (2 * math.pi)
    return grid, rows, columns
