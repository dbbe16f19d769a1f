"""Scores: data set, stored run and metrics joined into one typed object for each tracker.

Scoring needs the annotations and the stored regions; it opens no image.
"""

from __future__ import annotations

from collections.abc import Sequence as Several
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.datasets.sequence import Dataset
from trackbench.errors import DataError, UsageError, fold_name, suggestion
from trackbench.metrics import ope
from trackbench.metrics.conventions import Convention, convention, family_of, resolve_name
from trackbench.results.store import RunFolder, stored_runs


class Curve(NamedTuple):
    """A curve over thresholds."""

    thresholds: list[float]
    values: list[float]


Metrics = dict[str, float | None]
"""Metric key of the command line's contract -> fraction (frames per second for ``fps``); None where not defined."""


@dataclass(frozen=True)
class Score:
    """What one run scores on one data set."""

    tracker: str
    title: str
    """The tracker as tables print it."""
    dataset: str
    protocol: str
    convention: str
    sequences: int
    """How many sequences the score is over."""
    of: int
    """How many the benchmark has."""
    repetitions: int
    run: dict[str, Any]
    """From the manifest: ``weights_sha256``, ``device``, ``precision``, ``imported``."""
    metrics: Metrics
    attributes: dict[str, Metrics] = field(default_factory=dict)
    """Attribute -> metrics, with ``sequences`` the number of sequences that carry it."""
    per_sequence: dict[str, Metrics] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    """Stored results that could not be used, and why."""

    def document(self) -> dict[str, Any]:
        """Return the score as a row of ``report --json``."""
        return {
            "tracker": self.tracker,
            "dataset": self.dataset,
            "protocol": self.protocol,
            "convention": self.convention,
            "sequences": self.sequences,
            "of": self.of,
            "repetitions": self.repetitions,
            "run": self.run,
            "metrics": self.metrics,
            "attributes": self.attributes,
            "per_sequence": self.per_sequence,
            "curves": {name: curve.values for name, curve in self.curves.items()},
            "problems": list(self.problems),
        }


def score_runs(
    dataset: Dataset,
    runs: Path,
    trackers: Several[str] | None = None,
    *,
    protocol: str | None = None,
    rules: str | None = None,
) -> list[Score]:
    """Score the stored runs on a data set.

    Args:
        dataset: what they ran on; sequences that it lacks on disk are not scored.
        runs: the folder of all runs.
        trackers: names or labels of trackers (``dcf`` means ``dcf@rate=0.05`` too); None means all that are stored.
        protocol: default: the data set's.
        rules: name of the convention; default: the data set's.

    A sequence whose stored result cannot be used is left out of its tracker's score and named in its ``problems``.

    Raises:
        UsageError: nothing is stored, or not of a tracker that is asked for; no such convention.
    """
    protocol = protocol or dataset.protocol
    family = family_of(dataset.name)
    name = resolve_name(rules or dataset.convention, family)
    folders = find_runs(dataset, runs, trackers, protocol)
    return [_score(folder, dataset, convention(name, family)) for folder in folders]


def find_runs(dataset: Dataset, runs: Path, trackers: Several[str] | None, protocol: str) -> list[RunFolder]:
    """Return the stored runs on ``dataset`` by ``protocol``, of all trackers or those named, in the order named.

    Raises:
        UsageError: there are none, or none of a tracker that is named.
    """
    stored = [folder for folder in stored_runs(runs, dataset.name) if folder.key.protocol == protocol]
    if not stored:
        raise UsageError(
            f"{runs}: holds no runs on {dataset.name} by protocol {protocol}; `trackbench run TRACKER -d ...` makes one"
        )
    if trackers is None:
        return stored
    chosen: dict[Path, RunFolder] = {}
    for wanted in trackers:
        hits = [f for f in stored if fold_name(wanted) in (fold_name(f.key.tracker), fold_name(_base(f.key.tracker)))]
        if not hits:
            labels = [folder.key.tracker for folder in stored]
            hint = suggestion(wanted, labels)
            raise UsageError(f"no run of '{wanted}' on {dataset.name} in {runs}{hint} (stored: {', '.join(labels)})")
        chosen.update({folder.path: folder for folder in hits})
    return list(chosen.values())


def _base(label: str) -> str:
    return label.partition("@")[0]


class _Stored(NamedTuple):
    """The usable results of one repetition."""

    truths: list[ope.SequenceTruth]
    predictions: list[NDArray[np.float64]]


