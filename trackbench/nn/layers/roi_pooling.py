"""Precise RoI pooling (Jiang et al., "Acquisition of Localization Confidence", ECCV 2018, equation 5), in closed form.

Each bin is the mean, over its area, of the bilinear interpolant of the map. The interpolant is a sum of products of
triangle kernels, so the integral over a rectangle is a product of integrals over its two sides.
"""

from __future__ import annotations

import torch
from torch import Tensor


def precise_roi_pool(features: Tensor, boxes: Tensor, size: int | tuple[int, int], scale: float) -> Tensor:
    """Pool each box to a grid of bins; differentiable with respect to features and boxes.

    The cell in column i of the map sits at the coordinate i (nothing is shifted by half a cell), and the map is zero
    outside of its cells.

    Args:
        features: (B, C, H, W).
        boxes: (B, N, 4), x1, y1, x2, y2 of the N boxes of each item.
        size: rows and columns of bins; one number for both.
        scale: cells of the map for each unit of ``boxes``.

    Returns:
        (B, N, C, rows, columns); zeros for a box that is empty or inverted.
    """
    rows, columns = (size, size) if isinstance(size, int) else size
    batch, channels, height, width = features.shape
    count = boxes.shape[1]
    x1, y1, x2, y2 = (boxes * scale).unbind(-1)
    weights_x, step_x = _line_weights(x1, x2, columns, width)
    weights_y, step_y = _line_weights(y1, y2, rows, height)
    weights = weights_y[:, :, :, None, :, None] * weights_x[:, :, None, :, None, :]
    weights = weights.reshape(batch, count * rows * columns, height * width)
    # Autocast must not round the weights: those of a small bin are the difference of numbers near to each other.
    with torch.autocast(features.device.type, enabled=False):
        pooled = weights @ features.to(weights.dtype).flatten(2).transpose(1, 2)
    area = (step_x * step_y)[:, :, None, None, None]
    pooled = pooled.view(batch, count, rows, columns, channels).permute(0, 1, 4, 2, 3)
    # The divisor is made safe first: a NaN that is not selected would still reach the gradient.
    safe = torch.where(area > 0, area, 1)
    return torch.where(area > 0, pooled / safe, 0)


def _line_weights(start: Tensor, end: Tensor, bins: int, cells: int) -> tuple[Tensor, Tensor]:
    """Return the integral of each cell's triangle over each bin, (B, N, bins, cells), and the bins' length, (B, N)."""
    step = (end - start).clamp_min(0) / bins
    edges = start[..., None] + step[..., None] * torch.arange(bins + 1, device=start.device, dtype=start.dtype)
    centres = torch.arange(cells, device=start.device, dtype=start.dtype)
    # The integral of the triangle max(0, 1 - |t|) from -infinity to u.
    u = (edges[..., None] - centres).clamp(-1, 1)
    integral = 0.5 + u - 0.5 * u * u.abs()
    return integral[..., 1:, :] - integral[..., :-1, :], step
