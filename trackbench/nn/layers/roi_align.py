"""RoIAlign (He et al., Mask R-CNN, ICCV 2017), in closed form.

The mean over a bin's grid of bilinear samples is, along each axis, one weighted sum over the cells of the map.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn


def roi_align(features: Tensor, rois: Tensor, size: int, scale: float) -> Tensor:
    """Return the mean of bilinear samples over each of ``size`` x ``size`` bins of regions.

    Every bin is sampled at n x n points in the middle of equal parts, n the least number with which they are at most
    one cell apart. A region has at least one cell along each side; a sample more than one cell outside of the map is
    zero, nearer ones are moved to its border: the first published form, which shifts nothing by half a cell.

    Args:
        features: (B, C, H, W).
        rois: (R, 5), index of the image and x1, y1, x2, y2 in pixels of the input image.
        size: bins along each side.
        scale: size of the map over that of the input image.

    Returns:
        (R, C, size, size), differentiable in ``features`` and the regions' corners.
    """
    corners = rois[:, 1:] * scale
    columns = _line_weights(corners[:, 0], corners[:, 2], size, features.shape[-1])
    rows = _line_weights(corners[:, 1], corners[:, 3], size, features.shape[-2])
    return torch.einsum("rph,rchw,rqw->rcpq", rows, features[rois[:, 0].long()], columns)


def _line_weights(start: Tensor, end: Tensor, bins: int, cells: int) -> Tensor:
    """Return the weight of each cell in the mean of each bin along one axis, (R, bins, cells)."""
    step = (end - start).clamp_min(1) / bins
    counts = step.detach().ceil()
    samples = torch.arange(int(counts.max()) if len(counts) else 1, device=start.device, dtype=start.dtype)
    inside_bin = (samples + 0.5) / counts[:, None]
    first = torch.arange(bins, device=start.device, dtype=start.dtype)
    places = start[:, None, None] + step[:, None, None] * (first[:, None] + inside_bin[:, None])
    used = (samples < counts[:, None])[:, None] & (places >= -1) & (places <= cells)
    centres = torch.arange(cells, device=start.device, dtype=start.dtype)
    near = (1 - (places.clamp(0, cells - 1)[..., None] - centres).abs()).clamp_min(0)
    return (near * used[..., None]).sum(2) / counts[:, None, None]


class RoIAlign(nn.Module):
    """RoIAlign as a module.

    Args:
        size: bins along each side.
        scale: size of the map over that of the input image.
    """

    def __init__(self, size: int, scale: float) -> None:
        super().__init__()
        self.size, self.scale = size, scale

    def forward(self, features: Tensor, rois: Tensor) -> Tensor:
        """Pool (B, C, H, W) over regions (R, 5) to (R, C, size, size)."""
        return roi_align(features, rois, self.size, self.scale)
