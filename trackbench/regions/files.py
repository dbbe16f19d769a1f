"""Files with a region a line: annotations and results, in the spellings that the field's tools write."""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.regions.kinds import Region
from trackbench.regions.text import parse_region

_SEPARATOR = re.compile(r"\s*[,;]\s*|\s+")
_PLAIN = b"0123456789.,eE+- \t\r\n"


def read_text(path: Path) -> str:
    """Return the text of a file, without a byte-order mark.

    Raises:
        DataError: it is not there, or not text.
    """
    return _decode(path, _read_bytes(path))


def _read_bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None


def _decode(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not a text file") from None


def read_boxes(path: Path) -> NDArray[np.float64]:
    """Return the boxes of a file with ``x y w h`` a line, float64 (N, 4), as stored; ``NaN`` is a number.

    A comma, a semicolon, a tab or blanks separate, also mixed in one file (OTB's BlurCar1 mixes them); blank lines at
    the end do not count.

    Raises:
        DataError: a line with something else than four numbers (file and line are named), or an empty file.
    """
    data = _read_bytes(path)
    boxes = _read_plainly(data)
    if boxes is not None:
        return boxes
    text = _decode(path, data)
    rows = [_SEPARATOR.split(line.strip()) for line in text.rstrip().splitlines()]
    for number, row in enumerate(rows, 1):
        if len(row) != 4:
            found = len([word for word in row if word])
            raise DataError(f"{path}: line {number}: {found} numbers; expected 4 (x, y, w, h)")
        for word in row:
            if not _is_number(word):
                raise DataError(f"{path}: line {number}: '{word[:40]}' is not a number")
    if not rows:
        raise DataError(f"{path}: the file is empty; expected a line x,y,w,h for each frame")
    return np.array([[float(word) for word in row] for row in rows], np.float64)


def _read_plainly(data: bytes) -> NDArray[np.float64] | None:
    """Return the boxes of a file that holds nothing but numbers and one kind of separator; None for any other.

    Five times faster than Python's own parsing, on the hundreds of long files of a benchmark.
    """
    if data.translate(None, delete=_PLAIN):
        return None
    import pandas as pd  # needed for no other text

    separator = "," if b"," in data else r"\s+"
    try:
        table = pd.read_csv(
            io.BytesIO(data.strip()),
            sep=separator,
            header=None,
            dtype=np.float64,
            engine="c",
            na_filter=False,
            skip_blank_lines=False,
            skipinitialspace=True,
        )
    except ValueError:  # the parser's errors as well; the caller finds the line
        return None
    return table.to_numpy() if table.shape[1] == 4 else None


def _is_number(word: str) -> bool:
    try:
        float(word)
    except ValueError:
        return False
    return "_" not in word


def read_regions(path: Path) -> list[Region]:
    """Return the regions of a file with a VOT region text a line; blank lines at the end do not count.

    Raises:
        DataError: a line that is no region; file and line are named.
    """
    regions: list[Region] = []
    for number, line in enumerate(read_text(path).rstrip().splitlines(), 1):
        try:
            regions.append(parse_region(line))
        except DataError as error:
            raise DataError(f"{path}: line {number}: {error}") from None
    return regions
