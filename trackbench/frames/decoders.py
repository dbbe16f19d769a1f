"""Which library decodes images: OpenCV, or on request simplejpeg (libjpeg-turbo), faster and with the same pixels."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from trackbench import frames
from trackbench.errors import UsageError
from trackbench.files import read_bytes

Decoder = Literal["opencv", "simplejpeg"]

JPEG = b"\xff\xd8\xff"


def check_decoder(decoder: str) -> Decoder:
    """Return the name of a decoder that is installed.

    Raises:
        UsageError: there is none of the name, or it is not installed.
    """
    for known in get_args(Decoder):
        if decoder == known:
            if known != "opencv" and importlib.util.find_spec(known) is None:
                raise UsageError(f"--decoder {known}: it is not installed; pip install 'trackbench[simplejpeg]'")
            found: Decoder = known
            return found
    raise UsageError(f"--decoder '{decoder}': expected {' or '.join(get_args(Decoder))}")


def read_with(decoder: Decoder, path: Path) -> frames.Frame:
    """Return the image at ``path`` as :func:`trackbench.frames.read_frame` does, to the last bit.

    simplejpeg decodes JPEG files of three channels in YCbCr; the rest is OpenCV's: other formats, files with Exif data,
    which may ask for a rotation, larger ones than are allowed, and damaged ones.

    Raises:
        DataError: the file is missing or no image.
    """
    if decoder == "opencv" or path.suffix.lower() not in (".jpg", ".jpeg"):
        return frames.read_frame(path)
    if not path.is_file():  # a frame of a video, or an error that is told there
        return frames.read_frame(path)
    import simplejpeg

    content = read_bytes(path)
    if content[:3] == JPEG and b"Exif\0\0" not in content[: header_length(content)]:
        try:
            height, width, space, _ = simplejpeg.decode_jpeg_header(content)
            if space == "YCbCr" and height * width <= frames.MAX_PIXELS:
                image = simplejpeg.decode_jpeg(content, "RGB", fastdct=False, fastupsample=False)
                return np.asarray(image, np.uint8)
        except ValueError:  # OpenCV reads damaged files as far as they go
            pass
    return frames.read_frame(path)


def header_length(content: bytes) -> int:
    """Return how many bytes of a JPEG file precede its first scan.

    Example:
        >>> header_length(bytes.fromhex("ffd8 ffe00004abcd ffda 0002"))
        8
    """
    place = 2
    while place + 4 <= len(content) and content[place] == 0xFF and content[place + 1] != 0xDA:
        if content[place + 1] == 0xFF:  # fill bytes may precede a marker
            place += 1
            continue
        place += 2 + int.from_bytes(content[place + 2 : place + 4], "big")
    return min(place, len(content))
