"""Analytic overlaps (intersection over union) of regions.

The rasterised overlaps of the VOT toolkits follow their own rules and live in the VOT metrics.
"""

from __future__ import annotations

import numpy as np
import shapely
from numpy.typing import NDArray

from trackbench.regions.convert import region_to_mask
from trackbench.regions.kinds import Box, Mask, Polygon, Region, Special


def box_iou(a: NDArray[np.float64], b: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the overlap of boxes row by row.

    Args:
        a: float64 (..., 4), x, y, w, h in pixels.
        b: the same shape, or one that broadcasts to it.

    Returns:
        float64 (...): I / (|a| + |b| - I); NaN where a box holds a NaN or both are without area. The forms of the
        MATLAB and pytracking toolkits, with ``x+w-1`` and ``+1``, are the same number.

    Example:
        >>> box_iou(np.array([[0., 0, 10, 10]]), np.array([[5., 0, 10, 10]])).round(6).tolist()
        [0.333333]
    """
    w = np.minimum(a[..., 0] + a[..., 2], b[..., 0] + b[..., 2]) - np.maximum(a[..., 0], b[..., 0])
    h = np.minimum(a[..., 1] + a[..., 3], b[..., 1] + b[..., 3]) - np.maximum(a[..., 1], b[..., 1])
    intersection = np.maximum(w, 0) * np.maximum(h, 0)
    union = a[..., 2] * a[..., 3] + b[..., 2] * b[..., 3] - intersection
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(intersection / union, np.float64)


def overlap(a: Region, b: Region, size: tuple[int, int] | None = None) -> float:
    """Return the overlap of two regions of any kind.

    Boxes and polygons are intersected exactly; as soon as one of them is a mask, both are compared pixel by pixel.
    ``size`` (width, height) bounds both regions by the image. A special code overlaps nothing: 0, as does a region
    without area.
    """
    if isinstance(a, Special) or isinstance(b, Special):
        return 0.0
    if isinstance(a, Mask) or isinstance(b, Mask):
        return _mask_overlap(region_to_mask(a), region_to_mask(b), size)
    first, second = _geometry(a, size), _geometry(b, size)
    union = first.union(second).area
    return float(first.intersection(second).area / union) if union > 0 else 0.0


def _mask_overlap(a: Mask, b: Mask, size: tuple[int, int] | None) -> float:
    x1, y1 = min(a.x, b.x), min(a.y, b.y)
    x2 = max(a.x + a.array.shape[1], b.x + b.array.shape[1])
    y2 = max(a.y + a.array.shape[0], b.y + b.array.shape[0])
    if size is not None:
        x1, y1, x2, y2 = max(x1, 0), max(y1, 0), min(x2, size[0]), min(y2, size[1])
    if x2 <= x1 or y2 <= y1:
        return 0.0
    first, second = a.window(x1, y1, x2 - x1, y2 - y1), b.window(x1, y1, x2 - x1, y2 - y1)
    union = int((first | second).sum())
    return int((first & second).sum()) / union if union else 0.0


def _geometry(region: Box | Polygon, size: tuple[int, int] | None) -> shapely.Geometry:
    polygon = region.polygon() if isinstance(region, Box) else region
    if not np.isfinite(polygon.points).all():
        return shapely.Polygon()
    # Self-crossing outlines count by their filled parts.
    geometry = _area_of(shapely.make_valid(shapely.Polygon(polygon.points)))
    return geometry if size is None else _area_of(geometry.intersection(shapely.box(0, 0, *size)))


def _area_of(geometry: shapely.Geometry) -> shapely.Geometry:
    """Return the geometry without points and lines, which flat regions leave and which GEOS cannot intersect."""
    return geometry if geometry.geom_type in ("Polygon", "MultiPolygon") else geometry.buffer(0)
