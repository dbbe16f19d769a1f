"""Conversions between kinds of regions, each with the rule of the toolkit that it follows."""

from __future__ import annotations

import numpy as np

from trackbench.regions.kinds import Box, Mask, Polygon, Region, Special


def polygon_to_box(polygon: Polygon) -> Box:
    """Return the min-max box of the corners: x = min x, w = max x - min x."""
    (x1, y1), (x2, y2) = polygon.points.min(0), polygon.points.max(0)
    return Box(x1, y1, x2 - x1, y2 - y1)


def polygon_to_box_vot(polygon: Polygon) -> Box:
    """Return the axis-aligned box with which box trackers are initialised on VOT's rotated boxes.

    The min-max box is shrunk around the mean of the corners by ``s = sqrt(A1 / A2)``, A1 the product of the first two
    sides, A2 the area of the min-max box, and one pixel is added: the rule of pysot and of the VOT toolkits' Python
    examples (``get_axis_aligned_bbox``). More than four corners, or a polygon without extent, gives the min-max box.
    """
    box = polygon_to_box(polygon)
    if len(polygon.points) != 4 or box.w <= 0 or box.h <= 0:
        return box
    p1, p2, p3, _ = polygon.points
    cx, cy = polygon.points.mean(0)
    scale = float(np.sqrt(np.linalg.norm(p1 - p2) * np.linalg.norm(p2 - p3) / (box.w * box.h)))
    w, h = scale * box.w + 1, scale * box.h + 1
    return Box(cx - (w - 1) / 2, cy - (h - 1) / 2, w, h)


def mask_to_box(mask: Mask) -> Box:
    """Return the min-max box of the mask's pixels, whole pixels included; ``Box(0, 0, 0, 0)`` without any."""
    cropped = mask.cropped()
    h, w = cropped.array.shape
    return Box(cropped.x, cropped.y, w, h)


def mask_to_rotated_box(mask: Mask, min_area: float = 100.0) -> Polygon | None:
    """Return the minimum-area rotated rectangle of the mask's largest outer contour, or None.

    The rule of SiamMask and SiamAttn: contours run through pixel centres (a filled W x H block gives a rectangle of
    W-1 by H-1), and None is returned unless the largest contour's area is above ``min_area`` pixels (the caller then
    reports its axis-aligned box). Four corners; their order and start vary with OpenCV.
    """
    import cv2  # here: listings, which import this module, need no images

    contours, _ = cv2.findContours(mask.array.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_NONE)
    largest = max(contours, key=cv2.contourArea, default=None)
    if largest is None or cv2.contourArea(largest) <= min_area:
        return None
    corners = cv2.boxPoints(cv2.minAreaRect(largest))
    return Polygon(np.add(corners.astype(np.float64), [mask.x, mask.y]))


def region_to_box(region: Region) -> Box:
    """Return the min-max box of any region; a special code gives a box of NaN (no answer)."""
    match region:
        case Box():
            return region
        case Polygon():
            return polygon_to_box(region)
        case Mask():
            return mask_to_box(region)
        case Special():
            return Box(np.nan, np.nan, np.nan, np.nan)
        case _:
            raise TypeError(f"expected a region, not a {type(region).__name__}; of a target use target.region")


def region_to_mask(region: Region, size: tuple[int, int] | None = None) -> Mask:
    """Return the pixels of any region in the smallest window that holds them.

    Boxes are painted as in the VOT mask challenges: corners rounded half to even, the far ones exclusive. Polygons
    are filled by OpenCV through their rounded corners. A special code, a box without area or with NaN gives an empty
    mask. With ``size`` (width, height), pixels outside the image are left out.
    """
    if size is not None:
        mask = region_to_mask(_near(region, size))
        return Mask(mask.window(0, 0, *size)).cropped()
    match region:
        case Mask():
            return region.cropped()
        case Special():
            return Mask(np.zeros((0, 0), bool))
        case Box():
            if not region.is_valid:
                return Mask(np.zeros((0, 0), bool))
            x1, y1, x2, y2 = (round(v) for v in (region.x, region.y, region.x + region.w, region.y + region.h))
            return Mask(np.ones((y2 - y1, x2 - x1), bool), x1, y1)
        case Polygon():
            import cv2

            corners = np.rint(region.points).astype(np.int32)
            x, y = corners.min(0).tolist()
            w, h = (corners.max(0) - [x, y] + 1).tolist()
            canvas = np.zeros((h, w), np.uint8)
            cv2.fillPoly(canvas, [corners - np.array([x, y], np.int32)], (1,))
            return Mask(canvas, x, y).cropped()


def _near(region: Region, size: tuple[int, int]) -> Region:
    """Return a box cut a little outside the image, so that no more pixels are painted than there are."""
    if not isinstance(region, Box) or not region.is_valid:
        return region
    x1, y1 = max(region.x, -2.0), max(region.y, -2.0)
    x2, y2 = min(region.x + region.w, size[0] + 2.0), min(region.y + region.h, size[1] + 2.0)
    return Box(x1, y1, x2 - x1, y2 - y1)
