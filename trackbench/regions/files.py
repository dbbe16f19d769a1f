"""Files with a region a line: annotations and results, in the spellings that the field's tools write."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.regions.kinds import Region
from trackbench.regions.text import parse_region

_SEPARATORS = str.maketrans(",;\t", "   ")


def read_text(path: Path) -> str:
    """Return the text of a file, without a byte-order mark.

    Raises:
        DataError: it is not there, or not text.
    """
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror}") from None
    except UnicodeDecodeError:
        raise DataError(f"{path}: is not a text file") from None


def read_boxes(path: Path) -> NDArray[np.float64]:
    """Return the boxes of a file with ``x y w h`` a line, float64 (N, 4), as stored; ``NaN`` is a number.

    Commas, semicolons, tabs and blanks separate, also mixed in one file (OTB's BlurCar1 mixes them); blank lines at the
    end do not count.

    Raises:
        DataError: a line with something else than four numbers (file and line are named), or an empty file.
    """
    lines = read_text(path).translate(_SEPARATORS).rstrip().splitlines()
    rows = [line.split() for line in lines]
    try:
        boxes = np.array([[float(v) for v in row] for row in rows], np.float64)
    except ValueError:  # a word, or lines of different lengths
        boxes = np.empty((0, 0))
    if boxes.ndim == 2 and boxes.shape[1:] == (4,):
        return boxes
    raise DataError(f"{path}: {_first_fault(rows)}")


def _first_fault(rows: list[list[str]]) -> str:
    for number, row in enumerate(rows, 1):
        for word in row:
            try:
                float(word)
            except ValueError:
                return f"line {number}: '{word[:40]}' is not a number"
        if len(row) != 4:
            return f"line {number}: {len(row)} numbers; expected 4 (x, y, w, h)"
    return "the file is empty; expected a line x,y,w,h for each frame"


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
