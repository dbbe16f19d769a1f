"""Errors that are the user's to mend: printed as one line, without a traceback.

Anything else that escapes is a bug of ours and keeps its traceback.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class TrackbenchError(Exception):
    """Something could not be done; the message names the file, line or key, what was found and what was expected."""

    exit_code = 1


class UsageError(TrackbenchError):
    """The command was wrong: an unknown name, a bad option, an unreadable definition."""

    exit_code = 2


class DataError(TrackbenchError):
    """A file of a data set, a result or an image does not hold what it should."""


class TrackerError(TrackbenchError):
    """A tracker cannot do what it was asked (missing weights, a box it cannot take)."""


def fold_name(name: str) -> str:
    """Return the form of ``name`` under which names are compared: lower case, no ``_``, ``-``, ``.`` or blanks."""
    return "".join(c for c in name.lower() if c not in "_-. ")


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known name nearest to ``name``, or an empty string."""
    folded = {fold_name(other): other for other in known}
    near = difflib.get_close_matches(fold_name(name), list(folded), n=1, cutoff=0.5)
    return f"; did you mean '{folded[near[0]]}'?" if near else ""
