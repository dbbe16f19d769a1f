"""How sure a score is: bootstrap intervals over sequences, and paired tests between trackers.

A benchmark's sequences are taken as a sample of those that could have been filmed. They are what is resampled and
paired; the frames of one sequence depend on each other and are never resampled alone.
"""

from __future__ import annotations

from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]

CONFIDENCE = 0.95
RESAMPLES = 2000
"""Efron and Tibshirani (1993), section 14.2: intervals want about this many, standard errors some 200."""
LEAST = 8
"""Sequences below which no interval is given: seven have 1,716 different resamples, fewer than are drawn."""
_SEED = 0
#: Elements of the arrays that one batch of resamples makes.
_BATCH = 1 << 22


def bootstrap_intervals(
    numerators: Floats,
    denominators: Floats | None = None,
    *,
    mean_of_columns: bool = False,
    confidence: float = CONFIDENCE,
    resamples: int = RESAMPLES,
) -> Floats:
    """Return bootstrap confidence intervals of scores that are ratios of sums over sequences.

    The bias-corrected and accelerated interval (BCa) of Efron and Tibshirani, *An Introduction to the Bootstrap*, 1993,
    section 14.3, over resampled sequences; the acceleration is by the jackknife. The draws are the same in every call
    with as many sequences, so that intervals are reproducible and columns are resampled together.

    Args:
        numerators: (S, C), a row a sequence, a column a score; NaN where a sequence does not count.
        denominators: (S, C), by default ones: the score is then the mean over the sequences that count.
        mean_of_columns: the columns are points of a curve, and the score is their mean (expected average overlap); as
            in VOT's toolkits a point without sequences is 0, and one where a sequence is NaN is left out.
        confidence: share of the distribution between the bounds.
        resamples: how many sets of S sequences are drawn.

    Returns:
        (C, 2), or (1, 2) with ``mean_of_columns``: lower and upper bound; NaN where fewer than :data:`LEAST`
        sequences count.

    Example:
        >>> bootstrap_intervals(np.linspace(0.4, 0.8, 41)[:, None]).round(2).tolist()
        [[0.56, 0.63]]
    """
    tops = np.asarray(numerators, np.float64)
    bottoms = np.ones_like(tops) if denominators is None else np.asarray(denominators, np.float64)
    counts = np.isfinite(tops) & np.isfinite(bottoms)
    tops, bottoms = np.where(counts, tops, 0.0), np.where(counts, bottoms, 0.0)
    undefined = np.where(counts, 0.0, 1.0)
    sequences = (bottoms > 0).sum(axis=0)
    if not len(tops) or not tops.shape[1]:
        return np.full((1 if mean_of_columns else tops.shape[1], 2), np.nan)

    def score(top: Floats, bottom: Floats, lost: Floats) -> Floats:
        if mean_of_columns:
            kept = lost == 0
            curve = np.divide(top, bottom, out=np.zeros(top.shape), where=kept & (bottom > 0))
            return np.asarray(curve.sum(axis=1, keepdims=True) / np.maximum(1, kept.sum(axis=1, keepdims=True)))
        return np.asarray(np.divide(top, bottom, out=np.full(top.shape, np.nan), where=bottom > 0))

    parts = tops, bottoms, undefined
    whole = score(*(part.sum(axis=0, keepdims=True) for part in parts))
    drawn = np.concatenate([score(*(_sums(d, part) for part in parts)) for d in _draws(len(tops), resamples)])
    without = score(*(part.sum(axis=0) - part for part in parts))
    bounds = np.array([_bca(*columns, confidence) for columns in zip(whole[0], drawn.T, without.T, strict=True)])
    bounds[([sequences.max()] if mean_of_columns else sequences) < np.array(LEAST)] = np.nan
    return bounds


class PairedTest(NamedTuple):
    """One tracker against another on the sequences that both have."""

    first: int
    second: int
    difference: float
    """Mean over sequences of first minus second."""
    low: float
    high: float
    """Bootstrap interval of the difference."""
    wilcoxon: float
    """p of the signed-rank test, corrected for the number of pairs."""
    permutation: float
    """p of the sign-flip test of the mean difference, corrected for the number of pairs."""
    sequences: int


