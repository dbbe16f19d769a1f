"""Parsed results beside the store, so that the text of a run is read once.

One file holds the boxes of all sequences of a run, with the size and time of modification that each text file had; a
file that differs from them is parsed again. The cache may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.files import replacing

Boxes = NDArray[np.float64]

FILE, TIMES = ".parsed", ".times"


def read_all(
    folder: Path, names: Iterable[str], parse: Callable[[Path], Boxes], cache: str = FILE, columns: int = 4
) -> dict[str, Boxes | DataError]:
    """Return the numbers of each file, float64 (N, columns), or the error that parsing it raised.

    Args:
        folder: where the files lie, and the cache.
        names: the files.
        parse: reads one of them.
        cache: the name of the cache.
        columns: numbers a row.
    """
    known = load(folder / cache, columns)
    found: dict[str, Boxes | DataError] = {}
    stamps: dict[str, str] = {}
    root = os.fspath(folder)
    for name in names:
        try:
            status = os.stat(f"{root}{os.sep}{name}")
            stamps[name] = stamp = f"{status.st_size} {status.st_mtime_ns}"
            old = known.get(name)
            found[name] = old[1] if old is not None and old[0] == stamp else parse(folder / name)
        except OSError as error:
            found[name] = DataError(f"{folder / name}: cannot be read: {error.strerror}")
        except DataError as error:
            found[name] = error
    fresh = {name: boxes for name, boxes in found.items() if not isinstance(boxes, DataError)}
    if any(name not in known or known[name][0] != stamps[name] for name in fresh):
        store(folder / cache, {name: (stamps[name], boxes) for name, boxes in fresh.items()})
    return found


def load(path: Path, columns: int) -> dict[str, tuple[str, Boxes]]:
    """Return what `store` has kept in a file; nothing where it is not there, or broken."""
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError, LookupError):
        with path.open("rb") as file:
            index = json.loads(file.readline())["columns"]
            numbers = np.fromfile(file, np.float64).reshape(columns, -1)
        if max((end for _, _, end in index.values()), default=0) == numbers.shape[1]:
            return {name: (stamp, numbers[:, start:end].T) for name, (stamp, start, end) in index.items()}
    return {}


def store(path: Path, entries: Mapping[str, tuple[str, Boxes]]) -> None:
    """Keep arrays of as many columns in one file: a line of JSON, name -> stamp, first and last row; then each column.

    Columns come one after the other because that is how they are computed with.

    Args:
        path: the file. Where nobody can write, nothing is kept.
        entries: name -> what changes with the text that was parsed, and its rows.
    """
    index, start = {}, 0
    for name, (stamp, rows) in entries.items():
        index[name] = (stamp, start, start + len(rows))
        start += len(rows)
    with contextlib.suppress(OSError), replacing(path) as file:
        file.write(json.dumps({"columns": index}).encode() + b"\n")
        if entries:
            file.write(np.concatenate([rows for _, rows in entries.values()]).T.tobytes())
