"""Every recorded number of the reference material, from the original toolkits' own code on published results.

The records have six decimals, and pytracking's family keeps its curves as float32: both together stay below 1e-6.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import ope_reference
import pytest

from trackbench.definitions import DATASETS
from trackbench.errors import DataError
from trackbench.metrics import got10k, trackingnet
from trackbench.metrics.conventions import convention
from trackbench.metrics.ope import OpeCurves, OpeResult, OpeScores, evaluate

TOLERANCE = 1e-6
FAMILIES = {"OTB100": "otb100", "UAV123": "uav123", "UAV20L": "uav20l"} | {
    name: name.lower() for name in ("DTB70", "LaSOT", "TNL2K", "TC128")
}
FIELDS = {
    "success_auc": "success_auc",
    "precision_20px": "precision",
    "success_rate_0_5": "sr50",
    "success_rate_0_75": "sr75",
    "OP50": "sr50",
    "OP75": "sr75",
    "mean_overlap_valid": "mean_overlap",
    "norm_precision_auc": "norm_precision",
}
# pysot itself stops at MDNet's two short files.
REFUSED = {("OTB100", "MDNet", "pysot")}
# OSTrack's code run with the tag of LaSOT's extension on LaSOT.
RENAMED = {"ostrack_tag_lasot_extension_subset": ("ostrack", "lasot-ext")}


@pytest.fixture(scope="module")
def folder(reference: Path) -> Path:
    return reference / "evaluation" / "ope"


@pytest.fixture(scope="module")
def expected(folder: Path) -> dict[str, Any]:
    scores = json.loads((folder / "expected.json").read_text())["datasets"]
    sequences = json.loads((folder / "expected_sequences.json").read_text())["data"]
    return {"scores": scores, "sequences": sequences}


@cache
def benchmark(folder: Path, name: str) -> ope_reference.Benchmark:
    return ope_reference.read_benchmark(folder, name)


@cache
def predictions(folder: Path, name: str, tracker: str) -> list[np.ndarray]:
    return benchmark(folder, name).predictions(tracker)


@cache
def judge(folder: Path, name: str, tracker: str, protocol: str) -> OpeResult:
    known, family = RENAMED.get(protocol, (protocol, DATASETS.get(FAMILIES[name]).value.family))
    ground_truths = benchmark(folder, name).ground_truths
    return evaluate(ground_truths, predictions(folder, name, tracker), convention(known, family))


def value(key: str, scores: OpeScores, curves: OpeCurves) -> float:
    if key == "norm_precision_0_2":
        return float(curves.norm_precision[20])
    return float(getattr(scores, FIELDS[key]))


def differences(record: dict[str, Any], result: OpeResult, indices: list[int] | None) -> Iterator[tuple[str, float]]:
    scores, curves = result.mean(indices), result.mean_curves(indices)
    for key, recorded in record.items():
        if key == "success_curve":
            yield key, float(np.abs(curves.success - recorded).max())
        elif key == "nonzero_sequences":
            yield key, abs(int(result.curves.success.any(axis=1).sum()) - recorded)
        elif key not in ("attributes", "n", "error"):
            yield key, abs(value(key, scores, curves) - recorded)


def sequence_differences(record: dict[str, list[float]], result: OpeResult) -> Iterator[tuple[str, float]]:
    assert set(record) == set(result.names)
    for index, name in enumerate(result.names):
        scores = result.sequence(index)
        ours = [scores.success_auc, scores.precision, float(result.curves.norm_precision[index, 20])]
        for got, recorded in zip(ours, record[name], strict=False):
            yield name, abs(got - recorded)


@pytest.mark.parametrize("name", FAMILIES)
def test_scores_attributes_curves_and_sequences(name: str, folder: Path, expected: dict[str, Any]) -> None:
    place = {ground_truth.name: index for index, ground_truth in enumerate(benchmark(folder, name).ground_truths)}
    found: list[tuple[str, float]] = []
    for tracker, entry in expected["scores"][name].items():
        for protocol, record in entry["protocols"].items():
            if (name, tracker, protocol) in REFUSED:
                with pytest.raises(DataError, match="Board: 697 predicted boxes for 698 annotated frames"):
                    judge(folder, name, tracker, protocol)
                continue
            result, where = judge(folder, name, tracker, protocol), f"{name} {tracker} {protocol}"
            found += [(f"{where} {key}", off) for key, off in differences(record, result, None)]
            members = benchmark(folder, name).attributes
            for attribute, part in record.get("attributes", {}).items():
                indices = [place[sequence] for sequence in members[attribute]]
                assert len(indices) == part["n"]
                found += [(f"{where} {attribute} {key}", off) for key, off in differences(part, result, indices)]
            if per_sequence := expected["sequences"][name][tracker].get(protocol):
                found += [(f"{where} {key}", off) for key, off in sequence_differences(per_sequence, result)]
    wrong = [(what, off) for what, off in found if not off < TOLERANCE]
    assert not wrong
    print(f"{name}: {len(found)} numbers, largest deviation {max(off for _, off in found):.2g}")


@pytest.mark.parametrize(("name", "listing", "size"), [("OTB2013", "cvpr13", 51), ("OTB50", "tb_50", 50)])
def test_subsets_of_otb(name: str, listing: str, size: int, folder: Path, expected: dict[str, Any]) -> None:
    for tracker, entry in expected["scores"][name].items():
        for protocol, record in entry["protocols"].items():
            if ("OTB100", tracker, protocol) not in REFUSED:
                result = judge(folder, "OTB100", tracker, protocol)
                indices = ope_reference.otb_subset(folder, listing, result.names)
                assert len(indices) == size
                assert all(off < TOLERANCE for _, off in differences(record, result, indices)), (tracker, protocol)


@pytest.mark.parametrize("tracker", ["DiMP50", "mix3"])
def test_got10k(tracker: str, folder: Path, expected: dict[str, Any]) -> None:
    record = expected["scores"]["got10k_like"][tracker]["protocols"]["got10k"]
    ground_truths, read = ope_reference.read_got10k(folder)
    repetitions, times = read(tracker)
    result = got10k.evaluate(ground_truths, repetitions)
    names = ("ao", "sr_0_5", "succ_curve_0_75", "mao_class_balanced", "mean_of_sequence_ao")
    scores = result.scores
    ours = (scores.ao, scores.sr50, scores.sr75, scores.mao, scores.sequence_ao)
    assert ours == pytest.approx([record[name] for name in names], abs=1e-12)
    assert got10k.frames_per_second(times) == pytest.approx(record["speed_fps"], abs=1e-9)
    per_sequence = [record["per_sequence_ao"][name] for name in result.names]
    assert result.per_sequence[:, 0] == pytest.approx(np.array(per_sequence), abs=1e-12)


def test_trackingnet(folder: Path, expected: dict[str, Any]) -> None:
    record = expected["scores"]["TrackingNet_dummy"]["devkit_dummy_subm"]["protocols"]["trackingnet"]
    scores = trackingnet.evaluate(*ope_reference.read_trackingnet(folder)).scores
    ours = [100 * score for score in scores]
    keys = ("success", "precision", "norm_precision", "coverage")
    assert ours == pytest.approx([record[key] for key in keys], abs=1e-9)


def test_trackingnet_submissions_that_lack_something(folder: Path) -> None:
    ground_truths, _ = ope_reference.read_trackingnet(folder)
    perfect = [ground_truth.boxes for ground_truth in ground_truths]
    assert trackingnet.evaluate(ground_truths, perfect).scores == (1, 1, 1, 1)
    missing = trackingnet.evaluate(ground_truths, [None, *perfect[1:]]).scores
    short = trackingnet.evaluate(ground_truths, [perfect[0][:100], *perfect[1:]]).scores
    assert [round(100 * scores.success, 1) for scores in (missing, short)] == [89.2, 91.2]
    shifted = trackingnet.evaluate(ground_truths, [boxes + 0.49 for boxes in perfect]).scores
    assert [round(100 * score, 1) for score in shifted[:3]] == [96.8, 97.8, 97.2]
