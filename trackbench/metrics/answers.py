"""Answers that no tracker can mean: counted, so that a bug shows before a number is published."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.regions import Box, Mask, Polygon, Region, region_to_box

#: Kind -> what reports call it.
KINDS: dict[str, str] = {
    "nan": "not a number",
    "infinite": "infinite",
    "no_area": "without area",
    "outside": "far outside of the image",
    "constant": "the same box throughout",
}
#: Sides of the image beyond its border from which on a box is far outside of it.
FAR = 1.0


class AnswerCounts(NamedTuple):
    """How many frames of one sequence have an answer of each kind."""

    nan: int
    infinite: int
    no_area: int
    outside: int
    constant: int
    """All frames where the tracker gave one box throughout although the target moved, else 0."""


#: Of a sequence whose answers are all as they should be.
NONE = AnswerCounts(0, 0, 0, 0, 0)


def count_bad_answers(
    boxes: NDArray[np.float64], ground_truth: NDArray[np.float64], size: tuple[float, float] | None = None
) -> AnswerCounts:
    """Count the suspicious answers after the first frame.

    Args:
        boxes: (M, 4): x, y, w, h in pixels, the first frame's included; NaN where there is no answer.
        ground_truth: (N, 4): by it a target that does not move is told.
        size: width and height of the frames in pixels, where they are known. Otherwise no box is far outside.

    Example:
        >>> boxes = np.array([[0, 0, 4, 4], [np.nan, 0, 4, 4], [9, 9, 0, 4], [np.inf, 0, 4, 4], [900, 0, 4, 4]])
        >>> count_bad_answers(boxes, boxes, (100, 100))
        AnswerCounts(nan=1, infinite=1, no_area=1, outside=1, constant=0)
    """
    if _all_usual(boxes, size):
        return NONE
    answers = boxes[1:]
    nan = np.isnan(answers).any(axis=1)
    infinite = np.isinf(answers).any(axis=1) & ~nan
    finite = ~nan & ~infinite
    no_area = finite & (answers[:, 2:] <= 0).any(axis=1)
    outside: NDArray[np.bool_] = np.zeros(len(answers), bool)
    if size is not None:
        with np.errstate(invalid="ignore"):
            low, high, far = answers[:, :2], answers[:, :2] + answers[:, 2:], FAR * np.array(size, float)
            outside = np.logical_and(finite, np.any((high < -far) | (low > np.array(size) + far), axis=1))
    # The second answer settles nearly every sequence.
    still = len(answers) > 1 and bool((boxes[1] == boxes[0]).all()) and bool((boxes == boxes[0]).all())
    return AnswerCounts(
        int(nan.sum()),
        int(infinite.sum()),
        int(no_area.sum()),
        int(outside.sum()),
        len(answers) if still and moves(ground_truth) else 0,
    )


def _all_usual(boxes: NDArray[np.float64], size: tuple[float, float] | None) -> bool:
    """Whether all answers of (M, 4) after the first are finite, have an area and begin near the image, and one moves.

    It may say no where `count_bad_answers` finds nothing, never yes where it finds something.
    """
    from trackbench.metrics.ope_kernels import are_usual

    width, height = (np.inf, np.inf) if size is None else size
    x, y, w, h = boxes.T
    return bool(are_usual(x, y, w, h, (1 + FAR) * width, (1 + FAR) * height, FAR * width, FAR * height))


def fault_of(region: Region, size: tuple[int, int]) -> str | None:
    """Return the kind of a suspicious answer on one frame, a key of `KINDS`; None where it is none.

    Args:
        region: what a tracker answered. A code is no fault: by it a tracker says that there is no target.
        size: width and height of the frame in pixels.

    Example:
        >>> fault_of(Box(0, 0, 4, float("nan")), (100, 100)), fault_of(Box(0, 0, 4, 4), (100, 100))
        ('nan', None)
    """
    match region:
        case Box():
            x, y, w, h = region.numbers()
        case Polygon():
            if not np.isfinite(region.points).all():
                return "nan" if np.isnan(region.points).any() else "infinite"
            x, y, w, h = region_to_box(region).numbers()
        case Mask():
            return None if region.array.any() else "no_area"
        case _:
            return None
    if not math.isfinite(x + y + w + h):
        return "nan" if any(map(math.isnan, (x, y, w, h))) else "infinite"
    if w <= 0 or h <= 0:
        return "no_area"
    width, height = size
    is_near = -FAR * width <= x + w and x <= (1 + FAR) * width and -FAR * height <= y + h and y <= (1 + FAR) * height
    return None if is_near else "outside"


def moves(ground_truth: NDArray[np.float64]) -> bool:
    """Whether not all boxes (N, 4) that are known are the same."""
    known = ground_truth[np.isfinite(ground_truth).all(axis=1)]
    return bool((known != known[:1]).any())
