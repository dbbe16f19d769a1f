"""Files that hold a tracker's results on all sequences, shown as a file for each sequence.

``{"car1": [[x, y, w, h], ...], ...}`` in JSON, also below one key and with a list of runs for each sequence, and CSV
with a column for the sequence.
"""

from __future__ import annotations

import json
from collections import defaultdict
from pathlib import Path
from typing import Any

from trackbench.errors import DataError
from trackbench.files import decode
from trackbench.formats.archives import Files
from trackbench.formats.json_results import candidates, read_json
from trackbench.formats.names import Names
from trackbench.regions.rows import MAX_HEADER, named_columns, split

#: Most files that are looked into.
MAX_LOOKED_INTO = 50
#: Most sequences in one of them: the largest benchmarks have 50,000.
MAX_SEQUENCES = 60_000
_SEQUENCE_NAMES = {"sequence", "seq", "sequence_name", "seq_name", "video", "video_name", "video_id", "clip"}


class Unbundled:
    """The files of ``files``, of which those of all sequences are folders with a file for each.

    Args:
        files: untrusted files.
        names: the sequences' names.
    """

    def __init__(self, files: Files, names: Names) -> None:
        self._files, self.path = files, files.path
        self._parts: dict[str, tuple[str, bytes]] = {}
        """Name of a part -> the file that holds it, and its content."""
        bundles: set[str] = set()
        if not any(name.rpartition("/")[2] == "manifest.json" for name in files.names):
            stems = {name: name.rpartition("/")[2].rpartition(".")[0] for name in files.names}
            likely = [name for name, stem in stems.items() if name.lower().endswith((".json", ".csv"))]
            likely = [name for name in likely if not names.hits(stems[name])]
            for name in likely if len(likely) <= MAX_LOOKED_INTO else []:
                if parts := self._divide(name, names):
                    bundles.add(name)
                    self._parts |= {f"{name.rpartition('.')[0]}/{part}": (name, data) for part, data in parts.items()}
        self.names = sorted([*(name for name in files.names if name not in bundles), *self._parts])

    def read(self, name: str) -> bytes:
        """Return the content of a file, or of a part."""
        return self._parts[name][1] if name in self._parts else self._files.read(name)

    def where(self, name: str) -> str:
        """Return what messages call a file, or a part."""
        if name not in self._parts:
            return self._files.where(name)
        return f"{self._files.where(self._parts[name][0])}: {name.rpartition('/')[2].rpartition('.')[0]}"

    def _divide(self, name: str, names: Names) -> dict[str, bytes]:
        try:
            data, where = self._files.read(name), self._files.where(name)
            return _of_json(data, where, names) if name.lower().endswith(".json") else _of_csv(data, where, names)
        except DataError:  # importing it says what is wrong
            return {}


def _of_json(data: bytes, where: str, names: Names) -> dict[str, bytes]:
    document: Any = read_json(data, where)
    for _ in range(3):
        if not isinstance(document, dict):
            return {}
        if len(document) > MAX_SEQUENCES:
            return {}
        sequences = {key: value for key, value in document.items() if names.hits(key) and candidates(value)}
        if 2 * len(sequences) > len(document):
            break
        inner = [value for value in document.values() if isinstance(value, dict)]
        document = inner[0] if len(inner) == 1 else None
    else:
        return {}
    parts: dict[str, bytes] = {}
    for key, value in document.items():
        key = Path(key).name  # a name may be a path
        runs = value if _are_runs(value) else [value]
        for number, run in enumerate(runs, 1):
            part = f"{key}.json" if len(runs) == 1 else f"{key}/{key}_{number:03d}.json"
            parts[part] = json.dumps(run).encode()
    return parts


def _are_runs(value: Any) -> bool:
    return isinstance(value, list) and all(isinstance(run, list) and run and isinstance(run[0], list) for run in value)


def _of_csv(data: bytes, where: str, names: Names) -> dict[str, bytes]:
    lines = decode(where, data).strip().splitlines()
    header = [word.strip().lower() for word in split(lines[0][:MAX_HEADER])] if lines else []
    columns = [index for index, word in enumerate(header) if word in _SEQUENCE_NAMES]
    if len(columns) != 1:
        return {}
    column = columns[0]
    named = named_columns(_without(lines[0], column))
    if named is None or named[1] is None:  # a table of scores, say
        return {}
    tables: dict[str, list[str]] = defaultdict(lambda: [_without(lines[0], column)])
    for line in lines[1:]:
        words = line.split(",")
        if len(tables) > MAX_SEQUENCES:
            return {}
        if len(words) > column:
            tables[words[column].strip(" \"'")].append(_without(line, column))
    if not any(names.hits(table) for table in tables):
        return {}
    return {f"{Path(name).name}.csv": "\n".join(table).encode() for name, table in tables.items()}


def _without(line: str, column: int) -> str:
    words = line.split(",")
    return ",".join(words[:column] + words[column + 1 :])
