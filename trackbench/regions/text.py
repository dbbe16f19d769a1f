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
from trackbench.regions.kinds import Box, Mask, Polygon, Region, Special

#: Larger windows are refused: they would only exhaust the memory.
MAX_MASK_PIXELS = 1 << 28


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
    if line[:1] == "m":
        return _parse_mask(line[1:])
    numbers = _numbers(line)
    if len(numbers) == 1:
        if not numbers[0].is_integer() or numbers[0] < 0:
            raise DataError(f"special code '{_shorten(line)}' is not a whole number >= 0")
        return Special(int(numbers[0]))
    if len(numbers) % 2 == 0 and any(math.isnan(v) for v in numbers):
        return Special(0)
    if len(numbers) < 4 or len(numbers) == 5 or (len(numbers) > 4 and len(numbers) % 2):
        raise DataError(
            f"{len(numbers)} numbers in '{_shorten(line)}'; expected 1 (code), 4 (box) or 6, 8, .. (polygon)"
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

    Raises:
        DataError: a negative run, or runs of ones beyond the window.
    """
    lengths = np.array(runs, np.int64)
    if (lengths < 0).any():
        raise DataError(f"mask with a negative run length {int(lengths.min())}")
    flat = np.repeat(np.arange(len(lengths)) % 2 == 1, lengths) if int(lengths.sum()) <= MAX_MASK_PIXELS else None
    if flat is None or flat[w * h :].any():
        raise DataError(f"mask runs cover {int(lengths.sum())} pixels, its window {w}x{h} has {w * h}")
    out = np.zeros(w * h, bool)
    out[: flat.size] = flat[: w * h]
    return out.reshape(h, w)


def _parse_mask(text: str) -> Mask:
    try:
        numbers = [int(part) for part in text.split(",")]
    except ValueError:
        raise DataError(f"mask 'm{_shorten(text)}' holds something that is not a whole number") from None
    if len(numbers) < 4:
        raise DataError(f"mask 'm{_shorten(text)}' has {len(numbers)} numbers; expected x, y, w, h and run lengths")
    x, y, w, h, *runs = numbers
    if w < 0 or h < 0 or w * h > MAX_MASK_PIXELS:
        raise DataError(f"mask window of {w}x{h} pixels")
    return Mask(decode_runs(runs, w, h), x, y).cropped()


def _numbers(line: str) -> list[float]:
    if not line:
        raise DataError("empty line; expected a region")
    numbers = []
    for part in line.split(","):
        try:
            numbers.append(float(part))
        except ValueError:
            raise DataError(f"'{_shorten(part.strip())}' is not a number") from None
    return numbers


def _shorten(text: str, length: int = 40) -> str:
    return text if len(text) <= length else text[: length - 1] + "…"
