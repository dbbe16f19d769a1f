"""Every pair of trackers: difference, who wins on a new sequence, and whether the two are equal for all purposes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.metrics.statistics import PairedTest, compare_all
from trackbench.statistics.matrix import ScoreMatrix
from trackbench.statistics.resampling import clustered_intervals, probability_interval

Floats = NDArray[np.float64]

ROPE = 0.5
"""Half-width of the region of practical equivalence, in the unit in which people read the metric (AUC in percent)."""
SAMPLES = 20_000
#: Pseudo-observations at a difference of 0: the prior's strength (Benavoli et al., JMLR 18, 2017, section 4.3).
PRIOR = 0.5
_BATCH = 1 << 21


class Equivalence(NamedTuple):
    """The posterior probabilities of the Bayesian signed-rank test; they sum to 1."""

    first: float
    """The first tracker is better by more than the region of practical equivalence."""
    equal: float
    """The difference lies within the region."""
    second: float
    """The second tracker is better by more than the region."""


class Pair(NamedTuple):
    """One tracker against another on the sequences that both have."""

    first: int
    second: int
    sequences: int
    difference: float
    """Mean over sequences of first minus second, in the metric's own unit."""
    low: float
    high: float
    """Bootstrap interval of the difference, over clusters."""
    better: float
    """Probability that the first is better than the second on a new sequence; a tie counts half."""
    better_low: float
    better_high: float
    equivalence: Equivalence
    wilcoxon: float
    """p of the signed-rank test, corrected for the number of pairs (Holm)."""


def compare_pairs(matrix: ScoreMatrix, rope: float = ROPE, *, samples: int = SAMPLES) -> list[Pair]:
    """Compare all pairs ``first < second`` of a table.

    Args:
        matrix: the scores.
        rope: half-width of the region of practical equivalence, in the unit in which people read the metric.
        samples: from the posterior of the Bayesian signed-rank test.
    """
    better = matrix.better()
    tests: list[PairedTest] = compare_all(matrix.values)
    pairs = []
    for test in tests:
        plain = matrix.values[:, test.first] - matrix.values[:, test.second]
        gain = better[:, test.first] - better[:, test.second]
        known = ~np.isnan(gain)
        wins = np.where(known, (np.sign(gain) + 1) / 2, np.nan)
        low, high = clustered_intervals(plain[:, None], matrix.clusters)[0].tolist()
        posterior = signed_rank_posterior(gain[known], rope / matrix.metric.scale, samples=samples)
        pairs.append(
            Pair(
                test.first,
                test.second,
                test.sequences,
                test.difference,
                low,
                high,
                *probability_interval(wins, matrix.clusters),
                posterior,
                test.wilcoxon,
            )
        )
    return pairs


def signed_rank_posterior(
    differences: Floats, rope: float, *, samples: int = SAMPLES, prior: float = PRIOR, seed: int = 0
) -> Equivalence:
    """Return who wins by the Bayesian signed-rank test (Benavoli et al., ICML 2014; JMLR 18, 2017, section 4.2).

    Each sample of the Dirichlet process's posterior gives weights to the differences and to one pseudo-observation at
    0, and with them the probabilities that the mean of two differences lies above, within or below the region. The
    outcome with the largest of the three wins the sample.

    Args:
        differences: (S,), first minus second, higher is better for the first.
        rope: half-width of the region of practical equivalence, in the unit of the differences.
        samples: how many are drawn.
        prior: strength of the pseudo-observation.
        seed: of the draws.

    Returns:
        The shares of samples; NaN without a difference.

    Example:
        >>> signed_rank_posterior(np.full(20, 0.1), 0.01)
        Equivalence(first=1.0, equal=0.0, second=0.0)
    """
    if not len(differences):
        return Equivalence(*(float("nan"),) * 3)
    points = np.append(0.0, differences)
    sums = points[:, None] + points
    above, below = _heaviside(sums - 2 * rope), _heaviside(-sums - 2 * rope)
    weights = np.append(prior, np.ones(len(differences)))
    rng = np.random.default_rng(seed)
    wins = np.zeros(3)
    batch = max(1, _BATCH // len(points))
    for begin in range(0, samples, batch):
        drawn = rng.dirichlet(weights, min(batch, samples - begin))
        first = ((drawn @ above) * drawn).sum(axis=1)
        second = ((drawn @ below) * drawn).sum(axis=1)
        winners = np.argmax(np.stack([second, 1 - first - second, first]), axis=0)
        wins += np.bincount(winners, minlength=3)
    second_share, equal, first_share = (wins / samples).tolist()
    return Equivalence(first_share, equal, second_share)


def _heaviside(values: Floats) -> Floats:
    """Return 1 above 0, 0 below, and a half where a value is 0 but for rounding."""
    return np.where(np.abs(values) < 1e-12, 0.5, (values > 0).astype(np.float64))
