"""What the page shows, as one JSON document: everything that is drawn or sorted in the browser is in it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from trackbench.datasets.sequence import Dataset
from trackbench.errors import UsageError
from trackbench.metrics.statistics import CONFIDENCE, RESAMPLES
from trackbench.metrics.table import CurveAxes, Metric, ordered
from trackbench.reports import plots, tables
from trackbench.reports.significance import comparisons
from trackbench.reports.statistics import ROPE, measure
from trackbench.scoring import Score
from trackbench.statistics.matrix import score_matrix

#: Trackers whose ranks and pairs are on the page; `trackbench statistics` has them all.
MOST = 12


def dataset_document(dataset: Dataset, scores: Sequence[Score], metrics: Sequence[str] | None = None) -> dict[str, Any]:
    """Return what the page says about one data set.

    Args:
        dataset: what the scores are about.
        scores: in the order of the tables.
        metrics: the columns of its leaderboard, by key; None: all.
    """
    columns = tables.used_columns(scores, metrics)
    names = [s.name for s in dataset.sequences if any(s.name in score.per_sequence for score in scores)]
    by_sequence = ordered(key for score in scores for row in score.per_sequence.values() for key in row)
    per_sequence = {
        column.key: [[rounded(score.per_sequence.get(name, {}).get(column.key)) for score in scores] for name in names]
        for column in by_sequence
    }
    return {
        "name": dataset.name,
        "title": dataset.title,
        "of": dataset.of,
        "missing": len(dataset.missing),
        "protocol": scores[0].protocol,
        "convention": ", ".join(dict.fromkeys(score.convention for score in scores)),
        "caption": tables.caption(scores, metrics),
        "columns": [_column(column) for column in columns],
        "main": tables.main_metric(scores).key,
        "verdict": verdict(scores),
        "rows": [_row(score) for score in scores],
        "curves": {curve.key: _curve(curve, scores) for curve in plots.curves_of(scores)},
        "interval": next((score.interval for score in scores if score.interval), None),
        "attributes": _attributes(dataset, scores),
        "sequences": names,
        "sequence_attributes": [list(dataset[name].attributes) for name in names],
        "sequence_columns": [_column(column) for column in by_sequence],
        "per_sequence": per_sequence,
        "tests": {key: [rounded(list(pair)) for pair in pairs] for key, pairs in comparisons(scores).items()},
        "sureness": _sureness(dataset, scores),
        "confidence": CONFIDENCE,
        "resamples": RESAMPLES,
    }


def verdict(scores: Sequence[Score]) -> str:
    """Return in one sentence who is ahead by the main metric, by how much, and what does not count."""
    main = tables.main_metric(scores)
    ranked = [score for score in tables.ranked(scores) if score.is_complete and score.metrics.get(main.key) is not None]
    left_out = len(scores) - sum(score.is_complete for score in scores)
    rest = f" {left_out} incomplete {'runs are' if left_out > 1 else 'run is'} not ranked." if left_out else ""
    if not ranked:
        return f"No run is complete.{rest}"
    first = f"{ranked[0].title} {tables.number(ranked[0], main)}"
    if len(ranked) == 1:
        return f"{main.title.replace('_', ' ')}: {first}.{rest}"
    second = f"{ranked[1].title} {tables.number(ranked[1], main)}"
    equal = ranked[0].metrics[main.key] == ranked[1].metrics[main.key]
    return f"Best by {main.title.replace('_', ' ')}: {first}, {'as good as' if equal else 'before'} {second}.{rest}"


def _sureness(dataset: Dataset, scores: Sequence[Score]) -> dict[str, Any] | None:
    """Return how sure the ranking is, of the first trackers; None where there is nothing to compare."""
    ranked = [score for score in scores if score.per_sequence][:MOST]
    if len(ranked) < 2:
        return None
    try:
        matrix = score_matrix(dataset, ranked)
    except UsageError:  # nothing that tells better from worse is known by sequence
        return None
    if not matrix.common.any():
        return None
    document = measure(dataset.title, replace(matrix, attributes={}), {}, ROPE).document()
    kept = ("metric", "rope", "sequences", "common_sequences", "clusters", "trackers", "pairs")
    section: dict[str, Any] = rounded({key: document[key] for key in kept})
    return section


def rounded(value: Any) -> Any:
    """Return numbers with six significant digits, None for NaN and infinity; anything else as it is, to any depth."""
    if isinstance(value, float):
        return float(f"{value:.6g}") if math.isfinite(value) else None
    if isinstance(value, dict):
        return {str(key): rounded(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [rounded(item) for item in value]
    return value


def _column(column: Metric) -> dict[str, Any]:
    return {
        "key": column.key,
        "title": column.title,
        "scale": column.scale,
        "digits": column.digits,
        "higher": column.higher_is_better,
    }


def _row(score: Score) -> dict[str, Any]:
    return {
        "tracker": score.tracker,
        "title": score.heading,
        "complete": score.is_complete,
        "sequences": score.sequences,
        "of": score.of,
        "repetitions": score.repetitions,
        "metrics": rounded(score.metrics),
        "spread": rounded(score.spread),
        "intervals": rounded(score.intervals),
        "attributes": rounded(score.attributes),
        "problems": list(score.problems),
        "bad_answers": tables.bad_answer_lines(score.bad_answers),
        "manifest": rounded(score.manifest),
    }


def _curve(axes: CurveAxes, scores: Sequence[Score]) -> dict[str, Any]:
    drawn = {score.tracker: score.curves[axes.key] for score in scores if axes.key in score.curves}
    longest = max(drawn.values(), key=lambda curve: len(curve.thresholds))
    # More points than a screen has columns are not seen.
    step = max(1, len(longest.thresholds) // 600)
    columns = ordered(key for score in scores for key in score.metrics)
    return {
        "title": axes.title,
        "x": axes.x,
        "y": axes.y,
        "metrics": [column.key for column in columns if column.curve == axes],
        "thresholds": [rounded(float(x)) for x in longest.thresholds[::step]],
        "values": {label: [rounded(float(y)) for y in curve.values[::step]] for label, curve in drawn.items()},
    }


def _attributes(dataset: Dataset, scores: Sequence[Score]) -> list[dict[str, Any]]:
    names = dict.fromkeys(name for score in scores for name in score.attributes)
    order = {name: place for place, name in enumerate(dataset.attributes)}
    attributes = []
    for name in sorted(names, key=lambda name: order.get(name, len(order))):
        rows = [score.attributes.get(name, {}) for score in scores]
        attributes.append(
            {
                "name": name,
                "sequences": max(int(row.get("sequences") or 0) for row in rows),
                "frames": max(int(row.get("frames") or 0) for row in rows),
            }
        )
    return attributes
