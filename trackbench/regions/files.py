"""Files with a region a line: annotations and results, in the spellings that the field's tools write."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.files import decode, lines_of, read_bytes, read_text
from trackbench.regions.kinds import Region
from trackbench.regions.rows import HEADER, read_rows, split
from trackbench.regions.text import MAX_LINE, PixelBudget, parse_region

#: Bytes from which on it pays to load compiled code.
LONG = 1 << 14

#: Most bytes of a table of boxes, and most characters of one of its lines.
MAX_TABLE, MAX_ROW = 64 << 20, 1000


def read_boxes(path: Path, delimiter: str | None = None) -> NDArray[np.float64]:
    """Return the boxes of a file with ``x y w h`` a line, float64 (N, 4), as stored; ``NaN`` is a number.

    A comma, a semicolon, a tab or blanks separate, also mixed in one file (OTB's BlurCar1 mixes them); what else is
    read says `trackbench.regions.rows`.

    Args:
        path: the file.
        delimiter: what separates as well.

    Raises:
        DataError: a line with something else than four numbers (file and line are named), or an empty file.
    """
    data = read_bytes(path, MAX_TABLE)
    if delimiter:
        data = data.replace(delimiter.encode(), b",")
    boxes = parse_box_table(data)
    if boxes is not None:
        return boxes
    rows, first = read_rows(decode(path, data), path, MAX_ROW, HEADER)
    for number, row in enumerate(rows, first):
        if len(row) != 4:
            raise DataError(
                f"{path}: line {number}: {len(row)} numbers; expected 4 (x, y, w, h)" + HEADER * (len(row) > 4)
            )
    if not rows:
        raise DataError(f"{path}: the file is empty; expected a line x,y,w,h for each frame")
    return np.array(rows, np.float64)


def parse_box_table(data: bytes) -> NDArray[np.float64] | None:
    """Return the boxes, float64 (N, 4), of a text with four plain numbers a line; None for any other text.

    Fifty times faster than Python's own parsing, which is left short texts: it needs no compiler to be loaded.
    """
    if len(data) < LONG and "trackbench.regions.box_parser" not in sys.modules:
        return None
    from trackbench.regions.box_parser import parse  # compiled, and needed for no other text

    boxes = parse(np.frombuffer(data.rstrip() + b"\n", np.uint8))
    return boxes if len(boxes) else None


def with_commas(line: str) -> str:
    """Return the text of a region with a comma between its numbers, and none at its end.

    Example:
        >>> with_commas("1 2\\t3;4,"), with_commas("m0,0,1,1,0,1,")
        ('1,2,3,4', 'm0,0,1,1,0,1')
    """
    line = line.strip().rstrip(",;\t ")
    if len(line) > MAX_LINE or line[:1] == "m" or line.replace(",", "").replace(".", "").isdigit():
        return line
    return ",".join(split(line))


def read_regions(path: Path, any_separator: bool = False) -> list[Region]:
    """Return the regions of a file with a VOT region text a line; blank lines at the end do not count.

    Args:
        path: the file.
        any_separator: numbers may be separated as in :func:`read_boxes`, and a separator may end a line.

    Raises:
        DataError: a line that is no region; file and line are named.
    """
    text = read_text(path)
    regions, budget = [], PixelBudget(len(text))
    for number, line in enumerate(lines_of(path, text), 1):
        try:
            regions.append(parse_region(with_commas(line) if any_separator else line))
            budget.spend(regions[-1])
        except (DataError, ValueError) as error:
            raise DataError(f"{path}: line {number}: {error}") from None
    return regions
