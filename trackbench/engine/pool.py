"""Several worker processes on one machine: they are started, watched and replaced, and all take work by claims."""

from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from multiprocessing.connection import wait
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

from trackbench.engine.claims import WORKERS, Claims
from trackbench.engine.execution import check_batch, prepare, work
from trackbench.engine.plan import Plan
from trackbench.engine.queue import Rules
from trackbench.engine.worker import Worker
from trackbench.errors import DataError, TrackbenchError, TrackerError
from trackbench.files import read_json
from trackbench.quoting import printable
from trackbench.results.manifest import session_name
from trackbench.trackers.devices import resolve_device

#: Seconds between two looks at the workers.
LOOK = 0.5
#: Seconds that a worker has to give back its claims when it is asked to end.
GRACE = 10.0
#: Environment variable that says how many threads a network takes on a CPU.
THREADS = "OMP_NUM_THREADS"


@dataclass(frozen=True)
class Assignment:
    """What a worker process is given: it can be pickled and sent to another host."""

    payload: bytes
    """The plans, pickled."""
    rules: Rules
    together: int | None
    path: tuple[str, ...]
    """Where modules are looked for, which the plans need before they can be unpickled."""
    folder: str
    """The working folder."""

    @classmethod
    def of(cls, plans: Sequence[Plan], rules: Rules, together: int | None) -> Assignment:
        """Pack up plans for other processes."""
        return cls(pickle.dumps(list(plans)), rules, together, tuple(sys.path), os.getcwd())

    def open(self) -> list[Plan]:
        """Return the plans, in another process.

        Raises:
            DataError: the data set is not on this machine.
        """
        os.chdir(self.folder)
        sys.path[:] = [*self.path, *(entry for entry in sys.path if entry not in self.path)]
        plans: list[Plan] = pickle.loads(self.payload)
        for plan in plans:
            if not plan.dataset.root.is_dir():
                raise DataError(
                    f"{plan.dataset.name}: there is no {plan.dataset.root} on this machine; it takes no work"
                )
        return plans

    def run(self, device: str, name: str | None = None) -> None:
        """Do the work in this process.

        Raises:
            DataError: the data set is not on this machine.
            TrackbenchError: the device cannot be used, a tracker cannot be built, or the store cannot be written.
        """
        plans = self.open()
        with Worker(plans[0].folder.runs, resolve_device(device), name=name) as worker:
            work(plans, worker, self.rules, self.together)


@dataclass
class _Member:
    """A worker process as its parent sees it."""

    name: str
    device: str
    process: BaseProcess
    errors: Any
    frames: int = 0
    since: float = 0.0
    """When its number of frames last changed, or it was not at work."""
    timed_out: bool = False
    deaths: int = 0
    """How many workers in its place have died one after the other without having had work."""


class Pool:
    """Worker processes on this machine.

    Args:
        plans: what is to be done, all over one data set.
        rules: how work is done.
        devices: the device of each worker.
        together: how many trackers a worker has in memory at once; default: all.
        timeout: seconds without a frame after which a worker is ended; it has to answer all targets of its batch in so
            many seconds each.
        watch: is given the heartbeats of the workers, twice a second.
    """

    def __init__(
        self,
        plans: Sequence[Plan],
        rules: Rules,
        devices: Sequence[str],
        *,
        together: int | None = None,
        timeout: float | None = None,
        watch: Callable[[list[dict[str, Any]]], None] | None = None,
    ) -> None:
        self.plans = plans
        self.devices = list(devices)
        self.errors: list[str] = []
        """Why workers ended before their work did, without having died."""
        self._timeout = timeout
        self._watch = watch or (lambda workers: None)
        self._assignment = Assignment.of(plans, replace(rules, workers=len(self.devices)), together)
        self._rules = rules
        self._context = multiprocessing.get_context("spawn")
        self._members: list[_Member] = []

    def run(self) -> None:
        """Work until nothing is left.

        Raises:
            TrackerError: no worker could begin, or the first sequences have all failed alike.
        """
        check_batch(self.plans, self._rules)
        prepare(self.plans)
        try:
            for device in self.devices:
                self._start(device)
            while self._members:
                wait([member.process.sentinel for member in self._members], LOOK)
                for member in list(self._members):
                    self._look_after(member)
                self._watch([beat for member in self._members if (beat := self._beat(member))])
        finally:
            self._end()
        for plan in self.plans:
            plan.collect_failures()
        if self.errors and any(plan.is_unfinished() for plan in self.plans):
            raise TrackerError("; ".join(dict.fromkeys(self.errors)))

    def _start(self, device: str, deaths: int = 0) -> None:
        name = f"{session_name()}-{len(self._members)}"
        receiver, sender = self._context.Pipe(duplex=False)
        arguments = (self._assignment, device, name, sender)
        process = self._context.Process(target=_main, args=arguments, name=f"worker on {device}")
        # A member before it runs: a worker that an interruption left unknown would be waited for at exit.
        self._members.append(_Member(name, device, process, receiver, since=time.monotonic(), deaths=deaths))
        with self._few_threads():
            process.start()
        sender.close()

    @contextmanager
    def _few_threads(self) -> Iterator[None]:
        """Give a process that is started one thread for its network where each core has a worker of its own.

        Libraries look at the variable when they are loaded.
        """
        crowded = len(self.devices) > 1 and self.devices.count("cpu") >= cores()
        if not crowded or THREADS in os.environ:
            yield
            return
        os.environ[THREADS] = "1"
        try:
            yield
        finally:
            del os.environ[THREADS]

    def _look_after(self, member: _Member) -> None:
        """Replace a worker that has died; end one that makes no progress."""
        code = member.process.exitcode
        if code is None:
            self._check_progress(member)
            return
        self._members.remove(member)
        message = None
        with suppress(EOFError, OSError):
            message = member.errors.recv() if member.errors.poll() else None
        member.errors.close()
        had_work = self._bury(member, _death(code, member.timed_out, self._timeout))
        if code == 0:
            return
        if message is not None:  # it has reported the error and would report it again
            self.errors.append(message if len(self.devices) == 1 else f"{member.device}: {message}")
        elif had_work or member.deaths < self._rules.retries:
            self._start(member.device, 0 if had_work else member.deaths + 1)
        else:
            times = "" if not member.deaths else f", {member.deaths + 1} times in a row"
            death = _death(code, member.timed_out, None)
            self.errors.append(f"{member.device}: a worker {death} before it had work{times}")

    def _check_progress(self, member: _Member) -> None:
        if self._timeout is None:
            return
        beat, now = self._beat(member), time.monotonic()
        if beat.get("state") != "running" or beat.get("frames") != member.frames or not beat.get("sequences"):
            member.frames, member.since = beat.get("frames", 0), now
        elif now - member.since > self._timeout * max(1, len(beat["sequences"])) + 2 * LOOK:
            member.timed_out = True
            member.process.kill()

    def _beat(self, member: _Member) -> dict[str, Any]:
        with suppress(DataError):
            beat: dict[str, Any] = read_json(self._runs / WORKERS / f"{member.name}.json") or {}
            return beat
        return {}

    @property
    def _runs(self) -> Path:
        return self.plans[0].folder.runs

    def _bury(self, member: _Member, reason: str | None) -> bool:
        return bury_worker(self.plans, member.name, reason)

    def _end(self) -> None:
        """End the workers that are left: first they are asked, then killed, at once if a second interruption comes."""
        started = [member for member in self._members if member.process.pid is not None]
        try:
            for member in started:
                with suppress(OSError):
                    member.process.terminate()
            deadline = time.monotonic() + GRACE
            for member in started:
                member.process.join(max(0.0, deadline - time.monotonic()))
        finally:
            for member in started:
                member.process.kill()  # nothing where it has ended
                member.process.join()
                self._bury(member, None)
        for plan in self.plans:
            Claims(plan.folder, {}).tidy()
        with suppress(OSError):
            (self._runs / WORKERS).rmdir()


