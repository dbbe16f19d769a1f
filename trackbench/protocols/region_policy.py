"""What passes between a benchmark and a tracker: the target that it starts on, and its answer, as the benchmark wants.

==========  ======================  =====================================  =============================================
benchmark   a tracker of boxes      a tracker of boxes reports             a tracker with masks reports
            starts on
==========  ======================  =====================================  =============================================
box         the min-max box         its box                                its box
polygon     VOT's box of a          its box                                the rotated box of least area around its
            rotated box                                                    mask, or its own box where that is too small
mask        the min-max box         the pixels of its box in the image     its mask
==========  ======================  =====================================  =============================================
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from trackbench.definitions import RegionKind
from trackbench.regions import (
    Box,
    Mask,
    Polygon,
    Region,
    Special,
    mask_to_box,
    mask_to_rotated_box,
    polygon_to_box_vot,
    region_to_box,
    region_to_mask,
)
from trackbench.trackers.base import Prediction


@dataclass(frozen=True)
class RegionPolicy:
    """The rules of the table above for one kind of benchmark."""

    kind: RegionKind = "box"
    coded: bool = False
    """Whether a box that is not finite becomes a code, as in all results that hold codes."""

    def target(self, region: Region, takes: tuple[type[Region], ...]) -> Region:
        """Return ``region`` as a tracker that starts on the kinds ``takes`` gets it."""
        if isinstance(region, takes):
            return region
        if self.kind == "polygon" and isinstance(region, Polygon):
            return polygon_to_box_vot(region)
        return region_to_box(region)

    def answer(self, prediction: Prediction, size: tuple[int, int]) -> Prediction:
        """Return a tracker's answer with its region as the benchmark wants it.

        The mask stays where a rotated box has taken its place; elsewhere it is the region, or nobody has asked for it.
        """
        mask = prediction.mask if self.kind == "polygon" else None
        return replace(prediction, region=self.report(prediction, size), mask=mask)

    def report(self, prediction: Prediction, size: tuple[int, int]) -> Region:
        """Return a tracker's answer as the benchmark wants it.

        Args:
            prediction: the answer.
            size: width and height of the frame in pixels.

        A code stays a code; a box or polygon with a number that is not finite is no answer, code 0, save on a benchmark
        whose results hold boxes alone.
        """
        region, mask = prediction.region, prediction.mask
        if isinstance(region, Mask) and mask is None:
            mask = region
        if self.kind == "mask" and mask is not None:
            return region_to_mask(mask, size)
        if self.kind == "polygon" and mask is not None:
            return mask_to_rotated_box(mask) or region_to_box(region).polygon()
        if isinstance(region, Special):
            return region
        if isinstance(region, Mask):
            return mask_to_box(region)
        if self.kind == "box" and not self.coded:
            return region
        numbers = region.numbers() if isinstance(region, Box) else region.points
        if not np.isfinite(numbers).all():
            return Special(0)
        return region_to_mask(region, size) if self.kind == "mask" else region


BOXES = RegionPolicy()
