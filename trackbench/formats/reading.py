"""Reading one result file of another tool: trajectories, times, confidences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.files import decode, lines_of
from trackbench.regions import Box, Region, Special, parse_region, region_to_box
from trackbench.regions.files import parse_box_table
from trackbench.regions.rows import HEADER, number, read_rows
from trackbench.regions.text import PixelBudget

#: Most characters of a line of numbers.
MAX_ROW = 10_000


@dataclass(frozen=True)
class ParsedResult:
    """What one file says of N frames."""

    boxes: NDArray[np.float64]
    """(N, 4): x, y, w, h in pixels, every number as it stands in the file; NaN where there is no answer."""
    regions: tuple[Region, ...] | None = None
    """The N regions where they are more than boxes, else None."""
    fps: float | None = None
    """Frames per second, where the file has it."""
    polygons: bool = False
    """The boxes are the min-max boxes of 8-number polygons."""


def read_trajectory(data: bytes, where: str, *, raw: bool = False) -> ParsedResult:
    """Return the trajectory in a text file with a box a line.

    `trackbench.regions.rows` says how numbers may be separated, and what may stand beside them. Eight columns are a
    polygon, reduced to its min-max box. Line 1 may be VOT's code ``1`` (initialised here).

    Args:
        data: the file.
        where: what messages call it.
        raw: columns that are named as corners, or as centre and size, come as they stand, and not as boxes.

    Raises:
        DataError: an empty file, other column counts, or a word that is no number; the line is named.
    """
    plain = parse_box_table(data)
    rows, first = read_rows(decode(where, data), where, MAX_ROW, HEADER, raw=raw) if plain is None else ([], 1)
    if plain is None and not rows:
        raise DataError(f"{where}: the file is empty; expected a line for each frame")
    code = len(rows) > 1 and rows[0] == [1.0] and len(rows[1]) != 1
    numbers = rectangular(rows[1:] if code else rows, where, first + code) if plain is None else plain
    polygons = numbers.shape[1] == 8
    if polygons and _has_decimal_commas(data):
        raise DataError(f"{where}: line {first}: numbers with decimal commas; expected decimal points")
    if polygons:
        points = numbers.reshape(-1, 4, 2)
        low, high = points.min(1), points.max(1)
        boxes = np.hstack([low, high - low])
        boxes[np.isnan(numbers).any(1)] = np.nan
    else:
        boxes = numbers
    if not code:
        return ParsedResult(boxes, polygons=polygons)
    boxes = np.vstack([np.full(4, np.nan), boxes])
    return ParsedResult(boxes, (Special(1), *map(Box.of, boxes[1:])), polygons=polygons)


def read_own(data: bytes, where: str) -> ParsedResult:
    """Return the trajectory in a file of our own store, a region of any kind a line.

    Raises:
        DataError: a line is no region; it is named.
    """
    regions: list[Region] = []
    budget = PixelBudget(len(data))
    for at, line in enumerate(lines_of(where, decode(where, data)), 1):
        try:
            # A box with NaN is a box to us and a code to VOT.
            regions.append(Box(*map(number, line.split(","))) if line.count(",") == 3 else parse_region(line))
            budget.spend(regions[-1])
        except ValueError:
            raise DataError(f"{where}: line {at}: '{line[:40]}' is no box x,y,w,h") from None
        except DataError as error:
            raise DataError(f"{where}: line {at}: {error}") from None
    if not regions:
        raise DataError(f"{where}: the file is empty; expected a line for each frame")
    boxes = np.array([region_to_box(region).numbers() for region in regions], np.float64)
    return ParsedResult(boxes, None if all(isinstance(region, Box) for region in regions) else tuple(regions))


def read_columns(data: bytes, where: str) -> NDArray[np.float64]:
    """Return the numbers of a file with as many in every line, float64 (N, columns): times, a column a run.

    Raises:
        DataError: a word that is no number, or lines of different lengths; the line is named.
    """
    rows, first = read_rows(decode(where, data), where, MAX_ROW)
    for at, row in enumerate(rows, first):
        if len(row) != len(rows[0]):
            raise DataError(f"{where}: line {at}: {len(row)} numbers, line 1 has {len(rows[0])}")
    return np.array(rows, np.float64)


def read_confidences(data: bytes, where: str) -> list[float | None]:
    """Return the confidences of a file with one a line, None for a blank one.

    Raises:
        DataError: a line holds something else; it is named.
    """
    lines = lines_of(where, decode(where, data), strip=False)
    out: list[float | None] = []
    for at, line in enumerate(lines, 1):
        try:
            out.append(number(line) if line.strip() else None)
        except ValueError:
            raise DataError(f"{where}: line {at}: '{line[:40]}' is not a number") from None
    return out


def _has_decimal_commas(data: bytes) -> bool:
    """Whether eight columns are four numbers such as ``20,05``: every other column has zeros before its digits."""
    if b"." in data:
        return False
    tails = [words[1::2] for line in data.splitlines() if (words := line.strip().split(b","))]
    digits = {len(word) for words in tails for word in words}
    return len(digits) == 1 and digits != {1} and any(word[:1] == b"0" for words in tails for word in words)


def rectangular(rows: list[list[float]], where: str, first: int) -> NDArray[np.float64]:
    """Return rows of 4 or 8 numbers as an array.

    Raises:
        DataError: a row, of which the first is called ``first``, has another number of them.
    """
    columns = len(rows[0])
    for at, row in enumerate(rows, first):
        if len(row) != columns or columns not in {4, 8}:
            expected = f"{columns}, as in line {first}"
            if columns not in {4, 8}:
                expected = "4 (x, y, w, h) or 8 (a polygon)" + (HEADER if columns > 4 else "")
            actual = "line {} is blank" if not row else "line {}: {} number{}"
            actual = actual.format(at, len(row), "" if len(row) == 1 else "s")
            raise DataError(f"{where}: {actual}; expected {expected}")
    return np.array(rows, np.float64)
