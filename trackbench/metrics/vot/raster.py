"""Overlaps of many regions at once, by the rule of a toolkit."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

import numpy as np
import shapely
from numpy.typing import ArrayLike, NDArray

from trackbench.errors import DataError
from trackbench.metrics.vot.packed import BOX, MASK, SPECIAL, PackedRegions, Shapes
from trackbench.regions import Region

OverlapRule = Literal["pysot", "matlab", "vot", "analytic"]


def raster_overlaps(
    a: Iterable[Region] | PackedRegions,
    b: Iterable[Region] | PackedRegions,
    rule: OverlapRule = "vot",
    bounds: ArrayLike | None = None,
    ignore: Iterable[Region] | PackedRegions | None = None,
) -> NDArray[np.float64]:
    """Return the overlaps of N pairs of regions, float64 (N,).

    =========  =====================================================================================================
    pysot      C library of pysot-toolkit: a box is a polygon with its far corner at x+w, y+h; codes give NaN
    matlab     the same library as the MATLAB toolkit calls it: far corner at x+w-1, y+h-1
    vot        vot-toolkit 0.9.0: boxes of w x h whole pixels, masks; a code or an empty mask is nothing at the origin
    analytic   exact areas of boxes and polygons; codes give NaN
    =========  =====================================================================================================

    Args:
        a: N regions.
        b: N regions.
        rule: one of the above.
        bounds: width and height, (2,) or (N, 2), to which both regions are cut; None: nothing is cut. For ``pysot``
            and ``matlab`` they are the right and bottom edge, so that whole columns 0 to width count.
        ignore: N regions, masks where pixels do not count, codes elsewhere; for ``vot`` only.

    Raises:
        DataError: the numbers of regions differ, or the rule knows no masks and there is one.

    Example:
        >>> from trackbench.regions import Box
        >>> [round(float(raster_overlaps([Box(0, 0, 10, 10)], [Box(5, 0, 10, 10)], r)[0]), 4) for r in ("vot", "pysot")]
        [0.3333, 0.375]
    """
    a, b = PackedRegions.of(a), PackedRegions.of(b)
    if len(a) != len(b):
        raise DataError(f"{len(a)} regions against {len(b)}; expected as many")
    edges = None if bounds is None else np.broadcast_to(np.asarray(bounds), (len(a), 2))
    if rule == "analytic":
        return _analytic(a, b, edges)
    from trackbench.metrics.vot.scanline import library_overlaps, toolkit_overlaps  # loads a compiler

    out = np.empty(len(a))
    limits = np.zeros((len(a), 2)) if edges is None else edges
    if rule == "vot":
        no_masks = _shapes(a)._replace(kinds=np.full(len(a), SPECIAL, np.int8))
        ignored = no_masks if ignore is None else _shapes(PackedRegions.of(ignore))
        toolkit_overlaps(_shapes(a), _shapes(b), ignored, limits.astype(np.int64), edges is not None, out)
    else:
        numbers_a, starts_a = _polygons(a, rule, np.float32)
        numbers_b, starts_b = _polygons(b, rule, np.float32)
        library_overlaps(numbers_a, starts_a, numbers_b, starts_b, limits.astype(np.float32), edges is not None, out)
    return out


def _shapes(regions: PackedRegions) -> Shapes:
    """Return the arrays with coordinates as vot-toolkit keeps them, rounded to float32."""
    numbers = regions.numbers.astype(np.float32).astype(np.float64)
    return Shapes(regions.kinds, numbers, regions.starts, regions.first_rows, regions.row_starts, regions.spans)


def _polygons(
    regions: PackedRegions, rule: OverlapRule, dtype: type[np.floating[Any]]
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Return the corners of all regions, flat, and where each begins; a code has none."""
    if (regions.kinds == MASK).any():
        frame = int(np.argmax(regions.kinds == MASK))
        raise DataError(f"frame {frame + 1}: is a mask; '{rule}' compares boxes and polygons only, 'vot' also masks")
    boxes = regions.kinds == BOX
    counts = np.diff(regions.starts)
    if not boxes.any():
        return regions.numbers.astype(dtype), regions.starts
    starts = np.concatenate([[0], np.cumsum(np.where(boxes, 8, counts))])
    of_box_before, of_box = np.repeat(boxes, counts), np.repeat(boxes, np.diff(starts))
    x, y, w, h = regions.numbers[of_box_before].reshape(-1, 4).T
    if rule == "matlab":  # The text is read as float32 and the corner computed in double.
        x, y, w, h = (v.astype(np.float32).astype(np.float64) for v in (x, y, w, h))
        x2, y2 = x + w - 1, y + h - 1
    else:
        x2, y2 = x + w, y + h
    numbers = np.empty(starts[-1], dtype)
    numbers[~of_box] = regions.numbers[~of_box_before]
    numbers[of_box] = np.stack([x, y, x2, y, x2, y2, x, y2], 1).ravel()
    return numbers, starts


def _geometries(regions: PackedRegions) -> NDArray[Any]:
    """Return valid shapely geometries, None for codes; self-crossing outlines count by their filled parts."""
    numbers, starts = _polygons(regions, "analytic", np.float64)
    corners = np.diff(starts) // 2
    out = np.full(len(regions), None, object)
    shapes = np.flatnonzero(corners)
    if len(shapes):
        owners = np.repeat(np.arange(len(shapes)), corners[shapes])
        rings = shapely.linearrings(numbers.reshape(-1, 2), indices=owners)
        out[shapes] = _areas_only(shapely.make_valid(shapely.polygons(rings)))
    return out


def _areas_only(geometries: NDArray[Any]) -> NDArray[Any]:
    """Return the geometries without points and lines, which flat regions leave and which GEOS cannot intersect."""
    out = geometries.copy()
    mixed = ~np.isin(shapely.get_type_id(out), (-1, shapely.GeometryType.POLYGON, shapely.GeometryType.MULTIPOLYGON))
    out[mixed] = shapely.buffer(out[mixed], 0)
    return out


def _analytic(a: PackedRegions, b: PackedRegions, bounds: NDArray[Any] | None) -> NDArray[np.float64]:
    first, second = _geometries(a), _geometries(b)
    if bounds is not None:
        images = shapely.box(0, 0, bounds[:, 0], bounds[:, 1])
        first, second = (_areas_only(shapely.intersection(each, images)) for each in (first, second))
    common = shapely.area(shapely.intersection(first, second))
    union = shapely.area(first) + shapely.area(second) - common
    missing = shapely.is_missing(first) | shapely.is_missing(second)
    return np.where(missing, np.nan, np.divide(common, union, out=np.zeros(len(a)), where=union > 0))
