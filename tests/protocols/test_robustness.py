"""OTB's TRE and SRE: starts, shifts and scores, against the toolkit's rules written out."""

from __future__ import annotations

import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import scipy.io
from command import document, trackbench

from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.layouts.tables import benchmark
from trackbench.datasets.layouts.windows import evaluated_frames, omitted_starts
from trackbench.datasets.sequence import GroundTruth, VideoSequence
from trackbench.errors import DataError, UsageError
from trackbench.metrics import ope
from trackbench.metrics.conventions import convention
from trackbench.protocols.robustness import SHIFTS, segment_starts, shifted_box, spatial_runs, temporal_runs
from trackbench.regions import Box, region_to_box
from trackbench.results.store import RunFolder, RunKey
from trackbench.scoring import score_runs
from trackbench.video.stored import load_tracks


def sequence_of(boxes: np.ndarray, omitted: list[int] | None = None) -> VideoSequence:
    ranges = tuple(range(frame, frame + 1) for frame in omitted or [])
    return VideoSequence(
        "s", read_frames=list, read_ground_truth=lambda: GroundTruth(boxes), read_omitted_starts=lambda: ranges
    )


def matlab_starts(boxes: np.ndarray, omitted: list[int]) -> list[int]:
    """Return ``startFrIdxOne`` of splitSeqTRE.m, frames from 1, in loops as it is written there."""
    kept = [i for i in range(1, len(boxes) + 1) if i - 1 not in omitted]
    kept = [i for i in kept if all(value > 0 for value in boxes[i - 1])]
    last = max(k for k, i in enumerate(kept, 1) if len(boxes) - i + 1 >= 20)
    chosen, position = [], 1.0
    step = 0
    while position <= last:
        chosen.append(math.floor(position))
        step += 1
        position = 1 + step * last / 19
    return [kept[k - 1] for k in [*chosen, last]]


@pytest.mark.parametrize("length", [20, 21, 38, 39, 81, 120, 725, 3872])
def test_segments_start_where_the_toolkit_starts_them(length: int) -> None:
    generator = np.random.default_rng(length)
    boxes = generator.uniform(1, 50, (length, 4))
    omitted = [] if length < 60 else [0, 1, *range(30, 40)]
    if length >= 60:
        boxes[5, 0] = 0  # touches the edge in MATLAB's coordinates
        boxes[50, 2] = np.nan
    starts = segment_starts(sequence_of(boxes, omitted), 1)
    assert [start + 1 for start in starts] == matlab_starts(boxes, omitted)
    assert len(starts) == 20 or length < 39
    assert length - max(starts) >= 20


def test_a_first_pixel_called_0_is_not_outside() -> None:
    boxes = np.tile([0.0, 0.0, 5.0, 5.0], (30, 1))
    assert segment_starts(sequence_of(boxes), 0)[0] == 0
    with pytest.raises(DataError, match="no segment can start"):
        segment_starts(sequence_of(boxes), 1)


PUBLISHED = json.loads((Path(__file__).parents[1] / "golden" / "otb2013_tre_starts.json").read_text())["starts"]


def test_segments_of_otb_2013_start_where_those_of_the_published_results_do(tmp_path: Path) -> None:
    """No box of OTB-2013 begins left of the image or above it, so that the lists of omitted frames decide."""
    rows = {row["name"]: row for row in benchmark("otb2013")[1]}
    assert rows.keys() == PUBLISHED.keys()
    found = {}
    for name, row in rows.items():
        truth = GroundTruth(np.full((len(evaluated_frames(row)), 4), 9.0))
        ranges = omitted_starts(tmp_path, tmp_path / "groundtruth_rect.txt", row)
        sequence = VideoSequence(name, list, lambda kept=truth: kept, read_omitted_starts=lambda kept=ranges: kept)  # type: ignore[misc]
        found[name] = segment_starts(sequence, 1)
    assert found == PUBLISHED


def test_lists_of_omitted_frames_beside_the_data_take_the_place_of_the_table(tmp_path: Path) -> None:
    row = next(row for row in benchmark("otb2013")[1] if row["name"] == "Jogging_2")
    annotation = tmp_path / "Jogging" / "groundtruth_rect.2.txt"
    annotation.parent.mkdir()
    assert omitted_starts(tmp_path, annotation, row) == (range(39, 63),)
    collected = tmp_path / "initOmit"
    collected.mkdir()
    assert omitted_starts(tmp_path, annotation, row) == ()
    (collected / "jogging-2.txt").write_text("3\t9\r\n300  999\r\n\n")
    assert omitted_starts(tmp_path, annotation, row) == (range(2, 9), range(299, 999))
    (annotation.parent / "init_omit.txt").write_text("1,2\n")
    assert omitted_starts(tmp_path, annotation, row) == (range(2),)
    (annotation.parent / "init_omit.txt").write_text("1 2\n3-4\n")
    with pytest.raises(DataError, match=r"init_omit.txt: line 2: '3-4'; expected the first and the last frame"):
        omitted_starts(tmp_path, annotation, row)


def test_short_sequences_have_no_segment() -> None:
    with pytest.raises(DataError, match="20 frames left"):
        segment_starts(sequence_of(np.ones((19, 4))), 1)


