"""The progress display of ``run``: sequence, frames per second, time left; silent when nobody watches."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.progress import Progress as Bar
from rich.text import Text

from trackbench.engine.scheduler import Job, Outcome, Progress
from trackbench.quoting import NAME, printable


class RunProgress(Progress):
    """Shows the engine's progress on a terminal.

    Args:
        console: where to show it.
        frames: how many answers are expected in all.
    """

    def __init__(self, console: Console, frames: int) -> None:
        super().__init__()
        self._bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[fps]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not (console.is_terminal and frames),
        )
        self._task = self._bar.add_task("starting", total=frames, fps="")

    def __enter__(self) -> RunProgress:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()

    def begin(self, job: Job) -> None:
        """Name the sequence that starts."""
        self._bar.update(self._task, description=printable(job.sequence.name, NAME))

    def advance(self, frames: int) -> None:
        """Count answers."""
        super().advance(frames)
        speed = self._bar.tasks[0].speed
        self._bar.update(self._task, advance=frames, fps=f"{speed:.0f} fps" if speed else "")

    def end(self, outcome: Outcome) -> None:
        """Say at once what went wrong; the end of the run lists it again."""
        if outcome.trajectory is None and not self._bar.disable:
            self._bar.console.print(Text(printable(f"{outcome.job.sequence.name}: {outcome.reason}"), style="red"))
