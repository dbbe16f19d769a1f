"""Deformable convolution and deformable RoI pooling (Dai et al., ICCV 2017), version 1, exact and without an extension.

Both read a map at learned, fractional places. A bilinear sample is a weighted sum of four pixels, and a pixel of a map
with channels last is one row of a table: so a sum of samples is an *embedding bag*, a weighted sum of table rows, for
which every torch build has a fused, differentiable kernel that keeps no copy of the rows. Positions are always computed
in float32 or better: in half precision they would move by whole pixels.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class Points(NamedTuple):
    """Places on the maps of a batch: M sums of S samples each."""

    image: Tensor
    """int64 (M, 1), which map of the batch."""
    y: Tensor
    """(M, S), rows in pixels of the map, 0 is the centre of the first row."""
    x: Tensor
    """(M, S), columns."""
    share: Tensor | None = None
    """(M, S), factor of each sample; None for 1."""


def bilinear_sums(features: Tensor, points: Points) -> Tensor:
    """Return the sums of bilinear samples of maps.

    A corner outside of the map counts as zero, corner by corner; the weights are not renormalised. A sample a pixel or
    more outside is therefore zero.

    Args:
        features: (B, C, H, W); channels last avoids a copy.
        points: where to sample.

    Returns:
        (M, C), differentiable in ``features``, ``y``, ``x`` and ``share``.
    """
    height, width = features.shape[-2:]
    # Beyond these limits every corner is outside anyway, and int64 could not hold any position.
    y, x = points.y.clamp(-2, height + 1), points.x.clamp(-2, width + 1)
    top, left = y.detach().floor(), x.detach().floor()
    down, right = y - top, x - left
    rows, weights = [], []
    for row, near_row in ((top, 1 - down), (top + 1, down)):
        near_row = near_row * ((row >= 0) & (row < height))
        first = (row.clamp(0, height - 1).long() + points.image * height) * width
        for column, near_column in ((left, 1 - right), (left + 1, right)):
            weights.append(near_row * (near_column * ((column >= 0) & (column < width))))
            rows.append(first + column.clamp(0, width - 1).long())
    weight = torch.stack(weights, -1)
    if points.share is not None:
        weight = weight * points.share.unsqueeze(-1)
    dtype = torch.promote_types(features.dtype, weight.dtype)
    table = features.permute(0, 2, 3, 1).reshape(-1, features.shape[1]).to(dtype)
    index = torch.stack(rows, -1).flatten(1)
    sums: Tensor = F.embedding_bag(index, table, mode="sum", per_sample_weights=weight.flatten(1).to(dtype))
    return sums


def deformable_conv2d(
    features: Tensor, offsets: Tensor, weight: Tensor, stride: int = 1, padding: int = 1, dilation: int = 1
) -> Tensor:
    """Return a convolution whose taps are moved by learned offsets (Dai et al. 2017, Eq. 2), one deformable group.

    Tap t of output (i, j) reads the map at ``(i, j) * stride - padding + tap * dilation + offset``. With offsets of
    zero it is the plain convolution.

    Args:
        features: (B, C, H, W).
        offsets: (B, 2 * kh * kw, H', W') in pixels: for each tap, in row-major order, first that of the row, then that
            of the column.
        weight: (O, C, kh, kw).
        stride: of the output's grid.
        padding: of the map, with zeros.
        dilation: distance of neighbouring taps.

    Returns:
        (B, O, H', W'), channels last in memory.
    """
    batch, _, rows, columns = offsets.shape
    kernel_rows, kernel_columns = weight.shape[-2:]
    dtype = torch.promote_types(offsets.dtype, torch.float32)

    def start(count: int, taps: int) -> Tensor:
        """Where each tap along one axis reads without offsets, (count, taps)."""
        outputs = torch.arange(count, device=offsets.device, dtype=dtype) * stride - padding
        return outputs[:, None] + torch.arange(taps, device=offsets.device, dtype=dtype) * dilation

    moved = offsets.to(dtype).view(batch, kernel_rows, kernel_columns, 2, rows, columns).permute(3, 0, 4, 5, 1, 2)
    y = moved[0] + start(rows, kernel_rows)[:, None, :, None]
    x = moved[1] + start(columns, kernel_columns)[:, None, :]
    image = torch.arange(batch, device=offsets.device).repeat_interleave(y[0].numel())
    samples = bilinear_sums(features, Points(image[:, None], y.reshape(-1, 1), x.reshape(-1, 1)))
    samples = samples.view(batch * rows * columns, -1).to(weight.dtype)
    out = F.linear(samples, weight.permute(0, 2, 3, 1).reshape(len(weight), -1))
    return out.view(batch, rows, columns, -1).permute(0, 3, 1, 2)


class DeformableConv2d(nn.Module):
    """A 3x3 deformable convolution without bias, stride 1, whose offsets an ordinary convolution predicts.

    Args:
        inputs: C.
        outputs: O.
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs, 3, 3))
        self.conv_offset = nn.Conv2d(inputs, 2 * 9, 3, padding=1)
        nn.init.kaiming_uniform_(self.weight, nonlinearity="relu")
        nn.init.zeros_(self.conv_offset.weight)
        nn.init.zeros_(torch.as_tensor(self.conv_offset.bias))

    def forward(self, features: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, O, H, W)."""
        return deformable_conv2d(features, self.conv_offset(features), self.weight)


def deformable_roi_pool(
    features: Tensor,
    rois: Tensor,
    size: int,
    scale: float,
    translation: Tensor | None = None,
    strength: float = 0.1,
    samples: int = 4,
) -> Tensor:
    """Return the means of ``size`` x ``size`` bins of regions, each bin moved by a learned translation.

    Dai et al. 2017, Sec. 2.2, as the operator of their code computes it (that of the position-sensitive pooling, with
    one group). It is not RoIAlign: the corners of a region are rounded to whole pixels, halves away from zero; a bin is
    sampled at ``samples`` x ``samples`` points that begin at its left and upper edge; samples more than half a pixel
    outside of the map are left out of the mean, nearer ones are moved to its border; a bin without a sample is zero.

    Args:
        features: (B, C, H, W).
        rois: (R, 5), index of the image and x1, y1, x2, y2 in pixels of the input image; no gradient flows to them.
        size: P, bins along each side.
        scale: size of the map over that of the input image.
        translation: (R, 2, P, P), x and y as planes, moves of the bins in ``strength`` times the region's width and
            height; None leaves them in place.
        strength: gamma of the paper.
        samples: along each side of a bin.

    Returns:
        (R, C, P, P).
    """
    height, width = features.shape[-2:]
    dtype = torch.promote_types(rois.dtype, torch.float32)
    corners = rois.detach()[:, 1:].double()
    corners = (corners.sign() * (corners.abs() + 0.5).floor()).to(dtype)
    start = corners[:, :2] * scale - 0.5
    extent = ((corners[:, 2:] + 1) * scale - 0.5 - start).clamp_min(0.1)
    bins = torch.arange(size, device=rois.device, dtype=dtype)
    steps = torch.arange(samples, device=rois.device, dtype=dtype) / samples
    # Positions along x and y of every bin and step, (R, 2, P, S), and of both axes for every bin, (R, P, P, S).
    places = start[..., None, None] + extent[..., None, None] * ((bins[:, None] + steps) / size)
    x = places[:, 0, None].expand(-1, size, -1, -1)
    y = places[:, 1, :, None].expand(-1, -1, size, -1)
    if translation is not None:
        moves = translation.to(dtype) * strength * extent[..., None, None]
        x, y = x + moves[:, 0, ..., None], y + moves[:, 1, ..., None]
    kept = ((y >= -0.5) & (y <= height - 0.5)).unsqueeze(-1) & ((x >= -0.5) & (x <= width - 0.5)).unsqueeze(-2)
    share = kept / kept.sum((-2, -1), keepdim=True).clamp_min(1).to(dtype)
    y, x = y.clamp(0, height - 1), x.clamp(0, width - 1)
    every = (len(rois) * size * size, samples * samples)
    pooled = bilinear_sums(
        features,
        Points(
            rois[:, 0].long().repeat_interleave(size * size)[:, None],
            y.unsqueeze(-1).expand_as(kept).reshape(every),
            x.unsqueeze(-2).expand_as(kept).reshape(every),
            share.reshape(every),
        ),
    )
    return pooled.view(len(rois), size, size, -1).permute(0, 3, 1, 2)


class DeformableRoIPool(nn.Module):
    """Deformable RoI pooling whose translations fully connected layers predict from a first, plain pooling.

    Args:
        channels: C of the map.
        size: P.
        scale: size of the map over that of the input image.
        hidden: width of the layers.
    """

    def __init__(self, channels: int, size: int, scale: float, hidden: int = 1024) -> None:
        super().__init__()
        self.size, self.scale = size, scale
        last = nn.Linear(hidden, 2 * size * size)
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)
        self.offset_fc = nn.Sequential(
            nn.Linear(channels * size * size, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU(), last
        )

    def forward(self, features: Tensor, rois: Tensor) -> Tensor:
        """Pool (B, C, H, W) over regions (R, 5) to (R, C, P, P)."""
        return deformable_roi_pool(features, rois, self.size, self.scale, self.translation(features, rois))

    def translation(self, features: Tensor, rois: Tensor) -> Tensor:
        """Return how far the bins move, (R, 2, P, P), before the factor 0.1."""
        plain = deformable_roi_pool(features, rois, self.size, self.scale)
        moves: Tensor = self.offset_fc(plain.flatten(1))
        return moves.view(-1, 2, self.size, self.size)
