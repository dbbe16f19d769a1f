"""Deformable operators against loops over single samples, plain operators and finite differences."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from trackbench.nn.layers.deformable import (
    DeformableConv2d,
    DeformableRoIPool,
    deformable_conv2d,
    deformable_roi_pool,
)


@pytest.fixture
def generator() -> torch.Generator:
    return torch.Generator().manual_seed(3)


def draw(generator: torch.Generator, *shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=generator)


def sample(plane: Tensor, y: float, x: float) -> float:
    """One bilinear sample with zeros outside, corner by corner."""
    height, width = plane.shape
    total = 0.0
    for row in (math.floor(y), math.floor(y) + 1):
        for column in (math.floor(x), math.floor(x) + 1):
            if 0 <= row < height and 0 <= column < width:
                total += float(plane[row, column]) * (1 - abs(y - row)) * (1 - abs(x - column))
    return total


@pytest.mark.parametrize(("stride", "padding", "dilation"), [(1, 1, 1), (2, 0, 1), (1, 2, 2)])
def test_convolution_equals_loops(generator: torch.Generator, stride: int, padding: int, dilation: int) -> None:
    features, weight = draw(generator, 2, 3, 7, 6), draw(generator, 4, 3, 3, 3)
    rows, columns = ((size + 2 * padding - 2 * dilation - 1) // stride + 1 for size in (7, 6))
    offsets = 2 * draw(generator, 2, 18, rows, columns)
    out = deformable_conv2d(features, offsets, weight, stride, padding, dilation)
    assert out.shape == (2, 4, rows, columns)
    for item, row, column in [(0, 0, 0), (1, rows - 1, columns - 1), (1, 1, 1), (0, 2, 0)]:
        expected = torch.zeros(4, dtype=torch.float64)
        for tap in range(9):
            i, j = divmod(tap, 3)
            # The offset of the row comes first.
            y = row * stride - padding + i * dilation + float(offsets[item, 2 * tap, row, column])
            x = column * stride - padding + j * dilation + float(offsets[item, 2 * tap + 1, row, column])
            for channel in range(3):
                expected += weight[:, channel, i, j] * sample(features[item, channel], y, x)
        torch.testing.assert_close(out[item, :, row, column], expected)


def test_convolution_without_offsets_is_plain(generator: torch.Generator) -> None:
    features, weight = draw(generator, 2, 5, 9, 8), draw(generator, 6, 5, 3, 3)
    torch.testing.assert_close(
        deformable_conv2d(features, torch.zeros(2, 18, 9, 8), weight), F.conv2d(features, weight, padding=1)
    )
    layer = DeformableConv2d(5, 6).double()
    torch.testing.assert_close(layer(features), F.conv2d(features, layer.weight, padding=1))


def test_convolution_sees_nothing_far_outside(generator: torch.Generator) -> None:
    features, weight = draw(generator, 1, 2, 4, 4), draw(generator, 3, 2, 3, 3)
    for far in (7.0, -7.0, 1e30, -math.inf):
        assert not deformable_conv2d(features, torch.full((1, 18, 4, 4), far), weight).any()


def test_convolution_gradients(generator: torch.Generator) -> None:
    features, weight = draw(generator, 2, 2, 4, 5), draw(generator, 3, 2, 3, 3)
    # Away from whole pixels, where a bilinear interpolant has a kink.
    offsets = torch.rand(2, 18, 4, 5, dtype=torch.float64, generator=generator) * 0.8 + 0.1
    offsets = offsets + torch.randint(-2, 2, offsets.shape, generator=generator)
    inputs = [tensor.requires_grad_() for tensor in (features, offsets, weight)]
    assert torch.autograd.gradcheck(deformable_conv2d, inputs)


def test_positions_keep_float32_in_half_precision(generator: torch.Generator) -> None:
    features, weight = draw(generator, 1, 4, 63, 63).float(), draw(generator, 4, 4, 3, 3).float()
    offsets = draw(generator, 1, 18, 63, 63).float()
    exact = deformable_conv2d(features, offsets, weight)
    half = deformable_conv2d(features.bfloat16(), offsets, weight)
    assert (half - exact).abs().max() < 0.02 * exact.abs().max()


def pooled_by_loops(features: Tensor, roi: list[float], size: int, scale: float, moves: Tensor | None) -> Tensor:
    height, width = features.shape[-2:]
    x1, y1, x2, y2 = (math.copysign(math.floor(abs(v) + 0.5), v) for v in roi[1:])
    left, top = x1 * scale - 0.5, y1 * scale - 0.5
    w, h = max((x2 + 1) * scale - 0.5 - left, 0.1), max((y2 + 1) * scale - 0.5 - top, 0.1)
    out = torch.zeros(features.shape[1], size, size, dtype=torch.float64)
    for row in range(size):
        for column in range(size):
            tx, ty = (0.1 * float(moves[axis, row, column]) if moves is not None else 0.0 for axis in (0, 1))
            kept = 0
            total = torch.zeros(features.shape[1], dtype=torch.float64)
            for i in range(4):
                for j in range(4):
                    y = top + row * h / size + ty * h + i * h / size / 4
                    x = left + column * w / size + tx * w + j * w / size / 4
                    if not (-0.5 <= x <= width - 0.5 and -0.5 <= y <= height - 0.5):
                        continue
                    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
                    kept += 1
                    total += torch.tensor([sample(plane, y, x) for plane in features[int(roi[0])]])
            if kept:
                out[:, row, column] = total / kept
    return out


# The corners of the second and third are halves, which round away from zero; the last one lies outside of the map.
ROIS = [
    [0, 3.2, 4.9, 20.1, 17.7],
    [1, 2.5, 0.5, 12.5, 30.5],
    [0, -2.5, -7.5, 5.0, 9.4],
    [1, 10.0, 10.0, 10.0, 10.0],
    [1, 25.0, 28.0, 60.0, 70.0],
    [0, 90.0, 90.0, 99.0, 99.0],
]


@pytest.mark.parametrize("moved", [False, True])
def test_pooling_equals_loops(generator: torch.Generator, moved: bool) -> None:
    features, rois = draw(generator, 2, 3, 11, 13), torch.tensor(ROIS, dtype=torch.float64)
    moves = 2 * draw(generator, len(ROIS), 2, 4, 4) if moved else None
    out = deformable_roi_pool(features, rois, 4, 0.4, moves)
    assert out.shape == (len(ROIS), 3, 4, 4)
    for index, roi in enumerate(ROIS):
        expected = pooled_by_loops(features, roi, 4, 0.4, None if moves is None else moves[index])
        torch.testing.assert_close(out[index], expected)
    if not moved:
        assert not out[-1].any()


def test_pooling_gradients(generator: torch.Generator) -> None:
    features = draw(generator, 2, 2, 9, 9).requires_grad_()
    rois = torch.tensor([[0, 4.0, 5.0, 17.0, 14.0], [1, 6.0, 3.0, 15.0, 16.0]], dtype=torch.float64)
    moves = (0.3 * draw(generator, 2, 2, 3, 3)).requires_grad_()
    assert torch.autograd.gradcheck(lambda f, m: deformable_roi_pool(f, rois, 3, 0.43, m), (features, moves))


def test_pooling_learns_its_translations(generator: torch.Generator) -> None:
    pool = DeformableRoIPool(3, 4, 0.4, hidden=8)
    features, rois = draw(generator, 2, 3, 11, 13).float(), torch.tensor(ROIS)
    torch.testing.assert_close(pool(features, rois), deformable_roi_pool(features, rois, 4, 0.4))
    torch.nn.init.normal_(pool.offset_fc[-1].weight, std=0.5, generator=generator)  # type: ignore[arg-type]
    moved = pool(features, rois)
    assert not torch.equal(moved, deformable_roi_pool(features, rois, 4, 0.4))
    moved.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in pool.parameters())


def test_batch_is_single_items(generator: torch.Generator) -> None:
    features, weight = draw(generator, 3, 4, 8, 8), draw(generator, 5, 4, 3, 3)
    offsets = draw(generator, 3, 18, 8, 8)
    single = [deformable_conv2d(features[i : i + 1], offsets[i : i + 1], weight) for i in range(3)]
    torch.testing.assert_close(deformable_conv2d(features, offsets, weight), torch.cat(single))
