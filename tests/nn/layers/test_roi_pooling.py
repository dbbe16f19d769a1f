"""Precise RoI pooling against sampling of the interpolant, and its derivatives."""

from __future__ import annotations

import numpy as np
import torch

from trackbench.nn.layers.roi_pooling import precise_roi_pool


def interpolant(features: torch.Tensor, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Sample the map (C, H, W), zero outside, bilinearly at all pairs of y and x."""

    def triangle(at: np.ndarray, cells: int) -> np.ndarray:
        return np.maximum(0, 1 - np.abs(at[:, None] - np.arange(cells)))

    _, height, width = features.shape
    return np.einsum("yj,cji,xi->cyx", triangle(y, height), features.numpy(), triangle(x, width))


def sampled(features: torch.Tensor, box: np.ndarray, size: int, samples: int = 200) -> np.ndarray:
    """Mean of the interpolant in each bin, by the midpoint rule."""
    x1, y1, x2, y2 = box
    steps = (np.arange(size * samples) + 0.5) / (size * samples)
    values = interpolant(features, x1 + steps * (x2 - x1), y1 + steps * (y2 - y1))
    return values.reshape(-1, size, samples, size, samples).mean((2, 4))


def test_equals_sampling() -> None:
    generator = torch.Generator().manual_seed(0)
    features = torch.randn(2, 3, 7, 9, generator=generator, dtype=torch.float64)
    # Whole, within one cell, partly outside, on cell borders, wholly outside.
    boxes = torch.tensor(
        [[[0.3, 0.7, 7.9, 5.2], [2.2, 3.1, 2.6, 3.7], [-3.0, -2.0, 4.0, 3.0], [1.0, 1.0, 5.0, 5.0], [-9, -9, -5, -5]]],
        dtype=torch.float64,
    ).repeat(2, 1, 1)
    pooled = precise_roi_pool(features, boxes / 3, 4, scale=3.0)
    assert pooled.shape == (2, 5, 3, 4, 4)
    for item in range(2):
        for number in range(5):
            expected = sampled(features[item], boxes[item, number].numpy(), 4)
            np.testing.assert_allclose(pooled[item, number].numpy(), expected, atol=3e-5)
    assert not pooled[:, 4].any()


def test_bins_of_one_cell_are_smoothed_cells() -> None:
    features = torch.zeros(1, 1, 5, 5, dtype=torch.float64)
    features[0, 0, 2, 2] = 1
    # The bins around the coordinates 1, 2 and 3 hold 1/8, 6/8 and 1/8 of the triangle at 2.
    pooled = precise_roi_pool(features, torch.tensor([[[0.5, 0.5, 3.5, 3.5]]], dtype=torch.float64), (3, 3), scale=1.0)
    line = torch.tensor([0.125, 0.75, 0.125], dtype=torch.float64)
    torch.testing.assert_close(pooled[0, 0, 0], line[:, None] * line)


def test_empty_and_inverted_boxes_pool_to_zero_with_finite_gradients() -> None:
    features = torch.randn(1, 2, 4, 4, requires_grad=True)
    boxes = torch.tensor([[[1.0, 1.0, 1.0, 3.0], [3.0, 1.0, 2.0, 3.0], [0.0, 0.0, 2.0, 2.0]]], requires_grad=True)
    pooled = precise_roi_pool(features, boxes, 2, scale=1.0)
    assert not pooled[0, :2].any()
    assert pooled[0, 2].any()
    pooled.sum().backward()
    assert features.grad is not None
    assert boxes.grad is not None
    assert features.grad.isfinite().all()
    assert boxes.grad.isfinite().all()


def test_gradients() -> None:
    generator = torch.Generator().manual_seed(1)
    features = torch.randn(1, 2, 4, 5, generator=generator, dtype=torch.float64, requires_grad=True)
    boxes = torch.tensor([[[0.3, 0.2, 3.1, 2.7], [-0.6, 1.15, 2.35, 4.4]]], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(lambda f, b: precise_roi_pool(f, b, (2, 3), 1.0), (features, boxes))
