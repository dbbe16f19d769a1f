"""Stored runs frame by frame: what each tracker answered beside the ground truth, and how far the two overlap.

For looking at, not for scoring: overlaps are those that the protocol's scores are made of, without a convention's rules
for frames that are left out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trackbench.datasets.sequence import VideoSequence
from trackbench.metrics.vot.packed import SPECIAL, PackedRegions
from trackbench.metrics.vot.raster import OverlapRule, raster_overlaps
from trackbench.metrics.vot.tracks import VotSequence
from trackbench.regions import Box, Code, Mask, Polygon, Region, Special, box_iou

Floats = NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Contours:
    """The shapes of N frames."""

    counts: NDArray[np.int32]
    """(N,): how many numbers each frame has: 0 for none, 4 for a box, an even number from 6 on for an outline."""
    numbers: Floats
    """Flat: x, y, w, h of a box or x1, y1, x2, y2, ... of an outline in pixels; two NaN between the rings of a mask."""

    @classmethod
    def of_boxes(cls, boxes: Floats) -> Contours:
        """Take boxes (N, 4); one that is not finite is none."""
        known = np.isfinite(boxes).all(axis=1)
        return cls(np.where(known, 4, 0).astype(np.int32), boxes[known].ravel())

    @classmethod
    def of_regions(cls, regions: Sequence[Region]) -> Contours:
        """Take regions of any kind; masks become the outlines of their parts."""
        shapes = [_outline(region) for region in regions]
        counts = np.array([len(shape) for shape in shapes], np.int32)
        return cls(counts, np.concatenate(shapes) if shapes else np.zeros(0))


@dataclass(frozen=True, eq=False)
class Trace:
    """What one tracker did on the N frames of a sequence."""

    outlines: Contours
    overlaps: Floats
    """(N,): NaN where there is no valid ground truth, or where the protocol did not ask."""
    failed: NDArray[np.bool_]
    """(N,): the frames in which the target was lost: by the protocol where it resets, else where the overlap falls to
    0."""


@dataclass(frozen=True, eq=False)
class TracedSequence:
    """All trackers on one sequence."""

    name: str
    sequence: VideoSequence
    ground_truth: Contours
    traces: Mapping[str, Trace] = field(default_factory=dict)
    """Label of a tracker -> its trace."""


def trace_boxes(sequence: VideoSequence, by_label: Mapping[str, Floats]) -> TracedSequence:
    """Compare the boxes of each tracker, (M, 4), with the ground truth, as one-pass scores do."""
    ground_truth = sequence.ground_truth.boxes
    valid = np.isfinite(ground_truth).all(axis=1) & (ground_truth[:, 2:] > 0).all(axis=1)
    if sequence.ground_truth.absent is not None:
        valid &= ~sequence.ground_truth.absent
    traces = {}
    for label, stored in by_label.items():
        boxes = np.full(ground_truth.shape, np.nan)
        boxes[: len(stored)] = stored[: len(ground_truth)]
        overlaps = np.where(valid, np.nan_to_num(box_iou(boxes, ground_truth)), np.nan)
        traces[label] = Trace(Contours.of_boxes(boxes), overlaps, _failure_onsets(overlaps))
    return TracedSequence(sequence.name, sequence, ground_truth_contours(sequence), traces)


def trace_regions(regions: Sequence[Region], answers: PackedRegions, packed: VotSequence, rule: OverlapRule) -> Trace:
    """Compare regions as VOT's scores do; frames with a code or without a ground truth have no overlap."""
    overlaps = raster_overlaps(answers, packed.ground_truth, rule, packed.size)
    asked = (answers.kinds != SPECIAL) & (packed.ground_truth.kinds != SPECIAL)
    overlaps = np.where(asked, overlaps, np.nan)
    failed = answers.codes == Code.FAILED
    overlaps[failed] = 0
    return Trace(Contours.of_regions(regions), overlaps, failed if failed.any() else _failure_onsets(overlaps))


def ground_truth_contours(sequence: VideoSequence) -> Contours:
    """Return the shapes of a sequence's annotation."""
    regions = sequence.ground_truth.regions
    return Contours.of_boxes(sequence.ground_truth.boxes) if regions is None else Contours.of_regions(regions)


def _failure_onsets(overlaps: Floats) -> NDArray[np.bool_]:
    """Return where an overlap of 0 follows one above 0; frames without an overlap are passed over."""
    failed = np.zeros(len(overlaps), bool)
    known = np.flatnonzero(~np.isnan(overlaps))
    lost = overlaps[known] == 0
    failed[known[1:]] = lost[1:] & ~lost[:-1]
    return failed


def _outline(region: Region) -> Floats:
    match region:
        case Special():
            return np.zeros(0)
        case Box():
            return region.array() if np.isfinite(region.array()).all() else np.zeros(0)
        case Polygon():
            return region.points.ravel() if np.isfinite(region.points).all() else np.zeros(0)
        case Mask():
            return _rings(region)


def _rings(mask: Mask) -> Floats:
    """Return the outer contours of a mask's parts, through the centres of their pixels."""
    import cv2

    contours, _ = cv2.findContours(mask.array.astype(np.uint8), cv2.RETR_EXTERNAL, cv2.CHAIN_APPROX_SIMPLE)
    parts: list[Floats] = []
    for contour in contours:
        points = cv2.approxPolyDP(contour, 0.75, closed=True).reshape(-1, 2)
        if len(points) >= 3:
            parts += [np.full(2, np.nan), np.add(points, (mask.x + 0.5, mask.y + 0.5)).ravel()]
    return np.concatenate(parts[1:]) if parts else np.zeros(0)
