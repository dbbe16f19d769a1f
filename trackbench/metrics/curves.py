"""Counts of values beyond thresholds, for all sequences at once: what every curve of a tracking metric is made of."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]


def count_above(values: Floats, thresholds: Floats, lengths: Counts, *, inclusive: bool = False) -> Counts:
    """Count in each group the values that lie above each threshold.

    Args:
        values: (F,), each group's after those of the one before it; NaN lies above no threshold.
        thresholds: (T,), even and ascending from 0, T >= 2.
        lengths: (S,), values of each group; their sum is F.
        inclusive: whether a value equal to the threshold counts (``>=``).

    Returns:
        int64 (S, T).

    Example:
        >>> count_above(np.array([0.2, 0.7]), np.array([0.0, 0.5, 0.7]), np.array([2])).tolist()
        [[2, 1, 0]]
    """
    return above(_passed(values, thresholds, lengths, inclusive))


def count_within(values: Floats, thresholds: Floats, lengths: Counts) -> Counts:
    """Count in each group the values that are at most each threshold (``<=``); NaN is within no threshold.

    Args and returns are those of `count_above`.
    """
    return within(_passed(values, thresholds, lengths, False))


def above(passed: Counts) -> Counts:
    """Return the values above each threshold, (S, T), of those that pass 0 to T thresholds, (S, T + 1)."""
    beyond: Counts = passed[:, :0:-1].cumsum(axis=1)[:, ::-1]
    return beyond


def within(passed: Counts) -> Counts:
    """Return the values within each threshold, (S, T), of those that pass 0 to T thresholds, (S, T + 1)."""
    up_to: Counts = passed[:, :-1].cumsum(axis=1)
    return up_to


def check_thresholds(thresholds: Floats) -> int:
    """Return how many thresholds there are, if compiled loops can count by them.

    Raises:
        ValueError: they are not even and ascending from 0.
    """
    from trackbench.metrics.ope_kernels import scale  # loads a compiler

    # No threshold's own product may round to below its place.
    if not np.array_equal(np.floor(thresholds * scale(thresholds)), np.arange(len(thresholds))):
        raise ValueError(f"thresholds {thresholds.tolist()}: expected even steps from 0")
    return len(thresholds)


def _passed(values: Floats, thresholds: Floats, lengths: Counts, inclusive: bool) -> Counts:
    from trackbench.metrics.ope_kernels import count_groups

    if lengths.sum() != len(values):  # compiled code does not look
        raise ValueError(f"groups of {lengths.sum()} values together, {len(values)} values; expected as many")
    check_thresholds(thresholds)
    passed: Counts = count_groups(values, thresholds, lengths, inclusive)
    return passed
