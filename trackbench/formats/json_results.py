"""Trajectories in JSON: lists of boxes, objects with a box for each frame, JSON lines, and files of all sequences."""

from __future__ import annotations

import json
from itertools import pairwise
from typing import Any

from trackbench.errors import DataError, unforeseen
from trackbench.files import MAX_LINES, decode
from trackbench.formats.reading import ParsedResult, rectangular
from trackbench.quoting import shown
from trackbench.regions.rows import FRAME_NAMES, NAMES, as_box, number

#: What tools call a box, or the list of them.
_BOX_KEYS = (
    *("bbox", "box", "xywh", "rect", "bboxes", "boxes", "rects", "res", "pred_bbox", "pred_box", "pred_boxes"),
    *("pred_bboxes", "pred", "predictions", "results", "result", "trajectory", "track", "frames", "annotations"),
)
_CORNER_KEYS = ("xyxy", "tlbr", "x1y1x2y2")
_KEYS = frozenset((*_BOX_KEYS, *_CORNER_KEYS))


def read_json(data: bytes, where: str) -> Any:
    """Return the document in a JSON file, or the list of documents in one of JSON lines.

    Raises:
        DataError: it is neither, or has more lists than any video has frames.
    """
    if (lists := data.count(b"[") + data.count(b"{")) > MAX_LINES + 10:
        raise DataError(f"{where}: has {lists} lists; expected one for each frame, at most {MAX_LINES}")
    text = decode(where, data)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        lines = text.strip().splitlines()
        if len(lines) < 2 or not all(line.strip()[:1] in {"[", "{"} for line in lines[:2]):
            said = str(error) if isinstance(error, json.JSONDecodeError) else unforeseen(error)
            raise DataError(f"{where}: not valid JSON: {said}") from None
    documents = []
    for at, line in enumerate(lines, 1):
        try:
            documents.append(json.loads(line))
        except (ValueError, RecursionError):
            raise DataError(f"{where}: line {at}: '{shown(line, 40)}' is not valid JSON") from None
    return documents


def read_json_result(data: bytes, where: str, *, raw: bool = False) -> ParsedResult:
    """Return the trajectory in a JSON file.

    It is a list with a box for each frame, or the only such list in an object (``{"res": [...]}``). A box is ``[x, y,
    w, h]``, an object that has one (``{"frame": 1, "bbox": [...]}``) or its numbers (``{"x": 1, ...}``), or null where
    there is no answer. The list may be an object whose keys count the frames.

    Args:
        data: the file.
        where: what a message calls it.
        raw: numbers that are named as corners, or as centre and size, come as they stand, and not as boxes.

    Raises:
        DataError: it is no JSON, or holds other than one list of boxes.
    """
    return trajectory(read_json(data, where), where, raw=raw)


def trajectory(document: Any, where: str, *, raw: bool = False) -> ParsedResult:
    """Return the trajectory that a document holds; see `read_json_result`.

    Raises:
        DataError: it holds other than one.
    """
    rows = [_row(item, at, where, raw) for at, item in enumerate(_boxes(document, where), 1)]
    counts = [count for _, count in rows if count is not None]
    if len(counts) == len(rows):
        for at, (before, after) in enumerate(pairwise(counts), 2):
            if after != before + 1:
                raise DataError(
                    f"{where}: box {at}: frame {after:g} after frame {before:g}; expected a box for each frame"
                )
    width = max((len(row) for row, _ in rows if row), default=4)
    return ParsedResult(rectangular([row or [float("nan")] * width for row, _ in rows], where, 1))


def _boxes(document: Any, where: str) -> list[Any]:
    lists = candidates(document)
    if len(lists) != 1 or not lists[0]:
        raise DataError(f"{where}: holds {len(lists)} lists of boxes; expected one, as in [[x, y, w, h], ...]")
    return lists[0]


def candidates(document: Any, depth: int = 0) -> list[list[Any]]:
    """Return the lists of a document that can be a trajectory."""
    if isinstance(document, list):
        return [document] if any(isinstance(item, list | dict) for item in document) else []
    if not isinstance(document, dict) or depth == 3:
        return []
    if len(document) > 1 and all(key.isdecimal() and len(key) < 10 for key in document):
        frames = [(int(key), document[key]) for key in sorted(document, key=int)]
        return [
            [{**item, "frame": at} if isinstance(item, dict) else {"frame": at, "bbox": item} for at, item in frames]
        ]
    folded = {key.lower(): key for key in document}
    for known in (*_BOX_KEYS, *_CORNER_KEYS):
        if known in folded and (lists := candidates(document[folded[known]], depth + 1)):
            if known in _CORNER_KEYS:
                lists = [[{known: item} for item in boxes] for boxes in lists]
            return lists
    return [lists for value in document.values() for lists in candidates(value, depth + 1)]


def _row(item: Any, at: int, where: str, raw: bool) -> tuple[list[float] | None, float | None]:
    """Return the numbers of a box, None for no answer, and the number of its frame where it is given."""
    count, form = None, "xywh"
    if isinstance(item, dict):
        folded = {str(key).lower(): value for key, value in item.items()}
        count = next((_number(folded[name]) for name in folded if name in FRAME_NAMES), None)
        key = next((key for key in folded if key in _KEYS), None)
        if key is None:
            item, form = _named_numbers(item, folded)
        else:
            item, form = folded[key], "xyxy" if key in _CORNER_KEYS else form
    if item is None or item == []:
        return None, count
    numbers = [_number(value) for value in item] if isinstance(item, list) else []
    row = [value for value in numbers if value is not None]
    if not row or len(row) != len(numbers):
        raise DataError(f"{where}: box {at} is {shown(item)}; expected numbers [x, y, w, h]")
    return row if raw or len(row) != 4 else as_box(row, form), count


def _named_numbers(item: Any, folded: dict[str, Any]) -> tuple[Any, str]:
    """Return the numbers of an object whose keys are those of a box, and what they mean."""
    for form, known_names in NAMES.items():
        columns = [[name for name in folded if name in known] for known in known_names]
        if all(len(names) == 1 for names in columns):
            return [folded[names[0]] for names in columns], form
    return item, "xywh"


def _number(value: Any) -> float | None:
    """Return what a value of JSON is as a number; None: it is none."""
    if value is None:
        return float("nan")
    if isinstance(value, str):
        try:
            return number(value.strip())
        except ValueError:
            return None
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    try:
        return float(value)
    except OverflowError:
        return float("inf")