def bury_worker(plans: Sequence[Plan], worker: str, reason: str | None) -> bool:
    """Free what a worker that has ended had claimed.

    Args:
        plans: what it worked on.
        worker: its name.
        reason: of its death, which counts as a try of what it had claimed; None where it was asked to end.

    Returns:
        Whether it had claimed anything.
    """
    freed = False
    for plan in plans:
        claims = Claims(plan.folder, {})
        for name, repetition, claim in list(claims.all()):
            if claim.get("worker") == worker:
                freed |= claims.bury(name, repetition, claim, reason or "")
                if reason is None:
                    claims.forget(name, repetition)
    with suppress(OSError):
        (plans[0].folder.runs / WORKERS / f"{worker}.json").unlink(missing_ok=True)
    return freed


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def devices_for(workers: int | None, devices: str | None, device: str = "auto") -> list[str]:
    """Return the device of each worker.

    Args:
        workers: how many; None: one a device, and one a core where there is no GPU and ``devices`` names none.
        devices: ``cuda:0,cuda:1``; default: all GPUs where there are any, else ``device``.
        device: of all workers where ``devices`` is None and there is no GPU.

    Raises:
        UsageError: a device that this machine does not have.
    """
    if devices is not None:
        names = [resolve_device(name.strip()) for name in devices.split(",") if name.strip()]
    elif device == "auto":
        import torch

        names = [f"cuda:{index}" for index in range(torch.cuda.device_count() if torch.cuda.is_available() else 0)]
        names = names or ["cpu"]
    else:
        names = [resolve_device(device)]
    if devices is None and workers is None and names == ["cpu"]:
        return names * cores()
    return [names[index % len(names)] for index in range(workers or len(names))]


def _main(assignment: Assignment, device: str, name: str, errors: Any) -> None:
    """Run a worker process: its parent alone heeds the keyboard, and asks it to end by SIGTERM."""
    try:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGTERM, _interrupt)
        threading.Thread(target=_end_with_parent, daemon=True).start()
        assignment.run(device, name)
    # The parent reads what is sent once the process has ended, so that it has to fit into the pipe.
    except TrackbenchError as error:
        errors.send(printable(str(error)))
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except Exception as error:
        errors.send(printable(f"{type(error).__name__}: {error}"))
        raise


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os.kill(os.getpid(), signal.SIGTERM)


def _interrupt(number: int, frame: Any) -> None:
    raise KeyboardInterrupt


def _death(code: int, timed_out: bool, timeout: float | None) -> str:
    if timed_out:
        return f"made no progress for {timeout:g} s a frame" if timeout is not None else "made no progress"
    if code < 0:
        with suppress(ValueError):
            name = signal.Signals(-code).name
            return f"died of {name}" + (" (often: out of memory)" if name == "SIGKILL" else "")
        return f"died of signal {-code}"
    return f"ended with exit code {code}"
