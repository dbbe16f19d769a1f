"""Success and precision of one run, by any toolkit's convention."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from trackbench.cache import foreign_code
from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.errors import DataError, UsageError
from trackbench.frames import image_size
from trackbench.metrics import ope
from trackbench.metrics.answers import KINDS, NONE, AnswerCounts, count_bad_answers
from trackbench.metrics.conventions import Convention, convention, resolve_name
from trackbench.metrics.statistics import bootstrap_intervals
from trackbench.metrics.table import Metric, measured_metrics
from trackbench.regions import Special
from trackbench.results.store import RunFolder
from trackbench.scoring.score import BadAnswers, Curve, Metrics
from trackbench.scoring.stored import Boxes, StoredRun, read_run
from trackbench.scoring.traces import TracedSequence, trace_boxes

if TYPE_CHECKING:
    from trackbench.scoring.evaluation import Scorer

THRESHOLDS = (ope.SUCCESS_THRESHOLDS, ope.PRECISION_THRESHOLDS, ope.NORM_PRECISION_THRESHOLDS)


@dataclass(frozen=True)
class OnePass:
    """Scores boxes by the curves of success and precision.

    Args:
        rules: the convention.
        further: metrics to measure beside those of the convention.
    """

    rules: Convention
    further: tuple[Metric, ...] = ()

    @property
    def convention(self) -> str:
        """The convention's name."""
        return self.rules.name

    def cache_key(self) -> str:
        """Return the rules, and what tells the code of further metrics from any other."""
        return repr((self.rules, [(m.key, foreign_code(m.measure)) for m in self.further]))

    def measuring(self, metrics: Sequence[str]) -> OnePass:
        """Return the scorer with these metrics measured too.

        Raises:
            UsageError: there is no such metric, or nothing says how it is measured.
        """
        return replace(self, further=tuple(measured_metrics(metrics)))

    def read(self, folder: RunFolder, dataset: Dataset) -> StoredRun:
        """Return the stored boxes."""
        return read_run(folder, dataset)

    def score(self, run: StoredRun, dataset: Dataset) -> dict[str, Any]:
        """Return the parts of a Score; sequences that the convention refuses are dropped from ``run``."""
        results = self.results(run)
        names = [*ope.OpeScores._fields, *(metric.key for metric in self.further)]
        if not results:
            return {"metrics": {**dict.fromkeys(names), "fps": None}}
        merged = merge(results)
        mean = merged.mean_curves()
        attributes = merged.attributes(dataset.members())
        further = [_measured(run, merged.names, metric) for metric in self.further]
        rows = np.column_stack([merged.per_sequence(), *further])
        columns = np.column_stack([contributions(merged), *further])
        extra = {m.key: _mean(values) for m, values in zip(self.further, further, strict=True)}
        return {
            "metrics": {**merged.mean()._asdict(), **extra, "fps": self.fps(run)},
            "spread": spread([dict(result.mean()._asdict()) for result in results]),
            "intervals": intervals(names, bootstrap_intervals(columns)),
            "attributes": {
                attribute: {
                    "sequences": len(result.indices),
                    **result.scores._asdict(),
                    **{m.key: _mean(values[result.indices]) for m, values in zip(self.further, further, strict=True)},
                }
                for attribute, result in attributes.items()
                if result.scores is not None
            },
            "per_sequence": {
                name: dict(zip(names, row, strict=True)) for name, row in zip(merged.names, rows.tolist(), strict=True)
            },
            "curves": _curves(mean),
            "attribute_curves": {
                attribute: _curves(result.curves)
                for attribute, result in attributes.items()
                if result.scores is not None
            },
            "bad_answers": self.bad_answers(run),
            "unannotated": unannotated(run),
        }

    def results(self, run: StoredRun) -> list[ope.OpeResult]:
        """Return the result of each repetition; sequences that the convention refuses are dropped from ``run``."""
        return evaluate(run, self.rules)

    def fps(self, run: StoredRun) -> float | None:
        """Return frames per second of tracking."""
        return run.fps()

    def bad_answers(self, run: StoredRun) -> dict[str, BadAnswers]:
        """Count the suspicious answers of all repetitions, by kind."""
        return bad_answers(run)

    def trace(self, sequence: VideoSequence, folders: Sequence[RunFolder]) -> Iterator[TracedSequence]:
        """Yield the boxes of the first repetition."""
        return trace_stored_boxes(sequence, folders)


