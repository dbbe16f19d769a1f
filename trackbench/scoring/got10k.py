"""Average overlap and success rates of one run, by the GOT-10k toolkit's rules."""

from __future__ import annotations

from typing import Any

import numpy as np

from trackbench.errors import DataError
from trackbench.metrics import got10k
from trackbench.metrics.statistics import bootstrap_intervals
from trackbench.scoring.one_pass import intervals, spread
from trackbench.scoring.score import Curve, Metrics
from trackbench.scoring.stored import StoredRun


def score(run: StoredRun) -> dict[str, Any]:
    """Return the parts of a Score; sequences that do not fit are dropped from ``run``.

    All repetitions are pooled, as the toolkit does it.
    """
    ground_truths = {}
    for name in list(run.sequences):
        try:
            ground_truths[name] = _truth(run, name)
            got10k.evaluate([ground_truths[name]], [run.boxes[name]])
        except DataError as error:
            run.drop(name, str(error))
    if not run.sequences:
        return {"metrics": {**dict.fromkeys(("ao", "sr50", "sr75", "mao")), "fps": None}}
    names = list(run.sequences)
    result = got10k.evaluate([ground_truths[name] for name in names], [run.boxes[name] for name in names])
    alone = []
    for repetition in range(run.repetitions if run.repetitions > 1 else 0):
        have = [name for name in names if len(run.boxes[name]) > repetition]
        boxes = [[run.boxes[name][repetition]] for name in have]
        alone.append(_metrics(got10k.evaluate([ground_truths[name] for name in have], boxes)))
    return {
        "metrics": {**_metrics(result), "fps": run.fps()},
        "spread": spread(alone),
        "intervals": _intervals(result),
        "per_sequence": {
            name: dict(zip(("ao", "sr50", "sr75"), row, strict=True))
            for name, row in zip(names, result.per_sequence.tolist(), strict=True)
        },
        "curves": {"success": Curve(got10k.THRESHOLDS.tolist(), result.success.tolist())},
    }


def _intervals(result: got10k.Got10kResult) -> dict[str, tuple[float, float]]:
    """Return the intervals of the pooled scores: sequences weigh by their frames."""
    weights = np.repeat(result.frames[:, None], 3, axis=1).astype(np.float64)
    bounds = bootstrap_intervals(result.per_sequence * weights, weights)
    return intervals(("ao", "sr50", "sr75"), bounds)


def _metrics(result: got10k.Got10kResult) -> Metrics:
    return dict(result.scores._asdict())


def _truth(run: StoredRun, name: str) -> got10k.Got10kTruth:
    sequence = run.sequences[name]
    cover, size = sequence.ground_truth.values.get("cover"), sequence.size
    if cover is None or size is None:
        missing = "cover.label" if cover is None else "the resolution in meta_info.ini"
        raise DataError(f"{name}: {missing} is missing, by which GOT-10k chooses and clips frames")
    return got10k.Got10kTruth(name, sequence.ground_truth.boxes, cover.astype(np.int64), size, sequence.category or "")
