"""Claims: the runs folder is the queue from which any number of processes on any number of hosts take their work.

::

    runs/<tracker>/<dataset>/<protocol>/claims/
        <sequence>.claim                who works on it: host, process, device, worker
        repetition-002/                 the same of a second repetition
        lost/<sequence>/<worker>.json   a try that ended with the death of its worker, and why
    runs/.workers/<worker>.json         the heartbeat of a worker, and what it is doing

A claim is created exclusively (``O_CREAT | O_EXCL``), never changed, and removed by its owner when the result is
stored. It is dead when its process no longer runs on this machine, or when its worker's heartbeat has not changed for
:data:`STALE` seconds *of the observer's own clock*: clocks of hosts are never compared. Whoever finds a dead claim
moves it to ``lost`` by renaming, which only one process can do; then the sequence is free again.

Relied on: exclusive creation and renaming are atomic (local disks, NFS from version 3, Lustre, GPFS, SMB), and a file
written by one host is seen by the others within :data:`STALE` seconds.
"""

from __future__ import annotations

import json
import os
import platform
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import Any

import psutil

from trackbench.errors import DataError, UsageError
from trackbench.files import read_json, write_text
from trackbench.results.store import RunFolder

CLAIMS, LOST, WORKERS = "claims", "lost", ".workers"
#: Seconds without a heartbeat after which a worker counts as dead.
STALE = 60.0


@cache
def machine() -> str:
    """Return what two processes share when each can see whether the other runs: boot and process namespace."""
    try:
        return f"{Path('/proc/sys/kernel/random/boot_id').read_text().strip()} {os.readlink('/proc/self/ns/pid')}"
    except OSError:
        return f"{platform.node()} {psutil.boot_time():.0f}"


def process_started() -> float:
    """Return when this process started, which tells it from a later one of the same number."""
    return float(psutil.Process().create_time())


def is_running(process: int, started: float) -> bool:
    """Whether the process of that number and start runs on this machine."""
    try:
        running = psutil.Process(process)
        # The time of the boot, from which the start is counted, moves when the clock is set.
        return bool(abs(running.create_time() - started) < 5 and running.status() != psutil.STATUS_ZOMBIE)
    except psutil.Error:
        return False


class Heartbeats:
    """What one process knows of the life of others.

    Args:
        runs: the folder of all runs.
        stale: seconds without a heartbeat after which a worker counts as dead.
    """

    def __init__(self, runs: Path, stale: float = STALE) -> None:
        self._folder = runs / WORKERS
        self._stale = stale
        self._seen: dict[str, tuple[Any, float]] = {}

    def death(self, claim: dict[str, Any]) -> str | None:
        """Return why the owner of a claim counts as dead, or None where it may live."""
        if claim.get("machine") == machine() and not is_running(claim["process"], claim["process_started"]):
            return f"process {claim['process']} has ended"
        worker, now = str(claim.get("worker", "")), time.monotonic()
        beat = None
        with suppress(DataError):  # it is being replaced
            beat = (read_json(self._folder / f"{worker}.json") or {}).get("beat")
        last, since = self._seen.get(worker, (object(), now))
        if beat != last:
            self._seen[worker] = (beat, now)
            return None
        silence = now - since
        return f"no sign of life from {claim.get('host')} for {silence:.0f} s" if silence > self._stale else None


def live_workers(runs: Path) -> list[dict[str, Any]]:
    """Return the heartbeats of the workers below ``runs``; those of this machine that have died are removed.

    Of workers on other machines only a second look can tell whether they live: their ``beat`` goes up.
    """
    workers = []
    for path in _files(runs / WORKERS, ".json", deep=False):
        worker = _read(path)
        if worker.get("machine") == machine() and not is_running(worker["process"], worker["process_started"]):
            path.unlink(missing_ok=True)
        elif worker:
            workers.append(worker)
    return workers


