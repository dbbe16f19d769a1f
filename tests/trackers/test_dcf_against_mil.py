"""The heavier comparison: dcf against OpenCV's MIL on variations of a real sequence."""

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from trackbench.datasets.catalogue import open_dataset
from trackbench.frames import Frame, read_frame
from trackbench.metrics.conventions import convention
from trackbench.metrics.ope import SequenceGroundTruth, evaluate
from trackbench.regions import Box, region_to_box
from trackbench.trackers.base import Tracker
from trackbench.trackers.registry import load_model

Clip = tuple[list[Frame], np.ndarray]


def backwards(frames: list[Frame], boxes: np.ndarray) -> Clip:
    return frames[::-1], boxes[::-1]


def grey(frames: list[Frame], boxes: np.ndarray) -> Clip:
    return [np.repeat(cv2.cvtColor(f, cv2.COLOR_RGB2GRAY)[..., None], 3, -1) for f in frames], boxes


def enlarged(frames: list[Frame], boxes: np.ndarray) -> Clip:
    return [
        np.asarray(cv2.resize(f, None, fx=3, fy=3, interpolation=cv2.INTER_CUBIC), np.uint8) for f in frames
    ], 3 * boxes


def mirrored(frames: list[Frame], boxes: np.ndarray) -> Clip:
    flipped = boxes.copy()
    flipped[:, 0] = frames[0].shape[1] - boxes[:, 0] - boxes[:, 2]
    return [np.ascontiguousarray(f[:, ::-1]) for f in frames], flipped


def every_third(frames: list[Frame], boxes: np.ndarray) -> Clip:
    return frames[::3], boxes[::3]


def noisy(frames: list[Frame], boxes: np.ndarray) -> Clip:
    draw = np.random.default_rng(0)
    return [np.clip(f + draw.normal(0, 12, f.shape), 0, 255).astype(np.uint8) for f in frames], boxes


VARIATIONS: list[Callable[[list[Frame], np.ndarray], Clip]] = [backwards, grey, enlarged, mirrored, every_third, noisy]


def success(name: str, frames: list[Frame], boxes: np.ndarray) -> float:
    tracker = Tracker(load_model(name, device="cpu"))
    tracker.init(frames[0], Box.of(boxes[0]))
    found = [boxes[0], *(region_to_box(tracker.track(frame).region).array() for frame in frames[1:])]
    return evaluate([SequenceGroundTruth("clip", boxes)], [np.array(found)], convention("matlab")).mean().success_auc


@pytest.mark.slow
def test_dcf_beats_mil(crossing: Path) -> None:
    sequence = open_dataset("otb100", crossing)["Crossing"]
    frames = [read_frame(path) for path in sequence.frames]
    scores = {}
    for variation in VARIATIONS:
        clip = variation(frames, sequence.ground_truth.boxes)
        scores[variation.__name__] = (success("dcf", *clip), success("opencv:mil", *clip))
    dcf, mil = np.mean(list(scores.values()), axis=0)
    assert dcf > mil + 0.2, scores
    assert min(score for score, _ in scores.values()) > 0.5, scores
