"""Accuracy, failures and expected average overlap of one run, by the VOT toolkits' rules."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from PIL import Image

from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.errors import DataError, UsageError, suggestion
from trackbench.metrics.statistics import bootstrap_intervals
from trackbench.metrics.vot.conventions import CONVENTIONS, VotConvention
from trackbench.metrics.vot.multistart import average_accuracy, multistart_scores
from trackbench.metrics.vot.packed import PackedRegions
from trackbench.metrics.vot.supervised import SequencePart, SupervisedScores, supervised_scores
from trackbench.metrics.vot.tracks import VotSequence
from trackbench.results.store import RunFolder
from trackbench.scores.one_pass import intervals
from trackbench.scores.score import Curve, Metrics
from trackbench.scores.stored import StoredRun

SUPERVISED, MULTISTART, UNSUPERVISED = "supervised", "multistart", "unsupervised"
EXPERIMENTS = (SUPERVISED, MULTISTART, UNSUPERVISED)


def experiment(protocol: str, dataset: Dataset) -> str | None:
    """Return which of VOT's experiments a protocol is on ``dataset``; None for one-pass evaluation."""
    base = dataset.protocol if protocol == "realtime" else protocol
    return base if base in EXPERIMENTS else None


def resolve(rules: str | None, kind: str, dataset: Dataset) -> str:
    """Return the convention of an experiment: the one asked for, else the data set's.

    Raises:
        UsageError: there is no such convention, or it does not know the experiment.
    """
    if kind != SUPERVISED:
        if rules not in (None, "official", "vot"):
            raise UsageError(f"convention '{rules}' does not know the experiment '{kind}'; expected vot")
        return "vot"
    name = rules or dataset.convention
    if name == "official":
        return "vot" if dataset.region_kind() == "mask" else "pysot"
    if name not in CONVENTIONS:
        known = ", ".join(CONVENTIONS)
        raise UsageError(f"unknown VOT convention '{name}'{suggestion(name, CONVENTIONS)} (known: {known})")
    return name


def interval_of(dataset: Dataset) -> tuple[int, int]:
    """Return the first and last length over which EAO averages: the benchmark's, elsewhere all lengths."""
    longest = max((len(sequence) for sequence in dataset.sequences), default=1)
    return dataset.definition.eao_lengths or (1, longest)


def score(folder: RunFolder, dataset: Dataset, kind: str, rules: str) -> tuple[StoredRun, dict[str, Any]]:
    """Return the run with its usable sequences, and the parts of its Score; what does not fit becomes a problem."""
    run = StoredRun(folder, folder.repetitions())
    answers: dict[str, Any] = {}
    packed: dict[str, VotSequence] = {}
    for sequence in dataset.sequences:
        try:
            found = _anchored(folder, sequence) if kind == MULTISTART else _repeated(folder, sequence)
            if found:
                packed[sequence.name], answers[sequence.name] = vot_sequence(sequence), found
                run.sequences[sequence.name] = sequence
        except DataError as error:
            run.drop(sequence.name, str(error))
    if run.sequences:
        try:
            return run, _parts(run, packed, answers, kind, rules, interval_of(dataset))
        except DataError:
            _drop_unfit(run, packed, answers, kind, rules)
    if run.sequences:
        return run, _parts(run, packed, answers, kind, rules, interval_of(dataset))
    return run, {"metrics": dict.fromkeys(("eao", "accuracy", "robustness", "fps"))}


def _drop_unfit(
    run: StoredRun, packed: Mapping[str, VotSequence], answers: Mapping[str, Any], kind: str, rules: str
) -> None:
    """Leave out the sequences whose results the metrics refuse; the interval plays no part in that."""
    for name in list(run.sequences):
        try:
            _parts(run, packed, answers, kind, rules, (1, 2), only=name)
        except DataError as error:
            run.drop(name, str(error))


def vot_sequence(sequence: VideoSequence) -> VotSequence:
    """Return a sequence as VOT's metrics take it; without metadata its size comes from the first image's header.

    Raises:
        DataError: the size of the frames is not known.
    """
    regions = [sequence.region(index) for index in range(len(sequence))]
    return VotSequence.of(sequence.name, regions, _size(sequence), sequence.ground_truth.tags)


def _parts(
    run: StoredRun,
    packed: Mapping[str, VotSequence],
    answers: Mapping[str, Any],
    kind: str,
    rules: str,
    interval: tuple[int, int],
    only: str | None = None,
) -> dict[str, Any]:
    names = [only] if only else list(run.sequences)
    sequences, runs = [packed[name] for name in names], [answers[name] for name in names]
    if kind == SUPERVISED:
        convention = CONVENTIONS[rules]
        return _supervised(run, supervised_scores(sequences, runs, convention, interval), sequences, convention)
    if kind == UNSUPERVISED:
        mean, means = average_accuracy(sequences, [repetitions[0] for repetitions in runs])
        return {
            "metrics": {"mean_overlap": mean, "fps": run.fps()},
            "per_sequence": {name: {"mean_overlap": value} for name, value in means.items()},
        }
    anchors = [run.sequences[name].ground_truth.values.get("anchor", np.zeros(0)) for name in names]
    scores = multistart_scores(sequences, anchors, runs, interval)
    return {
        "metrics": {
            "eao": scores.eao,
            "accuracy": scores.accuracy,
            "robustness": scores.robustness,
            "fps": run.fps([f"{name}_{anchor:08d}" for name in names for anchor in answers[name]]),
        },
        "per_sequence": {
            name: {"accuracy": part.accuracy, "robustness": part.robustness} for name, part in scores.sequences.items()
        },
        "curves": {"eao": _curve(scores.curve.tolist())},
        "interval": interval,
        "intervals": {
            **intervals(("eao",), bootstrap_intervals(*scores.eao_parts, mean_of_columns=True)),
            **_ratios(
                accuracy=[(part.accuracy, part.tracked) for part in scores.sequences.values()],
                robustness=[(part.robustness, part.frames) for part in scores.sequences.values()],
            ),
        },
    }


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


def _repeated(folder: RunFolder, sequence: VideoSequence) -> list[PackedRegions]:
    files = [folder.file(sequence.name, ".txt", repetition) for repetition in range(1, folder.repetitions() + 1)]
    present = [file.is_file() for file in files]
    if True in present and False in present[: sum(present)]:  # fewer at the end are an early stop
        missing = present.index(False)
        raise DataError(
            f"{files[missing]}: is missing, repetition {missing + 1} of {sequence.name}; later ones are there"
        )
    return [PackedRegions.read(file) for file in files[: sum(present)]]


def _anchored(folder: RunFolder, sequence: VideoSequence) -> dict[int, PackedRegions]:
    anchors = np.flatnonzero(sequence.ground_truth.values.get("anchor", np.zeros(0))).tolist()
    files = {anchor: folder.file(f"{sequence.name}_{anchor:08d}") for anchor in anchors}
    return {anchor: PackedRegions.read(file) for anchor, file in files.items() if file.is_file()}


def _size(sequence: VideoSequence) -> tuple[int, int]:
    if sequence.size is not None:
        return sequence.size
    path = sequence.frames[0]
    try:
        with Image.open(path) as image:
            return image.size
    except OSError as error:
        raise DataError(f"{path}: its size cannot be read: {error}") from None