def compare_all(values: Floats, *, permutations: int = 9999) -> list[PairedTest]:
    """Compare trackers in pairs, sequence by sequence.

    Two tests of "neither is better": Wilcoxon's signed-rank test with zeros ranked (Pratt 1959, as in scipy), which
    Demsar, *Statistical Comparisons of Classifiers over Multiple Data Sets*, JMLR 7, 2006, section 3.1.3, recommends,
    and the permutation test that flips the signs of differences at random, with the observed signs counted in (Phipson
    and Smyth 2010). Both are corrected for all pairs by Holm's step-down procedure (Scandinavian Journal of Statistics
    6, 1979), which bounds the chance of any false claim among them.

    Args:
        values: (S, T), the score of each sequence and tracker; NaN where a tracker has none.
        permutations: how many random signs are drawn.

    Returns:
        Every pair ``first < second``; NaN where fewer than two sequences are common, or too few for an interval.
    """
    trackers = values.shape[1]
    pairs = [(a, b) for a in range(trackers) for b in range(a + 1, trackers)]
    if not pairs or not len(values):
        return []
    differences = np.column_stack([values[:, a] - values[:, b] for a, b in pairs])
    known = ~np.isnan(differences)
    common = known.sum(axis=0)
    means = np.divide(np.nansum(differences, axis=0), common, out=np.full(len(pairs), np.nan), where=common > 0)
    bounds = bootstrap_intervals(differences)
    signed_rank = holm(np.array([_wilcoxon(column[k]) for column, k in zip(differences.T, known.T, strict=True)]))
    flipped = holm(_sign_flips(np.where(known, differences, 0.0), common, permutations))
    columns = zip(pairs, means, bounds, signed_rank, flipped, common, strict=True)
    return [
        PairedTest(a, b, float(mean), float(low), float(high), float(w), float(f), int(n))
        for (a, b), mean, (low, high), w, f, n in columns
    ]


def holm(p: Floats) -> Floats:
    """Return p values corrected for their number by Holm's step-down procedure; NaN are no tests and stay NaN.

    Example:
        >>> holm(np.array([0.01, 0.04, 0.03])).round(4).tolist()
        [0.03, 0.06, 0.06]
    """
    corrected = np.full(len(p), np.nan)
    tests = np.flatnonzero(~np.isnan(p))
    order = tests[np.argsort(p[tests], kind="stable")]
    factors = np.arange(len(order), 0, -1)
    corrected[order] = np.minimum(np.maximum.accumulate(p[order] * factors), 1)
    return corrected


@lru_cache(maxsize=1)
def _draws(total: int, resamples: int) -> list[Floats]:
    """Return how often each of ``total`` sequences is in each resample, in batches (rows, total)."""
    rng = np.random.default_rng(_SEED)
    batch = max(1, _BATCH // total)
    batches = []
    for begin in range(0, resamples, batch):
        rows = min(batch, resamples - begin)
        drawn = rng.integers(0, total, (rows, total)) + np.arange(rows)[:, None] * total
        batches.append(np.bincount(drawn.ravel(), minlength=rows * total).reshape(rows, total).astype(np.float64))
    return batches


def _sums(draws: Floats, part: Floats) -> Floats:
    """Return the sum of a part, (S, C), over the sequences of each resample, (R, C)."""
    constant = part[0, 0]
    if constant in (0.0, 1.0) and (part == constant).all():  # where every sequence counts, two of three parts are
        return np.full((len(draws), part.shape[1]), constant * len(part))
    return np.asarray(draws @ part)


def _bca(whole: float, drawn: Floats, without: Floats, confidence: float) -> tuple[float, float]:
    drawn, without = drawn[~np.isnan(drawn)], without[~np.isnan(without)]
    if np.isnan(whole) or not len(drawn) or not len(without):
        return np.nan, np.nan
    # Draws that equal the score but for rounding are ties: half of them lie below.
    ties = np.abs(drawn - whole) <= 1e-15 + 1e-12 * abs(whole)
    below = ((drawn < whole) & ~ties).mean() + ties.mean() / 2
    if below in (0, 1) or np.ptp(drawn) < 1e-15:
        low, high = np.quantile(drawn, [(1 - confidence) / 2, (1 + confidence) / 2])
        return float(low), float(high)
    off = without.mean() - without
    spread = (off**2).sum()
    acceleration = (off**3).sum() / (6 * spread**1.5) if spread > 0 else 0.0
    from scipy import special  # here: reports of what is cached need none of it, and it loads slowly

    bias = special.ndtri(below)
    edges = bias + special.ndtri([(1 - confidence) / 2, (1 + confidence) / 2])
    low, high = np.quantile(drawn, special.ndtr(bias + edges / (1 - acceleration * edges)))
    return float(low), float(high)


def _wilcoxon(differences: Floats) -> float:
    if len(differences) < 2:
        return float("nan")
    if not differences.any():
        return 1.0
    from scipy import stats

    return float(stats.wilcoxon(differences, zero_method="pratt").pvalue)


def _sign_flips(differences: Floats, common: NDArray[np.intp], permutations: int) -> Floats:
    rng = np.random.default_rng(_SEED)
    observed = np.abs(differences.sum(axis=0))
    reached = np.ones(differences.shape[1])
    batch = max(1, _BATCH // len(differences))
    for begin in range(0, permutations, batch):
        signs = rng.integers(0, 2, (min(batch, permutations - begin), len(differences))) * 2.0 - 1
        # A sum that differs by rounding alone is as large.
        reached += (np.abs(signs @ differences) >= observed * (1 - 1e-12) - 1e-15).sum(axis=0)
    return np.where(common > 1, reached / (permutations + 1), np.nan)
