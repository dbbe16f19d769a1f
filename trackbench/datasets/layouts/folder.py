"""The generic layout: a folder for each sequence, with frames and a ground-truth file.

``<sequence>/groundtruth.txt`` or ``groundtruth_rect.txt``; frames in ``<sequence>/``, ``<sequence>/img/`` (``imgs``,
``images``) or ``<sequence>/color/``; any image format, sorted naturally (``2.jpg`` before ``10.jpg``). A line holds a
region in any of the VOT text forms, or ``x y w h`` with any separator. A file ``attributes.txt`` lists the attributes,
separated by blanks, commas or lines. A folder that holds one sequence directly is a data set of one.
"""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path

from trackbench.datasets.layouts.base import Listing, Recognised, Table
from trackbench.datasets.layouts.images import find_child, list_images, natural_key
from trackbench.datasets.sequence import GroundTruth, VideoSequence
from trackbench.definitions import DatasetDefinition
from trackbench.errors import DataError
from trackbench.files import read_text
from trackbench.regions.files import read_boxes, read_regions

TRUTHS = ("groundtruth.txt", "groundtruth_rect.txt")
IMAGE_FOLDERS = ("img", "imgs", "images", "color")


COLUMNS: tuple[str, ...] = ("name",)


def recognise(folder: Path) -> Recognised | None:
    """Return what ``folder`` holds: it is a sequence itself, or at least one is in it."""
    if _truth_file(folder) is None and not any(_truth_file(child) for child in _children(folder)):
        return None
    record = DatasetDefinition(title=folder.name, layout="folder")
    return Recognised(record, read(folder, record, []))


def read(folder: Path, definition: DatasetDefinition, table: Table) -> Listing:
    """Return the sequences in ``folder`` in natural order, or those of the table, and the names that are missing."""
    single = _truth_file(folder) is not None
    present = {child.name: child for child in ([folder] if single else _children(folder)) if _truth_file(child)}
    names = [row["name"] for row in table] or sorted(present, key=natural_key)
    attributes = {row["name"]: tuple(row.get("attributes", "").split()) for row in table}
    found = [_sequence(present[name], attributes.get(name)) for name in names if name in present]
    return Listing(found, [name for name in names if name not in present])


def _sequence(folder: Path, attributes: tuple[str, ...] | None) -> VideoSequence:
    listed = folder / "attributes.txt"
    if attributes is None:
        attributes = tuple(re.split(r"[,\s]+", read_text(listed).strip())) if listed.is_file() else ()
    return VideoSequence(
        folder.name,
        read_frames=partial(_frames, folder),
        read_ground_truth=partial(_truth, folder),
        attributes=tuple(filter(None, attributes)),
    )


def _frames(folder: Path) -> list[Path]:
    images = find_child(folder, *IMAGE_FOLDERS)
    paths = list_images(images or folder)
    if not paths:
        raise DataError(f"{folder}: holds no frames (looked in it and in {', '.join(IMAGE_FOLDERS)})")
    return paths


def _truth(folder: Path) -> GroundTruth:
    path = _truth_file(folder)
    if path is None:
        raise DataError(f"{folder}: has none of {', '.join(TRUTHS)}")
    first = read_text(path).strip().partition("\n")[0].strip()
    if first[:1] == "m" or first.count(",") >= 5:
        return GroundTruth.of_regions(read_regions(path))
    return GroundTruth(read_boxes(path))


def _truth_file(folder: Path) -> Path | None:
    return next((folder / name for name in TRUTHS if (folder / name).is_file()), None)


def _children(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith(".")]
