"""User errors: the command line prints them as one line, without a traceback."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Mapping, Sequence
from itertools import permutations

from trackbench.quoting import NAME, grouped, printable

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
    if isinstance(error, ValueError) and "integer string conversion" in str(error):
        return "a number of more digits than can be read"
    return f"{type(error).__name__}: {printable(str(error), SAID)}".removesuffix(": ")


class SeveralErrors(TrackbenchError):  # noqa: N818 - it is several
    """Several things that are wrong at once; people see a line each.

    Args:
        errors: what is wrong.
    """

    def __init__(self, errors: Sequence[TrackbenchError]) -> None:
        super().__init__("; ".join(map(str, errors)))
        self.errors = tuple(errors)
        self.exit_code = max(error.exit_code for error in errors)


def all_of(refused: Mapping[str, DataError]) -> DataError | SeveralErrors:
    """Return one error for several things of which none can be used: a line for each group of like reasons."""
    errors = [DataError(line) for line in grouped({name: str(error) for name, error in refused.items()})]
    return errors[0] if len(errors) == 1 else SeveralErrors(errors)


class LostStateError(TrackerError):
    """A target's state went down with a process through another target's fault: run alone, it may well succeed."""


_FOLDED = dict.fromkeys(map(ord, "_-. "))


def fold_name(name: str) -> str:
    """Return the form of ``name`` under which names are compared: lower case, no ``_``, ``-``, ``.`` or blanks."""
    return name.lower().translate(_FOLDED)


def suggestion(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the known names that ``name`` is a slip of, or an empty string.

    Near are a few wrong letters, the words in another order, and the beginning of a name.

    Example:
        >>> suggestion("light-sbt", ["sbt-light", "dcf"]), suggestion("all", ["sbt-small"])
        ("; did you mean 'sbt-light'?", '')
    """
    if len(name) > NAME or "," in name:  # nobody's slip of the keys
        return ""
    folded = {fold_name(other): other for other in known}
    names = [f"'{folded[near]}'" for near in _nearest(name, list(folded))]
    return f"; did you mean {' or '.join(names)}?" if names else ""


def _nearest(name: str, known: list[str]) -> list[str]:
    wanted = fold_name(name)
    words = re.split(r"[-_. ]+", name.lower())
    if 1 < len(words) <= 4:
        turned = {"".join(order) for order in permutations(words)}
        if hits := [other for other in known if other in turned]:
            return hits[:1]
    if len(wanted) >= 3 and (longer := [other for other in known if other.startswith(wanted)]):
        return sorted(longer, key=len)[:3]
    if len(wanted) <= 3:  # of short names the share of equal letters says too little
        return [other for other in known if len(other) == len(wanted) and _is_one_slip(wanted, other)][:1]
    return difflib.get_close_matches(wanted, known, n=1, cutoff=0.7)


def _is_one_slip(name: str, other: str) -> bool:
    """Whether one letter of ``other``, of the same length, is another, or two have changed places."""
    return sorted(name) == sorted(other) or sum(a != b for a, b in zip(name, other, strict=True)) == 1
