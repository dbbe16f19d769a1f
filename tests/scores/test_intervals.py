"""Bootstrap intervals of scores: about the score itself, whichever way a benchmark averages."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from trackbench.metrics import got10k, ope
from trackbench.metrics.conventions import convention
from trackbench.metrics.statistics import bootstrap_intervals
from trackbench.metrics.vot.conventions import CONVENTIONS
from trackbench.metrics.vot.multistart import multistart_scores
from trackbench.metrics.vot.supervised import supervised_scores
from trackbench.metrics.vot.tracks import VotSequence
from trackbench.regions import Box, Region, Special
from trackbench.scoring.one_pass import contributions

RNG = np.random.default_rng(11)


def boxes(frames: int, offset: float) -> np.ndarray:
    return np.column_stack([50 + offset + RNG.normal(0, 3, frames), np.full((frames, 3), [60, 20, 30])])


@pytest.mark.parametrize("rules", ["matlab", "pysot", "aiatrack"])
def test_contributions_average_to_the_scores(rules: str) -> None:
    lengths = RNG.integers(5, 30, 12)
    ground_truths = [ope.SequenceGroundTruth(str(i), boxes(n, 0)) for i, n in enumerate(lengths)]
    # One is lost throughout, so that its curves are zero (matlab leaves those out).
    predictions = [boxes(n, 900 if i == 3 else i) for i, n in enumerate(lengths)]
    result = ope.evaluate(ground_truths, predictions, convention(rules, "otb"))
    parts = contributions(result)
    assert np.nanmean(parts, axis=0) == pytest.approx(np.array(result.mean()))
    bounds = bootstrap_intervals(parts)
    assert (bounds[:, 0] < np.array(result.mean())).all()
    assert (bounds[:, 1] > np.array(result.mean())).all()


def test_pooled_frames_of_got10k() -> None:
    lengths = RNG.integers(5, 30, 12)
    ground_truths = [got10k.Got10kTruth(str(i), boxes(n, 0), np.full(n, 8), (200, 200)) for i, n in enumerate(lengths)]
    result = got10k.evaluate(ground_truths, [[boxes(n, i)] for i, n in enumerate(lengths)])
    pooled = (result.per_sequence * result.frames[:, None]).sum(axis=0) / result.frames.sum()
    assert pooled == pytest.approx([result.scores.ao, result.scores.sr50, result.scores.sr75])


def vot_sequence(name: str, frames: int) -> tuple[VotSequence, Callable[[float], list[Region]]]:
    ground_truth: list[Region] = [Box(40 + i, 50, 20, 20) for i in range(frames)]
    return VotSequence.of(name, ground_truth, (300, 200)), lambda off: [
        Box(40 + i + off, 50, 20, 20) for i in range(frames)
    ]


@pytest.mark.parametrize("rules", CONVENTIONS)
def test_parts_of_the_overlap_curve(rules: str) -> None:
    sequences, runs = [], []
    for index, frames in enumerate(RNG.integers(40, 80, 8).tolist()):
        sequence, answers = vot_sequence(str(index), frames)
        run = answers(float(index))
        run[0] = Special(1)
        if index % 2:
            run[15:21] = [Special(2), *[Special(0)] * 4, Special(1)]
        sequences.append(sequence)
        runs.append([run])
    scores = supervised_scores(sequences, runs, CONVENTIONS[rules], (10, 60))
    sums, totals = (part.sum(axis=0) for part in scores.eao_parts)
    curve = np.divide(sums, totals, out=np.zeros_like(sums), where=totals > 0)
    assert curve.mean() == pytest.approx(scores.eao)
    ((low, high),) = bootstrap_intervals(*scores.eao_parts, mean_of_columns=True)
    assert low < scores.eao < high


def test_parts_of_the_multistart_curve() -> None:
    sequences, runs, anchors = [], [], []
    for index in range(6):
        sequence, answers = vot_sequence(str(index), 60)
        run = answers(2.0 * index)
        run[0] = Special(1)
        sequences.append(sequence)
        runs.append({0: run})
        anchors.append(np.eye(1, 60)[0])
    scores = multistart_scores(sequences, anchors, runs, (10, 50))
    sums, totals = (part.sum(axis=0) for part in scores.eao_parts)
    assert (sums / totals).mean() == pytest.approx(scores.eao)


def test_stored_scores_carry_intervals(workplace: Path) -> None:
    from command import document, trackbench
    from samples import write_dataset

    write_dataset(workplace / "more", sequences=9)
    trackbench("run", "drift", "static", "-d", "more", "-d", "data")
    assert all(
        row["intervals"] == {} for row in document("report", "-d", "data", "--no-plots")["rows"]
    )  # too few sequences
    for _ in range(2):  # computed, then kept
        drift, static = document("report", "-d", "more", "--no-plots")["rows"]
        low, high = static["intervals"]["success_auc"]
        assert low <= static["metrics"]["success_auc"] <= high
        assert drift["intervals"]["success_auc"] == pytest.approx([20 / 21, 20 / 21])
        assert "fps" not in static["intervals"]
