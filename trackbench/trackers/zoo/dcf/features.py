"""Hand-made features of image crops, over a grid of square cells: gradient orientations and colours."""

from __future__ import annotations

import functools
import math

import torch
import torch.nn.functional as F
from torch import Tensor

ORIENTATIONS = 9
"""Orientations of an edge without its sign; twice as many with it."""

COLOUR_CHANNELS = 8

_TRUNCATION = 0.2
_TEXTURE = 0.2357
"""Felzenszwalb et al. 2010, Sec. 6.2: the threshold of normalised bins, and the factor of the texture channels."""
_FLAT = 1e-2
"""Added to the energy of a block: keeps flat regions flat. Images count from 0 to 255."""
_QUANTUM = 256.0


def gradient_histograms(images: Tensor, cell: int) -> Tensor:
    """Return the 31 gradient features of Felzenszwalb et al. (TPAMI 2010, Sec. 6).

    They are 18 signed and 9 unsigned orientations and 4 texture energies, each normalised by the energy of the four 2x2
    blocks of cells around.

    The gradient of a pixel is that of the colour channel in which it is largest. It counts for the nearest orientation
    of its own cell (the paper shares it among the four nearest cells; with the window of a correlation filter that made
    no difference to tracking, and took a third of the time).

    Args:
        images: float (B, 3, S + 2, S + 2), 0 to 255: the grid of S pixels and one more on each side for the gradients.
        cell: side of a cell in pixels; divides S.

    Returns:
        (B, 31, n, n) with n = S / cell, each value in [0, 0.9].
    """
    batch = images.shape[0]
    size = images.shape[-1] - 2
    cells = size // cell
    bins, magnitude = _orientations(images)
    # Sums of multiples of one quantum are exact in any order, so that a GPU's atomic additions repeat to the last bit.
    weight = magnitude.mul_(_QUANTUM).round_()
    index = bins.long().add_(_first_bins(batch, size, cell, images.device))
    histogram = torch.zeros(batch * cells * cells * _BINS, device=images.device)
    histogram.scatter_add_(0, index.view(-1), weight.view(-1))
    histogram = histogram.view(batch, cells * cells, _BINS)
    histogram[..., 0] += histogram[..., -1]
    # One memory layout whatever the batch: the order of a sum decides on its last bit.
    return _normalise(histogram[..., :-1].transpose(1, 2).contiguous().view(batch, -1, cells, cells))


_BINS = 2 * ORIENTATIONS + 1
"""Bin 18 is bin 0 again: an angle of pi and one of -pi."""


def _orientations(images: Tensor) -> tuple[Tensor, Tensor]:
    """Return the orientation bin 0 .. 18 (float) and the magnitude of the gradient of every inner pixel, (B, S, S)."""
    dx = images[..., 1:-1, 2:] - images[..., 1:-1, :-2]
    dy = images[..., 2:, 1:-1] - images[..., :-2, 1:-1]
    square = (dx * dx).addcmul_(dy, dy)
    x, y, largest = dx[:, 0], dy[:, 0], square[:, 0]
    for channel in (1, 2):
        # 1 where this channel's gradient is larger, else 0: several times faster than torch.where on a CPU.
        larger = (square[:, channel] - largest).sign_().clamp_min_(0)
        x = torch.lerp(x, dx[:, channel], larger)
        y = torch.lerp(y, dy[:, channel], larger)
        largest = torch.maximum(largest, square[:, channel])
    bins = torch.atan2(y, x).mul_(ORIENTATIONS / math.pi).add_(ORIENTATIONS).round_()
    return bins, largest.sqrt()


def _normalise(signed: Tensor) -> Tensor:
    """Return the 31 channels of histograms (B, 18, n, n)."""
    cells = signed.shape[-1]
    unsigned = signed[:, :ORIENTATIONS] + signed[:, ORIENTATIONS:]
    energy = F.pad(unsigned.square().sum(1), (1, 1, 1, 1), mode="replicate")
    pairs = energy[:, 1:] + energy[:, :-1]
    inverse = (pairs[..., 1:] + pairs[..., :-1] + _FLAT).rsqrt_()
    bins = torch.cat([signed, unsigned], 1)
    total: Tensor | None = None
    textures = []
    for row in (0, 1):
        for column in (0, 1):
            block = inverse[:, None, row : row + cells, column : column + cells]
            part = (bins * block).clamp_max_(_TRUNCATION)
            textures.append(part[:, : 2 * ORIENTATIONS].sum(1, keepdim=True).mul_(_TEXTURE))
            total = part if total is None else total.add_(part)
    assert total is not None
    return torch.cat([total.mul_(0.5), *textures], 1)


def colour_corners(images: Tensor, cell: int) -> Tensor:
    """Return how near the mean colour of each cell is to the 8 corners of the RGB cube, less the crop's mean.

    The weights are those of trilinear interpolation: black, blue, green, cyan, red, magenta, yellow and white, which
    sum to one. Like colour names they tell hues apart better than intensities do, but need no table, and on a grey
    image they are four soft bins of intensity.

    Args:
        images: as in :func:`gradient_histograms`.
        cell: side of a cell in pixels.

    Returns:
        (B, 8, n, n), zero mean over the grid.
    """
    batch = images.shape[0]
    mean = F.avg_pool2d(images[..., 1:-1, 1:-1], cell) / 255
    cells = mean.shape[-1]
    pairs = torch.stack([1 - mean, mean], 2)
    red, green, blue = pairs.unbind(1)
    corners = red[:, :, None, None] * green[:, None, :, None] * blue[:, None, None, :]
    corners = corners.reshape(batch, COLOUR_CHANNELS, cells, cells)
    return corners - corners.mean((2, 3), keepdim=True)


@functools.lru_cache(maxsize=32)
def _first_bins(batch: int, size: int, cell: int, device: torch.device) -> Tensor:
    """Return the first bin of the cell of every pixel, int64 (B, S, S)."""
    axis = torch.arange(size, device=device) // cell
    image = torch.arange(batch, device=device).view(-1, 1, 1)
    return ((image * (size // cell) + axis[:, None]) * (size // cell) + axis) * _BINS
