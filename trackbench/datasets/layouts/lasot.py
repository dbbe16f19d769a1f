"""The layout of LaSOT and of its extension subset.

================================  ======================================================================================
``<class>/<class>-<k>/``          a sequence of the download; the folders of the classes may be left out
``.../groundtruth.txt``           boxes
``.../full_occlusion.txt``        a flag for each frame, all in one line; likewise ``out_of_view.txt``
``.../img/%08d.jpg``              the frames
``annos/<class>-<k>.txt``         boxes in the form of the evaluation toolkit
``annos/absent/<class>-<k>.txt``  a flag a line: fully occluded or out of view
``annos/att/<class>-<k>.txt``     the attributes, a line of 0 and 1 in the order of the definition
================================  ======================================================================================

The class, by which objects are told apart, is the name up to its last ``-``.
"""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trackbench.datasets.layouts.base import Listing, Recognised, Table
from trackbench.datasets.layouts.images import frames_folder, natural_key, numbered_images
from trackbench.datasets.layouts.labels import read_labels
from trackbench.datasets.layouts.language import read_sentence
from trackbench.datasets.layouts.tables import benchmark
from trackbench.datasets.sequence import Details, GroundTruth, VideoSequence
from trackbench.definitions import DatasetDefinition
from trackbench.regions.files import read_boxes

COLUMNS: tuple[str, ...] = ("name", "attributes")
FLAGS = ("full_occlusion.txt", "out_of_view.txt")
#: The classes of the extension subset; LaSOT itself has none of them.
EXTENSION_CLASSES = frozenset(
    {"atv", "badminton", "cosplay", "dancingshoe", "footbag", "frisbee", "jianzi", "lantern"}
    | {"misc", "opossum", "paddle", "raccoon", "rhino", "skatingshoe", "wingsuit"}
)
_NAME = re.compile(r"(.+)-\d+")


class _Files(NamedTuple):
    """Paths of a sequence, as text: of a whole benchmark, few are opened."""

    ground_truth: str
    flags: tuple[str, ...]
    """A frame is absent where one of them says so."""
    images: tuple[str, ...]
    """Where the frames may be."""


def recognise(folder: Path) -> Recognised | None:
    """Return what ``folder`` holds, if it has sequences with LaSOT's flags.

    It is the extension subset where all classes are the extension's; sequences of any others are LaSOT's.
    """
    listed = _listed(folder)
    if not any(os.path.isfile(files.flags[0]) for files in listed.values()):
        return None
    extension = EXTENSION_CLASSES.issuperset(map(_category, listed))
    record, rows = benchmark("lasot-ext" if extension else "lasot")
    known = {row["name"]: tuple(row["attributes"].split()) for row in rows if row["name"] in listed}
    names = [*known, *sorted(listed.keys() - known.keys(), key=natural_key)]
    return Recognised(record, _listing(folder, names, listed, known, tuple(record.attributes)))


def read(folder: Path, definition: DatasetDefinition, table: Table) -> Listing:
    """Return the sequences in ``folder``, and the names of those in the table that are not there.

    Where the definition counts more sequences than the table names, the others are what the folder holds: of the
    table's classes, or without a table (the extension subset) of classes that LaSOT's own table does not have.
    """
    listed = _listed(folder)
    known = {row["name"]: tuple(row["attributes"].split()) for row in table}
    names = list(known)
    if definition.count is not None or not table:
        others = sorted(listed.keys() - known.keys(), key=natural_key)
        names += [name for name in others if (_category(name) in EXTENSION_CLASSES) != bool(table)]
    return _listing(folder, names, listed, known, tuple(definition.attributes))


def _listing(
    folder: Path,
    names: list[str],
    listed: dict[str, _Files],
    known: dict[str, tuple[str, ...]],
    order: tuple[str, ...],
) -> Listing:
    found = [
        VideoSequence(
            name,
            read_frames=partial(_frames, name, listed[name].images),
            read_ground_truth=partial(_truth, listed[name]),
            attributes=known[name] if name in known else _attributes(folder, name, order),
            read_details=partial(Details, None, _category(name)),
            sources=(listed[name].ground_truth, *listed[name].flags),
            read_sentence=partial(read_sentence, *(Path(place).parent / "nlp.txt" for place in listed[name].images)),
        )
        for name in names
        if name in listed
    ]
    return Listing(found, [name for name in names if name not in listed])


def _listed(folder: Path) -> dict[str, _Files]:
    """Return the files of every sequence in ``folder``, those of the download before those of the toolkit."""
    files: dict[str, _Files] = {}
    annotations = folder / "annos"
    for entry in os.scandir(annotations) if annotations.is_dir() else ():
        name, suffix = os.path.splitext(entry.name)
        if suffix == ".txt" and _NAME.fullmatch(name):
            images = (f"{folder}/{_category(name)}/{name}/img", f"{folder}/{name}/img")
            files[name] = _Files(entry.path, (f"{annotations}/absent/{entry.name}",), images)
    for place in _sequence_folders(folder):
        if os.path.isfile(f"{place}/groundtruth.txt"):
            flags = tuple(f"{place}/{name}" for name in FLAGS)
            files[os.path.basename(place)] = _Files(f"{place}/groundtruth.txt", flags, (f"{place}/img",))
    return files


def _sequence_folders(folder: Path) -> list[str]:
    """Return the paths called ``<class>-<k>`` in ``folder``, after those in a folder called ``<class>`` in it."""
    entries = [entry for entry in os.scandir(folder) if entry.is_dir()]
    nested = [
        os.path.join(entry.path, name)
        for entry in entries
        for name in os.listdir(entry.path)
        if _NAME.fullmatch(name) and _category(name) == entry.name
    ]
    return [*nested, *(entry.path for entry in entries if _NAME.fullmatch(entry.name))]


def _category(name: str) -> str:
    return name.rpartition("-")[0]


def _attributes(folder: Path, name: str, order: tuple[str, ...]) -> tuple[str, ...]:
    path = folder / "annos" / "att" / f"{name}.txt"
    if not path.is_file():
        return ()
    return tuple(a for a, flag in zip(order, read_labels(path, len(order)), strict=True) if flag)


def _frames(name: str, places: tuple[str, ...]) -> list[Path]:
    return numbered_images(name, frames_folder(name, *map(Path, places)))


def _truth(files: _Files) -> GroundTruth:
    boxes = read_boxes(Path(files.ground_truth))
    flags = [read_labels(Path(path), len(boxes)) for path in files.flags]
    return GroundTruth(boxes, absent=np.logical_or.reduce(flags))
