"""Lines of numbers in the spellings that the field's tools write: separators, brackets, headers, frame numbers.

What a line means is either certain or refused: a number with a decimal comma, or a fifth column that nothing names, is
told to the user instead of guessed.
"""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path

from trackbench.errors import DataError
from trackbench.files import lines_of
from trackbench.quoting import printable

#: What the columns of tables are called, by tools that name them.
LEFT = {"x", "x1", "left", "xmin", "x_min", "bb_left", "bbox_x", "bbox_left", "x_topleft"}
TOP = {"y", "y1", "top", "ymin", "y_min", "bb_top", "bbox_y", "bbox_top", "y_topleft"}
WIDTH = {"w", "width", "bb_width", "bbox_w", "bbox_width"}
HEIGHT = {"h", "height", "bb_height", "bbox_h", "bbox_height"}
CENTRE_X = {"cx", "xc", "x_c", "x_center", "x_centre", "xcenter", "center_x", "centre_x"}
CENTRE_Y = {"cy", "yc", "y_c", "y_center", "y_centre", "ycenter", "center_y", "centre_y"}
#: What four columns with such names mean: corner and size, two corners, centre and size.
NAMES = {
    "xywh": (LEFT, TOP, WIDTH, HEIGHT),
    "xyxy": (LEFT, TOP, {"x2", "right", "xmax", "x_max"}, {"y2", "bottom", "ymax", "y_max"}),
    "cxcywh": (CENTRE_X, CENTRE_Y, WIDTH, HEIGHT),
}
FRAME_NAMES = {"frame", "frame_id", "frame_no", "frame_number", "frame_idx", "frame_index", "frameid", "frameno"}
#: Most characters of a number: no program writes more.
MAX_DIGITS = 100
#: Most characters of a line that names columns.
MAX_HEADER = 1000

#: Numbers that no frame has, as C libraries and other languages write them.
_NOT_A_NUMBER = re.compile(r"[+-]?(nan|1\.#(ind|qnan|snan)\w*|none|null|na)", re.IGNORECASE)
_PAYLOAD = re.compile(r"(nan)\(\w*\)", re.IGNORECASE)
_INFINITE = re.compile(r"[+-]?1\.#inf\w*", re.IGNORECASE)
_SEPARATOR = re.compile(r"\s*[,;]\s*|\s+")
_DECIMAL_COMMA = re.compile(r"[+-]?\d+,\d+")
_HARMLESS = str.maketrans(dict.fromkeys("[](){}\"'", " "))
#: What a line of words is told that is not read.
HEADER = "; a first line such as x,y,w,h or frame,x,y,w,h,score would name the columns"


def number(word: str) -> float:
    """Return the number that a word is.

    Raises:
        ValueError: it is none, or has more digits than any program writes.

    Example:
        >>> number("1e3"), number("-1.#IND"), number("None")
        (1000.0, nan, nan)
    """
    try:
        # Python reads 1_0 and the digits of other scripts; no tool writes them.
        if len(word) <= MAX_DIGITS and "_" not in word and word.isascii():
            return float(word)
    except ValueError:
        if _NOT_A_NUMBER.fullmatch(word):
            return float("nan")
        if _INFINITE.fullmatch(word):
            return float("-inf" if word[0] == "-" else "inf")
    if not word:
        raise ValueError("has an empty field between two separators")
    raise ValueError(f"'{printable(word.strip(), 40)}' is not a number")


def split(line: str) -> list[str]:
    """Return the words of a line, which commas, semicolons, tabs and blanks separate, also at its end.

    Brackets and quotation marks around numbers do not count. MATLAB's dlmread and numpy.genfromtxt take a separator at
    the end of a line.

    Raises:
        ValueError: the numbers have decimal commas.

    Example:
        >>> split("[1, 2; 3\\t4],"), split("1,,2")
        (['1', '2', '3', '4'], ['1', '', '2'])
    """
    if "(" in line:
        line = _PAYLOAD.sub(r"\1", line)
    line = line.translate(_HARMLESS).strip().rstrip(",;\t ")
    if "," in line and "." not in line:
        fields = re.split(r"[;\s]+", line)
        if len(fields) > 1 and all(map(_DECIMAL_COMMA.fullmatch, fields)):
            raise ValueError(f"'{printable(fields[0], 40)}' has a comma within; expected numbers with decimal points")
    return _SEPARATOR.split(line) if line else []


