"""A campaign: trackers over a data set, doing what is missing and storing each sequence as it ends."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.engine.scheduler import Job, Outcome, Progress, run
from trackbench.errors import DataError, TrackbenchError, UsageError
from trackbench.protocols.base import Episode, EpisodeGenerator, Protocol
from trackbench.protocols.catalogue import find_protocol
from trackbench.protocols.supervised import same_trajectories
from trackbench.regions import STARTED, format_region
from trackbench.results.manifest import open_or_create_manifest, session
from trackbench.results.store import RunFolder, RunKey
from trackbench.trackers.base import TrackerModel
from trackbench.trackers.devices import resolve_device
from trackbench.trackers.registry import TrackerSpec


class Task(NamedTuple):
    """One run over a sequence, to be done or stored."""

    sequence: VideoSequence
    run: Episode
    repetition: int = 1


@dataclass
class Plan:
    """One tracker over one data set: what is stored and what is missing."""

    spec: TrackerSpec
    dataset: Dataset
    protocol: Protocol
    folder: RunFolder
    manifest: dict[str, Any]
    seed: int
    repetitions: int
    equal_repetitions: int | None = None
    """A run is not repeated any more once so many repetitions are the same."""
    tasks: list[Task] = field(default_factory=list)
    """All runs, repetition by repetition."""
    missing: list[Task] = field(default_factory=list)
    """Those that are not stored."""
    failed: dict[str, str] = field(default_factory=dict)
    """Sequences that could not be run -> reason."""

    def has(self, task: Task) -> bool:
        """Whether a task's result is stored."""
        return self.folder.has(task.run.name, task.repetition)

    def is_optional_repetition(self, task: Task) -> bool:
        """Whether a task is left out where the repetitions before it turn out the same."""
        return self.equal_repetitions is not None and task.repetition > self.equal_repetitions

    def converged_sequences(self) -> set[str]:
        """Return the names of the runs whose first repetitions are stored and the same.

        Raises:
            DataError: a stored result cannot be read.
        """
        if self.equal_repetitions is None or self.repetitions <= self.equal_repetitions:
            return set()
        first = range(1, self.equal_repetitions + 1)
        names = [task.run.name for task in self.tasks if task.repetition == 1]
        stored = [name for name in names if all(self.folder.has(name, repetition) for repetition in first)]
        return {name for name in stored if same_trajectories([self.folder.regions(name, r) for r in first])}

    def summary(self) -> dict[str, Any]:
        """Return what ``run --json`` tells of this run; frames and seconds are those of all that is stored."""
        frames, tracked, seconds = 0, 0, 0.0
        incomplete = {task.sequence.name for task in self.tasks if task.repetition == 1 and not self.has(task)}
        stored = len(self.dataset.sequences) - len(incomplete)
        for task in self.tasks:
            times = self.folder.seconds(task.run.name, task.repetition) if self.has(task) else None
            if times is not None:
                # The first frame initialises; its time is another matter than tracking speed.
                later = times[1:][np.isfinite(times[1:])]
                frames, tracked, seconds = frames + len(times), tracked + later.size, seconds + float(later.sum())
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
    repetitions: int | None = None,
    convention: str | None = None,
    speed: float | None = None,
    seed: int = 0,
    restart: bool = False,
    dry: bool = False,
) -> Plan:
    """Return what has to be done for one tracker over one data set.

    Args:
        spec: the tracker.
        dataset: the sequences.
        runs: the folder of all runs.
        protocol: default: the data set's.
        repetitions: default: 1 for a deterministic tracker, else the protocol's, which may end early where the first
            few are the same.
        convention: whose overlap decides on failures, see :func:`trackbench.protocols.catalogue.find_protocol`.
        speed: for the protocol ``realtime``.
        seed: of the first repetition; each later one has the next.
        restart: throw away what is stored.
        dry: change nothing on disk.

    Raises:
        UsageError: unknown protocol, an option that it has no use for, or the folder holds results of another identity.
        DataError: a stored result does not fit its sequence.
    """
    asked = find_protocol(protocol or dataset.protocol, dataset, convention=convention, speed=speed)
    folder = RunFolder(runs, RunKey(spec.label, dataset.name, asked.name))
    deterministic = spec.definition.value.deterministic
    identity = {
        **spec.identity(),
        "dataset": dataset.name,
        "dataset_version": dataset.version,
        "protocol": asked.name,
        "seed": None if deterministic else seed,
    }
    if asked.rules:
        identity["rules"] = dict(asked.rules)
    fresh = restart and dry
    plan = Plan(
        spec,
        dataset,
        asked,
        folder,
        {} if fresh else open_or_create_manifest(folder, identity, restart=restart),
        seed,
        repetitions or (1 if deterministic else asked.repetitions),
        asked.equal_repetitions if repetitions is None else None,
    )
    plan.manifest["title"] = spec.title
    all_runs = [(sequence, run) for sequence in dataset.sequences for run in _runs(asked, sequence)]
    plan.tasks = [Task(*pair, repetition) for repetition in range(1, plan.repetitions + 1) for pair in all_runs]
    converged_sequences = set() if fresh else plan.converged_sequences()
    for task in plan.tasks:
        if not fresh and plan.has(task):
            _check_stored(plan, task)
        elif not (plan.is_optional_repetition(task) and task.run.name in converged_sequences):
            plan.missing.append(task)
    return plan


