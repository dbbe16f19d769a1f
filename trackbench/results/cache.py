"""Parsed results, kept in the cache beside the store, so that the text of a run is read once.

One file holds the boxes of all sequences of a run, with the size and time of modification that each text file had; a
file that differs from them is parsed again.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trackbench.cache import FOLDER, load_rows, store_rows
from trackbench.errors import DataError

Boxes = NDArray[np.float64]

FILE, TIMES = f"{FOLDER}/boxes", f"{FOLDER}/times"


def read_all(
    folder: Path, names: Iterable[str], parse: Callable[[Path], Boxes], cache: str = FILE, columns: int = 4
) -> dict[str, Boxes | DataError]:
    """Return the numbers of each file, float64 (N, columns), or the error that parsing it raised.

    Args:
        folder: where the files lie, and the cache.
        names: the files.
        parse: reads one of them.
        cache: the name of the cache below ``folder``.
        columns: numbers a row.
    """
    known = load_rows(folder / cache, columns)
    contents: dict[str, Boxes | DataError] = {}
    stamps: dict[str, str] = {}
    root = os.fspath(folder)
    for name in names:
        try:
            status = os.stat(f"{root}{os.sep}{name}")
            stamps[name] = stamp = f"{status.st_size} {status.st_mtime_ns}"
            old = known.get(name)
            contents[name] = old[1] if old is not None and old[0] == stamp else parse(folder / name)
        except OSError as error:
            contents[name] = DataError(f"{folder / name}: cannot be read: {error.strerror}")
        except DataError as error:
            contents[name] = error
    fresh = {name: boxes for name, boxes in contents.items() if not isinstance(boxes, DataError)}
    if any(name not in known or known[name][0] != stamps[name] for name in fresh):
        store_rows(folder / cache, {name: (stamps[name], boxes) for name, boxes in fresh.items()})
    return contents
