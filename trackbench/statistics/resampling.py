"""Bootstrap over clusters of sequences: intervals of means, and the distribution of ranks.

Sequences of one class, or runs from the anchors of one sequence, resemble each other. Drawn one by one they would count
as more evidence than they are; here whole clusters are drawn (Davison and Hinkley, *Bootstrap Methods and their
Application*, 1997, section 3.8, strategy 1).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from trackbench.metrics.statistics import CONFIDENCE, RESAMPLES, bootstrap_intervals

Floats = NDArray[np.float64]

RANK_RESAMPLES = 10_000
"""A share of 10,000 resamples is known to a percentage point."""
#: Elements of the arrays that one batch of resamples makes.
_BATCH = 1 << 22


def cluster_sums(values: Floats, clusters: NDArray[np.intp]) -> tuple[Floats, Floats]:
    """Return sums and counts of each cluster, both (K, C); a NaN is no value.

    Args:
        values: (S, C).
        clusters: (S,), any whole numbers; equal ones belong together.
    """
    _, places = np.unique(clusters, return_inverse=True)
    total = int(places.max()) + 1 if len(places) else 0
    known = ~np.isnan(values)
    sums, counts = np.zeros((total, values.shape[1])), np.zeros((total, values.shape[1]))
    np.add.at(sums, places, np.where(known, values, 0.0))
    np.add.at(counts, places, known.astype(np.float64))
    return sums, counts


def clustered_intervals(
    values: Floats, clusters: NDArray[np.intp], *, confidence: float = CONFIDENCE, resamples: int = RESAMPLES
) -> Floats:
    """Return BCa intervals of the means of columns, with clusters drawn instead of single rows.

    Args:
        values: (S, C), a row a sequence (or a run from an anchor), NaN where it does not count.
        clusters: (S,), the cluster of each row.
        confidence: share of the distribution between the bounds.
        resamples: how many sets of clusters are drawn.

    Returns:
        (C, 2); NaN where fewer clusters count than :data:`trackbench.metrics.statistics.LEAST`.

    Example:
        >>> rows = np.repeat(np.linspace(0.4, 0.8, 41), 4)[:, None]
        >>> clustered_intervals(rows, np.repeat(np.arange(41), 4)).round(2).tolist()
        [[0.56, 0.63]]
    """
    sums, counts = cluster_sums(values, clusters)
    sums[counts == 0] = np.nan
    return bootstrap_intervals(sums, counts, confidence=confidence, resamples=resamples)


def rank_distribution(
    better: Floats, clusters: NDArray[np.intp], *, resamples: int = RANK_RESAMPLES, seed: int = 0
) -> Floats:
    """Return in what share of resamples each tracker has each rank by its mean, (T, T): row tracker, column rank.

    Trackers with equal means share their ranks evenly, so that rows and columns sum to 1.

    Args:
        better: (S, T) without NaN; higher is better.
        clusters: (S,), the cluster of each row.
        resamples: how many sets of clusters are drawn.
        seed: of the draws.

    Example:
        >>> rank_distribution(np.array([[0.9, 0.1], [0.8, 0.2]]), np.arange(2)).tolist()
        [[1.0, 0.0], [0.0, 1.0]]
    """
    sums, counts = cluster_sums(better, clusters)
    total, trackers = sums.shape
    if not total:
        return np.full((trackers, trackers), np.nan)
    rng = np.random.default_rng(seed)
    shares = np.zeros((trackers, trackers))
    batch = max(1, _BATCH // max(total, trackers * trackers))
    for begin in range(0, resamples, batch):
        drawn = rng.multinomial(total, np.full(total, 1 / total), min(batch, resamples - begin)).astype(np.float64)
        means = (drawn @ sums) / (drawn @ counts)
        # Means that differ by rounding alone are equal.
        means = np.round(means, 12)
        above = (means[:, None, :] > means[:, :, None]).sum(axis=2)
        equal = (means[:, None, :] == means[:, :, None]).sum(axis=2)
        for rank in range(trackers):
            shares[:, rank] += np.where((above <= rank) & (rank < above + equal), 1 / equal, 0.0).sum(axis=0)
    return shares / resamples


def probability_interval(
    wins: Floats, clusters: NDArray[np.intp], confidence: float = CONFIDENCE
) -> tuple[float, float, float]:
    """Return the probability of a win on a new sequence, with its interval.

    Wilson's score interval (Journal of the American Statistical Association 22, 1927). Where sequences are clustered it
    is as wide as that of the effective number of sequences, which is their number divided by the design effect (Korn
    and Graubard, Survey Methodology 24, 1998).

    Args:
        wins: (S,), 1 for a win, 0.5 for a tie, 0 for a loss, NaN where there is no comparison.
        clusters: (S,), the cluster of each sequence.
        confidence: of the interval.

    Example:
        >>> np.round(probability_interval(np.repeat([1.0, 0.0], [30, 10]), np.arange(40)), 3).tolist()
        [0.75, 0.598, 0.858]
    """
    known = ~np.isnan(wins)
    count = int(known.sum())
    if not count:
        return (float("nan"),) * 3
    share = float(wins[known].mean())
    effective = count / _design_effect(wins[known], clusters[known], share)
    z = float(stats.norm.ppf((1 + confidence) / 2))
    centre = (share + z**2 / (2 * effective)) / (1 + z**2 / effective)
    half = z / (1 + z**2 / effective) * np.sqrt(share * (1 - share) / effective + z**2 / (4 * effective**2))
    return share, float(max(0, centre - half)), float(min(1, centre + half))


def _design_effect(wins: Floats, clusters: NDArray[np.intp], share: float) -> float:
    """Return by how much clusters widen the variance of a share; at least 1, so that no chance agreement narrows it."""
    sums, counts = cluster_sums(wins[:, None], clusters)
    total = len(sums)
    if total < 2 or total == len(wins) or share in (0, 1):
        return 1.0
    residuals = (sums - share * counts)[:, 0]
    variance = total / (total - 1) * float((residuals**2).sum()) / len(wins) ** 2
    return max(1.0, variance / (share * (1 - share) / len(wins)))
