"""The generic layout: a folder for each sequence, with frames and a ground-truth file.

``<sequence>/groundtruth.txt`` or ``groundtruth_rect.txt``; frames in ``<sequence>/``, ``<sequence>/img/`` (``imgs``,
``images``, ``frames``) or ``<sequence>/color/``; any image format, sorted naturally (``2.jpg`` before ``10.jpg``). A
line holds a region in any of the VOT text forms, or ``x y w h`` with any separator. A file ``attributes.txt`` lists the
attributes, separated by blanks, commas or lines. A folder that holds one sequence directly is a data set of one.

A video is a sequence too: ``clip.mp4`` with its ground truth in ``clip.txt`` beside it (and ``clip.attributes.txt``).
Frames are decoded as they are needed. A ground truth of one line is that of the first frame: such a sequence can be
run, and not scored. A definition states it of folders (``truth = "initial"``).
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from trackbench.datasets.layouts.base import Listing, Recognised, Table
from trackbench.datasets.layouts.clips import clip_sequence, find_clips, read_attributes, read_truth
from trackbench.datasets.layouts.images import find_child, list_images, natural_key
from trackbench.datasets.layouts.language import NAMES, read_sentence
from trackbench.datasets.sequence import GroundTruth, VideoSequence
from trackbench.definitions import DatasetDefinition
from trackbench.errors import DataError

TRUTHS = ("groundtruth.txt", "groundtruth_rect.txt")
IMAGE_FOLDERS = ("img", "imgs", "images", "color", "frames")


COLUMNS: tuple[str, ...] = ("name",)


def recognise(folder: Path) -> Recognised | None:
    """Return what ``folder`` holds: it is a sequence itself, or at least one is in it."""
    own = _truth_file(folder) is not None or any(_truth_file(child) for child in _children(folder))
    if not own and not find_clips(folder):
        return None
    record = DatasetDefinition(title=folder.name, layout="folder")
    return Recognised(record, read(folder, record, []))


def read(folder: Path, definition: DatasetDefinition, table: Table) -> Listing:
    """Return the sequences in ``folder`` in natural order, or those of the table, and the names that are missing."""
    single = _truth_file(folder) is not None
    present = {child.name: child for child in ([folder] if single else _children(folder)) if _truth_file(child)}
    clips = {} if single else {name: clip for name, clip in find_clips(folder).items() if name not in present}
    names = [row["name"] for row in table] or sorted([*present, *clips], key=natural_key)
    attributes = {row["name"]: tuple(row.get("attributes", "").split()) for row in table}
    sequences = [
        _sequence(present[name], attributes.get(name), definition.truth == "initial")
        if name in present
        else clip_sequence(clips[name], attributes.get(name))
        for name in names
        if name in present or name in clips
    ]
    return Listing(sequences, [name for name in names if name not in present and name not in clips])


def _sequence(folder: Path, attributes: tuple[str, ...] | None, withheld: bool) -> VideoSequence:
    return VideoSequence(
        folder.name,
        read_frames=partial(_frames, folder),
        read_ground_truth=partial(_truth, folder),
        attributes=read_attributes(folder / "attributes.txt") if attributes is None else attributes,
        annotation_withheld=withheld,
        read_sentence=partial(read_sentence, *(folder / name for name in NAMES)),
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
    return read_truth(path)


def _truth_file(folder: Path) -> Path | None:
    return next((folder / name for name in TRUTHS if (folder / name).is_file()), None)


def _children(folder: Path) -> list[Path]:
    return [Path(entry.path) for entry in os.scandir(folder) if entry.is_dir() and not entry.name.startswith(".")]
