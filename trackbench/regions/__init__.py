"""Regions of an image: boxes, polygons, masks and VOT's special codes, with their text forms and conversions."""

from trackbench.regions.convert import (
    mask_to_box,
    mask_to_rotated_box,
    polygon_to_box,
    polygon_to_box_vot,
    region_to_box,
    region_to_mask,
)
from trackbench.regions.kinds import FAILED, STARTED, UNKNOWN, Box, Code, Mask, Polygon, Region, Special
from trackbench.regions.overlap import box_iou, overlap
from trackbench.regions.text import format_region, parse_region

__all__ = [
    "FAILED",
    "STARTED",
    "UNKNOWN",
    "Box",
    "Code",
    "Mask",
    "Polygon",
    "Region",
    "Special",
    "box_iou",
    "format_region",
    "mask_to_box",
    "mask_to_rotated_box",
    "overlap",
    "parse_region",
    "polygon_to_box",
    "polygon_to_box_vot",
    "region_to_box",
    "region_to_mask",
]
