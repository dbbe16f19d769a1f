"""A campaign: trackers over a data set, doing what is missing and storing each sequence as it ends."""

from __future__ import annotations

import sys
from collections.abc import Sequence as Several
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from trackbench.datasets.sequence import Dataset, Sequence
from trackbench.engine.lockstep import Job, Outcome, Progress, run
from trackbench.errors import DataError, TrackbenchError, UsageError, suggestion
from trackbench.protocols import PROTOCOLS
from trackbench.regions import format_region
from trackbench.results.manifest import admit, session
from trackbench.results.store import RunFolder, RunKey
from trackbench.trackers.catalogue import TrackerSpec, resolve_device


@dataclass
class Plan:
    """One tracker over one data set: what is stored and what is missing."""

    spec: TrackerSpec
    dataset: Dataset
    folder: RunFolder
    manifest: dict[str, Any]
    seed: int
    repetitions: int
    missing: list[tuple[Sequence, int]] = field(default_factory=list)
    """(sequence, repetition) to run, in order."""
    failed: dict[str, str] = field(default_factory=dict)
    """Sequences that could not be run -> reason."""

    def summary(self) -> dict[str, Any]:
        """Return what ``run --json`` tells of this run; frames and seconds are those of all that is stored."""
        frames, tracked, seconds, stored = 0, 0, 0.0, 0
        for sequence in self.dataset.sequences:
            for repetition in range(1, self.repetitions + 1):
                if not self.folder.has(sequence.name, repetition):
                    continue
                stored += repetition == 1
                times = self.folder.seconds(sequence.name, repetition)
                frames += 0 if times is None else len(times)
                # The first frame initialises; its time is another matter than tracking speed.
                later = np.empty(0) if times is None else times[1:][np.isfinite(times[1:])]
                tracked, seconds = tracked + later.size, seconds + float(later.sum())
        return {
            "tracker": self.spec.label,
            "dataset": self.dataset.name,
            "protocol": self.folder.key.protocol,
            "folder": str(self.folder.path),
            "sequences": stored,
            "of": self.dataset.of,
            "frames": frames,
            "seconds": round(seconds, 6),
            "fps": round(tracked / seconds, 3) if seconds > 0 else None,
            "failed": [{"sequence": name, "reason": reason} for name, reason in self.failed.items()],
        }


def make_plan(
    spec: TrackerSpec,
    dataset: Dataset,
    runs: Path,
    *,
    protocol: str | None = None,
    repetitions: int = 1,
    seed: int = 0,
    restart: bool = False,
    dry: bool = False,
) -> Plan:
    """Return what has to be done for one tracker over one data set.

    Raises:
        UsageError: unknown protocol, or the folder holds results of another identity.
        DataError: a stored result does not fit its sequence.
    """
    protocol = protocol or dataset.protocol
    if protocol not in PROTOCOLS:
        known = ", ".join(PROTOCOLS)
        raise UsageError(f"unknown protocol '{protocol}'{suggestion(protocol, PROTOCOLS)} (known: {known})")
    folder = RunFolder(runs, RunKey(spec.label, dataset.name, protocol))
    identity = {
        **spec.identity(),
        "dataset": dataset.name,
        "dataset_version": dataset.version,
        "protocol": protocol,
        "seed": None if spec.definition.value.deterministic else seed,
    }
    if restart and dry:
        plan = Plan(spec, dataset, folder, {}, seed, repetitions)
        plan.missing = [(s, r) for r in range(1, repetitions + 1) for s in dataset.sequences]
        return plan
    plan = Plan(spec, dataset, folder, admit(folder, identity, restart=restart), seed, repetitions)
    plan.manifest["title"] = spec.title
    for repetition in range(1, repetitions + 1):
        for sequence in dataset.sequences:
            if folder.has(sequence.name, repetition):
                _check_stored(folder, sequence, repetition)
            else:
                plan.missing.append((sequence, repetition))
    return plan


def execute(
    plans: Several[Plan], *, device: str = "auto", batch: int = 1, threads: int = 2, progress: Progress | None = None
) -> None:
    """Run what the plans are missing, all over the same data set, and store it.

    A sequence that cannot be run goes into its plan's ``failed`` and into ``failures.json``; the others go on.

    Raises:
        TrackbenchError: a tracker cannot be built, or the store cannot be written.
    """
    plans = [plan for plan in plans if plan.missing]
    if not plans:
        return
    device = resolve_device(device)
    groups: dict[tuple[str, int], list[Job]] = {}
    sessions = []
    failures = []
    for index, plan in enumerate(plans):
        model = plan.spec.build(device)
        script = PROTOCOLS[plan.folder.key.protocol]
        for sequence, repetition in plan.missing:
            job = Job((index, repetition), sequence, model, script, plan.seed + repetition - 1)
            groups.setdefault((sequence.name, repetition), []).append(job)
        record = session(command=sys.argv, device=model.device, batch=batch, threads=threads)
        record["root"] = str(plan.dataset.root)
        plan.manifest["sessions"].append(record)
        plan.folder.sweep()
        plan.folder.write_manifest(plan.manifest)
        sessions.append(record)
        failures.append(plan.folder.failures())
    try:
        for outcome in run(list(groups.values()), batch, threads, progress):
            index, repetition = outcome.job.key  # type: ignore[misc]
            _store(plans[index], outcome, repetition, failures[index])
            sessions[index]["sequences"] += outcome.trajectory is not None
    finally:
        for plan in plans:
            plan.folder.write_manifest(plan.manifest)


def _store(plan: Plan, outcome: Outcome, repetition: int, failures: dict[str, dict[str, Any]]) -> None:
    name = outcome.job.sequence.name
    key = name if repetition == 1 else f"{name} (repetition {repetition})"
    if outcome.trajectory is None:
        plan.failed[key] = outcome.reason or "no reason given"
        failures[key] = {"reason": plan.failed[key], "traceback": outcome.trace}
        plan.folder.write_failures(failures)
        return
    trajectory = outcome.trajectory
    plan.folder.write(name, trajectory.regions, trajectory.seconds, trajectory.scores, repetition)
    if failures.pop(key, None) is not None:
        plan.folder.write_failures(failures)


def _check_stored(folder: RunFolder, sequence: Sequence, repetition: int) -> None:
    """Refuse to continue beside results of other frames or another annotation."""
    try:
        length, first = len(sequence), sequence.initial_region()
    except TrackbenchError:
        return  # the sequence itself cannot be read; its result stays as it is
    regions = folder.regions(sequence.name, repetition)
    path = folder.file(sequence.name, ".txt", repetition)
    if len(regions) != length:
        raise DataError(f"{path}: holds {len(regions)} frames, the sequence now has {length}; --restart runs it again")
    if format_region(regions[0]) != format_region(first):
        raise DataError(
            f"{path}: was started on {format_region(regions[0])}, the annotation now says {format_region(first)}; "
            "--restart runs it again"
        )


def expected_frames(plans: Several[Plan]) -> int:
    """Return how many answers the plans still need, as far as the annotations can be read."""
    total = 0
    for plan in plans:
        for sequence, _ in plan.missing:
            with suppress(TrackbenchError):  # the run itself reports it
                total += len(sequence)
    return total
