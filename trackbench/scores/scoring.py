"""Scores every stored run on a data set, by the metric that its convention asks for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trackbench.datasets.sequence import Dataset
from trackbench.files import folder_name
from trackbench.metrics.conventions import Convention, convention, resolve_name
from trackbench.results.store import RunFolder
from trackbench.scores import cache, got10k, one_pass, trackingnet, vot
from trackbench.scores.ground_truths import read_ground_truths
from trackbench.scores.score import Score
from trackbench.scores.stored import StoredRun, find_runs, read_run


def score_runs(
    dataset: Dataset,
    runs: Path,
    trackers: Sequence[str] | None = None,
    *,
    protocol: str | None = None,
    rules: str | None = None,
) -> list[Score]:
    """Score the stored runs on a data set.

    Args:
        dataset: what they ran on; sequences that it lacks on disk are not scored.
        runs: the folder of all runs.
        trackers: labels, or names of trackers, which mean all their runs if no label is the same; None means all.
        protocol: default: the data set's.
        rules: name of the convention; default: the data set's.

    A sequence whose stored result cannot be used is left out of its tracker's score and named in its ``problems``.

    Raises:
        UsageError: nothing is stored, or not of a tracker that is asked for; no such convention.
    """
    protocol = protocol or dataset.protocol
    kind = vot.experiment(protocol, dataset)
    if kind is None:
        name = resolve_name(rules or dataset.convention, dataset.definition.family)
    else:
        name = vot.resolve(rules, kind, dataset)
    folders = find_runs(dataset, runs, trackers, protocol)
    if kind is not None:
        return [_assemble(*vot.score(folder, dataset, kind, name), dataset, name) for folder in folders]
    family = dataset.definition.family
    own = name == "trackingnet" or (name == "got10k" and family == "got10k")
    judge = name if own else convention(name, family)
    stamps = cache.ground_truth_stamps(dataset.sequences)
    common = cache.rules_hash(dataset, judge, stamps)
    return [_score(folder, dataset, judge, name, stamps, common) for folder in folders]


def _score(
    folder: RunFolder,
    dataset: Dataset,
    rules: Convention | str,
    name: str,
    stamps: Mapping[str, str],
    common: bytes | None,
) -> Score:
    key = cache.fingerprint(folder, common) if common else None
    kept = cache.load(folder, key) if key else None
    if kept is not None:
        return kept
    run = read_run(folder, dataset)
    read_ground_truths(run.sequences.values(), stamps, folder.runs / f".{folder_name(dataset.name)}.truth")
    if isinstance(rules, str):
        parts = trackingnet.score(run) if rules == "trackingnet" else got10k.score(run)
    else:
        parts = one_pass.score(run, dataset, rules)
    score = _assemble(run, parts, dataset, name)
    if key:
        cache.store(folder, key, score)
    return score


def _assemble(run: StoredRun, parts: dict[str, Any], dataset: Dataset, name: str) -> Score:
    manifest = run.folder.manifest() or {}
    return Score(
        tracker=run.folder.key.tracker,
        title=str(manifest.get("title", run.folder.key.tracker)),
        dataset=dataset.name,
        protocol=run.folder.key.protocol,
        convention=name,
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
        "imported": bool(manifest.get("imported", False)),
    }
