"""Counts of values beyond thresholds, for all sequences at once: what every curve of a tracking metric is made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def count_above(values: Floats, thresholds: Floats, groups: Counts, total: int, *, inclusive: bool = False) -> Counts:
    """Count in each group the values that lie above each threshold.

    Args:
        values: (F,); NaN lies above no threshold.
        thresholds: (T,), ascending.
        groups: (F,), the group 0 .. total - 1 that each value belongs to.
        total: number of groups.
        inclusive: whether a value equal to the threshold counts (``>=``).

    Returns:
        int64 (total, T).

    Example:
        >>> count_above(np.array([0.2, 0.7]), np.array([0.0, 0.5, 0.7]), np.array([0, 0]), 1).tolist()
        [[2, 1, 0]]
    """
    passed = _passed(np.fmax(values, -np.inf), thresholds, inclusive=inclusive)  # NaN: -inf
    counts = _histogram(passed, groups, total, len(thresholds))
    beyond: Counts = counts[:, :0:-1].cumsum(axis=1)[:, ::-1]
    return beyond


def count_within(values: Floats, thresholds: Floats, groups: Counts, total: int) -> Counts:
    """Count in each group the values that are at most each threshold (``<=``); NaN is within no threshold.

    Args and returns are those of `count_above`.
    """
    passed = _passed(values, thresholds, inclusive=False)
    within: Counts = _histogram(passed, groups, total, len(thresholds))[:, :-1].cumsum(axis=1)
    return within


def _passed(values: Floats, thresholds: Floats, *, inclusive: bool) -> NDArray[np.intp]:
    """Return how many thresholds lie below each value, or at most at it; NaN passes all of them."""
    last = len(thresholds) - 1
    # Even thresholds are found by a product. It may round: a threshold's own must not come out below its place, and
    # any value between two thresholds lands on the place of one of them, as rounding keeps order.
    scale = last / thresholds[-1] * (1 + 1e-15) if thresholds[-1] > 0 else 0.0
    if np.array_equal(np.floor(thresholds * scale), np.arange(last + 1)):
        place = np.fmin(np.maximum(values * scale, 0), last).astype(np.intp)
        found = thresholds[place]
        return place + ~(values < found if inclusive else values <= found)
    return np.searchsorted(thresholds, values, side="right" if inclusive else "left")


def _histogram(passed: NDArray[np.intp], groups: Counts, total: int, thresholds: int) -> Counts:
    width = thresholds + 1
    return np.bincount(groups * width + passed, minlength=total * width).reshape(total, width)
