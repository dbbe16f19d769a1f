"""One-pass evaluation (OPE): success, precision and normalised precision of all sequences at once.

With overlap IoU_t, centre error CE_t in pixels and normalised centre error NCE_t of frame t, and the denominator D of a
sequence (its number of frames, or what the convention says):

- success S(a) = #{IoU_t > a} / D, a = 0, 0.05 .. 1; its score is the mean of the 21 values ("AUC"), so that boxes equal
  to the ground truth score 20/21;
- precision P(r) = #{CE_t <= r} / D, r = 0 .. 50 pixels; score P(20);
- normalised precision Q(q) = #{NCE_t <= q} / D, q = 0, 0.01 .. 0.5; score Q(0.20).

Curves are made per sequence and averaged with equal weight (Wu et al., OTB, PAMI 2015; Müller et al., TrackingNet, ECCV
2018, for the normalisation).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.metrics.alignment import SequenceGroundTruth, align
from trackbench.metrics.conventions import Convention
from trackbench.metrics.curves import above, check_thresholds, within

if TYPE_CHECKING:
    from trackbench.metrics.ope_kernels import FrameRules

__all__ = [
    "NORM_PRECISION_THRESHOLDS",
    "PRECISION_THRESHOLDS",
    "SUCCESS_THRESHOLDS",
    "OpeCurves",
    "OpeResult",
    "OpeScores",
    "SequenceGroundTruth",
    "evaluate",
]

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]

SUCCESS_THRESHOLDS: Floats = np.linspace(0, 1, 21)
PRECISION_THRESHOLDS: Floats = np.arange(51.0)
NORM_PRECISION_THRESHOLDS: Floats = np.arange(51) / 100

# Errors below and above every threshold.
_HIT, _MISS = -1.0, np.inf
_ALL_PRESENT: Flags = np.zeros(0, bool)


class OpeScores(NamedTuple):
    """Scores of one sequence or of a set of sequences, as fractions."""

    success_auc: float
    precision: float
    """At 20 pixels."""
    norm_precision: float
    """Normalised precision at 0.20, or the mean of its curve, as the convention has it."""
    sr50: float
    """Success rate: the success curve at 0.5."""
    sr75: float
    mean_overlap: float
    """Mean IoU over the valid frames of a sequence, then over sequences; NaN where there is no valid frame."""


class OpeCurves(NamedTuple):
    """Curves over `SUCCESS_THRESHOLDS` (21), `PRECISION_THRESHOLDS` (51) and `NORM_PRECISION_THRESHOLDS` (51)."""

    success: Floats
    precision: Floats
    norm_precision: Floats


class Summary(NamedTuple):
    """How a score is read off a curve."""

    curve: str
    """A field of `OpeCurves`."""
    threshold: float | None
    """The score is the curve's value there; None: the mean of the curve."""


#: Score -> what it is read off, in the order of `OpeScores`; all but the mean overlap.
SUMMARIES: Mapping[str, Summary] = {
    "success_auc": Summary("success", None),
    "precision": Summary("precision", 20),
    "norm_precision": Summary("norm_precision", 0.2),
    "sr50": Summary("success", 0.5),
    "sr75": Summary("success", 0.75),
}
#: Curve -> its thresholds.
GRIDS: Mapping[str, Floats] = {
    "success": SUCCESS_THRESHOLDS,
    "precision": PRECISION_THRESHOLDS,
    "norm_precision": NORM_PRECISION_THRESHOLDS,
}


class AttributeResult(NamedTuple):
    """The sequences that carry an attribute, together."""

    indices: list[int]
    """Their places among the evaluated sequences."""
    curves: OpeCurves
    """Their mean curves."""
    scores: OpeScores | None
    """Their scores; None where the convention wants more sequences."""


