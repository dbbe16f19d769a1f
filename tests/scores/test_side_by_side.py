"""Runs are scored side by side, with the numbers and in the order of one after the other."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from trackbench.cache import remove_caches
from trackbench.datasets.catalogue import open_dataset
from trackbench.engine.execution import execute
from trackbench.engine.plan import make_plan
from trackbench.errors import DataError
from trackbench.scoring import scoring
from trackbench.scoring.evaluation import resolve_evaluation
from trackbench.scoring.scoring import evaluate_runs
from trackbench.trackers.registry import find_tracker

SPEEDS = (0.0, 1.0, 2.0, 3.0, 4.0)


@pytest.fixture
def runs(workplace: Path) -> Path:
    plans = [make_plan(find_tracker("drift", options={"dx": v}), open_dataset("data"), Path("runs")) for v in SPEEDS]
    execute(plans, device="cpu")
    return Path("runs")


def test_scores_and_their_order_are_those_of_one_thread(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    evaluation = resolve_evaluation(open_dataset("data"), None, None)
    told: list[tuple[str, int, int]] = []
    together = evaluate_runs(evaluation, runs, watch=lambda *news: told.append(news))
    assert told == [(score.tracker, done, len(SPEEDS)) for done, score in enumerate(together)]
    for folder in runs.rglob(".cache"):
        remove_caches(folder.parent)
    monkeypatch.setattr(scoring, "THREADS", 1)
    assert evaluate_runs(resolve_evaluation(open_dataset("data"), None, None), runs) == together
    assert len({score.metrics["success_auc"] for score in together}) > 3


def test_several_threads_are_at_work(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.cpu_count", lambda: 4)
    both = threading.Barrier(2, timeout=20)
    score, first = scoring._score, iter(range(2))

    def wait(*arguments: object) -> object:
        if next(first, None) is not None:
            both.wait()  # passes only if two are here at once
        return score(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(scoring, "_score", wait)
    assert len(evaluate_runs(resolve_evaluation(open_dataset("data"), None, None), runs)) == len(SPEEDS)


def test_a_run_that_cannot_be_judged_ends_all(runs: Path, workplace: Path) -> None:
    (workplace / "data/s1/img/0001.jpg").write_bytes((workplace / "data/s2/img/0001.jpg").read_bytes())
    with pytest.raises(DataError, match="holds results made on other data"):
        evaluate_runs(resolve_evaluation(open_dataset("data"), None, None), runs)
