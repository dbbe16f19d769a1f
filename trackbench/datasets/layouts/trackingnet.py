"""The layout of TrackingNet: ``TEST/anno/<id>.txt`` and ``TEST/frames/<id>/%d.jpg``, likewise ``TRAIN_0`` to ``_11``.

Frames are numbered from 0 without leading zeros. An id is a YouTube id of 11 characters and the number of a target; it
may begin with ``-``. The data root, a chunk's own folder, and a bare folder of annotations are all read.
"""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path

from trackbench.datasets.layouts.base import Listing, Recognised, Table
from trackbench.datasets.layouts.images import find_child, frames_folder, natural_key, numbered_images
from trackbench.datasets.sequence import GroundTruth, VideoSequence
from trackbench.definitions import DATASETS, DatasetDefinition
from trackbench.regions.files import read_boxes

_CHUNK = re.compile(r"(TEST|TRAIN)(_\d+)?")
_FILE = re.compile(r"([\w-]{11}_\d+)\.txt", re.ASCII)


COLUMNS: tuple[str, ...] = ("name",)


def recognise(folder: Path) -> Recognised | None:
    """Return what ``folder`` holds, if a chunk of the test split, or else of the training split, has annotations."""
    for name in ("trackingnet", "trackingnet-train"):
        record = DATASETS.get(name).value
        chunks = _chunks(folder, record.split or "TEST")
        if any((chunk / "anno").is_dir() and _CHUNK.fullmatch(chunk.name) for chunk in chunks):
            listing = read(folder, record, [])
            if listing.sequences:
                return Recognised(record, listing)
    return None


def read(folder: Path, definition: DatasetDefinition, table: Table) -> Listing:
    """Return the sequences of the split in ``folder``, chunk by chunk; the benchmark publishes no list of names."""
    split = definition.split or "TEST"
    sequences = []
    for chunk in _chunks(folder, split):
        annotations = find_child(chunk, "anno") or chunk
        names = sorted(match[1] for entry in os.scandir(annotations) if (match := _FILE.fullmatch(entry.name)))
        sequences += [
            VideoSequence(
                name,
                read_frames=partial(_frames, chunk, name),
                read_ground_truth=partial(_truth, annotations, name),
                annotation_withheld=definition.truth == "initial",
            )
            for name in names
        ]
    return Listing(sequences, [])


def _chunks(folder: Path, split: str) -> list[Path]:
    """Return the folders of the split's chunks; ``folder`` itself where it is one, or has a name of its own."""
    named = _CHUNK.fullmatch(folder.name)
    if named:
        return [folder] if named[1] == split else []
    entries = [entry.name for entry in os.scandir(folder) if entry.is_dir()]
    chunks = [name for name in entries if (match := _CHUNK.fullmatch(name)) and match[1] == split]
    return [folder / name for name in sorted(chunks, key=natural_key)] or [folder]


def _frames(chunk: Path, name: str) -> list[Path]:
    return numbered_images(name, frames_folder(name, chunk / "frames" / name))


def _truth(annotations: Path, name: str) -> GroundTruth:
    return GroundTruth(read_boxes(annotations / f"{name}.txt"))