@dataclass(frozen=True, eq=False)
class OpeResult:
    """Curves and scores of S sequences."""

    convention: Convention
    names: tuple[str, ...]
    curves: OpeCurves
    """Curves of each sequence: (S, 21), (S, 51), (S, 51). A sequence without a valid frame has none (NaN) where the
    convention divides by the valid frames, and does not count in the means."""
    mean_overlaps: Floats
    """(S,): see `OpeScores.mean_overlap`."""

    def mean_curves(self, indices: Sequence[int] | None = None) -> OpeCurves:
        """Return the mean curves over all sequences, or over those of the given indices (an attribute's).

        A curve of no sequence is NaN.
        """
        rows = self._rows(indices)
        return OpeCurves(*(self._mean(kind, rows) for kind in range(len(self.curves))))

    def mean(self, indices: Sequence[int] | None = None) -> OpeScores:
        """Return the scores over all sequences, or over those of the given indices (an attribute's)."""
        return self._mean_scores(self.mean_curves(indices), indices)

    def sequence(self, index: int) -> OpeScores:
        """Return the scores of one sequence."""
        return self._scores(OpeCurves(*(curve[index] for curve in self.curves)), float(self.mean_overlaps[index]))

    def per_sequence(self) -> Floats:
        """Return (S, 6): the scores of each sequence, in the order of `OpeScores`."""
        return np.column_stack([*self._summaries(self.curves), self.mean_overlaps])

    def attributes(self, members: Mapping[str, Iterable[str]]) -> dict[str, AttributeResult]:
        """Return what each attribute has over the sequences that carry it.

        Args:
            members: attribute -> the names of its sequences; names that were not evaluated do not count.

        Returns:
            Attributes of which a sequence was evaluated, in the order given.
        """
        place = {name: index for index, name in enumerate(self.names)}
        results = {}
        for attribute, names in members.items():
            indices = [place[name] for name in names if name in place]
            if indices:
                curves = self.mean_curves(indices)
                scored = len(indices) >= self.convention.min_attribute_sequences
                results[attribute] = AttributeResult(
                    indices, curves, self._mean_scores(curves, indices) if scored else None
                )
        return results

    def _rows(self, indices: Sequence[int] | None) -> NDArray[np.intp]:
        return np.arange(len(self.names)) if indices is None else np.array(indices, np.intp)

    @cached_property
    def _counting(self) -> list[tuple[Flags, Flags]]:
        """Of each curve the sequences that have one, and those where it is not zero throughout, each (S,)."""
        return [(~np.isnan(curve[:, 0]), np.asarray(np.nan_to_num(curve).any(axis=1))) for curve in self.curves]

    def _mean(self, kind: int, rows: NDArray[np.intp]) -> Floats:
        known, nonzero = self._counting[kind]
        rows = rows[known[rows]]
        if self.convention.drop_zero_sequences and nonzero[rows].any():
            rows = rows[nonzero[rows]]
        curves = self.curves[kind]
        mean: Floats = curves[rows].mean(axis=0) if len(rows) else np.full(curves.shape[1], np.nan)
        return mean

    def _mean_scores(self, curves: OpeCurves, indices: Sequence[int] | None) -> OpeScores:
        overlaps = self.mean_overlaps[self._rows(indices)]
        known = overlaps[~np.isnan(overlaps)]
        return self._scores(curves, float(known.mean()) if len(known) else float("nan"))

    def _scores(self, curves: OpeCurves, mean_overlap: float) -> OpeScores:
        values = zip(SUMMARIES, map(float, self._summaries(curves)), strict=True)
        return OpeScores(**dict(values), mean_overlap=mean_overlap)

    def _summaries(self, curves: OpeCurves) -> list[Floats]:
        """Return the scores that are read off curves, each (...) for curves (..., T), in the order of `OpeScores`."""
        summaries = []
        for name, (kind, threshold) in SUMMARIES.items():
            curve: Floats = getattr(curves, kind)
            if threshold is None or (name == "norm_precision" and self.convention.norm_score == "mean"):
                summaries.append(curve.mean(axis=-1))
            else:
                summaries.append(curve[..., _index(kind, threshold)])
        return summaries


@cache
def _index(kind: str, threshold: float) -> int:
    return int(np.abs(GRIDS[kind] - threshold).argmin())


