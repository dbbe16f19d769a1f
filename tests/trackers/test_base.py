"""What a tracker starts on, and what becomes of trackers written for regions."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Annotated, Any, ClassVar

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from pydantic import Field, ValidationError

from trackbench.datasets.sequence import GroundTruth, VideoSequence
from trackbench.engine.scheduler import Job, run
from trackbench.protocols.one_pass import one_pass
from trackbench.regions import Box, region_to_box
from trackbench.trackers.base import Frame, Options, Prediction, Target, Tracker, TrackerModel


class Reader(TrackerModel[Target]):
    """Keeps what it starts on, and the infrared image of every frame."""

    Options: ClassVar[type[Options]] = Options

    def __init__(self) -> None:
        super().__init__(Options())
        self.targets: list[Target] = []
        self.seen: list[tuple[float, NDArray[Any]]] = []

    def start(self, frames: list[Frame], targets: list[Target]) -> list[Target]:
        self.targets += targets
        self.look(frames, targets)
        return targets

    def step(self, frames: list[Frame], states: list[Target]) -> list[Prediction]:
        self.look(frames, states)
        return [Prediction(state.region) for state in states]

    def look(self, frames: list[Frame], targets: list[Target]) -> None:
        for frame, target in zip(frames, targets, strict=True):
            for channel in target.channels.values():
                self.seen.append((float(frame.mean()), channel.image()))


def sequence(folder: Path, **more: Any) -> VideoSequence:
    paths = []
    for index in range(3):
        paths.append(folder / f"{index}.png")
        cv2.imwrite(str(paths[-1]), np.full((4, 5, 3), 10 * index, np.uint8))
    boxes = np.array([[1, 1, 2, 2]] * 3, np.float64)
    return VideoSequence("one", lambda: paths, lambda: GroundTruth(boxes), **more)


def test_a_tracker_is_told_the_sentence_and_shown_the_second_sensor_of_each_frame(tmp_path: Path) -> None:
    infrared = []
    for index in range(3):
        infrared.append(tmp_path / f"infrared-{index}.png")
        cv2.imwrite(str(infrared[-1]), np.full((4, 5), 1000 * index, np.uint16))
    model = Reader()
    shown = sequence(tmp_path, read_sentence=lambda: "the white car", read_channels={"infrared": lambda: infrared})
    (outcome,) = run([[Job("one", shown, model, one_pass)]])
    assert outcome.trajectory is not None, outcome.reason
    assert model.targets[0].sentence == "the white car"
    assert model.targets[0].region == Box(1, 1, 2, 2)
    assert [(mean, image.max()) for mean, image in model.seen] == [(0, 0), (10, 1000), (20, 2000)]
    assert {(image.dtype, image.shape) for _, image in model.seen} == {(np.dtype(np.uint16), (4, 5))}


def test_a_data_set_without_sentence_and_channels_gives_the_region_alone(tmp_path: Path) -> None:
    model = Reader()
    list(run([[Job("one", sequence(tmp_path), model, one_pass)]]))
    (target,) = model.targets
    assert (target.region, target.sentence, dict(target.channels)) == (Box(1, 1, 2, 2), None, {})
    assert target.video is not None
    assert model.seen == []


def test_a_tracker_starts_on_four_numbers() -> None:
    model, frame = Reader(), np.zeros((4, 5, 3), np.uint8)
    boxes: list[Any] = [(1, 2, 3, 4), [1, 2, 3, 4], np.array([1, 2, 3, 4]), Box(1, 2, 3, 4)]
    for box in boxes:
        Tracker(model).init(frame, box, sentence="a box")
    assert model.targets == [Target(Box(1, 2, 3, 4), "a box")] * 4


def test_a_tracker_written_for_regions_is_told_what_to_change() -> None:
    target = Target(Box(1, 2, 3, 4))
    with pytest.raises(AttributeError, match=r"start\(\) is given targets; use target.region.x"):
        target.x  # noqa: B018
    with pytest.raises(TypeError, match=r"use target\.region"):
        region_to_box(target)  # type: ignore[arg-type]
    assert pickle.loads(pickle.dumps(target)) == target


def test_a_truth_value_is_no_number_of_an_option() -> None:
    class Some(Options):
        rate: Annotated[float, Field(ge=0)] = 0.5
        steps: int | None = None
        whole: bool = False

    assert Some.model_validate({"rate": 1, "steps": 2, "whole": True}).rate == 1
    for key in ("rate", "steps"):
        with pytest.raises(ValidationError, match="a truth value; expected a number"):
            Some.model_validate({key: True})