@pytest.mark.parametrize(
    ("shift", "expected"),
    [
        ("left", (194, 214, 34, 81)),
        ("right", (202, 214, 34, 81)),
        ("up", (198, 205, 34, 81)),
        ("down", (198, 223, 34, 81)),
        ("topLeft", (195, 206, 37, 89)),
        ("topRight", (198, 206, 37, 89)),
        ("bottomLeft", (195, 214, 37, 89)),
        ("bottomRight", (198, 214, 37, 89)),
        ("scale_8", (201, 222, 27, 65)),
        ("scale_9", (200, 218, 31, 73)),
        ("scale_11", (196, 210, 37, 89)),
        ("scale_12", (195, 206, 41, 97)),
    ],
)
def test_shifts_of_basketball_are_those_of_the_toolkit(shift: str, expected: tuple[int, ...]) -> None:
    """shiftInitBB.m on OTB's Basketball, worked out by hand: 10 % are 3.4 and 8.1 pixels."""
    box = np.array([198.0, 214.0, 34.0, 81.0])
    assert shifted_box(box, shift, (576, 432), 1).numbers() == expected
    moved = shifted_box(box - [1, 1, 0, 0], shift, (576, 432), 0).numbers()
    assert moved == (expected[0] - 1, expected[1] - 1, *expected[2:])


def test_shifts_are_clipped_to_the_frame() -> None:
    box = np.array([2.0, 3.0, 60.0, 40.0])
    assert shifted_box(box, "topLeft", (64, 48), 1) == Box(1, 1, 64, 44)
    assert shifted_box(box, "right", (64, 48), 1) == Box(8, 3, 57, 40)
    assert shifted_box(box, "scale_12", (64, 48), 1) == Box(1, 1, 64, 48)


