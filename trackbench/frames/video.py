"""Video files decoded frame by frame: variable frame rates, rotation flags and any pixel format.

Nothing is ever whole in memory. A frame is what a player shows: turned as the file's display matrix says, in RGB by the
colour space and range that the file states (libswscale converts).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, NamedTuple

import av
import numpy as np

from trackbench.errors import DataError
from trackbench.files import VIDEO_SUFFIXES
from trackbench.frames import MAX_PIXELS, Frame


@dataclass(frozen=True, slots=True)
class VideoFrame:
    """One frame of a video."""

    index: int
    """0-based."""
    seconds: float
    """When it is shown, from the first frame on; NaN where the file does not say."""
    image: Frame
    """uint8 (H, W, 3) RGB."""


class VideoInfo(NamedTuple):
    """What a file says of itself."""

    size: tuple[int, int]
    """(width, height) in pixels, as shown."""
    fps: float | None
    """Mean frames per second."""
    frames: int | None
    """As the file states; None where it does not, and it may be wrong."""


def is_video(path: Path) -> bool:
    """Whether a file's name is that of a video."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def video_info(path: Path) -> VideoInfo:
    """Return what a file says of itself; decodes its first frame, which alone tells how it is turned.

    Raises:
        DataError: it cannot be read, holds no video, or its first frame cannot be decoded.
    """
    with _opened(path) as (container, stream):
        rate = stream.average_rate or stream.guessed_rate
        total = stream.frames or None
        if total is None and stream.duration and rate:
            total = round(float(stream.duration * stream.time_base * rate))
        try:
            first = next(container.decode(stream), None)
        except av.FFmpegError as error:
            raise DataError(f"{path}: frame 1 cannot be decoded: {error.strerror}") from None
        if first is None:
            raise DataError(f"{path}: holds no frames")
        height, width = _shown(first, path, 0).shape[:2]
        return VideoInfo((width, height), float(rate) if rate else None, total)


def count_frames(path: Path) -> int:
    """Return how many frames a video has, without decoding them.

    Frames that the container's edit list hides do not count: decoders drop them.

    Raises:
        DataError: the file cannot be read.
    """
    with _opened(path) as (container, stream):
        try:
            return sum(1 for packet in container.demux(stream) if packet.size and not packet.is_discard)
        except av.FFmpegError as error:
            raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def read_video(path: Path, begin: int = 0) -> Iterator[VideoFrame]:
    """Yield the frames of a video in the order in which they are shown.

    Args:
        path: the file.
        begin: the first frame to yield; those before it are decoded and left out, which is exact in every format.

    Raises:
        DataError: the file cannot be read, or a frame cannot be decoded; the frame is named.
    """
    with _opened(path) as (container, stream):
        stream.thread_type = "AUTO"
        index, start = 0, None
        try:
            for frame in container.decode(stream):
                if start is None:
                    start = frame.time
                if index >= begin:
                    seconds = frame.time - start if frame.time is not None and start is not None else float("nan")
                    yield VideoFrame(index, seconds, _shown(frame, path, index))
                index += 1
        except av.FFmpegError as error:
            raise DataError(f"{path}: frame {index + 1} cannot be decoded: {error.strerror}") from None
        if not index:
            raise DataError(f"{path}: holds no frames")


class _opened:  # noqa: N801 - used as a function is
    """Opens a file and finds its video stream; closes it at the end."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __enter__(self) -> tuple[Any, Any]:
        if not self.path.is_file():
            raise DataError(f"{self.path}: there is no such file")
        try:
            self.container = av.open(str(self.path), metadata_errors="replace")
        except (av.FFmpegError, ValueError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            raise DataError(f"{self.path}: is not a readable video: {reason}") from None
        streams = self.container.streams.video
        # A cover picture is a video stream of one frame.
        moving = [s for s in streams if not s.disposition & av.stream.Disposition.attached_pic]
        if not moving:
            self.container.close()
            raise DataError(f"{self.path}: holds no video stream")
        stream = moving[0]
        if stream.width * stream.height > MAX_PIXELS:
            self.container.close()
            raise DataError(f"{self.path}: its frames have more than {MAX_PIXELS} pixels")
        return self.container, stream

    def __exit__(self, *_: object) -> None:
        self.container.close()


def _shown(frame: Any, path: Path, index: int) -> Frame:
    """Return a decoded frame in RGB, turned and with square pixels left as they are stored."""
    if frame.width * frame.height > MAX_PIXELS:
        raise DataError(f"{path}: frame {index + 1} has more than {MAX_PIXELS} pixels")
    image = frame.to_ndarray(format="rgb24")
    quarters = round(frame.rotation / 90) % 4
    return np.ascontiguousarray(np.rot90(image, quarters)) if quarters else image


def as_rate(fps: float) -> Fraction:
    """Return frames per second as a fraction that containers take: 29.97 is 30000/1001."""
    exact = Fraction(fps).limit_denominator(1000)
    ntsc = Fraction(round(fps * 1.001) * 1000, 1001)
    return ntsc if abs(ntsc - Fraction(fps)) < Fraction(1, 500) and exact.denominator != 1 else exact
