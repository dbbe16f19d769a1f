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
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.metrics.batching import SequenceGroundTruth, StackedFrames, any_nan, stack
from trackbench.metrics.conventions import Convention
from trackbench.metrics.curves import count_above, count_within

if TYPE_CHECKING:
    from trackbench.metrics.ope_kernels import DistanceRules

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

#: Frames that are judged at a time: as many as the arrays of a block fit into a processor's cache.
BLOCK = 32768

# Errors below and above every threshold.
_HIT, _MISS = -1.0, np.inf


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
        return OpeCurves(*(self._mean(curve[rows]) for curve in self.curves))

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

    def _mean(self, curves: Floats) -> Floats:
        unknown = np.isnan(curves[:, 0])
        if unknown.any():
            curves = curves[~unknown]
        if self.convention.drop_zero_sequences and curves.any():
            curves = curves[curves.any(axis=1)]
        mean: Floats = curves.mean(axis=0) if len(curves) else np.full(curves.shape[1], np.nan)
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
    frames = np.cumsum([len(ground_truth.boxes) for ground_truth in ground_truths])
    cuts = [0, *(np.flatnonzero(np.diff(frames // BLOCK)) + 1).tolist(), None]
    parts = [_judge(ground_truths[a:b], predictions[a:b], convention) for a, b in pairwise(cuts)]
    *curves, mean_overlaps = (np.concatenate(kind) for kind in zip(*parts, strict=True))
    return OpeResult(
        convention, tuple(ground_truth.name for ground_truth in ground_truths), OpeCurves(*curves), mean_overlaps
    )


def _judge(
    ground_truths: Sequence[SequenceGroundTruth], predictions: Sequence[Floats], convention: Convention
) -> tuple[Floats, Floats, Floats, Floats]:
    """Return the three curves and the mean overlap of each sequence."""
    from trackbench.metrics.ope_kernels import judge_frames  # loads a compiler

    frames = stack(ground_truths, predictions, convention)
    valid = _valid(frames, convention)
    overlaps, errors, norm_errors = judge_frames(
        frames.ground_truth, frames.prediction, valid, _distance_rules(convention)
    )
    if convention.absent == "miss":
        errors[frames.absent] = norm_errors[frames.absent] = _MISS

    valid_frames = np.add.reduceat(valid, frames.starts, dtype=np.int64)
    defined = np.where(valid_frames > 0, valid_frames, np.nan)
    denominator = (defined if convention.denominator == "valid" else frames.lengths)[:, None]
    return (
        count_above(overlaps, SUCCESS_THRESHOLDS, frames.lengths) / denominator,
        count_within(errors, PRECISION_THRESHOLDS, frames.lengths) / denominator,
        count_within(norm_errors, NORM_PRECISION_THRESHOLDS, frames.lengths) / denominator,
        np.add.reduceat(overlaps, frames.starts) / defined,
    )


def _valid(frames: StackedFrames, convention: Convention) -> Flags:
    """Return (F,): the frames that can be a success."""
    x, y, w, h = frames.ground_truth.T
    if convention.valid == "always":
        valid = np.ones(len(x), bool)
    elif convention.valid == "finite":
        valid = ~any_nan(frames.ground_truth)
    else:
        valid = (w > 0) & (h > 0)
        if convention.valid == "positive":
            valid &= (x > 0) & (y > 0)
    return valid if convention.absent == "ignore" else valid & ~frames.absent


def _distance_rules(convention: Convention) -> DistanceRules:
    from trackbench.metrics.ope_kernels import DistanceRules

    values = {"hit": _HIT, "miss": _MISS, "centre": _HIT}
    return DistanceRules(
        set_by_centre=convention.invalid_precision == "centre",
        set_to=values[convention.invalid_precision],
        norm_set_by_centre=convention.invalid_norm == "centre",
        norm_set_to=values[convention.invalid_norm],
        size_added=1e-16 if convention.norm_divisor == "size+epsilon" else 0.0,
        size_least=1.0 if convention.norm_divisor == "size>=1" else -np.inf,
        divide_first=convention.norm_order == "divide-first",
    )
