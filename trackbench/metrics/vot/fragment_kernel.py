"""The compiled loop behind expected average overlap."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from trackbench.jit import jit


@jit()
def accumulate(
    overlaps: NDArray[np.float64],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    failed: NDArray[np.bool_],
    weights: NDArray[np.float64],
    sums: NDArray[np.float64],
    totals: NDArray[np.float64],
) -> None:
    """Add the mean overlaps of fragments up to each length to the sums (T, longest) of T sets, by their weights (T, K).

    ``totals`` takes the weights; the other arguments are those of `trackbench.metrics.vot.fragments.expected_overlaps`.
    """
    sets, longest = sums.shape
    for k in range(len(starts)):
        run = 0.0
        for j in range(1, longest if failed[k] else min(lengths[k], longest)):
            value = overlaps[starts[k] + j] if j < lengths[k] else 0.0
            run += value
            if math.isnan(value):
                continue
            for t in range(sets):
                sums[t, j] += weights[t, k] * (run / j)
                totals[t, j] += weights[t, k]
