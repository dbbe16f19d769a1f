"""Suspicious answers are counted by every protocol, apart from failures: in the summary of ``run``, report and JSON."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from command import document, trackbench
from PIL import Image

from trackbench.datasets.sequence import GroundTruth, VideoSequence
from trackbench.metrics.answers import AnswerCounts
from trackbench.metrics.vot.packed import PackedRegions
from trackbench.metrics.vot.tracks import VotSequence
from trackbench.regions import STARTED, Box, Mask, Polygon, Region
from trackbench.scoring.one_pass import bad_boxes
from trackbench.scoring.region_answers import count_regions

TRACKER = '''
"""Gives one after the other what no tracker can mean, every third frame; on the others the box of the start."""

from trackbench.regions import Box, Special, region_to_box
from trackbench.trackers.base import Options, Prediction, TrackerModel

nan, inf = float("nan"), float("inf")
BAD = [Box(nan, 0, 4, 4), Box(0, 0, inf, 4), Box(20, 20, 0, 9), Box(900, 20, 9, 9), Special(0)]


class FaultyOptions(Options):
    still: bool = False


class Faulty(TrackerModel):
    Options = FaultyOptions

    def __init__(self, *arguments, **options):
        super().__init__(*arguments, **options)
        self.bad = [] if self.options.still else list(BAD)

    def start(self, frames, targets):
        return [{"box": region_to_box(target.region), "frame": 0} for target in targets]

    def step(self, frames, states):
        out = []
        for state in states:
            state["frame"] += 1
            box, moved = state["box"], 0 if self.options.still else 0.5 * state["frame"]
            bad = state["frame"] % 3 == 0 and self.bad
            out.append(Prediction(self.bad.pop(0) if bad else Box(box.x + moved, box.y, box.w, box.h)))
        return out
'''
BAD_KINDS = ("nan", "infinite", "no_area", "outside")


@pytest.fixture
def place(workplace: Path) -> Path:
    """A working folder with the tracker."""
    (workplace / "suspicious_tracker.py").write_text(TRACKER)
    (workplace / "trackers/faulty.toml").write_text(
        'title = "Faulty"\nclass = "suspicious_tracker:Faulty"\ndeterministic = true\n'
    )
    return workplace


@pytest.mark.parametrize(
    ("truth", "protocol", "expected"),
    [
        ("polygon", "supervised", {"nan": 1, "infinite": 1, "no_area": 1, "outside": 1}),
        ("polygon", "realtime", {"nan": 1, "infinite": 1, "no_area": 1, "outside": 1}),
        # The pixels of a box outside of the image are none.
        ("mask", "multistart", {"nan": 1, "infinite": 1, "no_area": 2}),
        ("box", "unsupervised", {"nan": 1, "infinite": 1, "no_area": 1, "outside": 1}),
        # The code is no box, which in a result of boxes is a box of NaN.
        ("polygon", "tre", {"nan": 2, "infinite": 1, "no_area": 1, "outside": 1}),
    ],
)
def test_every_protocol_counts(place: Path, truth: str, protocol: str, expected: dict[str, int]) -> None:
    size = ["--frames", "60", "--size", "160x120", "--sequences", "1"]
    trackbench("synthesize", "vset", *size, "--truth", truth)
    arguments = ["-d", "./vset", "--protocol", protocol]
    ran = trackbench("run", "faulty", *arguments, *(["--speed", "100"] if protocol == "realtime" else []))
    (row,) = document("report", *arguments, "--no-plots")["rows"]
    assert row["bad_answers"] == {kind: {"frames": count, "sequences": 1} for kind, count in expected.items()}
    assert "faulty: 1 answer in 1 sequence: infinite" in ran.stderr
    assert row["problems"] == []
    if protocol == "supervised":
        assert row["metrics"]["failures"] > len(BAD_KINDS)  # the code, and what the box of the start has lost


def test_a_tracker_that_stands_still_is_seen(place: Path) -> None:
    size = ["--frames", "30", "--size", "160x120", "--sequences", "1"]
    trackbench("synthesize", "vset", *size, "--truth", "polygon")
    arguments = ["-d", "./vset", "--protocol", "supervised"]
    ran = trackbench("run", "faulty", *arguments, "--set", "still=true")
    assert "in 1 sequence: the same box throughout" in ran.stderr


def test_boxes_are_judged_by_what_is_known(tmp_path: Path) -> None:
    """By the annotation from where a run starts, and by the frames' size, which the annotation alone does not say."""
    still = np.array([[10.0, 10, 20, 20]] * 3)
    truth = GroundTruth(np.concatenate([still - 5, still]))
    far = np.outer(np.arange(6) == 5, [500.0, 0, 0, 0])
    sequence = VideoSequence("s", lambda: [tmp_path / "1.jpg"] * 6, lambda: truth)
    assert bad_boxes(sequence, np.tile(still, (2, 1))) == AnswerCounts(0, 0, 0, 0, 5)
    assert bad_boxes(sequence, still, 3) == AnswerCounts(0, 0, 0, 0, 0)
    assert bad_boxes(sequence, truth.boxes + far) == AnswerCounts(0, 0, 0, 0, 0)
    Image.new("RGB", (100, 100)).save(tmp_path / "1.jpg")
    assert bad_boxes(sequence, truth.boxes + far) == AnswerCounts(0, 0, 0, 1, 0)


SIZE = (40, 30)
WINDOW = np.ones((3, 4), bool)


@pytest.mark.parametrize(
    ("regions", "expected"),
    [
        ([Box(1, 1, 2, 2), Box(2, 1, 2, 2)], (0, 0, 0, 0, 0)),
        ([Box(1, 1, 2, 2)] * 3, (0, 0, 0, 0, 3)),
        ([Box(1, 1, 2, 2), STARTED, Box(1, 1, 2, 2)], (0, 0, 0, 0, 0)),  # one answer a start is no repetition
        ([Box(1, 1, -2, 2), Box(1, 1, 2, 0), Box(99, 1, 2, 2)], (0, 0, 2, 1, 0)),
        ([Polygon([1, 1, 5, 5, 9, 9, 1, 1]), Polygon([1, 1, 5, 1, 5, 5])], (0, 0, 1, 0, 0)),
        ([Mask(WINDOW, 3, 3), Mask(~WINDOW, 3, 3)], (0, 0, 1, 0, 0)),
        ([Mask(WINDOW, 3, 3)] * 2, (0, 0, 0, 0, 2)),
        ([], (0, 0, 0, 0, 0)),
    ],
)
def test_regions_of_all_kinds(regions: list[Region], expected: tuple[int, ...]) -> None:
    moving = VotSequence.of("moving", [Box(1, 1, 2, 2), Box(2, 1, 2, 2)], SIZE)
    found = count_regions(PackedRegions.of([STARTED, *regions]), moving)
    assert found == AnswerCounts(*expected)
