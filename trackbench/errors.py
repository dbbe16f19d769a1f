"""Errors that are the user's to mend: printed as one line, without a traceback."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from trackbench.quoting import NAME, printable

#: Most characters of what a library says, which may hold what it read.
SAID = 160


class TrackbenchError(Exception):
    """Something could not be done; the message names the file, line or key, what was found and what was expected.

    It is one line, in which whatever comes from a file is spelled out and shortened: no message can bypass that.
    """

    exit_code = 1

    def __init__(self, message: object = "") -> None:
        super().__init__(printable(str(message)))


def reason(error: BaseException, where: object = "") -> str:
    """Return an error's message in one line, without the name of the file ``where`` if it begins with that."""
    text = printable(str(error)) or type(error).__name__
    return text.removeprefix(f"{printable(str(where))}: ")


class UsageError(TrackbenchError):
    """The command was wrong: an unknown name, a bad option, an unreadable definition."""

    exit_code = 2


class DataError(TrackbenchError):
    """A file of a data set, a result or an image does not hold what it should."""


class TrackerError(TrackbenchError):
    """A tracker cannot do what it was asked (missing weights, a box it cannot take)."""

    trace: str | None = None
    """Where it happened, or all that the tracker's program wrote; kept beside the run."""


def unforeseen(error: BaseException) -> str:
    """Return in one line what an exception says that no reader has made an error of."""
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, RecursionError):
        return "nested too deeply"
    if isinstance(error, MemoryError):
        return "does not fit into memory"
    return f"{type(error).__name__}: {printable(str(error), SAID)}".removesuffix(": ")


class LostStateError(TrackerError):
    """A target's state went down with a process through another target's fault: run alone, it may well succeed."""


def fold_name(name: str) -> str:
    """Return the form of ``name`` under which names are compared: lower case, no ``_``, ``-``, ``.`` or blanks."""
    return "".join(c for c in name.lower() if c not in "_-. ")


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name nearest to ``name``, or an empty string."""
    if len(name) > NAME:  # nobody's slip of the keys, and slow to compare
        return ""
    folded = {fold_name(other): other for other in known}
    near = difflib.get_close_matches(fold_name(name), list(folded), n=1, cutoff=0.5)
    return f"; did you mean '{folded[near[0]]}'?" if near else ""
