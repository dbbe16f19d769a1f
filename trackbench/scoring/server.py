"""Scores of benchmarks whose ground truth is withheld: what their server said of a run."""

from __future__ import annotations

from typing import Any

from trackbench.datasets.sequence import Dataset
from trackbench.results.server_scores import ServerScores, answers_sha256, read_server_scores
from trackbench.results.store import RunFolder


def server_parts(folder: RunFolder, dataset: Dataset) -> dict[str, Any] | None:
    """Return the parts of a Score that a server gave, or None where nothing of a server's is stored.

    Args:
        folder: the run.
        dataset: what it ran on; its sequences need not be there.

    Raises:
        DataError: what is stored cannot be read.
    """
    record = read_server_scores(folder)
    if record is None or dataset.definition.truth != "initial":
        return None
    problem = _problem(folder, record)
    return {
        "convention": record.origin,
        "sequences": 0 if problem else dataset.of,
        "metrics": dict.fromkeys(record.metrics) if problem else dict(record.metrics),
        "problems": (problem,) if problem else (),
    }


def _problem(folder: RunFolder, scores: ServerScores) -> str | None:
    now = answers_sha256(folder)
    if scores.answers_sha256 is None or now == scores.answers_sha256:
        return None
    return f"{folder.path}: the server's scores are of other answers than those that are stored now; send them again"
