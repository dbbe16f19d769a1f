"""Every number that the VOT toolkits gave on the reference results, and every one of their overlaps."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.sequence import VideoSequence
from trackbench.metrics.vot.conventions import CONVENTIONS
from trackbench.metrics.vot.multistart import multistart_scores
from trackbench.metrics.vot.packed import PackedRegions
from trackbench.metrics.vot.raster import raster_overlaps
from trackbench.metrics.vot.supervised import supervised_scores
from trackbench.metrics.vot.tracks import VotSequence
from trackbench.metrics.vot.unsupervised import average_accuracy
from trackbench.regions import Special, parse_region

RUNS = [
    ("VOT2018", "OceanOnline"),
    ("VOT2018", "SiamBAN"),
    ("VOT2018", "DaSiamRPN"),
    ("VOT2019", "Ocean0323"),
    ("VOT2018mini", "PolyA"),
    ("VOT2018mini", "PolyDet"),
    ("VOT2018mini", "RectB"),
]
TOOLKITS = {"pysot": "pysot_toolkit", "matlab": "matlab_toolkit_octave", "vot": "vot_toolkit_0.9.0"}
# The recorded numbers have eight digits, curves seven; vot-toolkit itself sums curves in float32.
TOLERANCE = 1e-6

Unpack = Callable[[str], Path]


@pytest.fixture(scope="module")
def material(reference: Path) -> Path:
    return reference / "evaluation/vot"


@pytest.fixture(scope="module")
def expected(material: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((material / "expected.json").read_text())
    return content


@pytest.fixture(scope="module")
def unpack(material: Path, tmp_path_factory: pytest.TempPathFactory) -> Unpack:
    done: dict[str, Path] = {}

    def extract(name: str) -> Path:
        if name not in done:
            done[name] = tmp_path_factory.mktemp("vot")
            with zipfile.ZipFile(material / name) as archive:
                archive.extractall(done[name])
        return done[name]

    return extract


def judged(sequence: VideoSequence) -> VotSequence:
    assert sequence.size is not None
    regions = [sequence.region(index) for index in range(len(sequence.ground_truth))]
    return VotSequence.of(sequence.name, regions, sequence.size, sequence.ground_truth.tags)


def close(found: float, wanted: float | None) -> bool:
    return bool(np.isclose(found, np.nan if wanted is None else wanted, rtol=0, atol=TOLERANCE, equal_nan=True))


def assert_curve(found: Any, wanted: list[float | None]) -> None:
    assert len(found) == len(wanted)
    np.testing.assert_allclose(found, np.array(wanted, float), rtol=0, atol=TOLERANCE)


@pytest.mark.parametrize(("dataset", "tracker"), RUNS)
@pytest.mark.parametrize("name", TOOLKITS)
def test_supervised(expected: dict[str, Any], unpack: Unpack, dataset: str, tracker: str, name: str) -> None:
    year = dataset.removesuffix("mini")
    found = open_dataset(str(unpack(f"groundtruth/{year}.zip")))
    assert found.definition.name == year.lower()
    sequences = list(found.sequences)
    if dataset != year:
        by_name = {sequence.name: sequence for sequence in sequences}
        sequences = [by_name[name] for name in expected["VOT2018mini_sequences"]]
    folder = unpack(f"results/{dataset}_{tracker}.zip") / "baseline"
    runs = [[PackedRegions.read(path) for path in sorted((folder / s.name).glob("*_[0-9]*.txt"))] for s in sequences]
    wanted = expected["results"][dataset][tracker][TOOLKITS[name]]
    lengths = found.definition.eao_lengths
    assert lengths is not None
    scores = supervised_scores([judged(s) for s in sequences], runs, CONVENTIONS[name], lengths)
    assert scores.interval == tuple(wanted["interval"])
    assert close(scores.eao, wanted["eao"])
    assert_curve(scores.curve, wanted["curve"])
    assert scores.sequences.keys() == wanted["per_sequence"].keys()
    for sequence, part in wanted["per_sequence"].items():
        assert close(scores.sequences[sequence].accuracy, part["accuracy"])
        assert close(scores.sequences[sequence].failures, part["failures"])
        assert scores.sequences[sequence].frames == part.get("frames", scores.sequences[sequence].frames)
        assert scores.sequences[sequence].valid == part.get("valid_frames", scores.sequences[sequence].valid)
    for tag, eao in wanted.get("eao_tags", {}).items():
        # For frames without a tag both toolkits weigh fragments wrongly, and we give no number.
        assert tag in ("all", "empty") or close(scores.tag_eao[tag], eao)
    assert CHECKS[name](scores, wanted) == []


def differences(pairs: dict[str, tuple[float, float]]) -> list[str]:
    return [f"{key}: {found}, expected {wanted}" for key, (found, wanted) in pairs.items() if not close(found, wanted)]


def check_pysot(scores: Any, wanted: dict[str, Any]) -> list[str]:
    return differences(
        {
            "accuracy": (scores.accuracy, wanted["accuracy"]),
            "lost": (scores.failures.frames, wanted["lost"]),
            "robustness": (scores.robustness, wanted["robustness"]),
            "frames": (scores.frames, wanted["frames"]),
        }
    )


def check_vot(scores: Any, wanted: dict[str, Any]) -> list[str]:
    return differences(
        {
            "accuracy": (scores.accuracy, wanted["accuracy"]),
            "robustness": (scores.robustness, wanted["robustness"]),
            "total failures": (scores.failures.frames, wanted["total_failures"]),
            "reliability": (scores.reliability, wanted["ar_point"][0]),
        }
    )


def check_matlab(scores: Any, wanted: dict[str, Any]) -> list[str]:
    tags = {key.removeprefix("tag_"): part for key, part in wanted["per_tag"].items()}
    pooled = tags.pop("all")
    assert set(tags) == set(scores.tags)
    frames = sum(part["frames"] for part in tags.values())
    pairs = {
        "pooled": (scores.accuracies.frames, pooled["accuracy"]),
        "failures": (scores.failures.frames, pooled["failures"]),
        "rate": (scores.failures_per_100 / 100, pooled["rate"]),
        "by sequence": (scores.accuracies.sequences, wanted["seq_weighted_accuracy"]),
        "failures by sequence": (scores.failures.sequences, wanted["seq_weighted_failures"]),
        "unweighted": (scores.accuracies.unweighted, wanted["seq_mean_accuracy"]),
        "failures unweighted": (scores.failures.unweighted, wanted["seq_mean_failures"]),
        "by tag": (scores.accuracy, sum(p["accuracy"] * p["frames"] for p in tags.values()) / frames),
        "failures by tag": (scores.robustness, sum(p["failures"] * p["frames"] for p in tags.values()) / frames),
    }
    for tag, part in tags.items():
        pairs |= {
            f"{tag} {key}": (getattr(scores.tags[tag], key), part[key]) for key in ("accuracy", "failures", "frames")
        }
    return differences(pairs)


CHECKS = {"pysot": check_pysot, "vot": check_vot, "matlab": check_matlab}


@pytest.mark.parametrize("tracker", ["MaskA", "PolyC", "RectB"])
def test_multistart(expected: dict[str, Any], unpack: Unpack, tracker: str) -> None:
    workspace = unpack("multistart_workspace.zip")
    sequences = open_dataset(str(workspace / "sequences")).sequences
    ground_truths = [judged(sequence) for sequence in sequences]
    anchors = [sequence.ground_truth.values["anchor"] for sequence in sequences]

    def load(experiment: str, sequence: str, suffix: str) -> PackedRegions:
        (path,) = (workspace / "results" / tracker / experiment / sequence).glob(f"{sequence}_{suffix}.[bt][ix][nt]")
        return PackedRegions.read(path)

    runs = [
        {frame: load("baseline", s.name, f"{frame:08d}") for frame in np.flatnonzero(values).tolist()}
        for s, values in zip(sequences, anchors, strict=True)
    ]
    wanted = expected["multistart"]["trackers"][tracker]
    for interval, eao in wanted["eao"].items():
        low, high = map(int, interval.split("-"))
        scores = multistart_scores(ground_truths, anchors, runs, (low, high))
        assert close(scores.eao, eao["score"])
        assert_curve(scores.curve, eao["curve"])
    assert close(scores.accuracy, wanted["accuracy"])
    assert close(scores.robustness, wanted["robustness"])
    for name, part in wanted["per_sequence"].items():
        found = scores.sequences[name]
        assert close(found.accuracy, part["accuracy"])
        assert close(found.robustness, part["robustness"])
        assert (found.tracked, found.frames) == (part["tracked_frames"], part["frames"])
    accuracy, _ = average_accuracy(ground_truths, [load("unsupervised", s.name, "001") for s in sequences])
    assert close(accuracy, wanted["unsupervised_accuracy"])


@pytest.fixture(scope="module")
def cases(material: Path) -> list[dict[str, Any]]:
    content: list[dict[str, Any]] = json.loads((material / "overlaps.json").read_text())["cases"]
    assert len(content) == 210
    return content


@pytest.mark.parametrize(
    ("field", "rule", "shrink", "count"),
    [
        ("vot", "vot", None, 182),
        ("vot_bounded", "vot", 0, 210),
        ("vot_bounded_ignore", "vot", 0, 42),
        ("pysot", "pysot", None, 105),
        ("pysot_bounds_wh", "pysot", 0, 105),
        ("pysot_bounds_wh_minus1", "pysot", 1, 105),
        ("analytic", "analytic", None, 105),
        ("analytic_bounded", "analytic", 0, 105),
    ],
)
def test_overlaps(cases: list[dict[str, Any]], field: str, rule: Any, shrink: int | None, count: int) -> None:
    # vot-toolkit cuts rectangles wrongly in unbounded windows that begin at negative coordinates.
    chosen = [case for case in cases if field in case and not (field == "vot" and case.get("rect_negative_window"))]
    assert len(chosen) == count
    a, b = ([parse_region(case[key]) for case in chosen] for key in "ab")
    bounds = None if shrink is None else np.array([case["size"] for case in chosen]) - shrink
    ignore = None
    if field.endswith("ignore"):
        ignore = [parse_region(case["ignore"]) if "ignore" in case else Special(0) for case in chosen]
    found = raster_overlaps(a, b, rule, bounds, ignore)
    # The C library divides in float32.
    np.testing.assert_allclose(found, [case[field] for case in chosen], rtol=0, atol=5e-8 if rule == "pysot" else 1e-12)
