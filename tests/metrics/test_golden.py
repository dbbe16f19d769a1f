"""One number of every benchmark family, compared from small recordings that travel with the tests.

Each file of ``tests/golden/benchmarks`` holds a ground truth, a tracker's answers (published ones, or synthetic where
``about`` says so) and the numbers that the original toolkits gave for them.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trackbench.metrics import got10k, ope, trackingnet
from trackbench.metrics.conventions import convention
from trackbench.metrics.vot.conventions import CONVENTIONS
from trackbench.metrics.vot.multistart import multistart_scores
from trackbench.metrics.vot.packed import PackedRegions
from trackbench.metrics.vot.supervised import supervised_scores
from trackbench.metrics.vot.tracks import VotSequence
from trackbench.regions import parse_region

FOLDER = Path(__file__).parents[1] / "golden" / "benchmarks"
VOT2018 = (100, 356)
"""The frames between which EAO averages; no number below depends on them."""


def load(name: str) -> dict[str, Any]:
    with np.load(FOLDER / f"{name}.npz") as file:
        return dict(file)


def packed(text: Any) -> PackedRegions:
    return PackedRegions.of([parse_region(line) for line in text.tobytes().decode().splitlines()])


@pytest.mark.parametrize("family", ["lasot", "nfs", "tc128", "dtb70"])
def test_one_pass_benchmarks(family: str) -> None:
    case = load(family)
    truth, prediction = (case[key].astype(np.float64) for key in ("truth", "prediction"))
    sequence = ope.SequenceGroundTruth(str(case["name"]), truth, case.get("absent"))
    for name, recorded in json.loads(str(case["expected"])).items():
        scores = ope.evaluate([sequence], [prediction], convention(name, str(case["family"]))).sequence(0)
        ours = [scores.success_auc, scores.precision, scores.norm_precision]
        if name == "got10k":
            # The normalised precision at 0.2 was recorded; the toolkit itself prints the mean of the curve.
            del ours[2], recorded[2:]
        assert ours[: len(recorded)] == pytest.approx(recorded, abs=1e-6), name


def test_got10k() -> None:
    case = load("got10k")
    width, height = case["size"].tolist()
    truth = got10k.Got10kTruth(str(case["name"]), case["truth"].astype(np.float64), case["cover"], (width, height))
    result = got10k.evaluate([truth], [[case["prediction"].astype(np.float64)]])
    assert result.scores.ao == pytest.approx(float(case["ao"]), abs=1e-9)


def test_trackingnet() -> None:
    """The devkit's dummy submission: seven sequences are perfect, one is altered, one is missing."""
    case, perfect = load("trackingnet"), np.array([[0.0, 0, 10, 10]] * 480)
    truths = [case["altered"].astype(np.float64), case["missing"].astype(np.float64), *[perfect] * 7]
    predictions = [case["altered_prediction"].astype(np.float64), None, *[perfect] * 7]
    scores = trackingnet.evaluate(
        [trackingnet.TrackingNetGroundTruth(str(index), truth) for index, truth in enumerate(truths)], predictions
    ).scores
    recorded = json.loads(str(case["total"]))
    ours = [scores.success, scores.precision_auc, scores.norm_precision_auc]
    wanted = [recorded[key] / 100 for key in ("success", "precision", "norm_precision")]
    assert ours == pytest.approx(wanted, abs=1e-9)


@pytest.mark.parametrize("name", ["matlab", "pysot", "vot"])
def test_supervised_vot(name: str) -> None:
    case = load("vot-supervised")
    width, height = case["size"].tolist()
    sequence = VotSequence.of(str(case["name"]), packed(case["truth"]), (width, height))
    run = packed(case["prediction"])
    part = supervised_scores([sequence], [[run]], CONVENTIONS[name], VOT2018).sequences[sequence.name]
    recorded = json.loads(str(case["expected"]))[name]
    assert part.accuracy == pytest.approx(recorded["accuracy"], abs=1e-6)
    assert part.failures == recorded["failures"]


def test_multistart_vot() -> None:
    case = load("vot-multistart")
    width, height = case["size"].tolist()
    sequence = VotSequence.of(str(case["name"]), packed(case["truth"]), (width, height))
    runs = {frame: packed(case[f"run{frame}"]) for frame in np.flatnonzero(case["anchors"]).tolist()}
    part = multistart_scores([sequence], [case["anchors"]], [runs], VOT2018).sequences[sequence.name]
    recorded = json.loads(str(case["expected"]))
    assert part.accuracy == pytest.approx(recorded["accuracy"], abs=1e-6)
    assert part.robustness == pytest.approx(recorded["robustness"], abs=1e-6)
    assert (part.tracked, part.frames) == (recorded["tracked_frames"], recorded["frames"])
