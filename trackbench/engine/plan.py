"""A plan: one tracker over one data set, what of it is stored and what is missing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from trackbench.datasets.fingerprint import changed_sequences
from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.engine.claims import machine
from trackbench.errors import DataError, TrackbenchError, UsageError
from trackbench.files import ignores_case
from trackbench.protocols.base import Episode, EpisodeGenerator, Protocol
from trackbench.protocols.catalogue import find_protocol
from trackbench.protocols.supervised import same_trajectories
from trackbench.regions import STARTED, format_region
from trackbench.results.hardware import describe_sessions
from trackbench.results.manifest import open_or_create_manifest
from trackbench.results.store import RunFolder, RunKey, failure_key
from trackbench.results.timing import tracking_speed
from trackbench.trackers.registry import TrackerSpec


class Task(NamedTuple):
    """One episode over a sequence, to be done or stored."""

    sequence: VideoSequence
    run: Episode
    repetition: int = 1

    def frames(self) -> int:
        """Return how many answers it needs; 0 where the annotation cannot be read."""
        with suppress(TrackbenchError):  # the run itself reports it
            return self.run.length(self.sequence)
        return 0


@dataclass
class Plan:
    """One tracker over one data set: what is stored and what is missing. It can be pickled."""

    spec: TrackerSpec
    dataset: Dataset
    protocol: Protocol
    folder: RunFolder
    manifest: dict[str, Any]
    """The manifest to write; its sessions lie in files of their own."""
    seed: int
    repetitions: int
    equal_repetitions: int | None = None
    """Stop repeating after this many identical repetitions."""
    tasks: list[Task] = field(default_factory=list)
    """All episodes, repetition by repetition."""
    missing: list[Task] = field(default_factory=list)
    """Those that are not stored."""
    failed: dict[str, str] = field(default_factory=dict)
    """Sequences that could not be run -> reason."""
    known_failures: dict[tuple[str, int], int] = field(default_factory=dict)
    """Failures from before the plan was made, which are tried again: (sequence, repetition) -> time of writing."""
    _elsewhere: dict[tuple[str, int], int] = field(default_factory=dict)
    """Failures for want of data on another machine: (sequence, repetition) -> time of writing."""

    def has(self, task: Task) -> bool:
        """Whether a task's result is stored."""
        return self.folder.has(task.run.name, task.repetition)

    def new_failures(self) -> set[tuple[str, int]]:
        """Return the sequences and repetitions that have failed since the plan was made, in whatever process.

        What failed on another machine because its copy of the data set lacks something does not count: here it may be
        whole.
        """
        stamps = self.folder.failure_stamps()
        new = {key for key, stamp in stamps.items() if self.known_failures.get(key) != stamp}
        for key in new - {key for key, stamp in self._elsewhere.items() if stamps.get(key) == stamp}:
            failure = self.folder.failure(*key) or {}
            if failure.get("lacks_data") and failure.get("machine") != machine():
                self._elsewhere[key] = stamps[key]
        return {key for key in new if self._elsewhere.get(key) != stamps[key]}

    def is_unfinished(self) -> bool:
        """Whether something is neither stored nor failed; late repetitions do not count."""
        failed = self.new_failures()
        return any(
            not self.has(task)
            and not {(task.run.name, task.repetition), (task.sequence.name, task.repetition)} & failed
            for task in self.missing
            if not self.is_optional_repetition(task)
        )

    def collect_failures(self) -> None:
        """Take the failures of all processes since the plan was made into ``failed``."""
        new = {failure_key(*key) for key in self.new_failures()}
        failures = self.folder.failures()
        self.failed |= {key: str(failures[key].get("reason")) for key in failures if key in new}

    def is_optional_repetition(self, task: Task) -> bool:
        """Whether a task is left out where the repetitions before it turn out the same."""
        return self.equal_repetitions is not None and task.repetition > self.equal_repetitions

    def converged_sequences(self, names: Iterable[str] | None = None) -> set[str]:
        """Return the names of the episodes whose first repetitions are stored and the same.

        Args:
            names: which to look at; default: all.

        Raises:
            DataError: a stored result cannot be read.
        """
        if self.equal_repetitions is None or self.repetitions <= self.equal_repetitions:
            return set()
        first = range(1, self.equal_repetitions + 1)
        if names is None:
            names = [task.run.name for task in self.tasks if task.repetition == 1]
        stored = [name for name in names if all(self.folder.has(name, repetition) for repetition in first)]
        return {name for name in stored if same_trajectories([self.folder.regions(name, r) for r in first])}

    def summary(self) -> dict[str, Any]:
        """Return what ``run --json`` tells of this run; frames and seconds are those of all that is stored."""
        frames, times = 0, []
        incomplete = {task.sequence.name for task in self.tasks if task.repetition == 1 and not self.has(task)}
        stored = len(self.dataset.sequences) - len(incomplete)
        for task in self.tasks:
            seconds = self.folder.seconds(task.run.name, task.repetition) if self.has(task) else None
            if seconds is not None:
                frames += len(seconds)
                times.append(seconds)
        speed = tracking_speed(times)
        needed = [task for task in self.missing if not self.is_optional_repetition(task)]
        asked = {task.sequence.name for task in needed}
        left = {task.sequence.name for task in needed if not self.has(task)}
        sessions = (self.folder.manifest() or {}).get("sessions", [])
        return {
            "tracker": self.spec.label,
            "dataset": self.dataset.name,
            "protocol": self.folder.key.protocol,
            "folder": str(self.folder.path),
            "sequences": stored,
            "of": self.dataset.of,
            "run": len(asked - left),
            "stored_before": len(self.dataset.sequences) - len(asked),
            "device": sessions[-1].get("device") if sessions else None,
            "hardware": describe_sessions(sessions) or None,
            "frames": frames,
            "seconds": round(speed.seconds, 6),
            "fps": None if speed.fps is None else round(speed.fps, 3),
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
        DataError: a stored result does not fit its sequence, or was made on other data.
    """
    asked = find_protocol(protocol or dataset.protocol, dataset, convention=convention, speed=speed)
    if spec.definition.value.offline and not asked.offline:
        raise UsageError(
            f"{spec.name} is offline, it sees the whole video before it answers; protocol '{asked.name}' asks frame by "
            "frame: --protocol one-pass or unsupervised"
        )
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
    plan.known_failures = folder.failure_stamps()
    episodes = [(sequence, run) for sequence in dataset.sequences for run in _episodes(asked, sequence)]
    _check_case(folder, [run.name for _, run in episodes])
    plan.tasks = [Task(*pair, repetition) for repetition in range(1, plan.repetitions + 1) for pair in episodes]
    converged = set() if fresh else plan.converged_sequences()
    for task in plan.tasks:
        if not fresh and plan.has(task):
            _check_stored(plan, task)
        elif not (plan.is_optional_repetition(task) and task.run.name in converged):
            plan.missing.append(task)
    if not fresh and (changed := changed_sequences(folder.fingerprints(), dataset, _stored_sequences(plan))):
        others = f" and {len(changed) - 3} more" if len(changed) > 3 else ""
        raise DataError(
            f"{folder.path}: holds results made on other data than {dataset.root} ({'; '.join(changed[:3])}{others}); "
            "--restart replaces them, --runs keeps both"
        )
    return plan


def expected_frames(plans: Sequence[Plan]) -> int:
    """Return how many answers the plans still need, as far as the annotations can be read."""
    return sum(task.frames() for plan in plans for task in plan.missing)


def _stored_sequences(plan: Plan) -> set[str]:
    missing = {id(task) for task in plan.missing}
    return {task.sequence.name for task in plan.tasks if id(task) not in missing}


def _episodes(protocol: Protocol, sequence: VideoSequence) -> list[Episode]:
    """Return the episodes over a sequence; where they cannot be told, one that fails with the reason."""
    try:
        return protocol.runs(sequence)
    except TrackbenchError as error:
        return [Episode(sequence.name, partial(_refuse, error))]


def _refuse(error: TrackbenchError, sequence: VideoSequence) -> EpisodeGenerator:
    raise error


def _check_case(folder: RunFolder, names: list[str]) -> None:
    """Refuse names that the disk cannot tell apart."""
    first: dict[str, str] = {}
    for name in names:
        other = first.setdefault(name.casefold(), name)
        if other != name and ignores_case(folder.runs):
            raise UsageError(
                f"{folder.runs}: this disk does not tell '{other}' from '{name}', sequences of {folder.key.dataset}; "
                "--runs on a disk that does"
            )


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