@dataclass(frozen=True)
class BenchmarkMetric:
    """The metric of one benchmark's own toolkit or server, which leaves no rule to choose."""

    convention: str
    parts: Callable[[StoredRun], dict[str, Any]]
    """Gives the parts of a Score; drops the sequences that do not fit from the run."""

    def cache_key(self) -> str:
        """Return the name of the convention."""
        return self.convention

    def read(self, folder: RunFolder, dataset: Dataset) -> StoredRun:
        """Return the stored boxes."""
        return read_run(folder, dataset)

    def score(self, run: StoredRun, dataset: Dataset) -> dict[str, Any]:
        """Return the parts of a Score."""
        return {**self.parts(run), "bad_answers": bad_answers(run)}

    def trace(self, sequence: VideoSequence, folders: Sequence[RunFolder]) -> Iterator[TracedSequence]:
        """Yield the boxes of the first repetition."""
        return trace_stored_boxes(sequence, folders)


def make_scorer(dataset: Dataset, convention_name: str | None) -> Scorer:
    """Return the scorer of one-pass evaluation: a convention's, or the benchmark's own metric.

    Raises:
        UsageError: there is no such convention.
    """
    from trackbench.scoring import got10k, trackingnet

    family = dataset.definition.family
    name = resolve_name(convention_name or dataset.convention, family)
    if name == "trackingnet":
        return BenchmarkMetric("trackingnet", trackingnet.score)
    if name == "got10k" and family == "got10k":
        return BenchmarkMetric("got10k", got10k.score)
    return OnePass(convention(name, family), tuple(measured_metrics()))


def trace_stored_boxes(sequence: VideoSequence, folders: Sequence[RunFolder]) -> Iterator[TracedSequence]:
    """Yield the boxes that runs have stored of a sequence, of several repetitions the first."""
    boxes = {}
    for folder in folders:
        stored = folder.all_boxes([sequence.name])[sequence.name] if folder.has(sequence.name) else None
        if stored is not None and not isinstance(stored, DataError):
            boxes[folder.key.tracker] = stored
    if boxes:
        yield trace_boxes(sequence, boxes)


def bad_answers(run: StoredRun) -> dict[str, BadAnswers]:
    """Count the suspicious answers of all repetitions, by kind."""
    return add_up(
        [
            bad_boxes(run.sequences[name], boxes[:given])
            for boxes, given in zip(repetitions, run.given[name], strict=True)
        ]
        for name, repetitions in run.boxes.items()
    )


def add_up(sequences: Iterable[Sequence[AnswerCounts]]) -> dict[str, BadAnswers]:
    """Return the sums of what was counted in each sequence's results, by kind."""
    totals: dict[str, BadAnswers] = {}
    for counted in sequences:
        if all(counts is NONE for counts in counted):
            continue
        for kind, count in zip(KINDS, map(sum, zip(*counted, strict=True)), strict=True):
            if count:
                before = totals.get(kind, BadAnswers(0, 0))
                totals[kind] = BadAnswers(before.frames + count, before.sequences + 1)
    return {kind: totals[kind] for kind in KINDS if kind in totals}


def bad_boxes(sequence: VideoSequence, boxes: Boxes, start: int = 0) -> AnswerCounts:
    """Count the suspicious answers of one repetition.

    Where nothing says how large the frames are, an image is opened, but only for a box that is far outside of all that
    is annotated: in general scoring needs no image.

    Args:
        sequence: on which they were given.
        boxes: (M, 4), the first frame's included.
        start: the frame (from 0) of the first.
    """
    truth, size = sequence.ground_truth.boxes[start:], sequence.size
    counts = count_bad_answers(boxes, truth, size or sequence.ground_truth.extent)
    if not counts.outside or size is not None:
        return counts
    with contextlib.suppress(DataError, IndexError):
        size = image_size(sequence.frames[0])
    return count_bad_answers(boxes, truth, size)


def _measured(run: StoredRun, names: Sequence[str], metric: Metric) -> NDArray[np.float64]:
    """Return a metric of each sequence, the mean over its repetitions, float64 (S,)."""
    assert metric.measure is not None
    values = []
    for name in names:
        ground_truth = _truth(run, name)
        boxes = [np.full(ground_truth.boxes.shape, np.nan) for _ in run.boxes[name]]
        for repetition, place in enumerate(boxes):
            answers = _boxes(run, name, repetition)
            place[: len(answers)] = answers[: len(place)]
        try:
            values.append(_mean(np.array([float(metric.measure(ground_truth, answers)) for answers in boxes])))
        except Exception as error:
            raise UsageError(
                f"metric '{metric.key}' cannot be measured on {name}: {type(error).__name__}: {error}"
            ) from error
    return np.array(values, np.float64)


def _mean(values: NDArray[np.float64]) -> float:
    known = values[~np.isnan(values)]
    return float(known.mean()) if len(known) else math.nan


def evaluate(run: StoredRun, rules: Convention) -> list[ope.OpeResult]:
    """Return the result of each repetition; sequences that the convention refuses are dropped from ``run``.

    A convention treats frames that an import has filled up as missing. `--pad-missing` overrides its
    ``shorter="error"``.
    """
    if rules.shorter == "error" and run.is_padded:
        rules = replace(rules, shorter="pad")
    try:
        return _evaluate(run, rules)
    except DataError:
        for name in list(run.sequences):
            ground_truth = _truth(run, name)
            try:
                for repetition in range(len(run.boxes[name])):
                    ope.evaluate([ground_truth], [_boxes(run, name, repetition)], rules)
            except DataError as error:
                run.drop(name, str(error))
        return _evaluate(run, rules)


