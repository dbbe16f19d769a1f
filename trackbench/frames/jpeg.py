"""JPEG images, with one verdict on damaged ones under every version of OpenCV.

OpenCV 4 fills up what a cut file lacks with grey and OpenCV 5 refuses it, and both let libjpeg complain on the standard
error output without the name of the file. Here libjpeg-turbo is asked itself: a cut file is an error, as in Pillow;
damage within a file is a warning that names it, since the official toolkits go on too.
"""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError

#: How every JPEG begins.
BEGIN = b"\xff\xd8\xff"
_LOG = logging.getLogger(__name__)
_warned: set[Path] = set()


def decode_jpeg(path: Path, data: bytes, most: int, strict: bool = False) -> NDArray[np.uint8] | None:
    """Return a JPEG image as uint8 (H, W, 3) RGB, the same pixels as OpenCV's.

    Args:
        path: the file, for messages.
        data: what it holds.
        most: most pixels that are decoded.
        strict: damage is an error.

    Returns:
        None where OpenCV has to decode it: colours for printing, images that are to be turned, rare forms.

    Raises:
        DataError: it is cut off, claims more than ``most`` pixels, or is damaged and ``strict``.
    """
    import simplejpeg  # only here: this module is imported everywhere

    try:
        height, width, space, _ = simplejpeg.decode_jpeg_header(data)
    except ValueError:
        return None
    if height * width > most:
        raise DataError(f"{path}: claims {width} x {height} pixels; expected at most {most}")
    try:
        image = simplejpeg.decode_jpeg(data)
    except ValueError as error:
        if "Premature end" in str(error):
            raise DataError(f"{path}: is cut off, a JPEG image without its end") from None
        if strict:
            raise DataError(f"{path}: is damaged: {error}") from None
        if path not in _warned:
            _warned.add(path)
            _LOG.warning("%s", DataError(f"{path}: is damaged, and decoded as far as it goes: {error}"))
        try:
            image = simplejpeg.decode_jpeg(data, strict=False)
        except ValueError:
            return None
    turned = b"Exif\0\0" in data[: header_length(data)]
    return None if turned or space not in ("Gray", "YCbCr", "RGB") else np.asarray(image, np.uint8)


def is_known_damaged(path: Path) -> bool:
    """Whether this process has warned of damage in a JPEG."""
    return path in _warned


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
