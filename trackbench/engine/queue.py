"""The work that is left of some runs, as one worker sees it: it claims sequences, and stores what comes of them."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from trackbench.datasets.sequence import VideoSequence
from trackbench.engine.capacity import Capacity
from trackbench.engine.claims import STALE, Claims, Heartbeats
from trackbench.engine.plan import Plan, Task
from trackbench.engine.recorder import Recorder
from trackbench.engine.scheduler import Job, Outcome
from trackbench.engine.worker import Worker
from trackbench.errors import TrackerError
from trackbench.frames import Decoder
from trackbench.trackers.base import TrackerModel

#: Seconds after which the folder is looked at again.
LOOK = 1.0
#: So many first sequences that fail alike end the run.
ALIKE = 3


@dataclass(frozen=True)
class Rules:
    """How work is done."""

    batch: int | None = 1
    """Sequences at once, of one tracker; None: as many as fit into memory."""
    threads: int = 2
    """Threads that decode images."""
    decoder: Decoder = "simplejpeg"
    """The library that decodes JPEG files."""
    exact: bool = False
    """No two targets share a call, so that no number depends on what else is under way."""
    turns: int | None = None
    """2: one half of the batch is on the device while the host prepares the other; default: on GPUs."""
    workers: int = 1
    """Workers that the command has started."""
    retries: int = 2
    """How often a sequence is tried again whose worker has died."""
    patient: bool = True
    """Wait for sequences that other processes work on, and take them over should these die."""
    keep_going: bool = False
    """Go on when the first sequences all fail alike."""
    stale: float = STALE
    """Seconds without a heartbeat after which a worker counts as dead."""


@dataclass(eq=False)
class _Unit:
    """What is claimed at once: one repetition of one tracker over one sequence."""

    plan: int
    sequence: VideoSequence
    repetition: int
    tasks: list[Task]
    late: bool
    frames: int = 0
    state: str = "open"
    """``open``, ``mine``, ``taken`` (by another worker) or ``done``."""
    pending: int = 0
    """Jobs of it that are under way here."""
    lost: bool = False
    """Whether it has cost a worker its life; then it runs alone."""


@dataclass
class Queue:
    """Units of some plans over one data set; a source of work for :func:`trackbench.engine.scheduler.run`.

    Args:
        plans: what is missing.
        models: the tracker of each plan.
        worker: this process.
        rules: how work is done.
        capacity: sequences at once, of each model.
    """

    plans: Sequence[Plan]
    models: Sequence[TrackerModel[Any]]
    worker: Worker
    rules: Rules
    capacity: Capacity = field(default_factory=Capacity)
    _recorders: dict[int, Recorder] = field(default_factory=dict)
    _alone: bool = False
    _looked: float = float("-inf")
    _others: set[str] = field(default_factory=set)
    _stored: set[int] = field(default_factory=set)
    """Plans of which this worker has stored something."""
    _reasons: dict[int, list[str]] = field(default_factory=dict)
    """Plan -> why its first sequences failed."""
    _given_up: list[str] = field(default_factory=list)
    """What is to be said of plans that are not tried any further."""

    def __post_init__(self) -> None:
        runs = self.plans[0].folder.runs
        self._claims = [Claims(plan.folder, self.worker.owner) for plan in self.plans]
        self._heartbeats = Heartbeats(runs, self.rules.stale)
        units: dict[tuple[int, str, int], _Unit] = {}
        for index, plan in enumerate(self.plans):
            for task in plan.missing:
                key = (index, task.sequence.name, task.repetition)
                late = plan.is_optional_repetition(task)
                unit = units.setdefault(key, _Unit(index, task.sequence, task.repetition, [], late))
                unit.tasks.append(task)
                unit.frames += task.frames()
        groups: dict[str, list[_Unit]] = {}
        for unit in units.values():
            groups.setdefault(unit.sequence.name, []).append(unit)
        # The longest first, so that none of them is left when all others are done; equal ones as the data set has them.
        self._groups = sorted(groups.values(), key=lambda group: -max(unit.frames for unit in group))
        self._units = list(units.values())
        self._jobs: dict[int, _Unit] = {}

    def take(self, live: int) -> list[Job] | None:
        """Claim the next sequence and return its jobs, or None where none may start now.

        Args:
            live: how many jobs are under way.

        Raises:
            UsageError: a folder cannot be written.
        """
        if self._alone and not live:
            self._alone = False
        if self._alone:
            return None
        self._look()
        free = [group for group in self._groups if any(self._is_free(unit) for unit in group)]
        mine = len({unit.sequence.name for unit in self._jobs.values()})
        workers = max(self.rules.workers, len(self._others) + 1)
        if mine and mine * workers >= len(free) + mine:  # the rest is for those who would wait else
            return None
        for group in free:
            units = [unit for unit in group if self._is_free(unit) and not (unit.lost and live)]
            if len(free) < workers:
                units = units[: -(-len(units) * len(free) // workers)]
            jobs = [job for unit in units for job in self._claim(unit)]
            if jobs:
                return jobs
        return None

    def wait(self) -> bool:
        """Wait until there is work again; False where all is done, or done by others.

        Raises:
            TrackerError: the first sequences have all failed alike.
        """
        while True:
            self._look(force=True)
            if any(self._is_free(unit) for unit in self._units):
                return True
            if not self.rules.patient or all(unit.state == "done" for unit in self._units):
                if self._given_up:
                    raise TrackerError("; ".join(self._given_up))
                return False
            self.worker.report["state"] = "waiting"
            if not self._bury():
                time.sleep(LOOK / 2)

    def done(self, outcome: Outcome) -> None:
        """Store what came of a job.

        Raises:
            UsageError: the folder cannot be written.
            TrackerError: the first sequences have all failed alike.
        """
        before = time.perf_counter()
        unit = self._jobs.pop(id(outcome.job))
        claims, recorder = self._claims[unit.plan], self._recorders[unit.plan]
        task: Task = outcome.job.key[1]  # type: ignore[index]
        if claims.holds(unit.sequence.name, unit.repetition):  # else another has taken this worker for dead
            recorder.store(outcome, task)
        unit.pending -= 1
        if not unit.pending:
            unit.state = "done"
            claims.forget(unit.sequence.name, unit.repetition)
            claims.release(unit.sequence.name, unit.repetition)
        self.worker.spend("write", time.perf_counter() - before)
        self._judge(outcome)

    def close(self) -> None:
        """Give back all claims and write the records of the sessions."""
        for unit in self._units:
            if unit.state == "mine":
                self._claims[unit.plan].release(unit.sequence.name, unit.repetition)
        for recorder in self._recorders.values():
            recorder.record |= {"notes": self.worker.notes, "shares": self.worker.shares()}
            recorder.flush()
        for claims in self._claims:
            claims.tidy()

    def _claim(self, unit: _Unit) -> Iterator[Job]:
        """Yield the jobs of a unit, if this worker gets it and something of it is left."""
        plan, claims = self.plans[unit.plan], self._claims[unit.plan]
        name = unit.sequence.name
        if unit.plan not in self._recorders:
            model = self.models[unit.plan]
            batch = self.capacity.size(model)
            recorder = Recorder(plan, model, batch, self.rules.threads, self.rules.exact)
            recorder.record["decoder"] = self.rules.decoder
            self._recorders[unit.plan] = recorder
        if not claims.take(name, unit.repetition):
            unit.state = "taken"
            return
        unit.state = "mine"
        tries = claims.lost(name, unit.repetition)
        left = self._left(unit)
        if left and len(tries) > self.rules.retries:
            reason = f"{tries[-1]['reason']} ({len(tries)} tries)"
            self._recorders[unit.plan].fail(unit.tasks[0], reason)
            left = []
        if not left:
            unit.state = "done"
            claims.forget(name, unit.repetition)
            claims.release(name, unit.repetition)
            return
        self._alone = bool(tries)
        unit.pending = len(left)
        for task in left:
            job = self._job(unit, task)
            self._jobs[id(job)] = unit
            yield job

    def jobs(self) -> dict[int, list[Job]]:
        """Return all jobs that are left by the ``id`` of their model, the longest first; claims none."""
        jobs: dict[int, list[Job]] = {id(model): [] for model in self.models}
        for unit in sorted(self._units, key=lambda unit: -unit.frames):
            for task in unit.tasks:
                job = self._job(unit, task)
                jobs[id(job.model)].append(job)
        return jobs

    def _job(self, unit: _Unit, task: Task) -> Job:
        plan, model, run = self.plans[unit.plan], self.models[unit.plan], task.run
        seed, policy = plan.seed + task.repetition - 1, plan.protocol.region_policy
        return Job((unit.plan, task), task.sequence, model, run.script, seed, policy, run.delay, run.step)

    def _left(self, unit: _Unit) -> list[Task]:
        """Return the tasks of a unit that nobody has stored and that are needed."""
        plan = self.plans[unit.plan]
        converged = plan.converged_sequences({task.run.name for task in unit.tasks}) if unit.late else set()
        return [task for task in unit.tasks if task.run.name not in converged and not plan.has(task)]

    def _is_free(self, unit: _Unit) -> bool:
        """Whether a unit waits for a worker; a late one does so when those before it are done."""
        return unit.state == "open" and not (
            unit.late
            and any(
                other.state != "done" and not other.late and (other.plan, other.sequence) == (unit.plan, unit.sequence)
                for other in self._units
            )
        )

    def _look(self, force: bool = False) -> None:
        """See what others have done and what they work on."""
        if not force and time.monotonic() - self._looked < LOOK:
            return
        owners: set[str] = set()
        for index, plan in enumerate(self.plans):
            units = [unit for unit in self._units if unit.plan == index and unit.state in ("open", "taken")]
            if not units:
                continue
            stored = {n: plan.folder.sequences(n) for n in {unit.repetition for unit in units}}
            failed = plan.new_failures()
            taken: dict[tuple[str, int], str] = {
                (name, repetition): str(claim.get("worker")) for name, repetition, claim in self._claims[index].all()
            }
            lost = self._claims[index].all_lost()
            owners |= set(taken.values())
            for unit in units:
                if (
                    all(
                        task.run.name in stored[unit.repetition] or (task.run.name, unit.repetition) in failed
                        for task in unit.tasks
                    )
                    or (unit.sequence.name, unit.repetition) in failed
                ):
                    unit.state = "done"
                else:
                    unit.state = "taken" if (unit.sequence.name, unit.repetition) in taken else "open"
                    unit.lost = (unit.sequence.name, unit.repetition) in lost
        self._others = owners - {self.worker.name}
        self._looked = time.monotonic()
        left = [unit for unit in self._units if unit.state != "done"]
        runs = {str(plan.folder.path): 0 for plan in self.plans}
        for unit in left:
            runs[str(self.plans[unit.plan].folder.path)] += 1
        self.worker.report |= {"left": len(left), "frames_left": sum(unit.frames for unit in left), "runs": runs}

    def _bury(self) -> bool:
        """Free the sequences of workers that have died; whether there was one."""
        freed = False
        for claims in self._claims:
            for name, repetition, claim in list(claims.all()):
                if claim.get("worker") != self.worker.name and (reason := self._heartbeats.death(claim)):
                    freed |= claims.bury(name, repetition, claim, reason)
        return freed

    def _judge(self, outcome: Outcome) -> None:
        """Give up a tracker whose first sequences have all failed alike; where no other is left, end the run."""
        index: int = outcome.job.key[0]  # type: ignore[index]
        reasons = self._reasons.setdefault(index, [])
        if outcome.trajectory is not None:
            self._stored.add(index)
        elif outcome.trace is not None or outcome.is_tracker_error:
            reasons.append(re.sub(r"\d+", "0", outcome.reason or ""))
        if index in self._stored or self.rules.keep_going or len(reasons) != ALIKE or len(set(reasons)) > 1:
            return
        left = [unit for unit in self._units if unit.plan == index and unit.state in ("open", "taken")]
        if not left:
            return
        for unit in left:
            unit.state = "done"
        who = f"{self.plans[index].spec.label}: " if len(self.plans) > 1 else ""
        self._given_up.append(
            f"{who}the first {len(reasons)} sequences failed alike, the others are not tried; --keep-going tries them: "
            f"{outcome.reason}"
        )
        if all(unit.state == "done" for unit in self._units):
            raise TrackerError("; ".join(self._given_up))
