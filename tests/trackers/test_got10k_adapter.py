"""Classes written for the got10k toolkit run as they are."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from samples import box_of

from trackbench.errors import TrackerError, UsageError
from trackbench.regions import Box, Polygon
from trackbench.trackers.base import Target, Tracker
from trackbench.trackers.registry import find_tracker, load_model

MODULE = '''
import numpy as np
from got10k.trackers import Tracker


class Recorder:
    """Answers with a step to the right, and keeps what it was given."""

    made = []

    def __init__(self, step=1.0, weights=None):
        self.step = step
        self.calls = []
        Recorder.made.append(self)

    def init(self, image, box):
        self.calls.append((image, box))
        self.box = np.array(box)

    def update(self, image):
        self.calls.append((image, None))
        self.box = self.box + [self.step, 0, 0, 0]
        return self.box.tolist()


class Whole(Tracker):
    """Runs through a whole sequence by itself."""

    def __init__(self):
        super().__init__("Whole")

    def track(self, img_files, box, visualize=False):
        return np.tile(box, (len(img_files), 1)), np.ones(len(img_files))


class Answers:
    """Answers with what it was made with."""

    def __init__(self, answer):
        self.answer = answer

    def init(self, image, box):
        if self.answer == "fail":
            raise KeyError("no such layer")

    def update(self, image):
        return self.answer


class Random:
    def init(self, image, box):
        pass

    def update(self, image):
        return np.random.rand(4)


not_a_class = 3
'''

FRAME = np.dstack([np.full((20, 30), value, np.uint8) for value in (200, 100, 50)])


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Write the module into the working folder; its name is new for each test."""
    name = f"got10k_classes_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", list(sys.path))
    return name


def test_the_toolkits_identity_tracker() -> None:
    tracker = Tracker(load_model("got10k:got10k.trackers:IdentityTracker"))
    tracker.init(FRAME, Box(1.5, 2, 3, 4))
    prediction = tracker.track(FRAME)
    assert prediction.region == Box(1.5, 2, 3, 4)
    assert prediction.score is None


def test_a_class_of_the_working_folder_gets_rgb_images_and_numpy_boxes(module: str) -> None:
    model = load_model(f"got10k:{module}:Recorder", options={"args.step": 2.5})
    tracker = Tracker(model)
    tracker.init(FRAME, Polygon([[1, 2], [5, 2], [5, 8]]))
    assert tracker.track(FRAME).region == Box(3.5, 2, 4, 6)
    (image, box), _ = sys.modules[module].Recorder.made[-1].calls
    assert (image.mode, image.size, image.getpixel((0, 0))) == ("RGB", (30, 20), (200, 100, 50))
    assert isinstance(box, np.ndarray)
    assert box.tolist() == [1, 2, 4, 6]


def test_each_target_has_its_own_object(module: str) -> None:
    model = load_model(f"got10k:{module}:Recorder")
    states = model.start([FRAME, FRAME], [Target(Box(0, 0, 5, 5)), Target(Box(10, 0, 5, 5))])
    model.step([FRAME], states[1:])
    regions = [prediction.region for prediction in model.step([FRAME, FRAME], states)]
    assert regions == [Box(1, 0, 5, 5), Box(12, 0, 5, 5)]


def test_a_class_that_only_runs_whole_sequences_is_refused(module: str) -> None:
    with pytest.raises(TrackerError, match=r":Whole' has no init\(\) of its own \(it has only track\(\), .*update"):
        load_model(f"got10k:{module}:Whole")


@pytest.mark.parametrize("answer", [[1, 2, 3], [1, 2, 3, float("inf")], "box", None, [[1, 2], [3]]])
def test_answers_that_are_no_box_name_the_class(module: str, answer: object) -> None:
    tracker = Tracker(load_model(f"got10k:{module}:Answers", options={"args.answer": answer}))
    tracker.init(FRAME, Box(1, 2, 3, 4))
    with pytest.raises(TrackerError, match=rf"'{module}:Answers' answered .*; expected the 4 numbers x, y, w, h"):
        tracker.track(FRAME)


def test_nan_is_no_answer(module: str) -> None:
    tracker = Tracker(load_model(f"got10k:{module}:Answers", options={"args.answer": [float("nan")] * 4}))
    tracker.init(FRAME, Box(1, 2, 3, 4))
    assert np.isnan(box_of(tracker.track(FRAME).region).array()).all()


def test_an_exception_of_the_class_passes_through(module: str) -> None:
    tracker = Tracker(load_model(f"got10k:{module}:Answers", options={"args.answer": "fail"}))
    with pytest.raises(KeyError, match="no such layer"):
        tracker.init(FRAME, Box(1, 2, 3, 4))


def test_seeding_repeats_the_draws(module: str) -> None:
    model = load_model(f"got10k:{module}:Random")
    boxes = []
    for seed in (1, 1, 2):
        model.seed(seed)
        states = model.start([FRAME], [Target(Box(1, 2, 3, 4))])
        boxes.append(model.step([FRAME], states)[0].region)
    assert boxes[0] == boxes[1] != boxes[2]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("got10k", "tracker 'got10k' needs a name after a colon"),
        ("got10k:nothing_there", "the tracker of got10k is 'nothing_there': expected module:name"),
        ("got10k:nothing_there:Tracker", "there is no module 'nothing_there'"),
        ("got10k:{module}:Recordr", "has no 'Recordr'; did you mean 'Recorder'?"),
        ("got10k:{module}:not_a_class", "expected a class, found 3"),
        ("got10k:{module}:Answers", "missing a required argument: 'answer'; its constructor gets what --set args"),
    ],
)
def test_what_is_not_there_is_named(module: str, name: str, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        find_tracker(name.format(module=module))
    assert message in str(caught.value)


def test_an_argument_that_the_constructor_does_not_take(module: str) -> None:
    with pytest.raises(UsageError, match="got an unexpected keyword argument 'stepp'"):
        find_tracker(f"got10k:{module}:Recorder", options={"args.stepp": 1})


def test_changed_weights_are_another_identity(module: str, tmp_path: Path) -> None:
    weights = tmp_path / "net.pth"
    identities = []
    for content in (b"one", b"two"):
        weights.write_bytes(content)
        identities.append(find_tracker(f"got10k:{module}:Recorder", options={"args.weights": "net.pth"}).identity())
    assert identities[0] != identities[1]
    assert set(identities[0]["options"]["content_sha256"]) == {"weights", "source"}
