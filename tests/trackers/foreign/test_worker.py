"""A foreign tracker's process: what passes to it and back, and what its death costs."""

from __future__ import annotations

import ast
import io
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from command import document, trackbench
from foreign_samples import target

from trackbench.errors import LostStateError, TrackerError
from trackbench.regions import Box, Mask
from trackbench.results.store import stored_runs
from trackbench.trackers.foreign import client
from trackbench.trackers.foreign.client import ForeignError
from trackbench.trackers.foreign.model import ForeignModel
from trackbench.trackers.foreign.worker import process
from trackbench.trackers.registry import find_tracker

MODULE = """
import os, random, sys, time
import numpy as np

made = []


class Tracker:
    def __init__(self, dx=1.0, act=""):
        print("made with", dx)
        self.dx, self.act, self.kept = dx, act, []
        if act == "refuse":
            raise ValueError("no such\\nlayer")

    def init(self, image, box):
        self.box = list(box)
        self.kept.append(image)
        if self.act == "die on a wide box" and box[2] > 30:
            print("about to die")
            os._exit(7)

    def track(self, image):
        if self.act == "die when dark" and image[0, 0, 0] == 30 and self.box[1] == 6:
            os.kill(os.getpid(), 9)
        if self.act == "hang" and image[0, 0, 0] == 20:
            time.sleep(60)
        if self.act == "fail":
            raise KeyError("net")
        if self.act == "print":
            print("x" * 100_000)
        self.kept.append(image)
        if self.act == "look back":
            self.box[0] = float(self.kept[0][0, 0, 0])
            return self.box
        if self.act == "dice":
            self.box[0] = random.random() + np.random.rand()
            return self.box
        self.box[0] += self.dx
        return self.box
"""


@pytest.fixture
def build(write: Callable[[str, str], Path]) -> Callable[..., ForeignModel]:
    write("shift.py", MODULE)

    def builder(act: str = "", **options: object) -> ForeignModel:
        settings = {"timeout": 30, **options} | ({"args.act": act} if act else {})
        model = find_tracker("python:shift:Tracker", options=settings).build("cpu")
        assert isinstance(model, ForeignModel)
        return model

    return builder


SMALL = Box(5, 6, 20, 10)


def boxes(model: ForeignModel, frames: list[np.ndarray], region: Box = SMALL) -> list[tuple[float, ...]]:
    state = model.start(frames[:1], [target(region)])
    return [region_of(model.step([frame], state)[0]) for frame in frames[1:]]


def region_of(prediction: object) -> tuple[float, ...]:
    return prediction.region.numbers()  # type: ignore[attr-defined]


def test_boxes_are_those_of_the_tracker_in_this_process(build, frames) -> None:
    alone, inside = boxes(build(), frames), boxes(build(isolated=False), frames)
    assert alone == inside == [(5.0 + i, 6.0, 20.0, 10.0) for i in range(1, 8)]


def test_a_frame_that_the_tracker_keeps_stays_as_it_was(build, frames) -> None:
    frames[0][:] = 77
    assert {box[0] for box in boxes(build("look back"), frames)} == {77.0}


def test_frames_of_any_size_fit(build) -> None:
    small, large = np.full((4, 5, 3), 9, np.uint8), np.full((900, 1200, 3), 8, np.uint8)
    model = build("look back")
    first, second = model.start([small], [target(Box(0, 0, 2, 2))]) + model.start([large], [target(Box(0, 0, 2, 2))])
    answers = model.step([large, small[:, ::-1]], [first, second])
    assert [region_of(answer)[0] for answer in answers] == [9.0, 8.0]


def test_prints_of_the_tracker_never_reach_the_wire(build, frames) -> None:
    assert len(boxes(build("print"), frames)) == 7


def test_an_error_names_the_place_and_quotes_the_log(build, frames) -> None:
    model = build("fail")
    with pytest.raises(
        TrackerError,
        match=r"python:shift:Tracker: KeyError: 'net' \(.*shift.py, line 28\); its last prints: made with 1.0$",
    ) as caught:
        boxes(model, frames)
    assert isinstance(caught.value, ForeignError)
    assert caught.value.trace is not None
    assert "raise KeyError" in caught.value.trace


