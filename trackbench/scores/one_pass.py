"""Success and precision of one run, by any toolkit's convention."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackbench.datasets.sequence import Dataset
from trackbench.errors import DataError
from trackbench.metrics import ope
from trackbench.metrics.conventions import Convention
from trackbench.metrics.statistics import bootstrap_intervals
from trackbench.scores.score import Curve, Metrics
from trackbench.scores.stored import StoredRun

THRESHOLDS = (ope.SUCCESS_THRESHOLDS, ope.PRECISION_THRESHOLDS, ope.NORM_PRECISION_THRESHOLDS)


def score(run: StoredRun, dataset: Dataset, rules: Convention) -> dict[str, Any]:
    """Return the parts of a Score; sequences that the convention refuses are dropped from ``run``."""
    results = evaluate(run, rules)
    if not results:
        return {"metrics": {**dict.fromkeys(ope.OpeScores._fields), "fps": None}}
    merged = merge(results)
    mean = merged.mean_curves()
    evaluated = set(merged.names)
    members = {
        attribute: [s.name for s in dataset.sequences if attribute in s.attributes and s.name in evaluated]
        for attribute in dataset.attributes
    }
    return {
        "metrics": {**merged.mean()._asdict(), "fps": run.fps()},
        "spread": spread([dict(result.mean()._asdict()) for result in results]),
        "intervals": intervals(ope.OpeScores._fields, bootstrap_intervals(contributions(merged))),
        "attributes": {
            attribute: {"sequences": len(members[attribute]), **scores._asdict()}
            for attribute, scores in merged.attributes(members).items()
        },
        "per_sequence": {
            name: dict(zip(ope.OpeScores._fields, row, strict=True))
            for name, row in zip(merged.names, merged.per_sequence().tolist(), strict=True)
        },
        "curves": {
            name: Curve(grid.tolist(), curve.tolist())
            for name, grid, curve in zip(mean._fields, THRESHOLDS, mean, strict=True)
        },
    }


def evaluate(run: StoredRun, rules: Convention) -> list[ope.OpeResult]:
    """Return the result of each repetition; sequences that the convention refuses are dropped from ``run``.

    Frames that an import has filled up are missing ones to the convention. One that refuses short files is overruled:
    whoever asked for filling up wants failures.
    """
    if rules.shorter == "error" and run.is_padded:
        rules = replace(rules, shorter="pad")
    try:
        return _evaluate(run, rules)
    except DataError:
        for name in list(run.sequences):
            ground_truth = _truth(run, name)
            try:
                for repetition in range(len(run.boxes[name])):
                    ope.evaluate([ground_truth], [_boxes(run, name, repetition)], rules)
            except DataError as error:
                run.drop(name, str(error))
        return _evaluate(run, rules)


def merge(results: Sequence[ope.OpeResult]) -> ope.OpeResult:
    """Return the mean over repetitions, sequence by sequence; a sequence counts over the repetitions that have it."""
    if len(results) == 1:
        return results[0]
    names = tuple(dict.fromkeys(name for result in results for name in result.names))
    places = [{name: index for index, name in enumerate(result.names)} for result in results]
    rows = [[(r, p[name]) for r, p in zip(results, places, strict=True) if name in p] for name in names]
    curves = ope.OpeCurves(
        *(np.stack([np.mean([r.curves[kind][i] for r, i in row], axis=0) for row in rows]) for kind in range(3))
    )
    overlaps = np.array([np.mean([r.mean_overlaps[i] for r, i in row]) for row in rows])
    return replace(results[0], names=names, curves=curves, mean_overlaps=overlaps)


def spread(runs: Sequence[Metrics]) -> Metrics:
    """Return the standard deviation of each metric over runs, with n - 1; empty for fewer than two."""
    if len(runs) < 2:
        return {}
    return {key: float(np.std([run[key] or 0.0 for run in runs], ddof=1)) for key in runs[0]}


def contributions(result: ope.OpeResult) -> NDArray[np.float64]:
    """Return (S, 6): what each sequence brings to each of the `OpeScores`, whose means over S are the scores.

    NaN where a sequence does not count.
    """
    rows = result.per_sequence()
    for curve, columns in zip(result.curves, ([0, 3, 4], [1], [2]), strict=True):
        zero = ~np.nan_to_num(curve).any(axis=1)
        if result.convention.drop_zero_sequences and not zero.all():
            rows[np.flatnonzero(zero)[:, None], columns] = np.nan
    return rows


def intervals(names: Sequence[str], bounds: NDArray[np.float64]) -> dict[str, tuple[float, float]]:
    """Return the intervals that are known by the names of their metrics.

    Args:
        names: K names.
        bounds: (K, 2).
    """
    rows = zip(names, bounds.tolist(), strict=True)
    return {name: (low, high) for name, (low, high) in rows if math.isfinite(low) and math.isfinite(high)}


def _evaluate(run: StoredRun, rules: Convention) -> list[ope.OpeResult]:
    results = []
    for repetition in range(run.repetitions):
        names = [name for name, boxes in run.boxes.items() if len(boxes) > repetition]
        if names:
            boxes = [_boxes(run, name, repetition) for name in names]
            results.append(ope.evaluate([_truth(run, name) for name in names], boxes, rules))
    return results


def _boxes(run: StoredRun, name: str, repetition: int) -> NDArray[np.float64]:
    return run.boxes[name][repetition][: run.given[name][repetition]]


def _truth(run: StoredRun, name: str) -> ope.SequenceGroundTruth:
    ground_truth = run.sequences[name].ground_truth
    return ope.SequenceGroundTruth(name, ground_truth.boxes, ground_truth.absent)
