"""A worker: one process that takes work from runs; its heartbeat says that it lives, and what it is doing."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from trackbench.engine.claims import WORKERS, machine, process_started
from trackbench.engine.scheduler import KINDS, Job, Outcome, Progress
from trackbench.errors import UsageError
from trackbench.files import write_text
from trackbench.results.manifest import session_name

#: Seconds between two heartbeats.
BEAT = 2.0


class Worker(Progress):
    """Writes the heartbeat file of this process, and passes progress on.

    Args:
        runs: the folder of all runs.
        device: on which it computes.
        inner: is told of the progress too.
        name: of the worker; default: a new one.
        beat: seconds between two heartbeats.
    """

    def __init__(
        self, runs: Path, device: str, inner: Progress | None = None, *, name: str | None = None, beat: float = BEAT
    ) -> None:
        super().__init__()
        self.name = name or session_name()
        self.path = runs / WORKERS / f"{self.name}.json"
        self.inner = inner or Progress()
        self.owner: dict[str, Any] = {
            "worker": self.name,
            "host": socket.gethostname(),
            "process": os.getpid(),
            "process_started": process_started(),
            "machine": machine(),
            "device": device,
        }
        self.report: dict[str, Any] = {"state": "starting", "left": None, "frames_left": None}
        """What the queue adds: what is left of all runs."""
        self.notes: list[str] = []
        """What the user has to know of the run."""
        self._started = datetime.now(UTC).isoformat(timespec="seconds")
        self._seconds = dict.fromkeys(KINDS, 0.0)
        self._live: dict[int, list[Any]] = {}
        self._done = self._failed = self._beats = 0
        self._speed: tuple[float, int, float] = (time.monotonic(), 0, 0.0)
        self._beat = beat
        self._stop = threading.Event()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._run, name="heartbeat", daemon=True)

    def __enter__(self) -> Worker:
        self.write()
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)
        with suppress(OSError):
            self.path.parent.rmdir()

    def begin(self, job: Job) -> None:
        """Note the sequence that starts."""
        with self._lock:
            self._live[id(job)] = [job, 0]
        self.report["state"] = "running"
        self.inner.begin(job)

    def advance(self, frames: int) -> None:
        """Count answers."""
        super().advance(frames)
        self.inner.advance(frames)

    def end(self, outcome: Outcome) -> None:
        """Count the sequence that has ended."""
        with self._lock:
            self._live.pop(id(outcome.job), None)
            self._done += outcome.trajectory is not None
            self._failed += outcome.trajectory is None
        self.inner.end(outcome)

    def spend(self, kind: str, seconds: float) -> None:
        """Note what time went into."""
        self._seconds[kind] += seconds
        self.inner.spend(kind, seconds)

    def note(self, text: str) -> None:
        """Keep a line for the session's record and for `status`."""
        self.notes.append(text)
        self.inner.note(text)

    def write(self) -> None:
        """Write the heartbeat.

        Raises:
            UsageError: the folder cannot be written.
        """
        self._beats += 1
        write_text(self.path, json.dumps(self.status()) + "\n")

    def status(self) -> dict[str, Any]:
        """Return what the worker is doing."""
        now = time.monotonic()
        with self._lock:
            live = [job for job, _ in self._live.values()]
            done, failed = self._done, self._failed
        since, frames, fps = self._speed
        if now - since >= 1:
            recent = (self.frames - frames) / (now - since)
            fps = recent if fps == 0 else 0.7 * fps + 0.3 * recent
            self._speed = (now, self.frames, fps)
        return {
            **self.owner,
            "beat": self._beats,
            "started": self._started,
            "sequences": sorted({job.sequence.name for job in live}),
            "done": done,
            "failed": failed,
            "frames": self.frames,
            "fps": round(fps, 2),
            "shares": self.shares(),
            "notes": list(self.notes),
            **self.report,
        }

    def shares(self) -> dict[str, float]:
        """Return what share of the time so far went into each kind of work."""
        whole = sum(self._seconds.values())
        return {kind: round(seconds / whole, 4) if whole else 0.0 for kind, seconds in self._seconds.items()}

    def _run(self) -> None:
        while not self._stop.wait(self._beat):
            with suppress(UsageError):  # storing the next result reports a full disk
                self.write()
