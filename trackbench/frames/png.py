"""PNG images, decoded without libpng, which OpenCV lets complain on standard error without the name of the file."""

from __future__ import annotations

import io
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.quoting import NAME, printable

#: How every PNG begins.
BEGIN = b"\x89PNG\r\n\x1a\n"
_NEEDED = (b"IHDR", b"PLTE", b"IDAT", b"IEND")
_GREY, _WITH_PALETTE = 0, 3


def needed_chunks(path: Path, data: bytes) -> bytes:
    """Return a PNG with the parts alone of which pixels are made, and how the image is turned; their checksums hold.

    Raises:
        DataError: it is cut off, or a checksum is wrong.
    """
    kept: list[bytes | memoryview] = [BEGIN]
    place = len(BEGIN)
    while place + 12 <= len(data):
        end = place + 12 + int.from_bytes(data[place : place + 4], "big")
        if end > len(data):
            break
        kind, chunk = data[place + 4 : place + 8], memoryview(data)[place:end]
        sound = zlib.crc32(chunk[4:-4]) == int.from_bytes(chunk[-4:], "big")
        needed = not kind[0] & 0x20  # a capital
        if needed and not (sound and kind in _NEEDED):
            fault = "is no part of a PNG" if sound else "has a wrong checksum"
            raise DataError(f"{path}: is damaged: {printable(kind.decode('latin-1'), NAME)} {fault}")
        if needed or (kind == b"eXIf" and sound and bytes(chunk[8:12]) in (b"II*\0", b"MM\0*")):
            kept.append(chunk)
        if kind == b"IEND":
            return b"".join(kept)
        place = end
    raise DataError(f"{path}: is cut off, a PNG image without its end")


def decode_png(path: Path, data: bytes, *, as_rgb: bool) -> NDArray[Any] | None:
    """Return a PNG image of :func:`needed_chunks`, the same pixels as OpenCV's.

    Args:
        path: for errors.
        data: the image.
        as_rgb: as uint8 (H, W, 3) RGB; otherwise with its own depth and channels, as `trackbench.frames.read_image`
            returns it.

    Returns:
        None where OpenCV has to decode it, which then has nothing to complain of: images that are to be turned, and
        colours of 16 bits that are to be kept.

    Raises:
        DataError: it is damaged.
    """
    import PIL.Image

    try:
        with PIL.Image.open(io.BytesIO(data), formats=("PNG",)) as image:
            image.load()
            depth, colours = data[24], data[25]  # in the header, which comes first
            if colours == _WITH_PALETTE and image.palette is None:
                raise ValueError("has no palette")
            if image.getexif() or (depth == 16 and colours != _GREY and not as_rgb):
                return None
            if depth == 16 and colours == _GREY:
                deep = np.array(image, np.uint16)
                return np.repeat((deep >> 8).astype(np.uint8)[..., None], 3, axis=2) if as_rgb else deep
            return np.array(image.convert("L" if colours == _GREY and not as_rgb else "RGB"))
    except Exception as error:  # SyntaxError, OSError and others, by kind of damage
        raise DataError(f"{path}: is damaged: {printable(str(error), NAME)}") from None