def read_rows(
    text: str, where: Path | str, most: int, hint: str = "", *, raw: bool = False
) -> tuple[list[list[float]], int]:
    """Return the numbers of each line, and the number of the line that the first of them is.

    A first line that names columns (``frame,x,y,w,h``) says which of them are read: those of a box, else of two
    corners, else of centre and size; they come as a box. Without one, a first of five columns that counts the frames,
    and MOT's columns ``frame, id, x, y, w, h, …`` of one target, are known by that. Comment lines (``#``, ``%``) before
    the numbers and blank lines at the end do not count.

    Args:
        text: of a file.
        where: what messages call it.
        most: characters of the longest line.
        hint: what a message about a first line of words says further.
        raw: named columns come as they stand, corners as corners.

    Raises:
        DataError: a line of something else; it is named.
    """
    lines = lines_of(where, text)
    first = 1
    columns: list[int] | None = None
    counter: int | None = None
    form = "xywh"
    while lines and first <= 20 and len(lines[0]) <= min(most, MAX_HEADER) and (named := named_columns(lines[0])):
        form, columns, counter = named
        lines, first = lines[1:], first + 1
        if columns:
            break
    rows: list[list[float]] = []
    for at, line in enumerate(lines, first):
        if len(line) > most:
            raise DataError(f"{where}: line {at}: {len(line)} characters; expected a few numbers")
        try:
            rows.append([number(word) for word in split(line)])
        except ValueError as error:
            words = at == 1 and re.search("[A-Za-z]{2}", line) and columns is None
            raise DataError(f"{where}: line {at}: {error}{hint if words else ''}") from None
    if columns:
        for at, row in enumerate(rows, first):
            if len(row) <= max(columns):
                raise DataError(
                    f"{where}: line {at}: {len(row)} numbers; expected as many as names in line {first - 1}"
                )
        if counter is not None:
            _check_count([row[counter] for row in rows], where, first)
        form = "xywh" if raw else form
        return [as_box([row[column] for column in columns], form) for row in rows], first
    return _without_counter(rows), first


def as_box(numbers: list[float], form: str) -> list[float]:
    """Return x, y, w, h of four numbers of a form of `NAMES`.

    Example:
        >>> as_box([1, 2, 4, 6], "xyxy"), as_box([1, 2, 4, 6], "cxcywh")
        ([1, 2, 3, 4], [-1.0, -1.0, 4, 6])
    """
    a, b, c, d = numbers
    if form == "xyxy":
        return [a, b, c - a, d - b]
    return [a - c / 2, b - d / 2, c, d] if form == "cxcywh" else numbers


def named_columns(line: str) -> tuple[str, list[int] | None, int | None] | None:
    """Return what box a line names, its columns, if any, and that of a frame's number; None: it is no header."""
    line = line.strip()
    comment = line[:1] in {"#", "%"}
    try:
        names = [word.lower() for word in split(line.lstrip("#% "))]
    except ValueError:
        names = []
    for form, known_names in NAMES.items():
        indices_of = [[index for index, name in enumerate(names) if name in known] for known in known_names]
        if all(len(indices) == 1 for indices in indices_of):
            counters = [index for index, name in enumerate(names) if name in FRAME_NAMES]
            return form, [indices[0] for indices in indices_of], counters[0] if counters else None
    return ("xywh", None, None) if comment else None


def _check_count(numbers: list[float], where: Path | str, first: int) -> None:
    """Refuse frames that do not follow each other: their lines would be taken for other frames."""
    for at, (before, after) in enumerate(pairwise(numbers), first + 1):
        if after != before + 1:
            raise DataError(
                f"{where}: line {at}: frame {after:g} after frame {before:g}; expected a line for each frame"
            )


def _without_counter(rows: list[list[float]]) -> list[list[float]]:
    """Return the boxes of lines that begin with the number of their frame."""
    widths = {len(row) for row in rows}
    if len(rows) < 3 or len(widths) != 1 or any(row and row[0] != rows[0][0] + at for at, row in enumerate(rows)):
        return rows
    width = widths.pop()
    if width == 5 and rows[0][0] in {0, 1}:
        return [row[1:] for row in rows]
    if 7 <= width <= 10 and width != 8 and len({row[1] for row in rows}) == 1:
        return [row[2:6] for row in rows]
    return rows
