"""The text form of regions: one line each, as the VOT toolkits read and write them.

====================  ==========================================================================================
``1``                 special code
``x,y,w,h``           box
``x1,y1,...,xn,yn``   polygon, six numbers or more
``mX,Y,W,H,r0,r1..``  mask: window and alternating run lengths in row-major order, the zeros first
====================  ==========================================================================================

Numbers are written with as many digits as float64 needs to come back unchanged.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.quoting import printable, shown
from trackbench.regions.kinds import Box, Mask, Polygon, Region, Special

#: Larger windows, longer lines and codes that no toolkit stores are refused: they would only exhaust the memory.
MAX_MASK_PIXELS, MAX_LINE, MAX_CODE = 1 << 26, 4 << 20, (1 << 32) - 1
#: Largest side of a mask's window, and where it can lie: no image has pixels beyond.
MAX_SIDE, MAX_COORDINATE = 1 << 16, 1 << 30


def parse_region(text: str) -> Region:
    """Return the region that one line of text stands for.

    A box, polygon or point with a NaN among its numbers is ``Special(0)``, as in vot-toolkit.

    Raises:
        DataError: the line is no region (empty, not a number, 2, 3, 5 or 7 numbers, inconsistent run lengths).

    Example:
        >>> parse_region("10,20,30.5,40")
        Box(x=10.0, y=20.0, w=30.5, h=40.0)
        >>> parse_region("m1,2,2,2,1,2")
        Mask(array=array([[False,  True],
               [ True, False]]), x=1, y=2)
    """
    line = text.strip()
    if len(line) > MAX_LINE or "_" in line:  # Python reads 1_0 as a number; no tool writes it
        what = "holds '_'" if len(line) <= MAX_LINE else f"has {len(line)} characters"
        raise DataError(f"'{printable(line, 40)}' {what}; expected a region")
    if line[:1] == "m":
        return _parse_mask(line[1:])
    numbers = _numbers(line)
    if len(numbers) == 1:
        if not numbers[0].is_integer() or not 0 <= numbers[0] <= MAX_CODE:
            raise DataError(f"special code '{printable(line, 40)}' is not a whole number >= 0")
        return Special(int(numbers[0]))
    if len(numbers) % 2 == 0 and any(math.isnan(v) for v in numbers):
        return Special(0)
    if len(numbers) < 4 or len(numbers) == 5 or (len(numbers) > 4 and len(numbers) % 2):
        raise DataError(
            f"{len(numbers)} numbers in '{printable(line, 40)}'; expected 1 (code), 4 (box) or 6, 8, .. (polygon)"
        )
    return Box(*numbers) if len(numbers) == 4 else Polygon(numbers)


def format_region(region: Region) -> str:
    """Return the one-line text of ``region``; :func:`parse_region` gives an equal region back."""
    match region:
        case Box():
            return ",".join(map(repr, region.numbers()))
        case Polygon():
            return ",".join(map(repr, region.points.ravel().tolist()))
        case Special():
            return str(region.code)
        case Mask():
            mask = region.cropped()
            h, w = mask.array.shape
            return "m" + ",".join(map(str, [mask.x, mask.y, w, h, *encode_runs(mask.array)]))


def encode_runs(array: NDArray[np.bool_]) -> list[int]:
    """Return the alternating run lengths of ``array`` (H, W) in row-major order, the zeros first, their sum H*W."""
    flat = array.ravel()
    if not flat.size:
        return [0]
    edges = np.flatnonzero(flat[1:] != flat[:-1]) + 1
    runs: list[int] = np.diff(np.concatenate([[0], edges, [flat.size]])).tolist()
    return [0, *runs] if flat[0] else runs


def decode_runs(runs: list[int], w: int, h: int) -> NDArray[np.bool_]:
    """Return the bool (h, w) array of alternating run lengths; missing trailing zeros are allowed.

    Nothing is allocated before the lengths, which come from a file, are known to fit: they are added as Python's
    numbers, since numpy's wrap around and its compiled code then writes beyond its array.

    Raises:
        DataError: a window that is too large, a negative run, or runs of ones beyond the window.
    """
    if not (0 <= w <= MAX_SIDE and 0 <= h <= MAX_SIDE and w * h <= MAX_MASK_PIXELS):
        raise DataError(f"mask window of {shown(w)}x{shown(h)} pixels")
    total = w * h
    if runs and min(runs) < 0:
        raise DataError(f"mask with a negative run length {shown(min(runs))}")
    last = next((index for index in reversed(range(1, len(runs), 2)) if runs[index]), -1)
    if sum(runs[: last + 1]) > total:
        raise DataError(f"mask runs cover {shown(sum(runs))} pixels, its window {w}x{h} has {total}")
    lengths = np.array([min(run, total) for run in runs], np.int64)
    ends = np.minimum(np.cumsum(lengths), total)
    out = np.zeros(total, bool)
    flat = np.repeat(np.arange(len(lengths)) % 2 == 1, np.diff(ends, prepend=0))
    out[: flat.size] = flat
    return out.reshape(h, w)


class PixelBudget:
    """How many pixels the masks of one file may decode to: a few bytes of text can stand for any number of them.

    Args:
        size: bytes of the file.
    """

    def __init__(self, size: int) -> None:
        self._left = 8 * MAX_MASK_PIXELS + 256 * size

    def spend(self, region: Region) -> None:
        """Count a region's pixels.

        Raises:
            DataError: the file has more than is believed.
        """
        if isinstance(region, Mask):
            self._left -= region.array.size
            if self._left < 0:
                raise DataError("the masks up to here have more pixels than a file of this size is believed")


def _parse_mask(text: str) -> Mask:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise DataError(f"mask 'm{printable(text, 40)}' holds something that is not a whole number") from None
    if len(numbers) < 4:
        raise DataError(
            f"mask 'm{printable(text, 40)}' has {len(numbers)} numbers; expected x, y, w, h and run lengths"
        )
    x, y, w, h, *runs = numbers
    if max(abs(x), abs(y)) > MAX_COORDINATE:
        raise DataError(f"mask at {shown(x)},{shown(y)}")
    return Mask(decode_runs(runs, w, h), x, y).cropped()


def _numbers(line: str) -> list[float]:
    if not line:
        raise DataError("empty line; expected a region")
    numbers = []
    for part in line.split(","):
        try:
            numbers.append(float(part))
        except ValueError:
            raise DataError(f"'{printable(part.strip(), 40)}' is not a number") from None
    return numbers
