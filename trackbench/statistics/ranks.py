"""Average ranks and the groups of trackers that no test tells apart: what a critical-difference diagram shows."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from trackbench.statistics.pairs import Pair

Floats = NDArray[np.float64]

SIGNIFICANCE = 0.05


class CriticalDifference(NamedTuple):
    """What a critical-difference diagram shows."""

    ranks: list[float]
    """Average rank of each tracker over sequences; 1 is best."""
    groups: list[tuple[int, ...]]
    """Trackers that are not told apart, as neighbours by rank, best first; only groups of two and more, none within
    another."""
    friedman: float
    """p of Friedman's test that all trackers rank alike; NaN for fewer than three trackers."""


def critical_difference(
    better: Floats, pairs: Sequence[Pair], significance: float = SIGNIFICANCE
) -> CriticalDifference:
    """Return average ranks, and groups by Wilcoxon's signed-rank test with Holm's correction.

    The pairwise tests replace Nemenyi's of mean ranks, whose verdict on two trackers depends on which others are in the
    table (Benavoli, Corani and Mangili, JMLR 17, 2016, "Should We Really Use Post-Hoc Tests Based on Mean-Ranks?").

    Args:
        better: (S, T) without NaN; higher is better.
        pairs: of all trackers, by their columns.
        significance: p below which two trackers are told apart.
    """
    trackers = better.shape[1]
    if not len(better):
        return CriticalDifference([float("nan")] * trackers, [], float("nan"))
    ranks = stats.rankdata(-better, axis=1).mean(axis=0)
    order = np.argsort(ranks, kind="stable").tolist()
    apart = {frozenset((pair.first, pair.second)) for pair in pairs if pair.wilcoxon < significance}
    groups: list[tuple[int, ...]] = []
    reach = 0
    for begin in range(trackers):
        end = begin + 1
        while end < trackers and all(frozenset((order[k], order[end])) not in apart for k in range(begin, end)):
            end += 1
        if end - begin > 1 and end > reach:
            groups.append(tuple(order[begin:end]))
            reach = end
    friedman = float("nan")
    if trackers > 2 and len(better) > 1:
        friedman = float(stats.friedmanchisquare(*better.T).pvalue) if np.ptp(better, axis=1).any() else 1.0
    return CriticalDifference(ranks.tolist(), groups, friedman)
