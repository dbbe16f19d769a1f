"""Parsed results beside the store, so that the text of a run is read once.

One file holds the boxes of all sequences of a run, with the size and time of modification that each text file had; a
file that differs from them is parsed again. The cache may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import json
import os
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError

Boxes = NDArray[np.float64]

FILE = ".parsed.npz"


def read_all(folder: Path, paths: Iterable[Path], parse: Callable[[Path], Boxes]) -> dict[Path, Boxes | DataError]:
    """Return the boxes of each file, float64 (N, 4), or the error that parsing it raised.

    Args:
        folder: where the cache lies, beside the files.
        paths: the files, all of them in ``folder``.
        parse: reads one of them.
    """
    known = _load(folder / FILE)
    found: dict[Path, Boxes | DataError] = {}
    stamps: dict[str, tuple[int, int]] = {}
    for path in paths:
        try:
            status = path.stat()
            stamps[path.name] = stamp = (status.st_size, status.st_mtime_ns)
            old = known.get(path.name)
            found[path] = old[1] if old is not None and old[0] == stamp else parse(path)
        except OSError as error:
            found[path] = DataError(f"{path}: cannot be read: {error.strerror}")
        except DataError as error:
            found[path] = error
    fresh = {path.name: boxes for path, boxes in found.items() if not isinstance(boxes, DataError)}
    if any(name not in known or known[name][0] != stamps[name] for name in fresh):
        _store(folder / FILE, fresh, stamps)
    return found


def _load(path: Path) -> dict[str, tuple[tuple[int, int], Boxes]]:
    # A cache that is not there, or broken, is no cache.
    with contextlib.suppress(OSError, EOFError, ValueError, KeyError, TypeError, zipfile.BadZipFile):
        with np.load(path, allow_pickle=False) as file:
            boxes, index = file["boxes"], json.loads(file["index"].tobytes())
        if boxes.ndim == 2 and boxes.shape[1] == 4 and boxes.dtype == np.float64:
            return {name: ((size, time), boxes[start:end]) for name, (size, time, start, end) in index.items()}
    return {}


def _store(path: Path, boxes: dict[str, Boxes], stamps: dict[str, tuple[int, int]]) -> None:
    index, start = {}, 0
    for name, rows in boxes.items():
        index[name] = (*stamps[name], start, start + len(rows))
        start += len(rows)
    temporary = path.with_name(f"{path.name}.{os.getpid()}")
    # Results may lie where nobody can write; they are then parsed every time.
    with contextlib.suppress(OSError):
        with temporary.open("wb") as file:
            np.savez(
                file,
                boxes=np.concatenate(list(boxes.values())),
                index=np.frombuffer(json.dumps(index).encode(), np.uint8),
            )
        temporary.replace(path)
