"""The layout of OTB: ``<Seq>/img/%04d.jpg`` and ``<Seq>/groundtruth_rect.txt``.

The table of the definition holds what the download does not say: the range of frames that the annotation covers, the
number of digits in frame names, which targets share a folder, and how many leading frames the toolkit omits.
"""

from __future__ import annotations

import csv
from functools import cache, partial
from pathlib import Path

from trackbench.datasets.layouts import folder as generic
from trackbench.datasets.sequence import Sequence, Truth
from trackbench.definitions import DATASETS, DatasetDefinition, content_folder
from trackbench.errors import DataError
from trackbench.regions.files import read_boxes


def recognise(folder: Path) -> bool:
    """Whether ``folder`` holds sequences that OTB has, with its annotation files."""
    return any((folder / row["folder"] / row["truth"]).is_file() for row in _otb_table())


def read(
    folder: Path, definition: DatasetDefinition | None, table: list[dict[str, str]]
) -> tuple[list[Sequence], list[str]]:
    """Return the sequences of the table that are in ``folder``, and the names of those that are not.

    Without a definition: what ``folder`` holds, OTB's own sequences by OTB's table and any other by the generic layout.
    """
    if definition is None:
        own, _ = read(folder, DATASETS.get("otb100").value, _otb_table())
        covered = {row["folder"] for row in _otb_table()}
        others, _ = generic.read(folder, None, [])
        return own + [sequence for sequence in others if sequence.name not in covered], []
    found, missing = [], []
    for row in table:
        truth = folder / row["folder"] / row["truth"]
        if not truth.is_file():
            missing.append(row["name"])
            continue
        found.append(
            Sequence(
                row["name"],
                read_frames=partial(_frames, folder / row["folder"], row),
                read_truth=partial(_truth, truth, row),
                attributes=tuple(row["attributes"].split()),
            )
        )
    return found, missing


@cache
def _otb_table() -> list[dict[str, str]]:
    with (content_folder("datasets") / "otb.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _range(row: dict[str, str]) -> range:
    return range(int(row["first"]) + int(row["omit"]), int(row["last"]) + 1)


def _frames(folder: Path, row: dict[str, str]) -> list[Path]:
    images = generic.find_child(folder, "img")
    if images is None:
        raise DataError(f"{folder}: has no folder 'img' with the frames of {row['name']}")
    present = {path.name for path in generic.list_images(images)}
    names = [f"{number:0{row['digits']}d}.jpg" for number in _range(row)]
    absent = [name for name in names if name not in present]
    if absent:
        raise DataError(f"{images / absent[0]}: is missing ({len(absent)} of {len(names)} frames of {row['name']} are)")
    return [images / name for name in names]


def _truth(path: Path, row: dict[str, str]) -> Truth:
    """Read the annotation; the omitted first frames may be in the file (the download) or not (the toolkit's copy)."""
    boxes = read_boxes(path)
    evaluated, omitted = len(_range(row)), int(row["omit"])
    if omitted and len(boxes) == evaluated + omitted:
        boxes = boxes[omitted:]
    if len(boxes) != evaluated:
        raise DataError(f"{path}: {len(boxes)} annotations; expected {evaluated} (frames {row['first']}-{row['last']})")
    return Truth(boxes)
