"""VOT's reset-based protocol, VOT2013 to VOT2019: a tracker that has lost its target is started again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from trackbench.datasets.sequence import VideoSequence
from trackbench.errors import DataError
from trackbench.metrics.vot.conventions import SKIP
from trackbench.metrics.vot.raster import raster_overlaps
from trackbench.protocols.base import EpisodeGenerator, Init, Track, Trajectory
from trackbench.regions import FAILED, STARTED, UNKNOWN, Box, Mask, Region, Special, region_to_box

#: Overlap above which two repetitions agree on a frame (the MATLAB toolkit).
SAME = 0.999


@dataclass(frozen=True)
class FailureRule:
    """When a target counts as lost: its region and the ground truth have no pixel of the image in common.

    =========  =====================================================================================================
    pysot      boxes end at x+w, y+h, annotated ones a pixel earlier; pixels 0 to width and 0 to height count
    matlab     boxes end at x+w-1, y+h-1; pixels 0 to width-1 and 0 to height-1
    vot        boxes of w x h whole pixels, masks; pixels 0 to width-1 and 0 to height-1
    =========  =====================================================================================================

    The rules differ in 2 to 4 of VOT2018's 21356 frames for a tracker of today, so a run belongs to its rule.
    """

    rule: Literal["pysot", "matlab", "vot"]

    def __call__(self, answer: Region, ground_truth: Region, size: tuple[int, int]) -> bool:
        """Whether the target is lost; so it is where there is no answer or no ground truth.

        Raises:
            DataError: a mask, which only ``vot`` can compare.
        """
        # A code gives a box of NaN.
        if not all(np.isfinite(region_to_box(region).numbers()).all() for region in (answer, ground_truth)):
            return True
        if self.rule != "vot" and (isinstance(answer, Mask) or isinstance(ground_truth, Mask)):
            raise DataError(f"--convention {self.rule} compares boxes and polygons only; masks need --convention vot")
        if self.rule == "pysot" and isinstance(ground_truth, Box):
            ground_truth = Box(ground_truth.x, ground_truth.y, ground_truth.w - 1, ground_truth.h - 1).polygon()
        bounds = np.subtract(size, 1) if self.rule == "matlab" else np.array(size)
        overlap = float(raster_overlaps([answer], [ground_truth], self.rule, bounds)[0])
        return not overlap > 0


def supervised(sequence: VideoSequence, lost: FailureRule, skip: int = SKIP) -> EpisodeGenerator:
    """Track from the first frame; after a failure start anew on the ground truth ``skip`` frames later.

    The trajectory holds the code of a start on each frame that the tracker was given, the code of a failure where the
    target was lost, and code 0 on the frames between: 2, 0, 0, 0, 0, 1. A restart that falls on a frame without a
    target waits for the next one with it, where vot-toolkit ends with an error; VOT2016 to VOT2019 have no such frame.
    """
    trajectory = Trajectory()
    total, index = len(sequence), 0
    while index < total:
        trajectory.add(STARTED, (yield Init(index, sequence.initial_region(index))))
        index += 1
        while index < total:
            answer = yield Track(index)
            if lost(answer.region, sequence.region(index), answer.size):
                trajectory.add(FAILED, answer)
                break
            trajectory.add(answer.region, answer)
            index += 1
        index += skip
        while index < total and not sequence.can_start(index):
            index += 1
        while len(trajectory.regions) < min(index, total):
            trajectory.add(UNKNOWN)
    return trajectory


def same_trajectories(runs: Sequence[Sequence[Region]]) -> bool:
    """Whether repetitions are the same, so that no more are needed: the same codes, and overlaps above 0.999."""
    first = runs[0]
    return all(len(other) == len(first) and _same(first, other) for other in runs[1:])


def _same(a: Sequence[Region], b: Sequence[Region]) -> bool:
    pairs = [(x, y) for x, y in zip(a, b, strict=True) if x != y]
    if any(isinstance(x, Special) or isinstance(y, Special) for x, y in pairs):
        return False
    return not pairs or bool((raster_overlaps([x for x, _ in pairs], [y for _, y in pairs]) > SAME).all())