def evaluate(
    ground_truths: Sequence[SequenceGroundTruth], predictions: Sequence[Floats], convention: Convention
) -> OpeResult:
    """Judge the predictions of one tracker on S sequences.

    Args:
        ground_truths: the annotations.
        predictions: for each sequence float64 (M, 4), x, y, w, h in pixels, the first frame's included.
        convention: the rules; see `trackbench.metrics.conventions`.

    Raises:
        DataError: a sequence's predictions do not fit its annotation, or hold what the convention refuses.

    Example:
        >>> from trackbench.metrics.conventions import convention
        >>> boxes = np.array([[10.0, 10, 20, 20], [12.0, 10, 20, 20]])
        >>> scores = evaluate([SequenceGroundTruth("two", boxes)], [boxes[[0, 0]]], convention("matlab")).mean()
        >>> round(scores.success_auc, 4), round(scores.mean_overlap, 4)
        (0.881, 0.9091)
    """
    from trackbench.metrics.ope_kernels import judge_sequence  # loads a compiler

    if not ground_truths or len(ground_truths) != len(predictions):
        raise ValueError(
            f"{len(predictions)} predictions for {len(ground_truths)} sequences; expected as many, at least one"
        )
    thresholds = SUCCESS_THRESHOLDS, PRECISION_THRESHOLDS, NORM_PRECISION_THRESHOLDS
    widths = [check_thresholds(grid) + 1 for grid in thresholds]
    counts = np.empty((len(ground_truths), sum(widths)), np.int64)
    lengths, valid, overlaps = (np.empty(len(ground_truths)) for _ in range(3))
    rules = _frame_rules(convention)
    for row, (ground_truth, boxes) in enumerate(zip(ground_truths, predictions, strict=True)):
        truth, prediction = align(ground_truth, boxes, convention)
        lengths[row] = length = len(truth)
        absent = _ALL_PRESENT
        if convention.absent != "ignore" and ground_truth.absent is not None:
            absent = ground_truth.absent[:length]
        valid[row], overlaps[row] = judge_sequence(
            _columns(truth), _columns(prediction), absent, rules, thresholds, counts[row]
        )
    defined = np.where(valid > 0, valid, np.nan)
    denominator = (defined if convention.denominator == "valid" else lengths)[:, None]
    success, precision, norm_precision = np.split(counts, np.cumsum(widths)[:-1], axis=1)
    curves = OpeCurves(
        above(success) / denominator, within(precision) / denominator, within(norm_precision) / denominator
    )
    names = tuple(ground_truth.name for ground_truth in ground_truths)
    return OpeResult(convention, names, curves, overlaps / defined)


def _columns(boxes: Floats) -> tuple[Floats, Floats, Floats, Floats]:
    """Return x, y, w, h of (F, 4), each (F,) and contiguous."""
    x, y, w, h = boxes.T if boxes.strides[0] == boxes.itemsize else np.ascontiguousarray(boxes.T)
    return x, y, w, h


def _frame_rules(convention: Convention) -> FrameRules:
    from trackbench.metrics.ope_kernels import ALWAYS, FINITE, POSITIVE, SIZED, FrameRules

    values = {"hit": _HIT, "miss": _MISS, "centre": _HIT}
    return FrameRules(
        valid={"always": ALWAYS, "finite": FINITE, "sized": SIZED, "positive": POSITIVE}[convention.valid],
        absent_is_miss=convention.absent == "miss",
        first_is_truth=convention.first_frame == "truth",
        set_by_centre=convention.invalid_precision == "centre",
        set_to=values[convention.invalid_precision],
        norm_set_by_centre=convention.invalid_norm == "centre",
        norm_set_to=values[convention.invalid_norm],
        size_added=1e-16 if convention.norm_divisor == "size+epsilon" else 0.0,
        size_least=1.0 if convention.norm_divisor == "size>=1" else -np.inf,
        divide_first=convention.norm_order == "divide-first",
    )
