"""Regions on the wire of TraX (vot-trax 4), where coordinates are float32 and masks bytes, row by row.

libtrax writes coordinates with four decimals, so a box or polygon comes out of a conversation within 0.00005 pixels and
the rounding of float32.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
import trax.region as wire

from trackbench.regions import Box, Mask, Polygon, Region, Special


def to_trax(region: Region) -> Any:
    """Return ``region`` as libtrax's; an empty mask is one pixel that is not set, since TraX has none without pixels.

    The toolkit's client takes no codes, so a code becomes a rectangle without area.
    """
    match region:
        case Box():
            return wire.Rectangle.create(*region.numbers())
        case Polygon():
            return wire.Polygon.create([(x, y) for x, y in region.points.tolist()])
        case Mask():
            mask = region.cropped()
            pixels = mask.array if mask.array.size else np.zeros((1, 1), bool)
            return wire.Mask.create(np.ascontiguousarray(pixels, np.uint8), mask.x, mask.y)
        case Special():
            return wire.Rectangle.create(0, 0, 0, 0)


def from_trax(region: Any) -> Region:
    """Return one of libtrax's regions as ours; a box or polygon with a NaN is code 0, as in VOT's files."""
    match region:
        case wire.Rectangle():
            x, y, w, h = _shortest(region.bounds())
            return Special(0) if np.isnan([x, y, w, h]).any() else Box(x, y, w, h)
        case wire.Polygon():
            points = [_shortest(region.get(index)) for index in range(region.size())]
            return Special(0) if np.isnan(points).any() else Polygon(points)
        case wire.Mask():
            return Mask(region.array(), *region.offset()).cropped()
        case wire.Special():
            return Special(max(region.code, 0))  # libtrax makes a negative code of a rectangle with a NaN
    raise TypeError(f"{region!r} is no region of TraX")


def _shortest(numbers: Iterable[float]) -> list[float]:
    """Return the shortest decimals that are these float32.

    An annotation of up to seven digits comes back as it is written: 61.665, not 61.66500091552734. Trackers are not
    robust against less: a correlation filter that starts 0.000001 pixels aside can be a pixel away 20 frames later.
    """
    return [float(str(np.float32(number))) for number in numbers]
