"""TrackingNet's server metric, as the devkit's metrics.py computes it (Müller et al., ECCV 2018).

It is not the one-pass evaluation of the other benchmarks: numbers are rounded to integers first (halves to even),
success counts IoU >= threshold, and all three scores are areas under curves of 21 thresholds by the trapezoidal rule:
overlap 0 .. 1, centre error 0 .. 50 pixels, normalised centre error 0 .. 0.5. Its "precision" is therefore not
precision at 20 pixels, and boxes equal to the ground truth score 1.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.metrics.curves import count_above, count_within
from trackbench.regions import box_iou

Floats = NDArray[np.float64]

_STEPS: Floats = np.linspace(0, 1, 21)
"""The thresholds of all three curves, as parts of their ranges."""


class TrackingNetGroundTruth(NamedTuple):
    """The annotation of a sequence of N frames."""

    name: str
    boxes: Floats
    """(N, 4): x, y, w, h in pixels."""


class TrackingNetScores(NamedTuple):
    """Scores as fractions (the server prints percentages)."""

    success: float
    precision_auc: float
    norm_precision_auc: float
    coverage: float
    """Share of all rows, of all sequences, whose numbers have a sum above 0 (the first row is the ground truth)."""


class TrackingNetResult(NamedTuple):
    """Scores of S sequences."""

    names: tuple[str, ...]
    scores: TrackingNetScores
    per_sequence: Floats
    """(S, 4): the scores of each sequence, in the order of `TrackingNetScores`."""


def evaluate(
    ground_truths: Sequence[TrackingNetGroundTruth], predictions: Sequence[Floats | None]
) -> TrackingNetResult:
    """Judge a submission on S sequences.

    Args:
        ground_truths: the annotations.
        predictions: for each sequence float64 (M, 4), the first frame's included (the ground truth takes its place).
            Rows beyond the annotation are ignored, missing rows are misses. None is a missing file: boxes of zeros.

    Raises:
        DataError: predictions are not of shape (M, 4).

    Example:
        >>> boxes = np.array([[0.0, 0, 10, 10], [0.0, 0, 10, 10]])
        >>> evaluate([TrackingNetTruth("two", boxes)], [boxes]).scores.success
        1.0
    """
    if not ground_truths or len(ground_truths) != len(predictions):
        raise ValueError(
            f"{len(predictions)} predictions for {len(ground_truths)} sequences; expected as many, at least one"
        )
    lengths = np.array([len(ground_truth.boxes) for ground_truth in ground_truths])
    starts = np.cumsum(lengths) - lengths
    ground_truth = np.round(np.concatenate([t.boxes for t in ground_truths]))
    predicted = np.round(np.concatenate([_rows(t, boxes) for t, boxes in zip(ground_truths, predictions, strict=True)]))
    predicted[starts] = ground_truth[starts]
    covered = np.add.reduceat(predicted.sum(axis=1) > 0, starts, dtype=np.int64)

    offsets = predicted[:, :2] + predicted[:, 2:] / 2 - ground_truth[:, :2] - ground_truth[:, 2:] / 2
    with np.errstate(divide="ignore", invalid="ignore"):  # truths without area
        norm_offsets = offsets / ground_truth[:, 2:]
    curves = (
        count_above(box_iou(predicted, ground_truth), _STEPS, lengths, inclusive=True),
        count_within(np.linalg.norm(offsets, axis=1), _STEPS * 50, lengths),
        count_within(np.linalg.norm(norm_offsets, axis=1), _STEPS * 0.5, lengths),
    )
    from scipy.integrate import trapezoid  # here: it loads slowly

    areas = [trapezoid(curve, _STEPS, axis=1) for curve in curves]
    per_sequence = np.column_stack([*areas, covered]) / lengths[:, None]
    success, precision, norm_precision, _ = per_sequence.mean(axis=0).tolist()
    scores = TrackingNetScores(success, precision, norm_precision, float(covered.sum() / lengths.sum()))
    return TrackingNetResult(tuple(t.name for t in ground_truths), scores, per_sequence)


def _rows(ground_truth: TrackingNetGroundTruth, boxes: Floats | None) -> Floats:
    length = len(ground_truth.boxes)
    if boxes is None:
        return np.zeros((length, 4))
    if boxes.ndim != 2 or boxes.shape[1] != 4:
        raise DataError(f"{ground_truth.name}: prediction of shape {boxes.shape}; expected (frames, 4)")
    missing = np.full((max(0, length - len(boxes)), 4), np.nan)
    return np.concatenate([boxes[:length], missing])
