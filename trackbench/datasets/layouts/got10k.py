"""The layout of GOT-10k.

=================================  =====================================================================================
``<split>/<seq>/groundtruth.txt``  boxes; in the test split that of the first frame only
``<split>/<seq>/%08d.jpg``         the frames
``cover.label``                    the visible eighths of the target, 0 to 8, beside ``groundtruth.txt``; not in test
``absence.label``                  1 where the target is absent; not in test
``cut_by_image.label``             1 where the border of the image cuts the target; not in test
``meta_info.ini``                  ``resolution: (W, H)``, ``object_class: NAME`` and more
``<split>/list.txt``               the names of the sequences
=================================  =====================================================================================

The official names are ``GOT-10k_Val_000001`` and so on up to the definition's ``count``. Without a definition, the
folder of a split is a data set of what its ``list.txt`` names, or else of its folders.
"""

from __future__ import annotations

import configparser
import os
import re
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trackbench.datasets.layouts.base import Listing, Recognised, Table
from trackbench.datasets.layouts.images import natural_key, numbered_images
from trackbench.datasets.layouts.labels import read_labels
from trackbench.datasets.sequence import Details, GroundTruth, VideoSequence
from trackbench.definitions import DATASETS, DatasetDefinition
from trackbench.errors import DataError
from trackbench.files import read_text
from trackbench.regions.files import read_boxes

TRUTH, METADATA, LIST = "groundtruth.txt", "meta_info.ini", "list.txt"
_NAME = re.compile(r"GOT-10k_(Train|Val|Test)_\d+")
_RESOLUTION = re.compile(r"\(\s*([1-9]\d*)\s*,\s*([1-9]\d*)\s*\)")


COLUMNS: tuple[str, ...] = ("name",)


def recognise(folder: Path) -> Recognised | None:
    """Return what ``folder`` holds, if its first sequence has GOT-10k's metadata; names tell the split."""
    names = _names(folder)
    if not names or not (folder / names[0] / METADATA).is_file():
        return None
    split = match[1].lower() if (match := _NAME.fullmatch(names[0])) else "val"
    record = DATASETS.get(f"got10k-{split}").value
    withheld = record.truth == "initial"
    return Recognised(record, _listing(folder, names, withheld=withheld))


def read(folder: Path, definition: DatasetDefinition, table: Table) -> Listing:
    """Return the sequences of the split in ``folder``, which is its own folder or the one around it."""
    split = definition.split or "val"
    if (folder / split).is_dir():
        folder = folder / split
    if definition.count is None:
        names = _names(folder)
    else:
        names = [f"GOT-10k_{split.capitalize()}_{number:06d}" for number in range(1, definition.count + 1)]
    withheld = definition.truth == "initial"
    return _listing(folder, names, withheld=withheld)


def _listing(folder: Path, names: list[str], *, withheld: bool) -> Listing:
    base = str(folder)
    # The longest split has 9,335 sequences: plain strings are listed in a third of the time of paths.
    sequences = [
        VideoSequence(
            name,
            read_frames=partial(_frames, folder, name),
            read_ground_truth=partial(_truth, folder, name),
            read_details=partial(_details, folder, name),
            annotation_withheld=withheld,
        )
        for name in names
        if os.path.isfile(f"{base}/{name}/{TRUTH}")
    ]
    present = {sequence.name for sequence in sequences}
    return Listing(sequences, [name for name in names if name not in present])


def _names(folder: Path) -> list[str]:
    if (folder / LIST).is_file():
        return [name for line in read_text(folder / LIST).splitlines() if (name := line.strip())]
    children = [entry.name for entry in os.scandir(folder) if entry.is_dir()]
    return sorted((name for name in children if (folder / name / TRUTH).is_file()), key=natural_key)


def _frames(folder: Path, name: str) -> list[Path]:
    return numbered_images(name, folder / name)


def _truth(folder: Path, name: str) -> GroundTruth:
    """Read the annotation. Labels count where they are there: to run none is needed, to score ``cover.label`` is."""
    path = folder / name
    boxes = read_boxes(path / TRUTH)

    def labels(file: str, highest: int = 1) -> NDArray[np.int64] | None:
        if not (path / file).is_file():
            return None
        return read_labels(path / file, len(boxes), highest)

    absent, cover, cut = labels("absence.label"), labels("cover.label", 8), labels("cut_by_image.label")
    return GroundTruth(
        boxes,
        absent=None if absent is None else absent.astype(bool),
        tags={} if cut is None else {"cut_by_image": cut.astype(bool)},
        values={} if cover is None else {"cover": cover.astype(float)},
    )


def _details(folder: Path, name: str) -> Details:
    path = folder / name / METADATA
    if not path.is_file():
        return Details()
    # The file's one section is called METAINFO; what lies before a section belongs to it in older copies.
    parser = configparser.ConfigParser(interpolation=None, delimiters=(":",), strict=False, allow_no_value=True)
    try:
        parser.read_string(f"[METAINFO]\n{read_text(path)}")
    except configparser.Error as error:
        raise DataError(f"{path}: is not of the form 'key: value': {str(error).splitlines()[0]}") from None
    values = {key: value for key, value in parser["METAINFO"].items() if value is not None}
    size = None
    if "resolution" in values:
        match = _RESOLUTION.fullmatch(values["resolution"])
        if match is None:
            raise DataError(f"{path}: resolution is '{values['resolution'][:40]}'; expected (width, height)")
        size = int(match[1]), int(match[2])
    return Details(size, values.get("object_class"))