class Claims:
    """The claims on the sequences of one run, as one worker makes them.

    Args:
        folder: the run.
        owner: what claims say of this worker: at least ``worker``, ``host``, ``process`` and ``process_started``.
    """

    def __init__(self, folder: RunFolder, owner: dict[str, Any]) -> None:
        self.folder = folder
        self.owner = owner
        self.path = folder.path / CLAIMS

    def take(self, sequence: str, repetition: int = 1) -> bool:
        """Claim a sequence; False where another has it.

        Raises:
            UsageError: the folder cannot be written.
        """
        path = self._claim(sequence, repetition)
        number = None
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            number = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666)
            with open(number, "w", encoding="utf-8") as file:
                json.dump(self.owner, file)
                file.flush()
                os.fsync(file.fileno())
        except FileExistsError:
            return False
        except FileNotFoundError:  # the last one out has just removed the folder
            return self.take(sequence, repetition)
        except BaseException as error:  # an interruption too would leave a claim that names no owner
            if number is not None:
                with suppress(OSError):
                    path.unlink(missing_ok=True)
            if isinstance(error, OSError):
                raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
            raise
        return True

    def holds(self, sequence: str, repetition: int = 1) -> bool:
        """Whether the claim is still this worker's, and nobody has taken it for dead."""
        return bool(_read(self._claim(sequence, repetition)).get("worker") == self.owner["worker"])

    def release(self, sequence: str, repetition: int = 1) -> None:
        """Give a claim back, if it is still this worker's."""
        if self.holds(sequence, repetition):
            with suppress(OSError):
                self._claim(sequence, repetition).unlink(missing_ok=True)

    def all(self) -> Iterator[tuple[str, int, dict[str, Any]]]:
        """Yield all claims on this run: sequence, repetition, and what the claim says of its owner."""
        for path in _files(self.path, ".claim"):
            # Without content it is being written, or its owner died while doing so.
            claim = _read(path) or {"worker": f"unknown-{path.stem}", "host": "an unknown host"}
            yield path.stem, _repetition(path), claim

    def bury(self, sequence: str, repetition: int, claim: dict[str, Any], reason: str) -> bool:
        """Move a dead claim to ``lost``, so that the sequence is free; False where another was faster."""
        path, lost = self._claim(sequence, repetition), self._lost(sequence, repetition) / f"{claim['worker']}.json"
        try:
            lost.parent.mkdir(parents=True, exist_ok=True)
            path.rename(lost)
        except OSError:
            return False
        moved = _read(lost)
        if (
            moved.get("worker", claim["worker"]) != claim["worker"]
        ):  # the dead one was buried, and the sequence taken, a moment ago
            with suppress(OSError):
                os.link(lost, path)
            lost.unlink(missing_ok=True)
            return False
        write_text(lost, json.dumps({**moved, "reason": reason}) + "\n")
        return True

    def lost(self, sequence: str, repetition: int = 1) -> list[dict[str, Any]]:
        """Return the tries of a sequence that ended with the death of a worker, each with its ``reason``."""
        return [_read(path) for path in _files(self._lost(sequence, repetition), ".json", deep=False)]

    def all_lost(self) -> set[tuple[str, int]]:
        """Return the sequences and repetitions that have cost a worker its life."""
        return {(path.parent.name, _repetition(path.parent)) for path in _files(self.path / LOST, ".json")}

    def forget(self, sequence: str, repetition: int = 1) -> None:
        """Remove the lost tries of a sequence."""
        folder = self._lost(sequence, repetition)
        for path in _files(folder, ".json", deep=False):
            path.unlink(missing_ok=True)
        with suppress(OSError):
            folder.rmdir()

    def tidy(self) -> None:
        """Remove the folder of claims where it is empty."""
        for path in sorted((p for p in self.path.rglob("*") if p.is_dir()), reverse=True):
            with suppress(OSError):
                path.rmdir()
        with suppress(OSError):
            self.path.rmdir()

    def _claim(self, sequence: str, repetition: int) -> Path:
        return self.path / self.folder.file(sequence, ".claim", repetition).relative_to(self.folder.path)

    def _lost(self, sequence: str, repetition: int) -> Path:
        return self.path / LOST / self.folder.file(sequence, "", repetition).relative_to(self.folder.path)


def _files(folder: Path, suffix: str, deep: bool = True) -> list[Path]:
    try:
        paths = folder.rglob(f"*{suffix}") if deep else folder.glob(f"*{suffix}")
        return sorted(path for path in paths if path.is_file())
    except OSError:  # removed meanwhile
        return []


def _repetition(path: Path) -> int:
    name = path.parent.name
    return int(name[11:]) if name.startswith("repetition-") else 1


def _read(path: Path) -> dict[str, Any]:
    """Return what a claim says; nothing where it is gone or being written."""
    with suppress(DataError):
        document = read_json(path)
        return document if isinstance(document, dict) else {}
    return {}
