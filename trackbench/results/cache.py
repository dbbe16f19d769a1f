"""Parsed results beside the store, so that the text of a run is read once.

One file holds the boxes of all sequences of a run, with the size and time of modification that each text file had; a
file that differs from them is parsed again. Its first line is JSON, file -> size, time, first and last row; then come
the rows, float64. The cache may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError

Boxes = NDArray[np.float64]
Stamp = tuple[int, int]

FILE = ".parsed"


def read_all(folder: Path, names: Iterable[str], parse: Callable[[Path], Boxes]) -> dict[str, Boxes | DataError]:
    """Return the boxes of each file, float64 (N, 4), or the error that parsing it raised.

    Args:
        folder: where the files lie, and the cache.
        names: the files.
        parse: reads one of them.
    """
    known = _load(folder / FILE)
    found: dict[str, Boxes | DataError] = {}
    stamps: dict[str, Stamp] = {}
    root = os.fspath(folder)
    for name in names:
        try:
            status = os.stat(f"{root}{os.sep}{name}")
            stamps[name] = stamp = (status.st_size, status.st_mtime_ns)
            old = known.get(name)
            found[name] = old[1] if old is not None and old[0] == stamp else parse(folder / name)
        except OSError as error:
            found[name] = DataError(f"{folder / name}: cannot be read: {error.strerror}")
        except DataError as error:
            found[name] = error
    fresh = {name: boxes for name, boxes in found.items() if not isinstance(boxes, DataError)}
    if any(name not in known or known[name][0] != stamps[name] for name in fresh):
        _store(folder / FILE, fresh, stamps)
    return found


def _load(path: Path) -> dict[str, tuple[Stamp, Boxes]]:
    # A cache that is not there, or broken, is no cache.
    with contextlib.suppress(OSError, ValueError, TypeError, AttributeError):
        with path.open("rb") as file:
            index = json.loads(file.readline())
            boxes = np.fromfile(file, np.float64).reshape(-1, 4)
        if max((end for _, _, _, end in index.values()), default=0) == len(boxes):
            return {name: ((size, time), boxes[start:end]) for name, (size, time, start, end) in index.items()}
    return {}


def _store(path: Path, boxes: dict[str, Boxes], stamps: dict[str, Stamp]) -> None:
    index, start = {}, 0
    for name, rows in boxes.items():
        index[name] = (*stamps[name], start, start + len(rows))
        start += len(rows)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    # Results may lie where nobody can write; they are then parsed every time.
    with contextlib.suppress(OSError):
        with temporary.open("wb") as file:
            file.write(json.dumps(index).encode() + b"\n")
            for rows in boxes.values():
                file.write(np.ascontiguousarray(rows))
        temporary.replace(path)
