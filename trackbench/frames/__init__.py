"""Images: decoded ahead of need by a few threads, in bounded memory, once for every tracker that looks at them."""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError, unforeseen
from trackbench.files import open_regular, read_bytes
from trackbench.frames.jpeg import BEGIN as JPEG
from trackbench.frames.jpeg import decode_jpeg, is_known_damaged
from trackbench.frames.png import BEGIN as PNG
from trackbench.frames.png import decode_png, needed_chunks
from trackbench.frames.quiet import quieten_libraries, standard_error_closed
from trackbench.quoting import NAME, printable

Frame = NDArray[np.uint8]
"""An image: uint8 (H, W, 3), RGB."""

Decoder = Literal["simplejpeg", "opencv"]
"""Which library decodes JPEG files."""

#: Most pixels of an image: a frame of 8000x6000 has 48 million.
MAX_PIXELS = 1 << 26
#: How files begin that are saved by mistake instead of images.
_NO_IMAGES = {
    b"version https://git-lfs": "is a pointer of Git LFS, not the image: `git lfs pull` fetches it",
    b"<": "is a text such as a web page, not an image: download it again",
}
#: Memory for frames that are decoded ahead, in bytes.
BUDGET = 256 << 20


def read_frame(path: Path, strict: bool = False, decoder: Decoder = "simplejpeg") -> Frame:
    """Return the image at ``path`` as uint8 (H, W, 3) RGB; grey images get three equal channels.

    A path may name a frame of a video, as ``clip.mp4/000012``: see :mod:`trackbench.frames.video_paths`.

    Args:
        path: the file.
        strict: damage that decoders pass over is an error too.
        decoder: the library that decodes JPEG files; the pixels are the same.

    Raises:
        DataError: the file is missing, no image, or cut off.
    """
    # Only here: this module is imported everywhere, and these load large libraries.
    import cv2

    from trackbench.frames.video_paths import is_frame_of_video, read_video_frame

    if is_frame_of_video(path):
        return read_video_frame(path)
    data = read_bytes(path)
    jpeg = data.startswith(JPEG)
    if strict and not jpeg:  # first, for OpenCV's libraries speak of damage on standard error without a name
        _verify(path, data)
    if jpeg and decoder == "simplejpeg":
        image = decode_jpeg(path, data, MAX_PIXELS, strict)
        if image is not None:
            return image
    return np.asarray(_decode(path, data, cv2.IMREAD_COLOR), np.uint8)


def read_image(path: Path) -> NDArray[Any]:
    """Return the image at ``path`` with its own depth and channels: (H, W), or (H, W, 3) RGB; 16-bit depth stays so.

    Raises:
        DataError: the file is missing or no image.
    """
    import cv2

    return _decode(path, read_bytes(path), cv2.IMREAD_ANYDEPTH | cv2.IMREAD_ANYCOLOR)


def _decode(path: Path, data: bytes, flags: int) -> NDArray[Any]:
    """Return an image as OpenCV decodes it with ``flags``, but with its channels in the order RGB."""
    import cv2

    quieten_libraries()
    for begin, what in _NO_IMAGES.items():
        if data.startswith(begin):
            raise DataError(f"{path}: {what}")
    if _pixels(data) > MAX_PIXELS:
        raise DataError(f"{path}: has more than {MAX_PIXELS} pixels")
    if data.startswith(PNG):
        data = needed_chunks(path, data)
        decoded = decode_png(path, data, as_rgb=flags == cv2.IMREAD_COLOR)
        if decoded is not None:
            return decoded
    array = np.frombuffer(data, np.uint8)
    with standard_error_closed() if is_known_damaged(path) else contextlib.nullcontext():
        try:
            image = cv2.imdecode(array, flags) if data else None
        except cv2.error as error:
            raise DataError(f"{path}: is not a readable image: {printable(error.err, NAME)}") from None
    if image is None:
        deep = cv2.imdecode(array, cv2.IMREAD_UNCHANGED) if data else None
        if deep is not None and deep.dtype not in (np.uint8, np.uint16):
            raise DataError(f"{path}: has pixels of {deep.dtype}; expected 8 or 16 bits")
        raise DataError(f"{path}: is not a readable image ({len(data)} bytes)")
    return image if image.ndim == 2 else cv2.cvtColor(image, cv2.COLOR_BGR2RGB, dst=image)


def image_size(path: Path) -> tuple[int, int]:
    """Return the (width, height) that an image says it has; a rotation that a camera noted does not count.

    Raises:
        DataError: it is not there, or no image.
    """
    import PIL.Image

    with open_regular(path) as file:
        try:
            with PIL.Image.open(file) as image:
                return image.size
        except Exception:  # not known to Pillow, or not in order
            raise DataError(f"{path}: is not a readable image") from None


def _pixels(data: bytes) -> int:
    """Return how many pixels an image claims to have, 0 where that cannot be told; decoders believe it."""
    if data.startswith(b"\x89PNG"):
        return int.from_bytes(data[16:20], "big") * int.from_bytes(data[20:24], "big")
    import PIL.Image

    try:
        return math.prod(PIL.Image.open(io.BytesIO(data)).size)
    except PIL.Image.DecompressionBombError:
        return MAX_PIXELS + 1
    except Exception:  # not known to Pillow, or not in order: the decoder says what is wrong
        return 0


def _verify(path: Path, data: bytes) -> None:
    """Compare the checksums within a file, where its form has some; of a TIFF, decode it by another library."""
    import PIL.Image

    quieten_libraries()
    try:
        image = PIL.Image.open(io.BytesIO(data))
        if image.format == "TIFF":
            with standard_error_closed():
                image.load()
        else:
            image.verify()
    except (PIL.UnidentifiedImageError, PIL.Image.DecompressionBombError):  # a form that Pillow does not know
        return
    except Exception as error:  # SyntaxError, OSError and others, by form
        raise DataError(f"{path}: is damaged: {unforeseen(error)}") from None


class FrameSource:
    """Decodes frames in threads.

    Args:
        threads: how many.
        decoder: the library that decodes JPEG files; the pixels are the same.

    Use as a context manager. :meth:`plan` says what is needed now and soon; whatever is no longer in the plan is
    forgotten, so the memory is bounded by the plan.
    """

    def __init__(self, threads: int = 2, decoder: Decoder = "simplejpeg") -> None:
        self._pool = ThreadPoolExecutor(max(1, threads), thread_name_prefix="decode")
        self._decoder = decoder
        # A tracker in this process may change the working folder while a thread opens a file.
        self._folder = Path.cwd()
        self._frames: dict[Path, Future[Frame]] = {}
        self._largest = 1
        self.decoded = 0
        """How many images have been given to the threads."""

    def __enter__(self) -> FrameSource:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._frames.clear()
        self._pool.shutdown(wait=True, cancel_futures=True)

    def room(self) -> int:
        """Return how many frames of the largest size seen so far the budget holds."""
        return max(1, BUDGET // self._largest)

    def plan(self, now: Iterable[Path], soon: Iterable[Path]) -> None:
        """Decode the images that are needed ``now``, then those needed ``soon`` as far as the budget goes."""
        wanted = dict.fromkeys(now)
        # A batch that fills the budget alone still has one decoded ahead, or decoding would never overlap the rest.
        room = max(self.room() - len(wanted), len(wanted))
        for path in soon:
            if room <= 0:
                break
            if path not in wanted:
                wanted[path] = None
                room -= 1
        for path in self._frames.keys() - wanted.keys():
            self._frames.pop(path).cancel()
        for path in wanted:
            if path not in self._frames:
                self._frames[path] = self._pool.submit(self._read, path)
                self.decoded += 1

    def _read(self, path: Path) -> Frame:
        place = self._folder / path
        try:
            return read_frame(place, decoder=self._decoder)
        except DataError as error:
            error.args = (str(error).replace(str(place), str(path)),)  # as the user wrote it
            raise

    def get(self, path: Path) -> Frame:
        """Return the image at ``path``, which is in the plan; waits until it is decoded.

        Raises:
            DataError: the file is missing or no image.
        """
        frame = self._frames[path].result()
        self._largest = max(self._largest, frame.nbytes)
        return frame