def execute(
    plans: Sequence[Plan], *, device: str = "auto", batch: int = 1, threads: int = 2, progress: Progress | None = None
) -> None:
    """Run what the plans are missing, all over the same data set, and store it.

    A sequence that cannot be run goes into its plan's ``failed`` and into ``failures.json``; the others go on.

    Raises:
        UsageError: a protocol measures the time of each call, and the batch is larger than 1.
        TrackbenchError: a tracker cannot be built, or the store cannot be written.
    """
    plans = [plan for plan in plans if plan.missing]
    if not plans:
        return
    if batch > 1 and any(plan.protocol.measures_time for plan in plans):
        raise UsageError(f"--batch {batch}: real time is measured one call at a time; use --batch 1, or --speed FPS")
    device = resolve_device(device)
    models = [plan.spec.build(device) for plan in plans]
    sessions = []
    for plan, model in zip(plans, models, strict=True):
        precision = getattr(plan.spec.options, "precision", "float32")
        record = session(command=sys.argv, device=model.device, batch=batch, threads=threads, precision=precision)
        record["root"] = str(plan.dataset.root)
        plan.manifest["sessions"].append(record)
        plan.folder.remove_stale_temporaries()
        plan.folder.write_manifest(plan.manifest)
        sessions.append(record)
    failures = [plan.folder.failures() for plan in plans]
    try:
        for late in (False, True):
            groups: dict[str, list[Job]] = {}
            for index, (plan, model) in enumerate(zip(plans, models, strict=True)):
                converged_sequences = plan.converged_sequences() if late else set()
                for task in plan.missing:
                    if plan.is_optional_repetition(task) is late and task.run.name not in converged_sequences:
                        groups.setdefault(task.sequence.name, []).append(_job(index, plan, model, task))
            for outcome in run(list(groups.values()), batch, threads, progress):
                index, task = outcome.job.key  # type: ignore[misc]
                _store(plans[index], outcome, task, failures[index])
                sessions[index]["sequences"] += outcome.trajectory is not None
    finally:
        for plan in plans:
            plan.folder.write_manifest(plan.manifest)


def _job(index: int, plan: Plan, model: TrackerModel[Any], task: Task) -> Job:
    return Job(
        (index, task),
        task.sequence,
        model,
        task.run.script,
        plan.seed + task.repetition - 1,
        plan.protocol.region_policy,
        task.run.delay,
    )


def _runs(protocol: Protocol, sequence: VideoSequence) -> list[Episode]:
    """Return the runs over a sequence; where they cannot be told, one that fails with the reason."""
    try:
        return protocol.runs(sequence)
    except TrackbenchError as error:
        return [Episode(sequence.name, partial(_refuse, error))]


def _refuse(error: TrackbenchError, sequence: VideoSequence) -> EpisodeGenerator:
    raise error


def _store(plan: Plan, outcome: Outcome, task: Task, failures: dict[str, dict[str, Any]]) -> None:
    name = task.run.name
    key = name if task.repetition == 1 else f"{name} (repetition {task.repetition})"
    if outcome.trajectory is None:
        plan.failed[key] = outcome.reason or "no reason given"
        failures[key] = {"reason": plan.failed[key], "traceback": outcome.trace}
        plan.folder.write_failures(failures)
        return
    trajectory = outcome.trajectory
    plan.folder.write(
        name, trajectory.regions, trajectory.seconds, trajectory.scores, task.repetition, masks=trajectory.masks
    )
    # Where the runs could not be told, the failure bears the sequence's name.
    mended = [failures.pop(each, None) for each in {key, task.sequence.name}]
    if any(mended):
        plan.folder.write_failures(failures)


def _check_stored(plan: Plan, task: Task) -> None:
    """Refuse to continue beside results of other frames or another annotation."""
    sequence, folder = task.sequence, plan.folder
    try:
        length = task.run.length(sequence)
        first = STARTED if plan.protocol.coded else sequence.initial_region()
    except TrackbenchError:
        return  # the sequence itself cannot be read; its result stays as it is
    regions = folder.regions(task.run.name, task.repetition)
    path = folder.file(task.run.name, ".txt", task.repetition)
    if len(regions) != length:
        raise DataError(f"{path}: holds {len(regions)} frames, the sequence now has {length}; --restart runs it again")
    if format_region(regions[0]) != format_region(first):
        raise DataError(
            f"{path}: was started on {format_region(regions[0])}, the annotation now says {format_region(first)}; "
            "--restart runs it again"
        )


def expected_frames(plans: Sequence[Plan]) -> int:
    """Return how many answers the plans still need, as far as the annotations can be read."""
    total = 0
    for plan in plans:
        for task in plan.missing:
            with suppress(TrackbenchError):  # the run itself reports it
                total += task.run.length(task.sequence)
    return total
