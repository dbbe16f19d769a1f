"""Predictions brought to the length of their ground truth, and bad ones replaced, as conventions have it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.metrics.conventions import Convention

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class SequenceGroundTruth(NamedTuple):
    """The annotation of a sequence of N frames."""

    name: str
    boxes: Floats
    """(N, 4): x, y, w, h in pixels; NaN where the data set says so."""
    absent: Flags | None = None
    """(N,): the target is absent."""


def align(ground_truth: SequenceGroundTruth, boxes: Floats, convention: Convention) -> tuple[Floats, Floats]:
    """Return the ground truth and the predictions of the frames that are judged, both float64 (F, 4).

    The first prediction stays as it is, whatever the convention's `first_frame` is.

    Args:
        ground_truth: the annotation.
        boxes: (M, 4), the first frame's included.
        convention: the rules for lengths and bad predictions.

    Raises:
        DataError: the predictions do not fit the ground truth, or hold what the convention refuses.
    """
    _check(ground_truth, boxes)
    length = _length(ground_truth, boxes, convention)
    given = min(len(boxes), length)
    truth = ground_truth.boxes[:length]
    prediction = boxes[:length]
    if convention.bad_prediction != "keep":
        prediction = _replace_bad(ground_truth.name, truth[:given], prediction, convention)
    if given < length:
        prediction = np.concatenate([prediction, np.zeros((length - given, 4))])
    return truth, prediction


def _check(ground_truth: SequenceGroundTruth, boxes: Floats) -> None:
    for what, array in (("annotation", ground_truth.boxes), ("prediction", boxes)):
        if array.ndim != 2 or array.shape[1] != 4 or not len(array):
            raise DataError(
                f"{ground_truth.name}: {what} of shape {array.shape}; expected (frames, 4), at least one frame"
            )
    if ground_truth.absent is not None and len(ground_truth.absent) != len(ground_truth.boxes):
        raise DataError(
            f"{ground_truth.name}: {len(ground_truth.absent)} absent flags for {len(ground_truth.boxes)} annotated "
            "frames; expected as many"
        )


def _length(ground_truth: SequenceGroundTruth, boxes: Floats, convention: Convention) -> int:
    """Return how many frames of the sequence are judged."""
    length, expected = len(boxes), len(ground_truth.boxes)
    rule = convention.longer if length > expected else convention.shorter
    if length != expected and rule == "error":
        raise DataError(
            f"{ground_truth.name}: {length} predicted boxes for {expected} annotated frames; "
            f"convention '{convention.name}' expects as many"
        )
    return length if length < expected and rule == "cut-truth" else expected


def _replace_bad(name: str, truth: Floats, boxes: Floats, convention: Convention) -> Floats:
    """Return predictions (F, 4) with the bad ones after the first replaced by the last good one before them.

    A bad prediction where the ground truth has a NaN stays; frames after it copy it if they are bad themselves.
    """
    from trackbench.metrics.ope_kernels import all_sized  # loads a compiler

    if all_sized(*boxes.T):
        return boxes
    nan, (_, _, w, h) = np.isnan(boxes).any(axis=1), boxes.T
    if convention.bad_prediction == "copy":
        bad = nan | (w <= 0) | (h <= 0)
    else:
        refused = nan | (w < 0) | (h < 0)
        if convention.first_frame == "truth":
            refused[0] &= not np.isnan(boxes[0]).all()  # VOT's code, no box
        if refused.any():
            frame = int(refused.argmax())
            raise DataError(
                f"{name}: predicted box {frame + 1} is {boxes[frame].tolist()}; convention '{convention.name}' takes "
                "no NaN and no negative size"
            )
        bad = (w == 0) | (h == 0)
    bad &= ~np.isnan(truth).any(axis=1)
    bad[0] = False
    return boxes[np.maximum.accumulate(np.where(bad, 0, np.arange(len(bad))))]
