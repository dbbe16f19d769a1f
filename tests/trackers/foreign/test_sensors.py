"""Frames of six channels: what lies beside the colours, and in which form."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest
from foreign_samples import target

from trackbench.errors import TrackerError
from trackbench.regions import Box
from trackbench.trackers.base import Channel
from trackbench.trackers.foreign.sensors import six_channels
from trackbench.trackers.registry import find_tracker

FRAME = np.full((4, 5, 3), (10, 20, 30), np.uint8)
DEPTH = np.arange(20, dtype=np.uint16).reshape(4, 5) * 1000

MODULE = """
class Seen:
    def init(self, image, box):
        assert image.shape[2] == 6

    def track(self, image):
        return [float(value) for value in image[0, 0, 2:]]
"""


def test_grey_images_lie_three_times_beside_the_colours() -> None:
    grey = np.full((4, 5), 7, np.uint8)
    assert six_channels(FRAME, grey, "rgb")[0, 0].tolist() == [10, 20, 30, 7, 7, 7]
    assert six_channels(FRAME, FRAME, "rgb")[0, 0].tolist() == [10, 20, 30, 10, 20, 30]


def test_depth_is_stretched_and_coloured_blue_first() -> None:
    both = six_channels(FRAME, DEPTH, "colormap")
    levels = np.arange(20) * 255 // 19  # 0 to 255
    assert (both[:, :, 3:] == cv2.applyColorMap(levels.astype(np.uint8).reshape(4, 5), cv2.COLORMAP_JET)).mean() > 0.8
    assert both[0, 0, 3:].tolist() == [128, 0, 0]  # the least: dark blue
    assert both[3, 4, 3:].tolist() == [0, 0, 128]  # the greatest: dark red
    assert six_channels(FRAME, DEPTH, "grey")[3, 4, 3:].tolist() == [255, 255, 255]


def test_depth_beyond_ten_metres_is_cut() -> None:
    cut = six_channels(FRAME, DEPTH, "grey", clip=True)[:, :, 3].ravel()
    assert (cut == 255).sum() == 10  # 10 000 and all above
    near = np.array([[1, 1, 1, 1, 100]] * 4, np.uint16)  # three times the median is 3
    assert six_channels(FRAME, near, "grey", clip=True)[0, :, 3].tolist() == [0, 0, 0, 0, 255]


@pytest.mark.parametrize(
    ("sensor", "message"),
    [
        (np.zeros((4, 6), np.uint8), "the second sensor's image is 6 x 4 pixels; the frame beside it is 5 x 4"),
        (DEPTH, "numbers of type uint16; --set sensor_form=colormap for depth"),
    ],
)
def test_what_does_not_fit_is_said(sensor: np.ndarray, message: str) -> None:
    with pytest.raises(TrackerError, match=message):
        six_channels(FRAME, sensor, "rgb")


def test_a_tracker_gets_the_image_beside_each_frame(write: Callable[[str, str], Path], here: Path) -> None:
    write("seen.py", MODULE)
    for i in range(2):
        cv2.imwrite(str(here / f"{i}.png"), np.full((4, 5), 50 + i, np.uint8))
    channel = Channel([here / "0.png", here / "1.png"])
    model = find_tracker("python:seen:Seen", options={"sensor": "infrared"}).build("cpu")
    states = model.start([FRAME], [target(Box(0, 0, 2, 2), channels={"infrared": channel})])
    channel.index = 1
    assert model.step([FRAME], states)[0].region == Box(30, 51, 51, 51)
    with pytest.raises(TrackerError, match=r"--set sensor=infrared: the sequence has no such images \(there: depth\)"):
        model.start([FRAME], [target(Box(0, 0, 2, 2), channels={"depth": channel})])
