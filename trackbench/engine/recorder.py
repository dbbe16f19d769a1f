"""What one process writes of one run: the manifest, the record of its session, results and failures."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import Any

from trackbench.datasets.fingerprint import fingerprint
from trackbench.engine.claims import machine
from trackbench.engine.plan import Plan, Task
from trackbench.engine.scheduler import Outcome
from trackbench.errors import DataError, UsageError
from trackbench.results.manifest import session, session_name
from trackbench.results.store import DATA, FAULTS, failure_key
from trackbench.trackers.base import TrackerModel

#: Seconds between two writes of a session's record.
INTERVAL = 2.0


class Recorder:
    """Stores the outcomes of one plan.

    Args:
        plan: the run.
        model: its tracker.
        batch: sequences at once.
        threads: threads that decode images.
        exact: whether no two targets share a call.

    Raises:
        UsageError: the folder cannot be written, or another process works on it with other settings.
    """

    def __init__(self, plan: Plan, model: TrackerModel[Any], batch: int, threads: int, exact: bool = False) -> None:
        self.plan = plan
        self.name = session_name()
        self._model = model
        precision = getattr(plan.spec.options, "precision", "float32")
        self.record = session(command=sys.argv, device=model.device, batch=batch, threads=threads, precision=precision)
        self.record |= {
            "root": str(plan.dataset.root),
            "of": sum(task.repetition == 1 for task in plan.tasks),
            "dataset_sequences": plan.dataset.of,
            "exact": exact,
            "execution": getattr(plan.spec.options, "execution", "eager"),
            "batches": {},
            DATA: {},
            FAULTS: {},
        }
        self._identity = plan.manifest["identity"]
        self._written = 0.0
        folder = plan.folder
        folder.remove_stale_temporaries()
        if (stored := folder.identity()) is not None and stored != self._identity and folder.repetitions() == 0:
            if any(folder.path.glob("claims/**/*.claim")):
                raise UsageError(f"{folder.path}: another process works on this run with other settings")
            folder.clear()  # what failed under other settings says nothing of these
        if (folder.manifest() or {}) | {"sessions": []} != plan.manifest | {"sessions": []}:
            folder.write_manifest(plan.manifest)
        self.flush()

    def flush(self) -> None:
        """Write the record of the session."""
        self.record["worker"] = dict(self._model.record())
        self.plan.folder.write_session(self.name, self.record)
        self._written = time.monotonic()

    def store(self, outcome: Outcome, task: Task) -> None:
        """Store a trajectory, or the reason why there is none.

        Raises:
            UsageError: the folder cannot be written, or another command has replaced the run by one of its own.
        """
        folder, name = self.plan.folder, task.run.name
        trajectory = outcome.trajectory
        if trajectory is None:
            lacks_data = outcome.trace is None and not outcome.is_tracker_error
            self.fail(task, outcome.reason or "no reason given", outcome.trace, lacks_data=lacks_data)
            return
        self._check_identity()
        folder.write(
            name, trajectory.regions, trajectory.seconds, trajectory.scores, task.repetition, masks=trajectory.masks
        )
        self._check_identity(task)
        # A failure to list the episodes is stored under the sequence's name.
        for each in {name, task.sequence.name}:
            folder.remove_failure(each, task.repetition)
        self.record["sequences"] += 1
        if trajectory.faults:
            self.record[FAULTS][failure_key(name, task.repetition)] = trajectory.faults
        if outcome.batch > 1:
            self.record["batches"][name] = outcome.batch
        if task.sequence.name not in self.record[DATA]:
            with suppress(DataError):  # an image that has gone since it was read: the result stays without
                self.record[DATA][task.sequence.name] = fingerprint(task.sequence)
        if time.monotonic() - self._written > INTERVAL:
            self.flush()

    def fail(self, task: Task, reason: str, trace: str | None = None, *, lacks_data: bool = False) -> None:
        """Store why a sequence could not be run.

        Args:
            task: what failed.
            reason: in one line.
            trace: the traceback of an error in the tracker.
            lacks_data: the data set is at fault; on another machine it may be whole.

        Raises:
            UsageError: the folder cannot be written.
        """
        self.plan.failed[failure_key(task.run.name, task.repetition)] = reason
        failure = {"reason": reason, "traceback": trace, "lacks_data": lacks_data, "machine": machine()}
        self.plan.folder.write_failure(task.run.name, failure, task.repetition)

    def _check_identity(self, task: Task | None = None) -> None:
        """Raise UsageError where the folder belongs to other settings by now; takes ``task`` out of it first.

        Whoever replaces the manifest of an empty run looks for results afterwards, and whoever stores a result looks at
        the manifest afterwards, so that of two that do so at once at least one sees the other.
        """
        folder = self.plan.folder
        if folder.identity() == self._identity:
            return
        if task is not None:
            folder.file(task.run.name, ".txt", task.repetition).unlink(missing_ok=True)
        raise UsageError(f"{folder.path}: another command has replaced this run by one with other settings")
