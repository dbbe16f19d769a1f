"""The progress display of ``run``: a bar on a terminal, lines elsewhere; silent when it is told to be."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from trackbench.engine.plan import Plan, expected_frames
from trackbench.engine.scheduler import KINDS, Job, Outcome, Progress
from trackbench.results.store import failure_key

#: Where there is no terminal: seconds between two lines at least, as sequences end, and at most, within a long one.
SHORTEST, LONGEST = 1.0, 60.0
#: Characters of the description, so that a bar fits into 80 columns.
WIDTH = 38
#: Seconds of a run that is worth a line of what its time went into.
WORTH = 2.0


class RunProgress(Progress):
    """Shows the engine's progress.

    Args:
        console: where to show it.
        plans: what is to be done.
    """

    def __init__(self, console: Console, plans: Sequence[Plan]) -> None:
        super().__init__()
        self._console = console
        self._plans = plans
        self._total = expected_frames(plans)
        self._of = len({(plan.spec.label, task.sequence.name) for plan in plans for task in plan.missing})
        self._started: set[tuple[str, str]] = set()
        self._ended: set[tuple[str, str]] = set()
        self._failures: set[tuple[int, str, int]] = set()
        """Those that workers have had and that are shown."""
        self._current = ""
        self._last = float("-inf")
        self._noted: set[tuple[str, str]] = set()
        self._seconds = dict.fromkeys(KINDS, 0.0)
        self._shares: dict[str, dict[str, float]] = {}
        self._bar = Bar(
            TextColumn("{task.description}"),
            BarColumn(bar_width=10),
            TaskProgressColumn(),
            TextColumn("{task.fields[fps]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not (console.is_terminal and self._total),
        )
        self._task = self._bar.add_task("starting", total=self._total, fps="")

    def __enter__(self) -> RunProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()
        elapsed = time.perf_counter() - self.started
        if kind is None and self.frames and elapsed >= WORTH:
            shares = list(self._shares.values()) or [self._seconds]
            sums = {kind: sum(share.get(kind, 0.0) for share in shares) for kind in KINDS}
            self._print(f"{self.frames} frames, {self._rate():.1f} frames/s; the time went into {share_list(sums)}")

    def begin(self, job: Job) -> None:
        """Name the tracker and the sequence that starts."""
        label = self._label(job)
        self._started.add((label, job.sequence.name))
        self._current = f"{label}: {job.sequence.name}"
        count = f" {len(self._started)}/{self._of}"
        self._bar.update(self._task, description=_named(label, job.sequence.name, WIDTH - len(count)) + count)
        if self._last == float("-inf"):
            self._last = time.monotonic()

    def advance(self, frames: int) -> None:
        """Count answers."""
        super().advance(frames)
        if self._bar.disable:
            if time.monotonic() - self._last > LONGEST:
                self._tell(f"{self._current}, {len(self._ended)}", self._rate())
            return
        speed = self._bar.tasks[0].speed
        self._bar.update(self._task, advance=frames, fps=f"{speed:.0f} fps" if speed else "")

    def end(self, outcome: Outcome) -> None:
        """Tell at once what went wrong; the end of the run lists it again."""
        job = outcome.job
        label = self._label(job)
        self._ended.add((label, job.sequence.name))
        if outcome.trajectory is None:
            self._print(f"{label}: {job.sequence.name}: {outcome.reason}", "red")
        elif self._bar.disable and (time.monotonic() - self._last > SHORTEST or len(self._ended) in (1, self._of)):
            self._tell(f"{label}: {job.sequence.name}, {len(self._ended)}", self._rate())

    def spend(self, kind: str, seconds: float) -> None:
        """Add up what time goes into."""
        self._seconds[kind] += seconds

    def note(self, text: str) -> None:
        """Show a line of what the user has to know."""
        self._print(text, "yellow")

    def watch(self, workers: list[dict[str, Any]]) -> None:
        """Show what the workers of a pool are doing.

        Args:
            workers: their heartbeats.
        """
        for worker in workers:
            self._shares[worker["worker"]] = worker["shares"]
            for text in worker.get("notes", []):
                if (worker["worker"], text) not in self._noted:
                    self._noted.add((worker["worker"], text))
                    self.note(text)
        self._tell_failures()
        left = [worker["frames_left"] for worker in workers if worker.get("frames_left") is not None]
        if not left:
            return
        done = max(self._total - min(left), 0)
        fps = sum(worker["fps"] for worker in workers)
        names = sum(len(worker["sequences"]) for worker in workers)
        self.frames = done
        ended = max(self._of - min(worker["left"] for worker in workers if worker.get("left") is not None), 0)
        self._bar.update(
            self._task,
            completed=done,
            description=f"{len(workers)} workers on {names} sequences {ended}/{self._of}",
            fps=f"{fps:.0f} fps",
        )
        if self._bar.disable and time.monotonic() - self._last > LONGEST:
            self._tell(f"{len(workers)} workers: {ended}", fps)

    def _tell_failures(self) -> None:
        """Say what has failed in the workers since the last look."""
        for index, plan in enumerate(self._plans):
            for name, repetition in sorted(plan.new_failures()):
                if (index, name, repetition) in self._failures:
                    continue
                self._failures.add((index, name, repetition))
                reason = plan.folder.failures().get(failure_key(name, repetition), {}).get("reason")
                self._print(f"{plan.spec.label}: {name}: {reason}", "red")

    def _rate(self) -> float:
        return self.frames / max(time.perf_counter() - self.started, 1e-9)

    def _tell(self, what: str, fps: float) -> None:
        """Print a line of progress: what and how many of all sequences, frames per second, time left."""
        self._last = time.monotonic()
        left = f", {duration((self._total - self.frames) / fps)} left" if fps > 0 else ""
        self._print(f"{what}/{self._of}, {fps:.1f} fps{left}")

    def _label(self, job: Job) -> str:
        return self._plans[job.key[0]].spec.label  # type: ignore[index]

    def _print(self, text: str, style: str = "") -> None:
        self._console.print(Text(text, style=style))


def duration(seconds: float) -> str:
    """Return a time in words.

    Example:
        >>> duration(42), duration(100), duration(7500)
        ('42 s', '2 min', '2.1 h')
    """
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


def share_list(seconds: Mapping[str, float]) -> str:
    """Return what time went into in words, the largest share first.

    Example:
        >>> share_list({"decode": 1.0, "crop": 0.0, "network": 3.0})
        'network 75%, decode 25%, crop 0%'
    """
    whole = sum(seconds.values()) or 1.0
    order = sorted(seconds.items(), key=lambda pair: -pair[1])
    return ", ".join(f"{kind} {value / whole:.0%}" for kind, value in order)


def _named(label: str, sequence: str, width: int) -> str:
    """Return tracker and sequence in ``width`` characters; what is too long is cut, the sequence last."""
    room = max(width - len(sequence) - 1, 12)
    label = label if len(label) <= room else f"{label[: room - 1]}…"
    text = f"{label} {sequence}"
    return text if len(text) <= width else f"{text[: width - 1]}…"
