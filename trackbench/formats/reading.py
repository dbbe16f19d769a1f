"""Reading one result file of another tool: trajectories, times, confidences."""

from __future__ import annotations

import json
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError, unforeseen
from trackbench.files import MAX_LINES, lines_of
from trackbench.quoting import printable, shown
from trackbench.regions import Box, Region, Special, parse_region, region_to_box
from trackbench.regions.files import parse_box_table
from trackbench.regions.text import PixelBudget

#: Most characters of a line of numbers, and of one of them.
MAX_ROW, MAX_DIGITS = 10_000, 100
#: What the columns of tables are called, by tools that name them.
_LEFT, _TOP = {"x", "x1", "left", "xmin", "x_min", "bb_left"}, {"y", "y1", "top", "ymin", "y_min", "bb_top"}
BOX_NAMES = (_LEFT, _TOP, {"w", "width", "bb_width"}, {"h", "height", "bb_height"})
CORNER_NAMES = (_LEFT, _TOP, {"x2", "right", "xmax", "x_max"}, {"y2", "bottom", "ymax", "y_max"})
#: Bytes from which on compiled code reads, which accepts separators of two kinds in a line.
LARGE = 1 << 20


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


def read_trajectory(data: bytes, where: str) -> ParsedResult:
    """Return the trajectory in a text file with a box a line.

    Commas, tabs, semicolons or blanks separate, each line by one of them; CRLF, a byte-order mark, blank lines at the
    end and scientific notation are fine. Where line 1 names columns, those of a box or of two corners count. Eight
    columns are a polygon, reduced to its min-max box. Line 1 may be VOT's code ``1`` (initialised here).

    Args:
        data: the file.
        where: what messages call it.

    Raises:
        DataError: an empty file, other column counts, or a word that is no number; the line is named.
    """
    plain = parse_box_table(data) if len(data) >= LARGE else None
    columns = _named_columns(data) if plain is None else None
    if columns:
        rows = read_rows(data[data.index(b"\n") + 1 :], where, 2)
        for number, row in enumerate(rows, 2):
            if len(row) <= max(columns):
                raise DataError(f"{where}: line {number}: {len(row)} numbers; expected as many as names in line 1")
        return ParsedResult(np.array([[row[column] for column in columns] for row in rows], np.float64))
    rows = read_rows(data, where) if plain is None else []
    code = len(rows) > 1 and rows[0] == [1.0] and len(rows[1]) != 1
    numbers = _rectangular(rows[1:] if code else rows, where, 2 if code else 1) if plain is None else plain
    polygons = numbers.shape[1] == 8
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
    return ParsedResult(boxes, (Special(1), *map(Box.of, boxes[1:])), polygons)


def read_json_result(data: bytes, where: str) -> ParsedResult:
    """Return the trajectory in a JSON file: a list of boxes, alone or the only one in an object (``{"res": [...]}``).

    Raises:
        DataError: it is no JSON, or holds other than one list of boxes.
    """
    if data.count(b"[") > MAX_LINES + 10:
        raise DataError(f"{where}: has {data.count(b'[')} lists; expected one for each frame, at most {MAX_LINES}")
    try:
        document = json.loads(decode(data, where, numbers=False))
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not valid JSON: {unforeseen(error)}") from None
    values = list(document.values()) if isinstance(document, dict) else [document]
    lists = [value for value in values if isinstance(value, list) and value and isinstance(value[0], list)]
    if len(lists) != 1:
        raise DataError(f"{where}: holds {len(lists)} lists of boxes; expected one, as in [[x, y, w, h], ...]")
    rows: list[list[float]] = []
    for number, row in enumerate(lists[0], 1):
        if not isinstance(row, list) or any(isinstance(v, bool) or not isinstance(v, int | float) for v in row):
            raise DataError(f"{where}: box {number} is {shown(row)}; expected numbers [x, y, w, h]")
        rows.append([_as_float(v) for v in row])
    return ParsedResult(_rectangular(rows, where, 1))


def _as_float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:
        return float("inf")


