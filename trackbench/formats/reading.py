"""Reading one file of a stranger's results: trajectories, times, confidences."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.regions import Box, Region, Special, parse_region, region_to_box


@dataclass(frozen=True)
class ParsedResult:
    """What one file says of N frames."""

    boxes: NDArray[np.float64]
    """(N, 4): x, y, w, h in pixels, every number as it stands in the file; NaN where there is no answer."""
    regions: tuple[Region, ...] | None = None
    """The N regions where they are more than boxes, else None."""
    polygons: bool = False
    """The boxes are the min-max boxes of 8-number polygons."""


def read_trajectory(data: bytes, where: str, *, corners: bool = False, offset: float = 0.0) -> ParsedResult:
    """Return the trajectory in a text file with a box a line.

    Commas, tabs, semicolons or blanks separate, each line by one of them; CRLF, a byte-order mark, blank lines at the
    end and scientific notation are fine. Eight columns are a polygon, reduced to its min-max box. Line 1 may be VOT's
    code ``1`` (initialised here).

    Args:
        data: the file.
        where: what messages call it.
        corners: the four columns are x1, y1, x2, y2 (never guessed); w = x2 - x1.
        offset: added to every x and y.

    Raises:
        DataError: an empty file, other column counts, or a word that is no number; the line is named.
    """
    rows = read_rows(data, where)
    code = len(rows) > 1 and rows[0] == [1.0] and len(rows[1]) != 1
    numbers = _rectangular(rows[1:] if code else rows, where, 2 if code else 1)
    polygons = numbers.shape[1] == 8
    if polygons and corners:
        raise DataError(f"{where}: line {1 + code}: 8 numbers; expected 4 (x1, y1, x2, y2)")
    if polygons:
        points = numbers.reshape(-1, 4, 2)
        low, high = points.min(1), points.max(1)
        boxes = np.hstack([low, high - low])
        boxes[np.isnan(numbers).any(1)] = np.nan
    elif corners:
        boxes = np.hstack([numbers[:, :2], numbers[:, 2:] - numbers[:, :2]])
    else:
        boxes = numbers
    if offset:
        boxes[:, :2] += offset
    if not code:
        return ParsedResult(boxes, polygons=polygons)
    boxes = np.vstack([np.full(4, np.nan), boxes])
    return ParsedResult(boxes, (Special(1), *map(Box.of, boxes[1:])), polygons)


def read_own(data: bytes, where: str) -> ParsedResult:
    """Return the trajectory in a file of our own store, a region of any kind a line.

    Raises:
        DataError: a line is no region; it is named.
    """
    regions: list[Region] = []
    for number, line in enumerate(decode(data, where).rstrip().splitlines(), 1):
        try:
            # A box with NaN is a box to us and a code to VOT.
            regions.append(Box(*map(float, line.split(","))) if line.count(",") == 3 else parse_region(line))
        except ValueError:
            raise DataError(f"{where}: line {number}: '{line[:40]}' is no box x,y,w,h") from None
        except DataError as error:
            raise DataError(f"{where}: line {number}: {error}") from None
    if not regions:
        raise DataError(f"{where}: the file is empty; expected a line for each frame")
    boxes = np.array([region_to_box(region).numbers() for region in regions], np.float64)
    return ParsedResult(boxes, None if all(isinstance(region, Box) for region in regions) else tuple(regions))


def read_columns(data: bytes, where: str) -> NDArray[np.float64]:
    """Return the numbers of a file with as many in every line, float64 (N, columns): times, a column a run.

    Raises:
        DataError: a word that is no number, or lines of different lengths; the line is named.
    """
    rows = read_rows(data, where)
    for number, row in enumerate(rows, 1):
        if len(row) != len(rows[0]):
            raise DataError(f"{where}: line {number}: {len(row)} numbers, line 1 has {len(rows[0])}")
    return np.array(rows, np.float64)


def read_confidences(data: bytes, where: str) -> list[float | None]:
    """Return the confidences of a file with one a line, None for a blank one.

    Raises:
        DataError: a line holds something else; it is named.
    """
    lines = decode(data, where).splitlines()
    out: list[float | None] = []
    for number, line in enumerate(lines, 1):
        try:
            out.append(float(line) if line.strip() else None)
        except ValueError:
            raise DataError(f"{where}: line {number}: '{line[:40]}' is not a number") from None
    return out


def read_rows(data: bytes, where: str) -> list[list[float]]:
    """Return the numbers of each line; blank lines at the end do not count.

    Raises:
        DataError: an empty file, a blank line before the end, or a word that is no number; the line is named.
    """
    lines = decode(data, where).rstrip().splitlines()
    if not lines:
        raise DataError(f"{where}: the file is empty; expected a line for each frame")
    words = [_split(line) for line in lines]
    try:
        return [[float(word) for word in row] for row in words]
    except ValueError:
        raise DataError(f"{where}: {_first_fault(lines, words)}") from None


def decode(data: bytes, where: str) -> str:
    """Return the text of a file that holds numbers, without a byte-order mark.

    Raises:
        DataError: it is not text.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{where}: is not a text file") from None
    # Python reads 1_0 and the digits of other scripts as numbers; no tool writes them.
    strange = next((c for c in text if not c.isascii()), "_" if "_" in text else "") if _is_odd(text) else ""
    if strange:
        line = text[: text.index(strange)].count("\n") + 1
        raise DataError(f"{where}: line {line}: '{strange if strange.isprintable() else '?'}' is not part of a number")
    return text


def _is_odd(text: str) -> bool:
    return "_" in text or not text.isascii()


def _split(line: str) -> list[str]:
    for separator in (",", "\t", ";"):
        if separator in line:
            return line.strip().split(separator)
    return line.split()


def _first_fault(lines: list[str], words: list[list[str]]) -> str:
    for number, (line, row) in enumerate(zip(lines, words, strict=True), 1):
        for word in row:
            try:
                float(word)
            except ValueError:
                return f"line {number}: '{word.strip()[:40]}' is not a number"
        if not line.strip():
            return f"line {number} is blank"
    raise AssertionError("every word is a number")


def _rectangular(rows: list[list[float]], where: str, first: int) -> NDArray[np.float64]:
    columns = len(rows[0])
    for number, row in enumerate(rows, first):
        if len(row) != columns or columns not in {4, 8}:
            expected = f"{columns}, as in line {first}" if columns in {4, 8} else "4 (x, y, w, h) or 8 (a polygon)"
            found = "line {} is blank" if not row else "line {}: {} number{}"
            found = found.format(number, len(row), "" if len(row) == 1 else "s")
            raise DataError(f"{where}: {found}; expected {expected}")
    return np.array(rows, np.float64)
