"""Cosine windows: what trackers multiply features or scores with to favour the middle."""

from __future__ import annotations

from functools import reduce

import numpy as np
import torch
from torch import Tensor


def hann_window(
    shape: tuple[int, ...], dtype: torch.dtype = torch.float32, device: str | torch.device = "cpu"
) -> Tensor:
    """Return the outer product of a symmetric Hann window along each axis, zero at every border.

    It is computed in float64 and rounded last.

    Args:
        shape: cells along each axis.
        dtype: of the result.
        device: where to make it.

    Example:
        >>> hann_window((3, 5)).tolist()
        [[0.0, 0.0, 0.0, 0.0, 0.0], [0.0, 0.5, 1.0, 0.5, 0.0], [0.0, 0.0, 0.0, 0.0, 0.0]]
    """
    window = reduce(np.multiply.outer, [np.hanning(cells) for cells in shape])
    return torch.from_numpy(window).to(device, dtype)
