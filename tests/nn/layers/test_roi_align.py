"""RoIAlign against loops over single samples."""

from __future__ import annotations

import math

import torch

from trackbench.nn.layers.roi_align import RoIAlign, roi_align

ROIS = [[0, 3.2, 4.9, 20.1, 17.7], [1, -3.0, 2.0, 31.0, 45.0], [0, 10.0, 10.0, 10.5, 10.5], [1, 60.0, 60.0, 90.0, 90.0]]


def by_loops(plane: torch.Tensor, roi: list[float], size: int, scale: float) -> torch.Tensor:
    height, width = plane.shape
    x1, y1, x2, y2 = (v * scale for v in roi[1:])
    step_x, step_y = max(x2 - x1, 1) / size, max(y2 - y1, 1) / size
    across, down = math.ceil(step_x), math.ceil(step_y)
    out = torch.zeros(size, size, dtype=torch.float64)
    for row in range(size):
        for column in range(size):
            for i in range(down):
                for j in range(across):
                    y = y1 + (row + (i + 0.5) / down) * step_y
                    x = x1 + (column + (j + 0.5) / across) * step_x
                    if not (-1 <= y <= height and -1 <= x <= width):
                        continue
                    y, x = min(max(y, 0), height - 1), min(max(x, 0), width - 1)
                    for r in range(math.floor(y), math.ceil(y) + 1):
                        for c in range(math.floor(x), math.ceil(x) + 1):
                            out[row, column] += plane[r, c] * (1 - abs(y - r)) * (1 - abs(x - c)) / (across * down)
    return out


def test_equals_loops() -> None:
    features = torch.randn(2, 3, 11, 13, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    rois = torch.tensor(ROIS, dtype=torch.float64)
    out = roi_align(features, rois, 4, 0.4)
    assert torch.equal(out, RoIAlign(4, 0.4)(features, rois))
    for index, roi in enumerate(ROIS):
        for channel in range(3):
            torch.testing.assert_close(out[index, channel], by_loops(features[int(roi[0]), channel], roi, 4, 0.4))
    assert not out[-1].any()


def test_gradients() -> None:
    features = torch.randn(1, 2, 7, 7, dtype=torch.float64, generator=torch.Generator().manual_seed(1)).requires_grad_()
    corners = torch.tensor([[3.1, 4.3, 15.2, 13.9]], dtype=torch.float64).requires_grad_()
    image = torch.zeros(1, 1, dtype=torch.float64)
    assert torch.autograd.gradcheck(lambda f, c: roi_align(f, torch.cat([image, c], 1), 3, 0.41), (features, corners))
