"""Small data sets and trackers that tests write and run."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from trackbench.regions import Box, Region

Answer = TypeVar("Answer")


def box_of(region: Region | None) -> Box:
    """Return a region that has to be a box."""
    assert isinstance(region, Box)
    return region


def read_bgr(path: Path) -> NDArray[np.uint8]:
    """Return the pixels of an image that has to be readable, (H, W, 3) in OpenCV's order."""
    image = cv2.imread(str(path))
    assert image is not None
    return image.astype(np.uint8, copy=False)


def noted(answers: list[Answer], answer: Answer) -> Answer:
    """Append an answer to a list and return it, for the body of a lambda that listens."""
    answers.append(answer)
    return answer


TRACKERS = '''
"""Trackers with known behaviour, by which the engine is tested."""

import random
import time
from pathlib import Path

from trackbench.regions import Box, region_to_box
from trackbench.trackers.base import Options, Prediction, TrackerModel


class DriftOptions(Options):
    dx: float = 1.0
    fail_on: str = ""
    sleep: float = 0.0
    gate: str = ""


class Drift(TrackerModel):
    """Moves by dx every frame; the brightness of the frame is its score. All but the first start wait for ``gate``."""

    Options = DriftOptions
    starts = 0

    def start(self, frames, targets):
        self.starts += 1
        while self.options.gate and self.starts > 1 and not Path(self.options.gate).exists():
            time.sleep(0.01)
        if self.options.fail_on == "start":
            raise RuntimeError("cannot start")
        return [{"box": region_to_box(target.region), "tall": frame.shape[0]} for frame, target in zip(frames, targets)]

    def step(self, frames, states):
        time.sleep(self.options.sleep)
        out = []
        for frame, state in zip(frames, states):
            if self.options.fail_on == "dark" and frame.mean() < 5:
                raise ValueError("the frame is\\ndark")
            box = state["box"]
            state["box"] = Box(box.x + self.options.dx, box.y, box.w, box.h)
            out.append(Prediction(state["box"], float(frame.mean())))
        return out


class Dice(TrackerModel):
    """Draws its boxes at random."""

    Options = DriftOptions

    def seed(self, seed):
        self.seed_of_next = seed

    def start(self, frames, targets):
        return [random.Random(self.seed_of_next) for _ in frames]

    def step(self, frames, states):
        return [Prediction(Box(state.random(), 0, 1, 1)) for state in states]
'''


def write_sequence(folder: Path, frames: int = 6, brightness: int = 100, size: tuple[int, int] = (48, 64)) -> Path:
    """Write a sequence of plain grey frames; the target moves by one pixel a frame."""
    (folder / "img").mkdir(parents=True)
    for index in range(frames):
        cv2.imwrite(str(folder / "img" / f"{index + 1:04d}.jpg"), np.full((*size, 3), brightness, np.uint8))
    (folder / "groundtruth.txt").write_text("".join(f"{10 + i},12,8,6\n" for i in range(frames)))
    return folder


def write_dataset(root: Path, sequences: int = 3, frames: int = 6) -> Path:
    """Write several such sequences of different lengths, called ``s1``, ``s2``, …"""
    for index in range(sequences):
        write_sequence(root / f"s{index + 1}", frames + index, 100 + 10 * index, (48 + 4 * index, 64))
    return root


def write_trackers(folder: Path) -> None:
    """Write the trackers ``drift``, ``dice`` into the working folder ``folder``."""
    (folder / "sample_trackers.py").write_text(TRACKERS)
    (folder / "trackers").mkdir(exist_ok=True)
    for name, deterministic in (("Drift", "true"), ("Dice", "false")):
        (folder / "trackers" / f"{name.lower()}.toml").write_text(
            f'title = "{name}"\nclass = "sample_trackers:{name}"\ndeterministic = {deterministic}\n'
        )