def _curves(mean: ope.OpeCurves) -> dict[str, Curve]:
    """Return curves by their names, with their thresholds."""
    return {
        name: Curve(grid.tolist(), curve.tolist())
        for name, grid, curve in zip(mean._fields, THRESHOLDS, mean, strict=True)
    }


def merge(results: Sequence[ope.OpeResult]) -> ope.OpeResult:
    """Return the mean over repetitions, sequence by sequence; a sequence counts over the repetitions that have it."""
    if len(results) == 1:
        return results[0]
    names = tuple(dict.fromkeys(name for result in results for name in result.names))
    places = [{name: index for index, name in enumerate(result.names)} for result in results]
    rows = [[(r, p[name]) for r, p in zip(results, places, strict=True) if name in p] for name in names]
    curves = ope.OpeCurves(
        *(np.stack([np.mean([r.curves[kind][i] for r, i in row], axis=0) for row in rows]) for kind in range(3))
    )
    overlaps = np.array([np.mean([r.mean_overlaps[i] for r, i in row]) for row in rows])
    return replace(results[0], names=names, curves=curves, mean_overlaps=overlaps)


def spread(runs: Sequence[Metrics]) -> Metrics:
    """Return the standard deviation of each metric over runs, with n - 1; empty for fewer than two."""
    if len(runs) < 2:
        return {}
    return {key: float(np.std([run[key] or 0.0 for run in runs], ddof=1)) for key in runs[0]}


def contributions(result: ope.OpeResult) -> NDArray[np.float64]:
    """Return (S, 6): what each sequence brings to each of the `OpeScores`, whose means over S are the scores.

    NaN where a sequence does not count.
    """
    rows = result.per_sequence()
    if result.convention.drop_zero_sequences:
        for column, name in enumerate(ope.OpeScores._fields):
            summary = ope.SUMMARIES.get(name)
            curve = None if summary is None else getattr(result.curves, summary.curve)
            if curve is not None and np.nan_to_num(curve).any():
                rows[~np.nan_to_num(curve).any(axis=1), column] = np.nan
    return rows


def intervals(names: Sequence[str], bounds: NDArray[np.float64]) -> dict[str, tuple[float, float]]:
    """Return the intervals that are known by the names of their metrics.

    Args:
        names: K names.
        bounds: (K, 2).
    """
    rows = zip(names, bounds.tolist(), strict=True)
    return {name: (low, high) for name, (low, high) in rows if math.isfinite(low) and math.isfinite(high)}


def _evaluate(run: StoredRun, rules: Convention) -> list[ope.OpeResult]:
    results = []
    for repetition in range(run.repetitions):
        names = [name for name, boxes in run.boxes.items() if len(boxes) > repetition]
        if names:
            boxes = [_boxes(run, name, repetition) for name in names]
            results.append(ope.evaluate([_truth(run, name) for name in names], boxes, rules))
    return results


def _boxes(run: StoredRun, name: str, repetition: int) -> NDArray[np.float64]:
    boxes = run.boxes[name][repetition][: run.given[name][repetition]]
    annotated = annotated_frames(run.sequences[name])
    if annotated is None:
        return boxes
    kept = np.ones(len(boxes), bool)
    kept[: len(annotated)] = annotated[: len(boxes)]
    return boxes[kept]


def _truth(run: StoredRun, name: str) -> ope.SequenceGroundTruth:
    ground_truth = run.sequences[name].ground_truth
    annotated = annotated_frames(run.sequences[name])
    boxes, absent = ground_truth.boxes, ground_truth.absent
    if annotated is not None:
        boxes, absent = boxes[annotated], None if absent is None else absent[annotated]
    return ope.SequenceGroundTruth(name, boxes, absent)


def annotated_frames(sequence: VideoSequence) -> NDArray[np.bool_] | None:
    """Return which frames have an annotation, (N,); None where all have, as far as codes can tell.

    Only annotations in VOT's text forms can say that a frame has none (code 0). No toolkit's convention has a rule for
    them, and the organisers of the benchmarks that have such frames leave them out. Boxes of NaN or zeros are what the
    conventions have rules for.
    """
    regions = sequence.ground_truth.regions
    if regions is None or not any(isinstance(region, Special) for region in regions):
        return None
    return np.array([not isinstance(region, Special) for region in regions])


def unannotated(run: StoredRun) -> int:
    """Return how many frames of the scored sequences have no annotation."""
    masks = (annotated_frames(sequence) for sequence in run.sequences.values())
    return sum(int((~mask).sum()) for mask in masks if mask is not None)
