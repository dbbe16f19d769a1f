"""Indices of data sets whose annotations are many small files: read once, then kept in the user's cache."""

from __future__ import annotations

import contextlib
import gzip
import hashlib
import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from trackbench.checkpoints.weight_cache import cached_path
from trackbench.errors import DataError, UsageError
from trackbench.files import as_bytes, write_bytes
from trackbench.training.data.clips import Clip, ClipSet, Mask, with_area

Entry = tuple[str, list[str], list[list[float]]]
"""A target: its name, the files of its frames below the root, and a box x, y, w, h for each."""


@dataclass(frozen=True)
class IndexedSet(ClipSet):
    """Targets of an index.

    Args:
        name: of the set.
        root: folder that the files lie below.
        entries: the targets.
        stills: whether they are still images, of which one target an image is drawn.
        mask: gives the target's pixels, from its entry and the number of a frame.
    """

    name: str
    root: Path
    entries: Sequence[Entry]
    stills: bool = False
    mask: Callable[[Path, Entry, int], Mask] | None = None

    def __len__(self) -> int:
        return len(self.entries)

    def clip(self, index: int, random: np.random.Generator | None = None) -> Clip:
        """See :class:`ClipSet`."""
        entry = self.entries[index]
        name, files, rows = entry
        boxes = np.array(rows, np.float64).reshape(-1, 4)
        if self.stills and len(boxes) > 1:
            # All targets of one image: its file is in the list once for each.
            one = 0 if random is None else int(random.integers(len(boxes)))
            files, boxes = files[one : one + 1], boxes[one : one + 1]
        read = None if self.mask is None else partial(self.mask, self.root, entry)
        return Clip(name, boxes, with_area(boxes), partial(_path, self.root, files), self.stills, read)

    def frame_count(self) -> int | None:
        """See :class:`ClipSet`."""
        return sum(len(files) for _, files, _ in self.entries)


def _path(root: Path, files: list[str], index: int) -> Path:
    return root / files[index]


def indexed(name: str, root: Path, marker: Path, build: Callable[[], list[Entry]]) -> list[Entry]:
    """Return the index of a data set, from the cache where the folder ``marker`` has not changed since.

    Args:
        name: of the data set and what of it is indexed.
        root: its folder.
        marker: folder or file whose time of change tells a new download.
        build: reads the annotations, which takes minutes.

    Raises:
        DataError: there is nothing to train on.
    """
    try:
        stamp = os.stat(marker).st_mtime_ns
    except OSError as error:
        raise DataError(f"{marker}: cannot be read: {error.strerror}; expected the annotations of '{name}'") from None
    key = hashlib.sha256(as_bytes(f"{name}\n{root.resolve()}\n{stamp}")).hexdigest()[:16]
    path = cached_path("x").parents[1] / "training" / f"{name}-{key}.json.gz"
    if path.is_file():
        try:
            with gzip.open(path, "rt", encoding="utf-8") as file:
                return [(entry[0], entry[1], entry[2]) for entry in json.load(file)]
        except (OSError, EOFError, ValueError, LookupError, TypeError):
            pass  # damaged: it is built again
    entries = build()
    if not entries:
        raise DataError(f"data set '{name}': {root} holds no target with a box")
    # A cache that cannot be written only makes the next time slower.
    with contextlib.suppress(UsageError):
        write_bytes(path, gzip.compress(json.dumps(entries).encode()))
    return entries
