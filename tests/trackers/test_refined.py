"""A refiner behind a tracker: names, options and identities; the tracker's boxes stay its own."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest

import trackbench
from trackbench.datasets.synthetic import make_scene
from trackbench.errors import TrackerError, UsageError
from trackbench.regions import Box, Mask, Polygon, Region, Special, polygon_to_box_vot
from trackbench.trackers.base import Frame, Options, Prediction, Target, TrackerModel
from trackbench.trackers.refined import RefinedModel
from trackbench.trackers.refiner import Refiner
from trackbench.trackers.registry import find_tracker, load_model
from trackbench.trackers.status import list_trackers

SMALL = {"alpharefine.size": 64, "alpharefine.threshold": 0.4}


class Whole(Refiner[str]):
    """The whole of each box is the target; remembers what it was asked."""

    Options: ClassVar[type[Options]] = Options

    def __init__(self) -> None:
        self.started: list[Box] = []
        self.asked: list[tuple[Box, str]] = []

    def start(self, frames: list[Frame], boxes: list[Box]) -> list[str]:
        self.started += boxes
        return [f"target {frame[0, 0, 0]}" for frame in frames]

    def refine(self, frames: list[Frame], boxes: list[Box], states: list[str]) -> list[Mask | None]:
        self.asked += zip(boxes, states, strict=True)
        return [
            Mask(np.ones((int(box.h), int(box.w))), int(box.x), int(box.y)) if box.is_valid else None for box in boxes
        ]


class Script(TrackerModel[list[Prediction]]):
    """Answers what it is told to."""

    Options: ClassVar[type[Options]] = Options
    takes: ClassVar[tuple[type[Region], ...]] = (Box, Polygon)

    def __init__(self, answers: list[Prediction]) -> None:
        super().__init__(Options())
        self.answers = answers
        self.started: list[Region] = []
        self.seeds: list[int] = []

    def start(self, frames: list[Frame], targets: list[Target]) -> list[list[Prediction]]:
        self.started += [target.region for target in targets]
        return [list(self.answers) for _ in targets]

    def step(self, frames: list[Frame], states: list[list[Prediction]]) -> list[Prediction]:
        return [state.pop(0) for state in states]

    def seed(self, seed: int) -> None:
        self.seeds.append(seed)


def frame(mark: int = 0) -> Frame:
    return np.full((40, 60, 3), mark, np.uint8)


def test_boxes_scores_and_extras_are_the_trackers() -> None:
    answer = Prediction(Box(4, 5, 6, 7), 0.25, {"key": 1})
    tracker, refiner = Script([answer]), Whole()
    model = RefinedModel(tracker, refiner)
    states = model.start([frame(1), frame(2)], [Target(Box(1, 2, 3, 4)), Target(Box(5, 6, 7, 8))])
    for prediction in model.step([frame(), frame()], states):
        assert (prediction.region, prediction.score, prediction.extras) == (Box(4, 5, 6, 7), 0.25, {"key": 1})
        assert prediction.mask == Mask(np.ones((7, 6)), 4, 5)
    assert refiner.asked == [(Box(4, 5, 6, 7), "target 1"), (Box(4, 5, 6, 7), "target 2")]
    model.seed(5)
    assert tracker.seeds == [5]


def test_each_starts_on_the_region_that_it_takes() -> None:
    tracker, refiner = Script([]), Whole()
    model = RefinedModel(tracker, refiner)
    assert model.takes == (Box, Polygon)
    polygon = Polygon([10, 12, 28, 10, 30, 28, 12, 30])
    model.start([frame()], [Target(polygon)])
    assert tracker.started == [polygon]
    assert refiner.started == [polygon_to_box_vot(polygon)]


@pytest.mark.parametrize("region", [Special(0), Box(np.nan, 1, 2, 3), Box(1, 2, 0, 0)])
def test_an_answer_without_a_box_stays_as_it_is(region: Region) -> None:
    mask = Mask(np.ones((2, 2)), 1, 1)
    answers = [Prediction(region, 0.5), Prediction(region, 0.5, mask=mask)]
    model = RefinedModel(Script(answers), Whole())
    states = model.start([frame()], [Target(Box(1, 2, 3, 4))])
    assert model.step([frame()], states)[0] is answers[0]
    assert model.step([frame()], states)[0] is answers[1]


def test_a_refined_tracker_goes_where_it_goes_alone() -> None:
    scene = make_scene(0, 6, 0, (96, 72))
    frames = [scene.image(index) for index in range(6)]
    alone = load_model("dcf", device="cpu")
    refined = load_model("dcf+alpharefine", device="cpu", options=SMALL, random_weights=True)
    start = [Target(Box(30, 20, 30, 24))]
    states, others = alone.start(frames[:1], start), refined.start(frames[:1], start)
    for index, image in enumerate(frames[1:]):
        expected, found = alone.step([image], states)[0], refined.step([image], others)[0]
        assert (found.region, found.score) == (expected.region, expected.score)
        assert found.mask is not None
        if index == 2:  # the state of both goes on in a copy and in another process
            kept = copy.deepcopy(others)
            others = pickle.loads(pickle.dumps(others))
    again = [refined.step([image], kept)[0] for image in frames[4:]]
    assert again[-1] == found


def test_names_labels_and_identities() -> None:
    plain = find_tracker("dcf+alpharefine", random_weights=True)
    assert (plain.name, plain.label) == ("dcf+alpharefine", "dcf+alpharefine@random-weights")
    assert plain.title == "DCF+Alpha-Refine @random-weights"
    assert plain.has_network
    assert find_tracker("DCF+Alpha_Refine", random_weights=True).identity() == plain.identity()
    assert plain.identity()["refiner"]["random_weights"] == 0
    assert "refiner" not in find_tracker("dcf").identity()
    options = {"learning_rate": 0.02, "alpharefine.threshold": 0.5}
    changed = find_tracker("dcf+alpharefine", options=options, random_weights=True)
    assert changed.label == "dcf+alpharefine@alpharefine.threshold=0.5,learning_rate=0.02,random-weights"
    assert changed.identity()["options"]["learning_rate"] == 0.02
    assert changed.identity()["refiner"]["options"]["threshold"] == 0.5
    assert find_tracker("opencv:MIL+alpharefine", random_weights=True).name == "opencv:mil+alpharefine"


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        (
            "alpharefine",
            {},
            "'alpharefine' is no tracker, it refines one's boxes: name it behind a tracker, as in dcf+al",
        ),
        ("dcf+alpharefin", {}, "tracker 'dcf+alpharefin': unknown refiner 'alpharefin'; did you mean 'alpharefine'?"),
        ("dcf+static", {}, "tracker 'dcf+static': 'static' is a tracker, no refiner"),
        ("dcf+", {}, "tracker 'dcf+': unknown refiner ''"),
        ("dfc+alpharefine", {}, "unknown tracker 'dfc'; did you mean 'dcf'?"),
        ("+alpharefine", {}, "unknown tracker ''"),
        ("dcf+alpharefine+alpharefine", {}, "has two refiners; expected one"),
        ("alpharefine+alpharefine", {}, "'alpharefine' is no tracker"),
        (
            "dcf+alpharefine",
            {"alpharefine.treshold": 1},
            "options of tracker 'alpharefine': unknown key 'treshold'; did",
        ),
        ("dcf+alpharefine", {"alpharefine.size": 100}, "key 'size' is 100: input should be a multiple of 64"),
        ("dcf+alpharefine", {"threshold": 0.5}, "options of tracker 'dcf': unknown key 'threshold'"),
        ("dcf", {"alpharefine.size": 64}, "options of tracker 'dcf': unknown key 'alpharefine'"),
    ],
)
def test_mistakes_are_one_line(name: str, options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_tracker(name, options=options, random_weights=True)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_without_weights_it_says_what_to_get(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKBENCH_CACHE", str(tmp_path))
    with pytest.raises(
        TrackerError, match=r"alpharefine has no weights: get ARnet_seg_mask_ep.* weights add alpharefi"
    ):
        find_tracker("static+alpharefine")


def test_it_is_listed_as_a_refiner() -> None:
    (row,) = [row for row in list_trackers() if row["name"] == "alpharefine"]
    assert row["title"] == "Alpha-Refine (refiner: masks for any tracker)"


def test_a_definition_of_ones_own(workplace: Path) -> None:
    with (workplace / "sample_trackers.py").open("a") as file:
        file.write(REFINER)
    for name, kind in (("middle", "Middle"), ("wrong", "Drift")):
        text = f'title = "{name}"\nclass = "sample_trackers:{kind}"\nrefiner = true\n'
        (workplace / "trackers" / f"{name}.toml").write_text(text)
    tracker = trackbench.load("drift+middle", device="cpu")
    tracker.init(frame(), Box(1, 2, 10, 10))
    assert tracker.track(frame()).mask == Mask(np.ones((1, 1)), 7, 7)
    with pytest.raises(UsageError, match="key 'class' is 'sample_trackers:Drift': expected a subclass of Refiner"):
        find_tracker("drift+wrong")


REFINER = """

from trackbench.regions import Mask
from trackbench.trackers.refiner import Refiner


class Middle(Refiner):
    Options = DriftOptions

    def __init__(self, options, device):
        self.options = options

    def start(self, frames, boxes):
        return [None for _ in frames]

    def refine(self, frames, boxes, states):
        return [Mask([[1]], round(box.x + box.w / 2), round(box.y + box.h / 2)) for box in boxes]
"""
