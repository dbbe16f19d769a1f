"""Two runs sequence by sequence: where one gains, where it loses, and the first frame on which they part."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.regions import box_iou
from trackbench.results.store import RunFolder

Floats = NDArray[np.float64]

APART = 0.5
"""Two answers with less overlap than this are on different targets."""


@dataclass(frozen=True)
class SequenceDifference:
    """Two runs on one sequence."""

    sequence: str
    first: float | None
    """The metric of the first run; None where it has none."""
    second: float | None
    differs: int | None
    """The first frame (0-based) on which the answers are not the same number; None where all are."""
    apart: int | None
    """The first frame (0-based) on which the answers overlap by less than :data:`APART`; None where none do."""

    @property
    def gain(self) -> float | None:
        """Second minus first."""
        return None if self.first is None or self.second is None else self.second - self.first


def first_divergence(first: Floats, second: Floats, apart: float = APART) -> tuple[int | None, int | None]:
    """Return the first frames (0-based) on which two trajectories differ, and on which they are apart.

    Args:
        first: (N, 4), x, y, w, h in pixels, NaN where there is no answer.
        second: (M, 4).
        apart: overlap below which two answers are apart.

    Frames that only one of them has differ and are apart; so does an answer beside none.

    Example:
        >>> boxes = np.array([[0., 0, 10, 10], [1, 0, 10, 10], [2, 0, 10, 10]])
        >>> first_divergence(boxes, boxes + np.array([[0], [0.1], [9]]))
        (1, 2)
    """
    common = min(len(first), len(second))
    a, b = first[:common], second[:common]
    same = ((a == b) | (np.isnan(a) & np.isnan(b))).all(axis=1)
    together = same | (np.nan_to_num(box_iou(a, b)) >= apart)
    rest = common if len(first) != len(second) else None
    return _first(~same, rest), _first(~together, rest)


def compare_trajectories(
    first: RunFolder, second: RunFolder, names: list[str], repetitions: tuple[int, int] = (1, 1)
) -> dict[str, tuple[int | None, int | None]]:
    """Return :func:`first_divergence` of each result that both runs hold.

    Args:
        first: one run.
        second: the other.
        names: of the results; those that one of them lacks are left out.
        repetitions: which repetition of each.

    Raises:
        DataError: a result cannot be read.
    """
    one, other = (run.sequences(k) for run, k in zip((first, second), repetitions, strict=True))
    both = [name for name in names if name in one and name in other]
    boxes = [run.all_boxes(both, k) for run, k in zip((first, second), repetitions, strict=True)]
    differences = {}
    for name in both:
        a, b = boxes[0][name], boxes[1][name]
        for read in (a, b):
            if isinstance(read, DataError):
                raise read
        assert not isinstance(a, DataError)
        assert not isinstance(b, DataError)
        differences[name] = first_divergence(a, b)
    return differences


def _first(flags: NDArray[np.bool_], otherwise: int | None) -> int | None:
    return int(np.argmax(flags)) if flags.any() else otherwise