def read_own(data: bytes, where: str) -> ParsedResult:
    """Return the trajectory in a file of our own store, a region of any kind a line.

    Raises:
        DataError: a line is no region; it is named.
    """
    regions: list[Region] = []
    budget = PixelBudget(len(data))
    for number, line in enumerate(lines_of(where, decode(data, where)), 1):
        try:
            # A box with NaN is a box to us and a code to VOT.
            regions.append(Box(*map(_number, line.split(","))) if line.count(",") == 3 else parse_region(line))
            budget.spend(regions[-1])
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
    lines = lines_of(where, decode(data, where), strip=False)
    out: list[float | None] = []
    for number, line in enumerate(lines, 1):
        try:
            out.append(_number(line) if line.strip() else None)
        except ValueError:
            raise DataError(f"{where}: line {number}: '{line[:40]}' is not a number") from None
    return out


def _named_columns(data: bytes) -> list[int] | None:
    """Return which columns line 1 calls those of a box (x, y, w, h), or else of two corners; None where it does not."""
    line = data[:MAX_ROW].partition(b"\n")[0].decode("utf-8-sig", "replace")
    names = [word.strip().strip("\"'").lower() for word in _split(line)]
    for form in (BOX_NAMES, CORNER_NAMES):
        indices_of = [[index for index, name in enumerate(names) if name in known] for known in form]
        if all(len(indices) == 1 for indices in indices_of) and b"\n" in data:
            return [indices[0] for indices in indices_of]
    return None


def read_rows(data: bytes, where: str, first: int = 1) -> list[list[float]]:
    """Return the numbers of each line, of which the first is called ``first``; blank lines at the end do not count.

    Raises:
        DataError: an empty file, a blank line before the end, or a word that is no number; the line is named.
    """
    lines = lines_of(where, decode(data, where))
    if not lines:
        raise DataError(f"{where}: the file is empty; expected a line for each frame")
    rows: list[list[float]] = []
    for number, line in enumerate(lines, first):
        if len(line) > MAX_ROW:
            raise DataError(f"{where}: line {number}: {len(line)} characters; expected a few numbers")
        try:
            rows.append([_number(word) for word in _split(line)])
        except ValueError as error:
            raise DataError(f"{where}: line {number}: {error}") from None
    return rows


def decode(data: bytes, where: str, *, numbers: bool = True) -> str:
    """Return the text of a file, without a byte-order mark; of ``numbers``, nothing but them.

    Raises:
        DataError: it is not text.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise DataError(f"{where}: is not a text file") from None
    if not numbers:
        return text
    # Python reads 1_0 and the digits of other scripts as numbers; no tool writes them.
    strange = next((c for c in text if not c.isascii()), "_" if "_" in text else "") if _is_odd(text) else ""
    if strange:
        line = text[: text.index(strange)].count("\n") + 1
        raise DataError(f"{where}: line {line}: '{strange if strange.isprintable() else '?'}' is not part of a number")
    return text


def _is_odd(text: str) -> bool:
    return "_" in text or not text.isascii()


def _number(word: str) -> float:
    """Return the number that a word is; one of more digits than any program writes is none."""
    try:
        if len(word) <= MAX_DIGITS:
            return float(word)
    except ValueError:
        pass
    raise ValueError(f"'{printable(word.strip(), 40)}' is not a number")


def _split(line: str) -> list[str]:
    """Return the words of a line; MATLAB's dlmread and numpy.genfromtxt take a separator at its end."""
    line = line.strip()
    for separator in (",", "\t", ";"):
        if separator in line:
            words = line.split(separator)
            return words[:-1] if not words[-1] else words
    return line.split()


def _rectangular(rows: list[list[float]], where: str, first: int) -> NDArray[np.float64]:
    columns = len(rows[0])
    for number, row in enumerate(rows, first):
        if len(row) != columns or columns not in {4, 8}:
            expected = f"{columns}, as in line {first}" if columns in {4, 8} else "4 (x, y, w, h) or 8 (a polygon)"
            actual = "line {} is blank" if not row else "line {}: {} number{}"
            actual = actual.format(number, len(row), "" if len(row) == 1 else "s")
            raise DataError(f"{where}: {actual}; expected {expected}")
    return np.array(rows, np.float64)
