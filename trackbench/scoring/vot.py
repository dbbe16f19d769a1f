"""Accuracy, failures and expected average overlap of one run, by the VOT toolkits' rules."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import numpy as np
from PIL import Image

from trackbench.datasets.anchors import anchor_values, anchored_name, find_anchors
from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.errors import DataError, UsageError
from trackbench.metrics.statistics import bootstrap_intervals
from trackbench.metrics.vot.conventions import CONVENTIONS, VotConvention
from trackbench.metrics.vot.multistart import multistart_scores
from trackbench.metrics.vot.packed import PackedRegions
from trackbench.metrics.vot.raster import OverlapRule
from trackbench.metrics.vot.supervised import SequencePart, SupervisedScores, supervised_scores
from trackbench.metrics.vot.tracks import VotSequence
from trackbench.metrics.vot.unsupervised import average_accuracy, average_overlap
from trackbench.regions import Region, Special
from trackbench.results.store import RunFolder
from trackbench.scoring.one_pass import intervals
from trackbench.scoring.region_answers import bad_regions
from trackbench.scoring.score import Curve, Metrics
from trackbench.scoring.stored import StoredRun, given_count
from trackbench.scoring.traces import Trace, TracedSequence, ground_truth_contours, trace_regions


class _Scorer(ABC):
    """What the scorers of VOT's experiments share: results are regions, judged together with the frames' size."""

    convention = "vot"
    metrics: ClassVar[tuple[str, ...]] = ("eao", "accuracy", "robustness")
    """Those that are undefined where nothing is stored."""
    overlap: OverlapRule = "vot"

    def cache_key(self) -> None:
        """Return nothing: images may give the size of frames, and they have no stamp."""
        return

    def read(self, folder: RunFolder, dataset: Dataset) -> StoredRun:
        """Return the stored regions of every sequence."""
        run = StoredRun(folder, folder.repetitions())
        padded = (folder.manifest() or {}).get("padded", {})
        for sequence in dataset.sequences:
            try:
                answers = self._answers(folder, sequence)
                if answers:
                    given = [
                        given_count(padded, sequence.name, repetition, len(sequence))
                        for repetition in range(1, run.repetitions + 1)
                    ]
                    run.packed[sequence.name], run.answers[sequence.name] = vot_sequence(sequence), answers
                    run.sequences[sequence.name], run.given[sequence.name] = sequence, given
            except DataError as error:
                run.drop(sequence.name, str(error))
        return run

    def score(self, run: StoredRun, dataset: Dataset) -> dict[str, Any]:
        """Return the parts of a Score; sequences whose results the metrics refuse are dropped from ``run``."""
        parts = self._judged(run, self.lengths_on(dataset))
        return {**parts, "bad_answers": bad_regions(run)}

    def _judged(self, run: StoredRun, lengths: tuple[int, int]) -> dict[str, Any]:
        if run.sequences:
            try:
                return self._parts(run, list(run.sequences), lengths)
            except DataError:
                for name in list(run.sequences):
                    try:
                        self._parts(run, [name], (1, 2))  # the lengths play no part in what is refused
                    except DataError as error:
                        run.drop(name, str(error))
        if run.sequences:
            return self._parts(run, list(run.sequences), lengths)
        return {"metrics": dict.fromkeys((*self.metrics, "fps"))}

    def trace(self, sequence: VideoSequence, folders: Sequence[RunFolder]) -> Iterator[TracedSequence]:
        """Yield what each run answered on a sequence, of several repetitions the first."""
        packed, traces = vot_sequence(sequence), {}
        for folder in folders:
            regions = _stored_regions(folder, sequence.name)
            if regions is not None and len(regions) == len(sequence):
                answers = PackedRegions.of(regions)
                traces[folder.key.tracker] = trace_regions(regions, answers, packed, self.overlap)
        if traces:
            yield TracedSequence(sequence.name, sequence, ground_truth_contours(sequence), traces)

    def _answers(self, folder: RunFolder, sequence: VideoSequence) -> Any:
        """Return the stored answers on a sequence, in the form that the metrics take; empty where there are none."""
        files = [folder.file(sequence.name, ".txt", repetition) for repetition in range(1, folder.repetitions() + 1)]
        present = [file.is_file() for file in files]
        if True in present and False in present[: sum(present)]:  # fewer at the end are an early stop
            missing = present.index(False)
            raise DataError(
                f"{files[missing]}: is missing, repetition {missing + 1} of {sequence.name}; later ones are there"
            )
        return [PackedRegions.read(file) for file in files[: sum(present)]]

    def lengths_on(self, dataset: Dataset) -> tuple[int, int]:
        """Return the lengths over which EAO averages; an experiment without it has no use for them."""
        return 1, 2

    @abstractmethod
    def _parts(self, run: StoredRun, names: Sequence[str], lengths: tuple[int, int]) -> dict[str, Any]:
        """Return the parts of a Score over some sequences.

        Raises:
            DataError: the metrics refuse the results of one of them.
        """


class WithExpectedOverlap(_Scorer):
    """An experiment with expected average overlap, which is averaged over lengths.

    Args:
        lengths: the first and the last of them, in frames; None: all that the data set has.
    """

    lengths: tuple[int, int] | None

    def lengths_on(self, dataset: Dataset) -> tuple[int, int]:
        """Return the lengths over which expected average overlap averages."""
        return self.lengths or (1, max((len(sequence) for sequence in dataset.sequences), default=1))

    @abstractmethod
    def over(self, lengths: tuple[int, int]) -> WithExpectedOverlap:
        """Return the scorer that averages over other lengths."""


@dataclass(frozen=True)
class Supervised(WithExpectedOverlap):
    """The reset-based experiment."""

    rules: VotConvention
    lengths: tuple[int, int] | None

    @property
    def convention(self) -> str:  # type: ignore[override]
        """The convention's name."""
        return self.rules.name

    @property
    def overlap(self) -> OverlapRule:  # type: ignore[override]
        """The convention's overlap."""
        return self.rules.overlap

    def over(self, lengths: tuple[int, int]) -> Supervised:
        """Return the scorer that averages over other lengths."""
        return replace(self, lengths=lengths)

    def _parts(self, run: StoredRun, names: Sequence[str], lengths: tuple[int, int]) -> dict[str, Any]:
        sequences, answers = [run.packed[name] for name in names], [run.answers[name] for name in names]
        given = [run.given[name] for name in names]
        scores = supervised_scores(sequences, answers, self.rules, lengths, given=given)
        return _supervised(run, scores, sequences, self.rules)


