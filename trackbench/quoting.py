"""Untrusted text, quoted and shortened before it is shown: names, keys, values and titles that come out of files.

Whatever a terminal, a table, a page or LaTeX would act upon instead of showing it (control characters, escape
sequences, line breaks, bidirectional marks, lone surrogates of names that are not UTF-8) is spelled out, and what is
too long is cut in its middle. Errors, consoles and writers of tables call this themselves.
"""

from __future__ import annotations

import re
import reprlib
from collections.abc import Iterable, Mapping
from typing import Any

#: Characters of a name or value within a message, of a path in a list, and of a whole message.
NAME, ITEM, MESSAGE = 80, 240, 2000
_CUT = "…"


def printable(text: str, most: int = MESSAGE) -> str:
    r"""Return ``text`` on one line of at most ``most`` characters, all of them visible.

    Example:
        >>> printable("a\x1b[31m\nb"), printable("0123456789", 6)
        ('a\\x1b[31m\\nb', '012…89')
    """
    if len(text) > 2 * most:  # what is cut need not be spelled out
        text = text[:most] + text[-most:]
    if not text.isprintable():
        text = "".join(c if c.isprintable() else _spelled(c) for c in text)
    if len(text) <= most:
        return text
    tail = most // 3
    return text[: most - tail - 1] + _CUT + text[len(text) - tail :]


def printable_lines(text: str) -> str:
    """Return ``text`` with its line breaks, everything else that is not visible spelled out."""
    if text.replace("\n", "").isprintable():
        return text
    return "".join(c if c == "\n" or c.isprintable() else _spelled(c) for c in text)


def printable_tree(value: Any) -> Any:
    """Return lists and dicts of a document with all their texts and keys :func:`printable`."""
    if isinstance(value, str):
        return printable(value)
    if isinstance(value, dict):
        return {printable_tree(key): printable_tree(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [printable_tree(item) for item in value]
    return value


def shown(value: object, most: int = NAME) -> str:
    """Return a short ``repr`` of a value from a file, however large or deep it is.

    Example:
        >>> shown("a\\n"), shown([1, 2]), shown(10**5000)
        ("'a\\\\n'", '[1, 2]', 'a number of more than 4000 digits')
    """
    if isinstance(value, int) and value.bit_length() > 13_000:  # Python refuses to write out more than 4,300 digits
        return "a number of more than 4000 digits"
    if isinstance(value, str):
        return printable(repr(printable(value, most) if len(value) > most else value), most + 2)
    try:
        return printable(_REPR.repr(value), most)
    except Exception:  # an untrusted object may fail to be shown in any way
        return f"a value of type {type(value).__name__}"


def listed(items: Iterable[object], most: int = 6) -> str:
    """Return the first of ``items`` in one line, and how many more there are.

    Example:
        >>> listed(["a", "b", "c"], 2)
        'a, b and 1 more'
    """
    items = list(items)
    more = f" and {len(items) - most} more" if len(items) > most else ""
    return ", ".join(printable(str(item), ITEM) for item in items[:most]) + more


def alike(reasons: Mapping[str, str]) -> list[list[str]]:
    """Return the keys of ``reasons`` in groups: in one group the texts differ by numbers and the key's own name alone.

    Example:
        >>> alike({"a.txt": "has 3 lines", "b.txt": "has 45 lines", "c.txt": "is empty"})
        [['a.txt', 'b.txt'], ['c.txt']]
    """
    groups: dict[str, list[str]] = {}
    for key, reason in reasons.items():
        groups.setdefault(re.sub(r"\d+(\.\d+)?", "0", reason.replace(key, "")), []).append(key)
    return list(groups.values())


def grouped(reasons: Mapping[str, str]) -> list[str]:
    """Return a line for each group of :func:`alike` reasons: the first, and whose others are like it.

    Args:
        reasons: what fails -> why, its name within.

    Example:
        >>> grouped({"dcf": "runs/dcf: is broken", "kcf": "runs/kcf: is broken", "mil": "runs/mil: is empty"})
        ['runs/dcf: is broken; likewise kcf', 'runs/mil: is empty']
    """
    return [
        reasons[keys[0]] + (f"; likewise {listed(keys[1:], 3)}" if len(keys) > 1 else "") for keys in alike(reasons)
    ]


def _spelled(character: str) -> str:
    return character.encode("unicode_escape").decode()


class _Repr(reprlib.Repr):
    def repr_int(self, x: int, level: int) -> str:
        return shown(x) if x.bit_length() > 13_000 else super().repr_int(x, level)


_REPR = _Repr()
_REPR.maxstring = _REPR.maxother = NAME
_REPR.maxlong, _REPR.maxlevel = NAME, 4
