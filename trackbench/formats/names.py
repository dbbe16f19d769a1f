"""Sequence names: how each tool writes them, and which sequence a written name means.

Our own names are pytracking's without its prefixes (``Jogging_1``, ``bike1``).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable

from trackbench.definitions import DatasetDefinition
from trackbench.errors import DataError

#: Spellings that no rule below resolves -> our name: vot-toolkit's, and got10k's Human4, which has one target.
ALIASES = {
    "Jogging1": "Jogging_1",
    "Jogging2": "Jogging_2",
    "Skating21": "Skating2_1",
    "Skating22": "Skating2_2",
    "Human4": "Human4_2",
}
#: What the pytracking family puts before the names of some benchmarks.
PREFIXES = ("uav_", "nfs_", "tpl_")
#: Suffixes of the files that lie beside trajectories.
SIDE = re.compile(r".+_(time|times|fps|scores|all_scores|all_boxes|object_presence_scores|confidence)", re.DOTALL)

_COPY = re.compile(r" ?\(\d+\)$| (- )?copy( \d+| \(\d+\))?$", re.IGNORECASE)
#: Names of the OTB MATLAB toolkit with more than the first letter in lower case.
_MATLAB_LOWER = {"FaceOcc1", "FaceOcc2", "FleetFace", "SUV"}
_TARGETS = {"Jogging_1", "Jogging_2", "Skating2_1", "Skating2_2", "Human4_2"}


class Names:
    """The sequence names of one data set.

    Args:
        names: our names of its sequences.
    """

    def __init__(self, names: Iterable[str]) -> None:
        self._names = list(names)
        self._found: dict[str, list[str]] = {}
        """What `hits` has returned: it is asked several times for each of many files."""
        present = set(self._names)
        aliases = {written.lower(): name for written, name in ALIASES.items() if name in present}
        # In this order: as it is, by the table, in any case, with any of - _ and . between the parts.
        self._steps: list[tuple[Callable[[str], str], dict[str, list[str]]]] = [
            (str, _index(str, self._names)),
            (str.lower, {written: [name] for written, name in aliases.items()}),
            (str.lower, _index(str.lower, self._names)),
            (_fold, _index(_fold, self._names)),
        ]

    def is_name(self, written: str) -> bool:
        """Whether ``written`` is a sequence's name as it stands."""
        return written in self._steps[0][1]

    def hits(self, written: str) -> list[str]:
        """Return the sequences that ``written`` can mean: none, one, or several that it does not tell apart."""
        if written not in self._found:
            self._found[written] = self._find(written)
        return self._found[written]

    def _find(self, written: str) -> list[str]:
        spellings = [written]
        spellings += [written[len(prefix) :] for prefix in PREFIXES if written.lower().startswith(prefix)]
        spellings += [prefix + written for prefix in PREFIXES]
        for spelling in spellings:
            for form, index in self._steps:
                if match := index.get(form(spelling)):
                    return match
        return []

    def match(self, written: str) -> str | None:
        """Return the sequence that ``written`` means, or None.

        Raises:
            DataError: it can mean two.
        """
        hits = self.hits(written)
        if len(hits) > 1:
            raise DataError(f"'{written}' can mean {' or '.join(hits)}; rename the file")
        return hits[0] if hits else None


def without_copy_mark(name: str) -> str:
    """Return a name without what browsers and file managers add to that of a second copy.

    Example:
        >>> without_copy_mark("car1 (1)"), without_copy_mark("car1 - Copy (2)"), without_copy_mark("car1")
        ('car1', 'car1', 'car1')
    """
    return _COPY.sub("", name)


def written_name(name: str, tool: str, record: DatasetDefinition) -> str:
    """Return how ``tool`` writes our sequence ``name`` of a benchmark."""
    prefix = record.names_in(tool).prefix
    if prefix and not name.startswith(prefix):
        return prefix + name
    if name in _TARGETS:
        if tool == "got10k":
            return "Human4" if name == "Human4_2" else name.replace("_", ".")
        if tool in {"pysot", "otb-mat"}:
            name = name.replace("_", "-")
    if tool == "otb-mat" and record.family == "otb":
        if name == "Human4-2":
            return "human4.2"
        return name.lower() if name in _MATLAB_LOWER else name[:1].lower() + name[1:]
    return name


def _fold(name: str) -> str:
    return re.sub(r"[-_.]", "_", name.lower())


def _index(form: Callable[[str], str], names: list[str]) -> dict[str, list[str]]:
    index: dict[str, list[str]] = {}
    for name in names:
        index.setdefault(form(name), []).append(name)
    return index