def test_a_tracker_that_cannot_be_made_is_said_when_it_is_built(build) -> None:
    with pytest.raises(TrackerError, match="ValueError: no such layer"):
        build("refuse")


def test_a_tracker_that_dies_is_started_anew(build, frames) -> None:
    model = build("die on a wide box")
    with pytest.raises(TrackerError, match=r"its process ended with exit code 7; its last prints: .*about to die"):
        boxes(model, frames, Box(5, 6, 50, 10))
    assert len(boxes(model, frames)) == 7


def test_a_tracker_that_hangs_is_ended(build, frames) -> None:
    model = build("hang", timeout=3)
    began = time.perf_counter()
    with pytest.raises(TrackerError, match="no answer within 3 seconds"):
        boxes(model, frames)
    assert time.perf_counter() - began < 30


def test_a_target_that_dies_with_another_ones_process_is_told_apart(build, frames) -> None:
    model = build("die on a wide box")
    state = model.start(frames[:1], [target(Box(5, 6, 20, 10))])
    with pytest.raises(TrackerError, match="exit code 7"):
        model.start(frames[:1], [target(Box(5, 6, 50, 10))])
    with pytest.raises(LostStateError):
        model.step(frames[1:2], state)


def test_random_numbers_depend_neither_on_the_batch_nor_on_what_ran_before(build, frames) -> None:
    model = build("dice")
    model.seed(4)
    alone = boxes(model, frames)
    states = model.start([frames[0]] * 2, [target(Box(5, 6, 20, 10))] * 2)
    both = [[region_of(answer) for answer in model.step([frame] * 2, states)] for frame in frames[1:]]
    assert [pair[0] for pair in both] == [pair[1] for pair in both] == alone
    model.seed(5)
    assert boxes(model, frames) != alone


def test_the_state_of_a_target_is_forgotten_with_it(build, frames) -> None:
    model = build(isolated=False)
    for _ in range(5):
        boxes(model, frames)
    assert len(model._peer._service._states) <= 2


def test_nothing_is_left_when_the_model_goes(build, frames) -> None:
    model = build()
    boxes(model, frames)
    folder, pid = model._peer._folder, model._peer._process.pid
    assert folder.exists()
    model._peer.close()
    assert not folder.exists()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)


def test_a_tracker_that_draws_on_its_frame_draws_on_no_other_targets(write, frames) -> None:
    write(
        "draws.py",
        """
class Tracker:
    def init(self, image, box):
        self.box = box

    def track(self, image):
        seen = float(image[0, 0, 0])
        image[:] = 255
        return [seen, *self.box[1:]]
""",
    )
    model = find_tracker("python:draws:Tracker", options={"isolated": False}).build("cpu")
    states = model.start([frames[0]] * 3, [target(SMALL)] * 3)
    assert [region_of(answer)[0] for answer in model.step([frames[2]] * 3, states)] == [20.0] * 3
    assert frames[2][0, 0, 0] == 20


def test_weights_that_do_not_fit_are_counted() -> None:
    network = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    with pytest.raises(RuntimeError) as caught:
        network.load_state_dict({"0.weight": torch.ones(2, 2), "0.bias": torch.ones(3), "head.weight": torch.ones(1)})
    said = process.describe_error(caught.value)
    assert said["type"] == ""
    assert said["message"] == (
        "the checkpoint does not fit its Sequential: 2 weights are missing ('1.weight'), 1 weights have no place in it "
        "('head.weight'), 1 weights have another size ('0.bias'); is it that of this configuration?"
    )


def test_a_message_comes_out_as_it_went_in() -> None:
    pipe = io.BytesIO()
    process.send(pipe, {"box": [1.5, float("nan")]}, [b"ab", np.arange(3, dtype=np.uint8)])
    pipe.seek(0)
    document_, blobs = process.receive(pipe)
    assert document_["box"][0] == 1.5
    assert np.isnan(document_["box"][1])
    assert blobs == [b"ab", b"\x00\x01\x02"]
    with pytest.raises(EOFError):
        process.receive(pipe)


