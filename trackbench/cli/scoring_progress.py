"""The progress display of ``report``: it appears once scoring takes more than two seconds."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.status import Status
from rich.text import Text

#: Seconds of work before anything is shown.
PATIENCE = 2.0
#: Seconds between two lines where there is no terminal.
INTERVAL = 10.0


class ScoringProgress:
    """Shows which run is scored: a line that changes on a terminal, lines elsewhere.

    Args:
        console: where to show it.
    """

    def __init__(self, console: Console) -> None:
        self._console = console
        self._status: Status | None = None
        self._next = time.monotonic() + PATIENCE

    def __enter__(self) -> ScoringProgress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop()

    def say(self, text: str) -> None:
        """Print a message; what comes after scoring ends the display."""
        self._stop()
        self._console.print(text)

    def watch(self, name: str, done: int, of: int) -> None:
        """Show that a run is scored next.

        Args:
            name: of the data set and the tracker.
            done: runs that are scored.
            of: runs in all.
        """
        if time.monotonic() < self._next:
            return
        text = Text(f"scoring {name} ({done + 1} of {of})")
        if not self._console.is_terminal:
            self._next = time.monotonic() + INTERVAL
            self._console.print(text)
        elif self._status is None:
            self._status = self._console.status(text)
            self._status.start()
        else:
            self._status.update(text)

    def _stop(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None