def test_runs_are_called_as_in_the_toolkit() -> None:
    sequence = sequence_of(np.ones((60, 4)) * 9)
    assert [run.name for run in temporal_runs(1, sequence)] == [f"s_{k}" for k in range(1, 21)]
    assert [run.name for run in spatial_runs(1, sequence)] == [f"s_{k}" for k in range(1, 13)]
    assert len(SHIFTS) == 12


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of a tracker that drifts, by both protocols, on two sequences of 26 and 27 frames."""
    from samples import write_dataset, write_trackers

    folder = tmp_path_factory.mktemp("robustness")
    write_trackers(folder)
    write_dataset(folder / "data", sequences=2, frames=26)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        for protocol in ("tre", "sre"):
            trackbench("run", "drift", "-d", "./data", "--protocol", protocol, "-q")
    return folder


@pytest.fixture
def _there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


@pytest.mark.usefixtures("_there")
@pytest.mark.parametrize("protocol", ["tre", "sre"])
def test_successes_of_all_runs_are_added_up(protocol: str) -> None:
    """The means of the toolkit: frames of all runs over a sequence, then sequences."""
    dataset = open_dataset("./data", None)
    (score,) = score_runs(dataset, Path("runs"), ["drift"], protocol=protocol)
    assert (score.protocol, score.sequences, score.problems) == (protocol, 2, ())
    folder = RunFolder(Path("runs"), RunKey(score.tracker, dataset.name, protocol))
    expected = {}
    for sequence in dataset.sequences:
        successes, frames = np.zeros(21), 0
        truth = sequence.ground_truth.boxes
        runs = 12 if protocol == "sre" else len(segment_starts(sequence, 0))
        for k in range(1, runs + 1):
            stored = folder.regions(f"{sequence.name}_{k}")
            start = len(sequence) - len(stored)
            boxes = np.array([region_to_box(region).numbers() for region in stored])
            boxes[0] = truth[start]
            found = ope.evaluate(
                [ope.SequenceGroundTruth("x", truth[start:])], [boxes], convention("official", "generic")
            )
            successes += found.curves.success[0] * len(stored)
            frames += len(stored)
        expected[sequence.name] = float((successes / frames).mean())
    for name, value in expected.items():
        assert score.per_sequence[name]["success_auc"] == pytest.approx(value, abs=1e-12)
    assert score.metrics["success_auc"] == pytest.approx(np.mean(list(expected.values())), abs=1e-12)
    assert (score.metrics["fps"] or 0) > 0


@pytest.mark.usefixtures("_there")
def test_runs_resume_and_missing_ones_are_said(place: Path) -> None:
    assert document("run", "drift", "-d", "./data", "--protocol", "sre")["runs"][0]["sequences"] == 2
    victim = next((place / "runs").glob("drift*/*/tre/s1_7.txt"))
    kept = victim.read_bytes()
    victim.unlink()
    try:
        (score,) = score_runs(open_dataset("./data", None), place / "runs", ["drift"], protocol="tre")
        assert score.problems == ("s1: 1 of 18 runs are missing, first s1_7",)
    finally:
        victim.write_bytes(kept)


@pytest.mark.usefixtures("_there")
@pytest.mark.parametrize("protocol", ["tre", "sre"])
def test_results_of_the_matlab_toolkit_are_imported(protocol: str, place: Path, tmp_path: Path) -> None:
    """The same numbers as of the run that the files were written from."""
    dataset = open_dataset("./data", None)
    (folder,) = (path for path in (place / "runs").glob(f"drift/*/{protocol}"))
    stored = RunFolder(place / "runs", RunKey("drift", folder.parent.name, protocol))
    for sequence in dataset.sequences:
        count = 12 if protocol == "sre" else len(segment_starts(sequence, 0))
        cell = np.empty((1, count), object)
        for k in range(count):
            boxes = np.array([region_to_box(region).numbers() for region in stored.regions(f"{sequence.name}_{k + 1}")])
            boxes[0] = 1.0
            cell[0, k] = {"type": "rect", "res": boxes, "len": float(len(boxes)), "fps": 25.0, "startFrame": k + 1.0}
            if protocol == "sre":
                cell[0, k]["shiftType"] = SHIFTS[k]
        scipy.io.savemat(tmp_path / f"{sequence.name}_KCF.mat", {"results": cell})
    arguments = ("-d", "./data", "--protocol", protocol)
    found = document("import", str(tmp_path), "--as", f"kcf-{protocol}", *arguments)["run"]
    assert (found["sequences"], found["faults"]) == (2, [])
    trackers = ["drift", f"kcf-{protocol}"]
    ours, theirs = (score.metrics for score in score_runs(dataset, place / "runs", trackers, protocol=protocol))
    assert {**theirs, "fps": None} == {**ours, "fps": None}
    assert theirs["fps"] == pytest.approx(25)


@pytest.mark.usefixtures("_there")
@pytest.mark.parametrize("protocol", ["tre", "sre"])
def test_runs_are_exported_as_the_matlab_toolkit_keeps_them(protocol: str, place: Path, tmp_path: Path) -> None:
    """With the starts and first boxes of the toolkit; imported again they score the same."""
    out = tmp_path / "results"
    found = document("export", "drift", "-d", "./data", "--to", "otb-mat", "--protocol", protocol, "--out", str(out))
    assert (found["export"]["files"], found["export"]["missing"]) == (2, [])
    dataset = open_dataset("./data", None)
    first = dataset.sequences[0]
    written = scipy.io.loadmat(out / f"{first.name}_drift.mat", simplify_cells=True)["results"]
    starts = segment_starts(first, 0)
    if protocol == "tre":
        assert [run["startFrame"] for run in written] == [start + 1 for start in starts]
        assert written[-1]["res"][0] == pytest.approx(first.ground_truth.boxes[starts[-1]])
    else:
        assert [run["shiftType"] for run in written] == list(SHIFTS)
        assert written[0]["res"][0, 0] < first.ground_truth.boxes[starts[0], 0]
    document("import", str(out), "--as", f"again-{protocol}", "-d", "./data", "--protocol", protocol)
    ours, theirs = score_runs(dataset, place / "runs", ["drift", f"again-{protocol}"], protocol=protocol)
    assert {**theirs.metrics, "fps": None} == {**ours.metrics, "fps": None}


@pytest.mark.usefixtures("_there")
def test_other_tools_take_no_runs_of_tre(tmp_path: Path) -> None:
    arguments = ("-d", "./data", "--to", "got10k", "--protocol", "tre", "--out", str(tmp_path))
    error = trackbench("export", "drift", *arguments, code=2).stderr
    assert "--protocol tre: 'got10k' takes one-pass results; otb-mat also tre and sre, vot its own" in error


@pytest.mark.usefixtures("_there")
def test_methods_count_sequences_not_their_runs() -> None:
    text = document("methods", "drift", "-d", "./data")["paragraph"]
    assert "On data, 2 sequences were tracked in 12 runs from shifted and scaled first boxes (SRE)." in text
    assert "On data, 2 sequences were tracked in 20 runs from frames spread over the sequence (TRE)." in text


@pytest.mark.usefixtures("_there")
def test_diff_counts_the_runs_that_are_the_same() -> None:
    shown = trackbench("diff", "drift", "drift", "-d", "./data", "--protocol", "tre").stdout
    assert re.search(r"byte for byte, on (\d+) of \1 runs over them", shown)


@pytest.mark.usefixtures("_there")
def test_one_run_of_tre_is_drawn() -> None:
    dataset = open_dataset("./data", None)
    sequence, runs = dataset.sequences[0], Path("runs")
    starts = segment_starts(sequence, 0)
    (first,) = load_tracks(dataset, sequence, runs, ["drift"], protocol="tre")
    (last,) = load_tracks(dataset, sequence, runs, ["drift"], protocol="tre", anchor=starts[-1])
    assert list(first.regions) == [*range(starts[0], len(sequence))]
    assert list(last.regions) == [*range(starts[-1], len(sequence))]
    with pytest.raises(UsageError, match="--anchor 26: the runs of TRE on s1 start on frames 1, 2"):
        load_tracks(dataset, sequence, runs, ["drift"], protocol="tre", anchor=25)
    with pytest.raises(UsageError, match="--protocol sre: its 12 runs"):
        load_tracks(dataset, sequence, runs, ["drift"], protocol="sre")