@dataclass(frozen=True)
class MultiStart(WithExpectedOverlap):
    """The anchor-based experiment."""

    lengths: tuple[int, int] | None

    def over(self, lengths: tuple[int, int]) -> MultiStart:
        """Return the scorer that averages over other lengths."""
        return replace(self, lengths=lengths)

    def trace(self, sequence: VideoSequence, folders: Sequence[RunFolder]) -> Iterator[TracedSequence]:
        """Yield an entry for each anchor."""
        packed, total = vot_sequence(sequence), len(sequence)
        for anchor, step in find_anchors(sequence).values():
            frames = np.arange(anchor, total if step > 0 else -1, step)
            traces: dict[str, Trace] = {}
            for folder in folders:
                regions = _stored_regions(folder, anchored_name(sequence.name, anchor))
                if regions is None or len(regions) != len(frames):
                    continue
                everywhere: list[Region] = [Special(0)] * total
                for frame, region in zip(frames.tolist(), regions, strict=True):
                    everywhere[frame] = region
                traces[folder.key.tracker] = trace_regions(everywhere, PackedRegions.of(everywhere), packed, "vot")
            if traces:
                name = f"{sequence.name}, {'forward' if step > 0 else 'backward'} from frame {anchor + 1}"
                yield TracedSequence(name, sequence, ground_truth_contours(sequence), traces)

    def _answers(self, folder: RunFolder, sequence: VideoSequence) -> dict[int, PackedRegions]:
        files = {frame: folder.file(anchored_name(sequence.name, frame)) for frame in find_anchors(sequence)}
        return {anchor: PackedRegions.read(file) for anchor, file in files.items() if file.is_file()}

    def _parts(self, run: StoredRun, names: Sequence[str], lengths: tuple[int, int]) -> dict[str, Any]:
        sequences, answers = [run.packed[name] for name in names], [run.answers[name] for name in names]
        anchors = [anchor_values(run.sequences[name]) for name in names]
        scores = multistart_scores(sequences, anchors, answers, lengths)
        return {
            "metrics": {
                "eao": scores.eao,
                "accuracy": scores.accuracy,
                "robustness": scores.robustness,
                "fps": run.fps([anchored_name(name, anchor) for name in names for anchor in run.answers[name]]),
            },
            "per_sequence": {
                name: {"accuracy": part.accuracy, "robustness": part.robustness}
                for name, part in scores.sequences.items()
            },
            "curves": {"eao": _curve(scores.curve.tolist())},
            "interval": lengths,
            "intervals": {
                **intervals(("eao",), bootstrap_intervals(*scores.eao_parts, mean_of_columns=True)),
                **_ratios(
                    accuracy=[(part.accuracy, part.tracked) for part in scores.sequences.values()],
                    robustness=[(part.robustness, part.frames) for part in scores.sequences.values()],
                ),
            },
        }


@dataclass(frozen=True)
class Unsupervised(_Scorer):
    """The experiment without resets."""

    convention: str = "vot"
    burn_in: int = 1
    """Frames at the start that do not count; ``matlab`` has none."""
    metrics: ClassVar[tuple[str, ...]] = ("mean_overlap",)

    @property
    def overlap(self) -> OverlapRule:  # type: ignore[override]
        """The convention's overlap."""
        return CONVENTIONS.get(self.convention).overlap

    def _parts(self, run: StoredRun, names: Sequence[str], lengths: tuple[int, int]) -> dict[str, Any]:
        sequences, answers = [run.packed[name] for name in names], [run.answers[name][0] for name in names]
        if self.convention == "matlab":
            mean, means = average_overlap(sequences, answers)
        else:
            mean, means = average_accuracy(sequences, answers, self.burn_in)
        return {
            "metrics": {"mean_overlap": mean, "fps": run.fps()},
            "per_sequence": {name: {"mean_overlap": value} for name, value in means.items()},
        }


