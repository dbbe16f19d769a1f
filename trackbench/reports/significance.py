"""Paired comparisons of the trackers of a report, by metric."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from trackbench.metrics.statistics import PairedTest, compare_all
from trackbench.metrics.table import ordered
from trackbench.reports.tables import csv_lines
from trackbench.scoring import Score


def comparisons(scores: Sequence[Score]) -> dict[str, list[PairedTest]]:
    """Return for each metric that sequences have: every pair of trackers, by their places in ``scores``.

    The methods are those of :func:`trackbench.metrics.statistics.compare_all`.
    """
    names = list(dict.fromkeys(name for score in scores for name in score.per_sequence))
    keys = [key for score in scores for row in score.per_sequence.values() for key in row]
    pairs = {}
    for column in ordered(keys):
        rows = [[score.per_sequence.get(name, {}).get(column.key) for score in scores] for name in names]
        values = np.array([[math.nan if value is None else value for value in row] for row in rows], np.float64)
        pairs[column.key] = compare_all(values)
    return pairs


def significance_csv(scores: Sequence[Score]) -> str:
    """Return a line for each metric and pair of trackers; p values are corrected for the pairs of one metric."""
    return csv_lines(
        [
            {
                "dataset": scores[pair.first].dataset,
                "metric": metric,
                "tracker": scores[pair.first].tracker,
                "against": scores[pair.second].tracker,
                "difference": pair.difference,
                "difference_low": pair.low,
                "difference_high": pair.high,
                "p_wilcoxon_holm": pair.wilcoxon,
                "p_sign_flips_holm": pair.permutation,
                "sequences": pair.sequences,
            }
            for metric, pairs in comparisons(scores).items()
            for pair in pairs
        ]
    )
