"""Differences between two trackers by attribute, each with its interval: what a forest plot shows."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from trackbench.statistics.matrix import ScoreMatrix
from trackbench.statistics.resampling import clustered_intervals

ALL = "all"


class AttributeDifference(NamedTuple):
    """First minus second over the sequences of an attribute."""

    attribute: str
    """``all`` for every sequence."""
    sequences: int
    difference: float
    low: float
    high: float
    """Bootstrap interval over clusters; NaN where there are too few."""


def attribute_differences(matrix: ScoreMatrix, first: int, second: int) -> list[AttributeDifference]:
    """Return the difference of two trackers over all sequences, then by attribute in the benchmark's order.

    Args:
        matrix: the scores.
        first: column of the first tracker.
        second: column of the second tracker.
    """
    plain = matrix.values[:, first] - matrix.values[:, second]
    members = {ALL: np.ones(len(plain), bool), **matrix.attributes}
    columns = np.column_stack([np.where(flags, plain, np.nan) for flags in members.values()])
    counts = (~np.isnan(columns)).sum(axis=0)
    means = np.divide(np.nansum(columns, axis=0), counts, out=np.full(len(members), np.nan), where=counts > 0)
    bounds = clustered_intervals(columns, matrix.clusters)
    rows = zip(members, counts.tolist(), means.tolist(), bounds.tolist(), strict=True)
    return [AttributeDifference(name, count, mean, low, high) for name, count, mean, (low, high) in rows if count]
