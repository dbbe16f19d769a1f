"""Videos that browsers play (H.264, yuv420p), and short animations as GIF or WebP."""

from __future__ import annotations

import math
import os
from abc import ABC, abstractmethod
from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import av
import cv2
import numpy as np
from PIL import Image

from trackbench.errors import UsageError
from trackbench.frames import Frame
from trackbench.frames.video import as_rate

#: Ticks of a second in which times are written: a multiple of all common frame rates.
TICKS = 90_000
CRF = "20"
"""Constant rate factor: 18 cannot be told from the original, 23 is x264's own."""
ANIMATIONS = (".gif", ".webp")
ENDINGS = (".mp4", ".mov", ".mkv", *ANIMATIONS)


class Writer(Protocol):
    """Takes frames one after the other."""

    def add(self, image: Frame, seconds: float) -> None:
        """Append a frame, uint8 (H, W, 3) RGB, which is shown from ``seconds`` on."""

    def close(self) -> None:
        """Finish the file; what has been added is in it."""

    def __enter__(self) -> Writer:
        """Return itself."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close, whatever happened: a video that was interrupted keeps what is there."""


def open_writer(path: Path, fps: float) -> Writer:
    """Return what writes the video or animation at ``path``, by its ending.

    Args:
        path: the file.
        fps: frames per second; of an MP4 only the duration of its last frame and what players announce.

    Raises:
        UsageError: the ending is none of :data:`ENDINGS`, or the folder cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in ENDINGS:
        raise UsageError(f"{path}: ends in '{path.suffix}'; expected one of {', '.join(ENDINGS)}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(f"{path.parent}: cannot be made: {error.strerror}") from None
    return _Animation(path, fps) if suffix in ANIMATIONS else _Video(path, fps)


class _Base(ABC):
    def __enter__(self) -> Any:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @abstractmethod
    def close(self) -> None:
        """Write the end of the file and put it in its place."""


class _Video(_Base):
    """An H.264 file; times need not be regular."""

    def __init__(self, path: Path, fps: float) -> None:
        self.path, self._rate = path, as_rate(fps)
        # Written beside its place: half a video never stands under the name of a whole one unless it was closed.
        self._temporary = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
        try:
            options = {"movflags": "+faststart"} if path.suffix.lower() in {".mp4", ".mov"} else {}
            self._container: Any = av.open(str(self._temporary), "w", options=options)
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
        self._stream: Any = None
        self._last = -1
        self._size = (0, 0)

    def add(self, image: Frame, seconds: float) -> None:
        height, width = image.shape[:2]
        if self._stream is None:
            self._size = (width + width % 2, height + height % 2)
            self._stream = self._container.add_stream("libx264", rate=self._rate, options={"crf": CRF})
            self._stream.width, self._stream.height = self._size
            self._stream.pix_fmt = "yuv420p"  # the only one that every browser plays
            self._stream.time_base = self._stream.codec_context.time_base = Fraction(1, TICKS)
        frame = av.VideoFrame.from_ndarray(_fitted(image, self._size), format="rgb24")
        # Times must rise; where a source has none or equal ones, the frame is shown for one of its rate.
        regular = self._last + max(1, round(TICKS / self._rate)) if self._last >= 0 else 0
        asked = regular if math.isnan(seconds) else round(seconds * TICKS)
        self._last = asked if asked > self._last else regular
        frame.pts, frame.time_base = self._last, Fraction(1, TICKS)
        self._container.mux(self._stream.encode(frame))

    def close(self) -> None:
        if self._container is None:
            return
        container, self._container = self._container, None
        if self._stream is not None:
            container.mux(self._stream.encode(None))
            container.close()
            os.replace(self._temporary, self.path)
        else:
            container.close()
            self._temporary.unlink(missing_ok=True)


class _Animation(_Base):
    """A GIF or an animated WebP, which plays for ever."""

    def __init__(self, path: Path, fps: float) -> None:
        self.path, self._fps = path, fps
        self._images: list[Image.Image] = []
        self._times: list[float] = []

    def add(self, image: Frame, seconds: float) -> None:
        self._images.append(Image.fromarray(image))
        self._times.append(len(self._times) / self._fps if math.isnan(seconds) else seconds)

    def close(self) -> None:
        if not self._images:
            return
        steps = [*np.diff(self._times), 1 / self._fps]
        # Browsers show a GIF frame of less than 20 ms for 100.
        durations = [max(20, round(1000 * step)) for step in steps]
        first, *others = self._images
        more = {"quality": 80, "method": 4} if self.path.suffix.lower() == ".webp" else {"optimize": False}
        temporary = self.path.with_name(f".{self.path.stem}.{os.getpid()}{self.path.suffix}")
        first.save(temporary, save_all=True, append_images=others, duration=durations, loop=0, **more)
        os.replace(temporary, self.path)
        self._images = []


def _fitted(image: Frame, size: tuple[int, int]) -> Frame:
    """Return an image of ``size``: an odd side gets its last line twice, another size is scaled to fit."""
    height, width = image.shape[:2]
    if (width, height) == size:
        return image
    if (width + width % 2, height + height % 2) != size:
        image = np.asarray(cv2.resize(image, size, interpolation=cv2.INTER_AREA), np.uint8)
        height, width = image.shape[:2]
    return np.pad(image, ((0, size[1] - height), (0, size[0] - width), (0, 0)), mode="edge")


def write_video(path: Path, frames: Iterable[tuple[Frame, float]], fps: float) -> int:
    """Write frames and the seconds from which each is shown; returns how many."""
    count = 0
    with open_writer(path, fps) as writer:
        for image, seconds in frames:
            writer.add(image, seconds)
            count += 1
    return count
