"""Runs a stored run anew from its manifest, and compares the answers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trackbench.datasets.sequence import Dataset
from trackbench.engine.execution import execute
from trackbench.engine.plan import Plan, make_plan
from trackbench.engine.scheduler import Progress
from trackbench.errors import DataError, TrackbenchError, UsageError
from trackbench.regions import box_iou
from trackbench.results.manifest import differences
from trackbench.results.store import RunFolder, sequences_of
from trackbench.statistics.difference import first_divergence
from trackbench.trackers.registry import TrackerSpec, find_tracker

TOLERANCE = 0.99
"""Overlap of two answers from which they are the same but for the arithmetic of the machine."""


@dataclass(frozen=True)
class Requirement:
    """What the run needs, and whether it is here."""

    what: str
    problem: str = ""
    """Why it is not; empty where it is."""


@dataclass(frozen=True)
class ResultComparison:
    """One result, stored and run anew."""

    name: str
    repetition: int
    identical: bool
    """Byte for byte."""
    lowest: float
    """The lowest overlap of the two answers in any frame; 0 where only one answers, NaN where lengths differ."""
    differs: int | None
    """The first frame (0-based) on which the answers are not the same."""


@dataclass
class Reproduction:
    """What came of it."""

    requirements: list[Requirement] = field(default_factory=list)
    comparisons: list[ResultComparison] = field(default_factory=list)
    failed: dict[str, str] = field(default_factory=dict)
    """Sequence -> why it could not be run."""

    @property
    def missing(self) -> list[Requirement]:
        """What is needed and not here."""
        return [requirement for requirement in self.requirements if requirement.problem]

    def within(self, tolerance: float) -> bool:
        """Whether every result is the same, byte for byte or by its lowest overlap."""
        same = (one.identical or one.lowest >= tolerance for one in self.comparisons)
        return bool(self.comparisons) and not self.failed and all(same)


def find_spec(identity: Mapping[str, Any], dataset: Dataset, weights: Path | None = None) -> TrackerSpec:
    """Return the tracker of a stored identity, with its options.

    Args:
        identity: from the manifest.
        dataset: what it ran on.
        weights: the checkpoint, where the kept one is another.

    Raises:
        UsageError: there is no such tracker here, or one of its options is unknown.
        TrackerError: its weights are not here.
    """
    name = str(identity.get("tracker", ""))
    options = _flat(identity.get("options") or {})
    refiner = identity.get("refiner")
    if refiner:
        name = f"{name}+{refiner['tracker']}"
        options |= {f"{refiner['tracker']}.{key}": value for key, value in _flat(refiner.get("options") or {}).items()}
    seed = identity.get("random_weights")
    # Only options that differ from the definition were set by the user; the label was made of them.
    plain = _find(name, dataset, {}, weights, seed, identity)
    here = _flat(plain.identity()["options"])
    if plain.refiner is not None:
        prefix = plain.refiner.settings.name
        here |= {f"{prefix}.{k}": v for k, v in _flat(plain.identity()["refiner"]["options"]).items()}
    changed = {key: value for key, value in options.items() if key not in here or here[key] != value}
    return _find(name, dataset, changed, weights, seed, identity) if changed else plain


def require(folder: RunFolder, dataset: Dataset, spec: TrackerSpec) -> list[Requirement]:
    """Return what a stored run needs: the tracker as it was, and its sequences.

    Args:
        folder: the run.
        dataset: what it ran on, as found here.
        spec: the tracker, as found here.
    """
    manifest = folder.manifest() or {}
    stored = dict(manifest.get("identity", {}))
    mine = {key: stored[key] for key in ("dataset", "protocol", "seed", "rules") if key in stored}
    here = {**spec.identity(), **mine, "dataset_version": dataset.version}
    # What an older version did not write says nothing.
    lines = differences(
        {key: value for key, value in stored.items() if key in here}, {k: here[k] for k in stored if k in here}
    )
    requirements = [Requirement(f"tracker {spec.name}, as it was", "; ".join(lines))]
    names = {sequence.name for sequence in dataset.sequences}
    lacking = sorted(name for name in sequences_of(folder) if name not in names)
    problem = f"{len(lacking)} are not in {dataset.root}: {', '.join(lacking[:3])}" if lacking else ""
    return [*requirements, Requirement(f"sequences of {dataset.name}", problem)]


def run_anew(
    folder: RunFolder,
    dataset: Dataset,
    spec: TrackerSpec,
    out: Path,
    *,
    device: str = "auto",
    progress: Progress | None = None,
) -> Plan:
    """Run a stored run's sequences into another folder.

    Args:
        folder: the stored run.
        dataset: its sequences; only those that are stored.
        spec: the tracker.
        out: the folder of the new results.
        device: on which to run.
        progress: is told how it goes.

    Raises:
        UsageError: ``out`` is the folder of the stored run.
    """
    if out.resolve() == folder.runs.resolve():
        raise UsageError(f"{out}: holds the stored run; give --out another folder")
    identity = (folder.manifest() or {}).get("identity", {})
    rules = identity.get("rules", {})
    speed = rules.get("speed")
    plan = make_plan(
        spec,
        dataset,
        out,
        protocol=folder.key.protocol,
        repetitions=max(1, folder.repetitions()),
        convention=rules.get("failure"),
        speed=speed if isinstance(speed, int | float) else None,
        seed=identity.get("seed") or 0,
    )
    execute([plan], device=device, progress=progress)
    return plan


def compare_runs(stored: RunFolder, fresh: RunFolder, names: list[str]) -> list[ResultComparison]:
    """Compare what both runs hold of the results ``names``, byte by byte, then by overlap.

    Raises:
        DataError: a result cannot be read.
    """
    lines = []
    for repetition in range(1, stored.repetitions() + 1):
        here = fresh.sequences(repetition)
        for name in names:
            if name not in here or not stored.has(name, repetition):
                continue
            files = [run.file(name, ".txt", repetition) for run in (stored, fresh)]
            if files[0].read_bytes() == files[1].read_bytes():
                lines.append(ResultComparison(name, repetition, True, 1.0, None))
                continue
            a, b = (run.boxes(name, repetition) for run in (stored, fresh))
            differs, _ = first_divergence(a, b)
            lines.append(ResultComparison(name, repetition, False, _lowest(a, b), differs))
    return lines


def _lowest(a: np.ndarray, b: np.ndarray) -> float:
    if len(a) != len(b) or not len(a):
        return float("nan")
    same = ((a == b) | (np.isnan(a) & np.isnan(b))).all(axis=1)
    return float(np.where(same, 1.0, np.nan_to_num(box_iou(a, b))).min())


def stored_sequences(folder: RunFolder, dataset: Dataset) -> list[str]:
    """Return the sequences of ``dataset`` that a run has stored.

    Raises:
        DataError: there are none.
    """
    stored = sequences_of(folder)
    names = [sequence.name for sequence in dataset.sequences if sequence.name in stored]
    if not names:
        raise DataError(f"{folder.path}: none of its sequences is in {dataset.root}")
    return names


def _find(
    name: str,
    dataset: Dataset,
    options: Mapping[str, Any],
    weights: Path | None,
    seed: int | None,
    identity: Mapping[str, Any],
) -> TrackerSpec:
    try:
        return find_tracker(
            name,
            dataset.definition,
            options,
            protocol=str(identity.get("protocol", dataset.protocol)),
            weights=weights,
            random_weights=seed is not None,
            seed=seed or 0,
        )
    except TrackbenchError as error:
        known = str(identity.get("weights_sha256") or "")[:12]
        raise type(error)(f"{error} (the run's weights: SHA-256 {known}…)" if known else str(error)) from None


def _flat(options: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in options.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat
