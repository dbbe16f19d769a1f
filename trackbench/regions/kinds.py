"""The four kinds of region.

Coordinates are float64 pixels, x to the right and y down, in the coordinate origin of the data set that they come
from: no toolkit of the field shifts annotations or results when it reads them, and neither do we. Seen as an area of
an image, the pixel in column 0 and row 0 covers x in [0, 1) and y in [0, 1).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import IntEnum
from typing import TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray


@dataclass(frozen=True, slots=True)
class Box:
    """An axis-aligned box: top-left corner ``x, y``, width ``w``, height ``h``, in pixels."""

    x: float
    y: float
    w: float
    h: float

    def __post_init__(self) -> None:
        for key in ("x", "y", "w", "h"):
            object.__setattr__(self, key, float(getattr(self, key)))

    @property
    def is_valid(self) -> bool:
        """Whether all four numbers are finite and the area is positive."""
        return all(math.isfinite(v) for v in self.numbers()) and self.w > 0 and self.h > 0

    def numbers(self) -> tuple[float, float, float, float]:
        """Return ``(x, y, w, h)``."""
        return self.x, self.y, self.w, self.h

    def array(self) -> NDArray[np.float64]:
        """Return ``[x, y, w, h]`` as float64, shape (4,)."""
        return np.array(self.numbers(), np.float64)

    @classmethod
    def of(cls, numbers: ArrayLike) -> Box:
        """Make a box of any four numbers ``x, y, w, h``."""
        x, y, w, h = np.asarray(numbers, np.float64).ravel().tolist()
        return cls(x, y, w, h)

    def polygon(self) -> Polygon:
        """Return the four corners, clockwise on the screen from the top left, the far ones at x+w and y+h."""
        x2, y2 = self.x + self.w, self.y + self.h
        return Polygon([[self.x, self.y], [x2, self.y], [x2, y2], [self.x, y2]])


@dataclass(frozen=True, slots=True, eq=False)
class Polygon:
    """A polygon of at least three corners: ``points`` is float64 (N, 2), x and y in pixels, read-only."""

    points: NDArray[np.float64]

    def __init__(self, points: ArrayLike) -> None:
        array = np.array(points, np.float64).reshape(-1, 2)
        if len(array) < 3:
            raise ValueError(f"a polygon has at least 3 corners, got {len(array)}")
        array.setflags(write=False)
        object.__setattr__(self, "points", array)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Polygon) and np.array_equal(self.points, other.points)

    def __hash__(self) -> int:
        return hash(self.points.tobytes())


@dataclass(frozen=True, slots=True, eq=False)
class Mask:
    """A set of pixels: ``array`` is bool (H, W), read-only; its top-left pixel is column ``x``, row ``y``."""

    array: NDArray[np.bool_]
    x: int
    y: int

    def __init__(self, array: ArrayLike, x: int = 0, y: int = 0) -> None:
        pixels = np.array(array, dtype=bool)
        if pixels.ndim != 2:
            raise ValueError(f"a mask has two dimensions, got shape {pixels.shape}")
        pixels.setflags(write=False)
        object.__setattr__(self, "array", pixels)
        object.__setattr__(self, "x", int(x))
        object.__setattr__(self, "y", int(y))

    def cropped(self) -> Mask:
        """Return the same pixels in the smallest window that holds them; a (0, 0) array at 0, 0 when there are none."""
        rows, columns = np.flatnonzero(self.array.any(1)), np.flatnonzero(self.array.any(0))
        if not rows.size:
            return Mask(np.zeros((0, 0), bool))
        top, left = int(rows[0]), int(columns[0])
        return Mask(self.array[top : rows[-1] + 1, left : columns[-1] + 1], self.x + left, self.y + top)

    def window(self, x: int, y: int, w: int, h: int) -> NDArray[np.bool_]:
        """Return the pixels of the image window ``x, y, w, h`` as bool (h, w), false where the mask has none."""
        out = np.zeros((h, w), bool)
        rows, columns = self.array.shape
        left, top = max(x, self.x), max(y, self.y)
        right, bottom = min(x + w, self.x + columns), min(y + h, self.y + rows)
        if left < right and top < bottom:
            out[top - y : bottom - y, left - x : right - x] = self.array[
                top - self.y : bottom - self.y, left - self.x : right - self.x
            ]
        return out

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mask):
            return NotImplemented
        a, b = self.cropped(), other.cropped()
        return (a.x, a.y) == (b.x, b.y) and np.array_equal(a.array, b.array)

    def __hash__(self) -> int:
        a = self.cropped()
        return hash((a.x, a.y, a.array.tobytes()))


@dataclass(frozen=True, slots=True)
class Special:
    """A code instead of a region, as VOT results use it; see `Code`."""

    code: int


class Code(IntEnum):
    """VOT's codes in the place of a region (vot-toolkit, ``vot.region.special``)."""

    UNKNOWN = 0
    """The tracker was not asked, or gave no answer."""
    STARTED = 1
    """The tracker was initialised on this frame."""
    FAILED = 2
    """The tracker lost the target on this frame."""


UNKNOWN, STARTED, FAILED = Special(Code.UNKNOWN), Special(Code.STARTED), Special(Code.FAILED)


Region: TypeAlias = Box | Polygon | Mask | Special
