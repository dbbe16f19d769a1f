"""The scores of TrackingNet's server for one run, where the whole ground truth is there (TRAIN chunks)."""

from __future__ import annotations

from typing import Any

import numpy as np

from trackbench.metrics import trackingnet
from trackbench.metrics.statistics import bootstrap_intervals
from trackbench.metrics.trackingnet import TrackingNetGroundTruth, TrackingNetScores
from trackbench.scoring.one_pass import intervals, spread
from trackbench.scoring.score import Metrics
from trackbench.scoring.stored import StoredRun


def score(run: StoredRun) -> dict[str, Any]:
    """Return the parts of a Score: each repetition as a submission of its own, then their mean."""
    results = []
    for repetition in range(run.repetitions):
        names = [name for name, boxes in run.boxes.items() if len(boxes) > repetition]
        if names:
            ground_truths = [TrackingNetGroundTruth(name, run.sequences[name].ground_truth.boxes) for name in names]
            results.append(trackingnet.evaluate(ground_truths, [run.boxes[name][repetition] for name in names]))
    if not results:
        return {"metrics": {**dict.fromkeys(TrackingNetScores._fields), "fps": None}}
    metrics: list[Metrics] = [dict(result.scores._asdict()) for result in results]
    rows: dict[str, list[list[float]]] = {}
    for result in results:
        for name, row in zip(result.names, result.per_sequence.tolist(), strict=True):
            rows.setdefault(name, []).append(row)
    per_sequence = {
        name: [sum(column) / len(column) for column in zip(*runs, strict=True)] for name, runs in rows.items()
    }
    keys = TrackingNetScores._fields
    return {
        "metrics": {key: sum(m[key] or 0.0 for m in metrics) / len(metrics) for key in metrics[0]} | {"fps": run.fps()},
        "spread": spread(metrics),
        # The server prints coverage of the whole, which a sequence's own does not average to.
        "intervals": intervals(keys[:3], bootstrap_intervals(np.array(list(per_sequence.values()))[:, :3])),
        "per_sequence": {name: dict(zip(keys, row, strict=True)) for name, row in per_sequence.items()},
    }
