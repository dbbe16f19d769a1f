"""Scores every stored run on a data set, and shows what the runs answered frame by frame."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from threading import Lock
from typing import Any, NamedTuple

from trackbench.cache import FOLDER
from trackbench.datasets.fingerprint import changed_sequences
from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.errors import DataError, UsageError
from trackbench.files import folder_name
from trackbench.quoting import listed
from trackbench.regions import Mask, Region
from trackbench.results.hardware import describe_sessions
from trackbench.results.store import RunFolder
from trackbench.scoring import cache
from trackbench.scoring.evaluation import Evaluation, resolve_evaluation
from trackbench.scoring.ground_truths import read_ground_truths
from trackbench.scoring.score import Score
from trackbench.scoring.server import server_parts
from trackbench.scoring.stored import Runs, StoredRun, find_runs
from trackbench.scoring.traces import TracedSequence

#: Most runs that are scored at once: each holds its boxes in memory. Reading, parsing and counting run side by side.
THREADS = 8
#: Runs of one data set share the cache of its annotations.
_ANNOTATIONS = Lock()


def score_runs(
    dataset: Dataset,
    runs: Runs,
    trackers: Sequence[str] | None = None,
    *,
    protocol: str | None = None,
    rules: str | None = None,
) -> list[Score]:
    """Score the stored runs on a data set.

    Args:
        dataset: what they ran on; sequences that it lacks on disk are not scored.
        runs: the folder of all runs, or several of them.
        trackers: labels, or names of trackers, which mean all their runs if no label is the same; None means all.
        protocol: default: the data set's.
        rules: name of the convention; default: the data set's.

    A sequence whose stored result cannot be used is left out of its tracker's score and named in its ``problems``.

    Raises:
        UsageError: nothing is stored, or not of a tracker that is asked for; no such protocol or convention.
        DataError: a run was made on other data than ``dataset``.
    """
    return evaluate_runs(resolve_evaluation(dataset, protocol, rules), runs, trackers)


def evaluate_runs(
    evaluation: Evaluation,
    runs: Runs,
    trackers: Sequence[str] | None = None,
    watch: Callable[[str, int, int], object] = lambda name, done, of: None,
    refuse: Callable[[str, DataError], object] | None = None,
) -> list[Score]:
    """Score the stored runs of an evaluation; see `score_runs`.

    Args:
        evaluation: what they are judged by.
        runs: the folder of all runs, or several of them.
        trackers: labels or names; None means all.
        watch: is told, before each run, its tracker's label, how many are done, and how many there are.
        refuse: takes the label of a run that cannot be scored at all, and why, instead of its error ending all.
    """
    folders = evaluation.find(runs, trackers)
    key = evaluation.scorer.cache_key()
    dataset = evaluation.dataset
    stamps = cache.ground_truth_stamps(dataset.sequences, dataset.definition.files) if key is not None else {}
    common = None if key is None else cache.rules_hash(dataset, key, stamps)
    scores = []
    pool = ThreadPoolExecutor(min(len(folders), os.cpu_count() or 1, THREADS))
    try:
        futures = [pool.submit(_score, folder, evaluation, stamps, common) for folder in folders]
        for done, (folder, future) in enumerate(zip(folders, futures, strict=True)):
            watch(folder.key.tracker, done, len(folders))
            try:
                scores.append(future.result())
            except DataError as error:
                if refuse is None:
                    raise
                refuse(folder.key.tracker, error)
    finally:
        pool.shutdown(cancel_futures=True)
    return scores


def common_sequences(evaluation: Evaluation, runs: Runs, trackers: Sequence[str] | None = None) -> Dataset:
    """Return the data set with the sequences of which all stored runs have a result that can be read.

    Raises:
        UsageError: there is none.
    """
    folders = evaluation.find(runs, trackers)
    held: dict[str, set[str]] = {}
    for folder in folders:
        with suppress(DataError):  # scoring says so
            held[folder.key.tracker] = set(evaluation.scorer.read(folder, evaluation.dataset).sequences)
    shared = set.intersection(*held.values()) if held else {sequence.name for sequence in evaluation.dataset.sequences}
    if not shared:
        fewest = sorted(held.items(), key=lambda item: len(item[1]))
        labels = ", ".join(f"{label} ({len(sequences)})" for label, sequences in fewest)
        raise UsageError(
            f"--common: no sequence of {evaluation.dataset.name} has results of all runs; "
            f"name those to compare: {labels}"
        )
    kept = tuple(sequence for sequence in evaluation.dataset.sequences if sequence.name in shared)
    return replace(evaluation.dataset, sequences=kept, of=len(kept))


def read_traces(dataset: Dataset, runs: Runs, scores: Sequence[Score]) -> Iterator[TracedSequence]:
    """Yield the scored sequences of a data set, one after the other; of several repetitions the first.

    Args:
        dataset: what the trackers ran on.
        runs: the folder of all runs, or several of them.
        scores: of that data set, all by one protocol; they name the trackers.

    Those with the lowest scores come first: where only some can be shown, they tell most. A multi-start experiment
    gives an entry for each anchor. Files that cannot be used are left out: the scores' ``problems`` name them.
    """
    if not scores:
        return
    evaluation = resolve_evaluation(dataset, scores[0].protocol, scores[0].convention)
    folders = evaluation.find(runs, [score.tracker for score in scores])
    for sequence in _hardest_first(dataset, scores):
        yield from evaluation.scorer.trace(sequence, folders)


class FrameAnswer(NamedTuple):
    """What one tracker answered in one frame."""

    tracker: str
    """Its label."""
    region: Region
    mask: Mask | None
    """The mask that a rotated box was made of."""


class SequenceAnswers:
    """What the scored trackers answered on one sequence, of several repetitions the first.

    Args:
        dataset: what they ran on.
        runs: the folder of all runs, or several of them.
        scores: they name the trackers; those without a result of the sequence are passed over.
        sequence: its name.

    Raises:
        DataError: a result cannot be read.
    """

    def __init__(self, dataset: Dataset, runs: Runs, scores: Sequence[Score], sequence: str) -> None:
        self._name = sequence
        self._folders = {
            folder.key.tracker: folder
            for score in scores
            for folder in find_runs(dataset, runs, [score.tracker], score.protocol)
            if folder.has(sequence)
        }
        self.regions = {label: folder.regions(sequence) for label, folder in self._folders.items()}
        """Label -> the region of each frame, in the order of the scores."""

    def frame(self, index: int) -> list[FrameAnswer]:
        """Return the answers in frame ``index`` (0-based).

        Raises:
            DataError: a stored mask cannot be read.
        """
        return [
            FrameAnswer(label, self.regions[label][index], folder.mask(self._name, index))
            for label, folder in self._folders.items()
        ]


def _hardest_first(dataset: Dataset, scores: Sequence[Score]) -> list[VideoSequence]:
    def mean(sequence: VideoSequence) -> float:
        rows = (score.per_sequence.get(sequence.name) for score in scores)
        # The first metric of a sequence is its overlap, in every protocol.
        values = [next(iter(row.values()), None) for row in rows if row]
        known = [value for value in values if value is not None and value == value]
        return sum(known) / len(known) if known else 2.0

    scored = {name for score in scores for name in score.per_sequence}
    return sorted((sequence for sequence in dataset.sequences if sequence.name in scored), key=mean)


def _score(folder: RunFolder, evaluation: Evaluation, stamps: Mapping[str, str], common: bytes | None) -> Score:
    given = server_parts(folder, evaluation.dataset)
    if given is not None:
        return _of_server(folder, evaluation.dataset, given)
    key = cache.fingerprint(folder, common) if common else None
    kept = cache.load(folder, key) if key else None
    dataset = evaluation.dataset
    if kept is not None:
        check_data(folder, dataset, kept.per_sequence, annotations=False)  # the key holds as long as they do
        return kept
    run = evaluation.scorer.read(folder, dataset)
    path = folder.runs / FOLDER / f"{folder_name(dataset.name)}.annotations"
    with _ANNOTATIONS:
        read_ground_truths(run.sequences.values(), stamps, path)
    check_data(folder, dataset, run.sequences)
    score = _assemble(run, evaluation.scorer.score(run, dataset), evaluation)
    if key:
        cache.store(folder, key, score)
    return score


def _of_server(folder: RunFolder, dataset: Dataset, parts: dict[str, Any]) -> Score:
    manifest = folder.manifest() or {}
    return Score(
        tracker=folder.key.tracker,
        title=str(manifest.get("title", folder.key.tracker)),
        dataset=dataset.name,
        protocol=folder.key.protocol,
        of=dataset.of,
        repetitions=max(folder.repetitions(), 1),
        run=_origin(manifest),
        manifest=manifest,
        **parts,
    )


def check_data(folder: RunFolder, dataset: Dataset, names: Iterable[str], *, annotations: bool = True) -> None:
    """Refuse results that were made on other data than those that judge them, as ``run`` refuses to go on with them.

    Raises:
        DataError: annotations or frames of a sequence are others.
    """
    changed = changed_sequences(folder.fingerprints(), dataset, names, annotations=annotations)
    if changed:
        raise DataError(
            f"{folder.path}: holds results made on other data than {dataset.root} ({listed(changed, 3)}); "
            "report on those, or `trackbench run --restart` replaces the results"
        )


def _assemble(run: StoredRun, parts: dict[str, Any], evaluation: Evaluation) -> Score:
    manifest = run.folder.manifest() or {}
    dataset = evaluation.dataset
    return Score(
        tracker=run.folder.key.tracker,
        title=str(manifest.get("title", run.folder.key.tracker)),
        dataset=dataset.name,
        protocol=run.folder.key.protocol,
        convention=evaluation.convention,
        sequences=len(run.sequences),
        of=dataset.of,
        repetitions=run.repetitions,
        run=_origin(manifest),
        manifest=manifest,
        problems=tuple(run.problems[s.name] for s in dataset.sequences if s.name in run.problems),
        **parts,
    )


def _origin(manifest: dict[str, Any]) -> dict[str, Any]:
    sessions = manifest.get("sessions", [])
    last = sessions[-1] if sessions else {}
    identity = manifest.get("identity", {})
    refiner = identity.get("refiner")
    return {
        "weights_sha256": identity.get("weights_sha256"),
        **({"refiner_weights_sha256": refiner.get("weights_sha256")} if refiner else {}),
        "device": last.get("device"),
        "precision": last.get("precision"),
        "hardware": describe_sessions(sessions) or None,
        "imported": bool(manifest.get("imported", False)),
    }