@pytest.mark.parametrize("pixels", [[], [(0, 0)], [(2, 3), (4, 1)], [(5, 6)]])
def test_a_mask_comes_out_as_it_went_in(pixels: list[tuple[int, int]]) -> None:
    mask = np.zeros((6, 7), bool)
    for row, column in pixels:
        mask[row, column] = True
    description, data = process.pack_mask(mask)
    description = json.loads(json.dumps(description))
    back = Mask(process.unpack_mask(description, data), description["x"], description["y"])
    assert back == Mask(mask)


def test_the_worker_is_written_for_python_3_7() -> None:
    for path in Path(process.__file__).parent.glob("*.py"):
        tree = ast.parse(path.read_text(), feature_version=(3, 7))
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
        imported |= {
            node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and not node.level
        }
        assert not any(name.startswith("trackbench") for name in imported), path


@pytest.mark.parametrize("batch", [1, 4])
def test_death_costs_its_sequence_alone(write, dataset: Path, batch: int) -> None:
    write("shift.py", MODULE)
    (dataset / "b" / "groundtruth.txt").write_text("5,7,20,10\n" * 8)
    common = ("python:shift:Tracker", "-d", str(dataset), "--batch", str(batch))
    found = document("run", *common, "--set", "args.act=die when dark", code=1)
    [run] = found["runs"]
    assert run["sequences"] == 1
    assert [item["sequence"] for item in run["failed"]] == ["a"]
    assert "was ended by signal 9" in run["failed"][0]["reason"]


def test_a_run_is_the_same_in_any_batch_and_interrupted_or_not(write, dataset: Path, here: Path) -> None:
    write("shift.py", MODULE)
    common = ("run", "python:shift:Tracker", "-d", str(dataset), "--set", "args.act=dice", "--repetitions", "1")

    def stored(folder: str) -> dict[str, str]:
        return {path.name: path.read_text() for path in sorted((here / folder).rglob("[ab].txt"))}

    trackbench(*common, "--runs", "one", "--batch", "1")
    trackbench(*common, "--runs", "eight", "--batch", "8")
    trackbench(*common, "--runs", "parts", "-s", "b")
    trackbench(*common, "--runs", "parts")
    trackbench(*common, "--runs", "here", "--set", "isolated=false")
    assert len(stored("one")) == 2
    assert stored("one") == stored("eight") == stored("parts") == stored("here")
    [run] = stored_runs(here / "one")
    [session] = (run.manifest() or {})["sessions"]
    assert session["worker"]["versions"]["python"] == sys.version.split()[0]
    assert "isolated" not in str(next((here / "here").iterdir()))


def test_an_interpreter_that_is_not_there_is_named(build) -> None:
    with pytest.raises(TrackerError, match=r"its process cannot be started: .*no-such-python"):
        build(python="/no-such-python")


def test_frames_lie_in_memory_that_nobody_else_sees(frames) -> None:
    memory, seen = client.SharedMemory(), process.SharedFrames()
    kept = seen.read(memory.put(frames[:2]))[1]
    assert kept.tolist() == frames[1].tolist()
    memory.settle(seen.busy())
    assert not any(Path(slot.path).exists() for slot in memory._slots.values() if slot.path)
    # The frame that is kept stays; the place of the other one is written again.
    later = memory.put(frames[2:4])
    assert [place["slot"] for place in later["frames"]] == [0, 2]
    assert [frame[0, 0, 0] for frame in seen.read(later)] == [20, 30]
    assert kept.tolist() == frames[1].tolist()
    del kept
    memory.settle(seen.busy())
    # A larger frame does not fit, so that one place is given up for it.
    large = np.zeros((80, 60, 3), np.uint8)
    asked = memory.put([large])
    assert (asked["frames"][0]["slot"], asked["dropped"]) == (3, [0])
    assert seen.read(asked)[0].shape == large.shape
    memory.close()
