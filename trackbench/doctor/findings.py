"""What a check says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["good", "bad", "note"]


@dataclass(frozen=True)
class Finding:
    """The outcome of one check."""

    subject: str
    state: State
    """``note``: nothing is wrong, and something is not there that may be wanted."""
    text: str
    mend: str = ""
    """The command that mends it, or what to do."""


def good(subject: str, text: str) -> Finding:
    """Return that all is well."""
    return Finding(subject, "good", text)


def bad(subject: str, text: str, mend: str) -> Finding:
    """Return a fault."""
    return Finding(subject, "bad", text, mend)


def note(subject: str, text: str, mend: str = "") -> Finding:
    """Return something that is not there, and need not be."""
    return Finding(subject, "note", text, mend)