def _score(folder: RunFolder, dataset: Dataset, rules: Convention) -> Score:
    problems: dict[str, str] = {}
    results = []
    repetitions = folder.repetitions()
    for repetition in range(1, repetitions + 1):
        stored = _read(folder, dataset, repetition, problems)
        if stored.truths:
            result = _evaluate(stored, rules, problems)
            if result is not None:
                results.append(result)
    manifest = folder.manifest() or {}
    score = Score(
        tracker=folder.key.tracker,
        title=str(manifest.get("title", folder.key.tracker)),
        dataset=dataset.name,
        protocol=folder.key.protocol,
        convention=rules.name,
        sequences=0,
        of=dataset.of,
        repetitions=repetitions,
        run=_origin(manifest),
        metrics={**dict.fromkeys(ope.OpeScores._fields), "fps": None},
        problems=tuple(problems.values()),
    )
    if not results:
        return score
    merged = _merge(results)
    mean = merged.mean_curves()
    thresholds = (ope.SUCCESS_THRESHOLDS, ope.PRECISION_THRESHOLDS, ope.NORM_PRECISION_THRESHOLDS)
    members = {
        attribute: [s.name for s in dataset.sequences if attribute in s.attributes] for attribute in dataset.attributes
    }
    evaluated = set(merged.names)
    return replace(
        score,
        sequences=len(merged.names),
        metrics={**merged.mean()._asdict(), "fps": _speed(folder, merged.names)},
        attributes={
            attribute: {"sequences": len(evaluated.intersection(members[attribute])), **scores._asdict()}
            for attribute, scores in merged.attributes(members).items()
        },
        per_sequence={name: merged.sequence(index)._asdict() for index, name in enumerate(merged.names)},
        curves={
            name: Curve(grid.tolist(), curve.tolist())
            for name, grid, curve in zip(mean._fields, thresholds, mean, strict=True)
        },
    )


def _read(folder: RunFolder, dataset: Dataset, repetition: int, problems: dict[str, str]) -> _Stored:
    stored = _Stored([], [])
    for sequence in dataset.sequences:
        if not folder.has(sequence.name, repetition):
            continue
        try:
            if sequence.truth_is_initial_only:
                raise DataError(f"{sequence.name}: its truth is withheld, only the benchmark's server can score it")
            truth = ope.SequenceTruth(sequence.name, sequence.truth.boxes, sequence.truth.absent)
            predictions = folder.boxes(sequence.name, repetition)
        except DataError as error:
            problems.setdefault(sequence.name, str(error))
            continue
        stored.truths.append(truth)
        stored.predictions.append(predictions)
    return stored


def _evaluate(stored: _Stored, rules: Convention, problems: dict[str, str]) -> ope.OpeResult | None:
    """Evaluate all sequences at once; where one does not fit, leave out what does not."""
    try:
        return ope.evaluate(stored.truths, stored.predictions, rules)
    except DataError:
        fitting = _Stored([], [])
        for truth, predictions in zip(stored.truths, stored.predictions, strict=True):
            try:
                ope.evaluate([truth], [predictions], rules)
            except DataError as error:
                problems.setdefault(truth.name, str(error))
                continue
            fitting.truths.append(truth)
            fitting.predictions.append(predictions)
        return ope.evaluate(fitting.truths, fitting.predictions, rules) if fitting.truths else None


def _merge(results: Several[ope.OpeResult]) -> ope.OpeResult:
    """Return the mean over repetitions, sequence by sequence; each counts as often as it has run."""
    if len(results) == 1:
        return results[0]
    names = tuple(dict.fromkeys(name for result in results for name in result.names))
    rows = [[(r, r.names.index(name)) for r in results if name in r.names] for name in names]
    curves = ope.OpeCurves(
        *(np.stack([np.mean([r.curves[kind][i] for r, i in row], axis=0) for row in rows]) for kind in range(3))
    )
    overlaps = np.array([np.mean([r.mean_overlaps[i] for r, i in row]) for row in rows])
    return replace(results[0], names=names, curves=curves, mean_overlaps=overlaps)


def _speed(folder: RunFolder, names: Several[str]) -> float | None:
    """Return frames per second of tracking: frames after the first, divided by their time."""
    frames, seconds = 0, 0.0
    for name in names:
        times = folder.seconds(name)
        if times is not None:
            known = times[1:][np.isfinite(times[1:])]
            frames, seconds = frames + known.size, seconds + float(known.sum())
    return frames / seconds if seconds > 0 else None


def _origin(manifest: dict[str, Any]) -> dict[str, Any]:
    sessions = manifest.get("sessions", [])
    last = sessions[-1] if sessions else {}
    return {
        "weights_sha256": manifest.get("identity", {}).get("weights_sha256"),
        "device": last.get("device"),
        "precision": last.get("precision"),
        "imported": bool(manifest.get("imported", False)),
    }