def _make_supervised(dataset: Dataset, convention: str | None) -> Supervised:
    name = convention or dataset.convention
    if name == "official":
        name = "vot" if dataset.region_kind() == "mask" else "pysot"
    return Supervised(CONVENTIONS.get(name), dataset.definition.eao_lengths)


def _make_multi_start(dataset: Dataset, convention: str | None) -> MultiStart:
    if convention not in (None, "official", "vot"):
        raise UsageError(f"convention '{convention}' does not know the experiment 'multistart'; expected vot")
    return MultiStart(dataset.definition.eao_lengths)


def _make_unsupervised(dataset: Dataset, convention: str | None) -> Unsupervised:
    if convention not in (None, "official", "vot", "matlab"):
        raise UsageError(
            f"convention '{convention}' does not know the experiment 'unsupervised'; expected vot or matlab"
        )
    if convention == "matlab":
        return Unsupervised("matlab", burn_in=0)
    return Unsupervised(burn_in=unsupervised_burn_in(dataset))


def unsupervised_burn_in(dataset: Dataset) -> int:
    """Return how many frames at the start do not count in the experiment without resets.

    vot-toolkit's stacks of 2016 to 2019, whose own experiment is the reset-based one, have the default burn-in of its
    analysis; those from 2020 on set it to 1.
    """
    return 10 if dataset.protocol == "supervised" else 1


#: Protocol -> what makes its scorer, see `trackbench.scoring.evaluation.MakeScorer`.
SCORERS = {"supervised": _make_supervised, "multistart": _make_multi_start, "unsupervised": _make_unsupervised}


def vot_sequence(sequence: VideoSequence) -> VotSequence:
    """Return a sequence as VOT's metrics take it; without metadata its size comes from the first image's header.

    Raises:
        DataError: the size of the frames is not known.
    """
    regions = [sequence.region(index) for index in range(len(sequence))]
    return VotSequence.of(sequence.name, regions, _size(sequence), sequence.ground_truth.tags)


def _supervised(
    run: StoredRun, scores: SupervisedScores, sequences: list[VotSequence], rules: VotConvention
) -> dict[str, Any]:
    tagged = {tag: sum(bool(s.tags[tag].any()) for s in sequences if tag in s.tags) for tag in scores.tags}
    tags: dict[str, Metrics] = {
        tag: {
            "sequences": tagged[tag] or None,
            "frames": part.frames,
            "accuracy": _defined(part.accuracy),
            "failures": part.failures,
            # VOT's own weights are broken for the frames without any tag.
            "eao": scores.tag_eao.get(tag),
        }
        for tag, part in scores.tags.items()
        if part.frames
    }
    parts = scores.sequences.values()
    return {
        "metrics": {
            "eao": scores.eao,
            "accuracy": _defined(scores.accuracy),
            "robustness": scores.robustness,
            "failures": scores.failures.frames,
            "failures_per_100": scores.failures_per_100,
            "reliability": scores.reliability,
            "fps": run.fps(),
        },
        "attributes": tags,
        "per_sequence": {
            name: {"accuracy": _defined(part.accuracy), "failures": part.failures}
            for name, part in scores.sequences.items()
        },
        "curves": {"eao": _curve(scores.curve.tolist())},
        "interval": scores.interval,
        "intervals": {
            **intervals(("eao",), bootstrap_intervals(*scores.eao_parts, mean_of_columns=True)),
            **_ratios(
                accuracy=[(part.accuracy, _weight(part, rules)) for part in parts],
                failures_per_100=[(100 * part.failures / part.frames, part.frames) for part in parts],
            ),
        },
    }


def _weight(part: SequencePart, rules: VotConvention) -> float:
    """Return by what a sequence counts in the accuracy; where that averages over tags, its frames come nearest."""
    return part.frames if rules.average == "sequences" else part.valid


def _ratios(**pairs: list[tuple[float, float]]) -> dict[str, tuple[float, float]]:
    """Return the intervals of averages of (value, weight) over sequences."""
    values, weights = (np.array([[pair[i] for pair in column] for column in pairs.values()], float).T for i in (0, 1))
    return intervals(tuple(pairs), bootstrap_intervals(values * weights, weights))


def _curve(values: list[float]) -> Curve:
    """Return an EAO curve over sequence lengths in frames, counted from 1."""
    return Curve([float(length) for length in range(1, len(values) + 1)], values)


def _defined(value: float) -> float | None:
    return None if math.isnan(value) else value


def _stored_regions(folder: RunFolder, name: str) -> list[Region] | None:
    try:
        return folder.regions(name)
    except DataError:
        return None


def _size(sequence: VideoSequence) -> tuple[int, int]:
    if sequence.size is not None:
        return sequence.size
    path = sequence.frames[0]
    try:
        with Image.open(path) as image:
            return image.size
    except OSError as error:
        raise DataError(f"{path}: its size cannot be read: {error}") from None
