"""Frames of a video file under paths of their own, so that a file can stand where a folder of images does.

``clip.mp4/000012`` is frame 12 (0-based) of ``clip.mp4``. Such paths are asked for nearly in order; each file has one
decoder that goes on from where it is, and the few frames that it has passed lately are kept for those who come late.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterator
from pathlib import Path

from trackbench.errors import DataError
from trackbench.frames import Frame
from trackbench.frames.video import VideoFrame, count_frames, is_video, read_video

#: Decoders that are open at once, of all videos.
OPEN = 8
#: Bytes of frames that a decoder keeps.
KEPT = 96 << 20


def frame_paths(video: Path, count: int) -> list[Path]:
    """Return the paths of the ``count`` frames of a video."""
    return [video / f"{index:06d}" for index in range(count)]


def is_frame_of_video(path: Path) -> bool:
    """Whether a path is one of :func:`frame_paths`."""
    return not path.suffix and is_video(path.parent) and path.name.isdecimal()


def read_video_frame(path: Path) -> Frame:
    """Return the frame at a path of :func:`frame_paths`, uint8 (H, W, 3) RGB.

    Going back beyond the frames that are kept decodes the file from its beginning.

    Raises:
        DataError: the file cannot be read, or has fewer frames.
    """
    return _decoder(path.parent).frame(int(path.name)).copy()


class _Decoder:
    """Reads one file forwards."""

    def __init__(self, video: Path) -> None:
        self.video = video
        self._lock = threading.Lock()
        self._frames: Iterator[VideoFrame] | None = None
        self._next = 0
        self._kept: OrderedDict[int, Frame] = OrderedDict()
        self._bytes = 0

    def frame(self, index: int) -> Frame:
        """Return frame ``index``."""
        with self._lock:
            if index in self._kept:
                return self._kept[index]
            if self._frames is None or index < self._next:
                self._restart(index)
            assert self._frames is not None
            for candidate in self._frames:
                self._next = candidate.index + 1
                self._keep(candidate.index, candidate.image)
                if candidate.index == index:
                    return candidate.image
            self._frames = None
            raise DataError(f"{self.video}: has {count_frames(self.video)} frames; frame {index + 1} was asked for")

    def close(self) -> None:
        """Close the file and forget its frames."""
        with self._lock:
            self._frames = None
            self._kept.clear()
            self._bytes = 0

    def _restart(self, index: int) -> None:
        self._frames, self._next = read_video(self.video, index), index
        self._kept.clear()
        self._bytes = 0

    def _keep(self, index: int, image: Frame) -> None:
        self._kept[index] = image
        self._bytes += image.nbytes
        while self._bytes > KEPT and len(self._kept) > 1:
            _, old = self._kept.popitem(last=False)
            self._bytes -= old.nbytes


_decoders: OrderedDict[Path, _Decoder] = OrderedDict()
_guard = threading.Lock()


def _decoder(video: Path) -> _Decoder:
    with _guard:
        decoder = _decoders.setdefault(video, _Decoder(video))
        _decoders.move_to_end(video)
        old = _decoders.popitem(last=False)[1] if len(_decoders) > OPEN else None
    if old is not None:
        old.close()
    return decoder
