"""What can be tracked in: a video file, a folder of images, a camera."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from trackbench.datasets.layouts.images import list_images
from trackbench.errors import DataError, UsageError
from trackbench.frames import read_frame
from trackbench.frames.video import VideoFrame, is_video, read_video, video_info

FPS = 30.0
"""Assumed where nothing says how many frames a second there are, as in a folder of images."""


@dataclass(frozen=True)
class Source:
    """Frames in order, read once or, where they are files, again."""

    title: str
    fps: float
    frames: int | None
    """How many there are, as far as it is known before."""
    path: Path | None
    """None: a camera, with this number."""
    camera: int = 0

    def read(self) -> Iterator[VideoFrame]:
        """Yield the frames.

        Raises:
            DataError: one cannot be read.
        """
        if self.path is None:
            return _camera(self.camera)
        if self.path.is_dir():
            return _images(self.path, self.fps)
        return read_video(self.path)


def open_source(text: str, fps: float | None = None) -> Source:
    """Return the source that a user means.

    Args:
        text: path of a video or of a folder of images, or the number of a camera (0 is the first).
        fps: frames per second to assume instead of what the source says.

    Raises:
        UsageError: there is neither a file, nor a folder of images, nor such a camera.
        DataError: the file holds no video that can be read.
    """
    path = Path(text)
    if path.is_dir():
        images = list_images(path)
        if not images:
            raise UsageError(f"{path}: holds no images directly; expected a folder of frames, a video or a camera")
        return Source(path.resolve().name, fps or FPS, len(images), path)
    if path.is_file():
        info = video_info(path)
        return Source(path.stem, fps or info.fps or FPS, info.frames, path)
    if text.isdecimal():
        return Source(f"camera {text}", fps or FPS, None, None, int(text))
    kind = "video" if is_video(path) else "video, folder of images or camera"
    raise UsageError(f"{text}: there is no such {kind}")


def _images(folder: Path, fps: float) -> Iterator[VideoFrame]:
    for index, path in enumerate(list_images(folder)):
        yield VideoFrame(index, index / fps, read_frame(path))


def _camera(number: int) -> Iterator[VideoFrame]:
    device = cv2.VideoCapture(number)
    try:
        if not device.isOpened():
            raise UsageError(f"camera {number}: cannot be opened; is one plugged in, and not in use elsewhere?")
        index, start = 0, None
        while True:
            good, image = device.read()
            if not good:
                raise DataError(f"camera {number}: gives no more frames after {index}")
            now = device.get(cv2.CAP_PROP_POS_MSEC) / 1000 or math.nan
            start = now if start is None else start
            yield VideoFrame(index, now - start, np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8))
            index += 1
    finally:
        device.release()
