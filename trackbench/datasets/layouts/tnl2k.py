"""The layout of TNL2K.

===============================  =======================================================================================
``<seq>/groundtruth.txt``        boxes, as downloaded
``<seq>/imgs/*``                 frames of any name and format, in lexical order
``annos/gt_rect/<seq>.txt``      boxes in the form of the evaluation toolkit
``annos/absent/<seq>.txt``       a flag a line; ``absent/`` and ``toolkit/absent/`` are looked in too
``<revisions>/<seq>/``           an annotation that replaces the original one
===============================  =======================================================================================

The toolkit's folders may also lie beside the folder of the sequences. The download has no flags, but needs none: in all
700 test sequences the frames that the flags call absent are exactly those whose box is ``0,0,0,0``.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path

from trackbench.datasets.layouts.base import Listing, Recognised, Table
from trackbench.datasets.layouts.images import frames_folder, image_names, natural_key
from trackbench.datasets.layouts.labels import read_labels
from trackbench.datasets.layouts.language import read_sentence
from trackbench.datasets.layouts.tables import benchmark
from trackbench.datasets.sequence import GroundTruth, VideoSequence
from trackbench.definitions import DatasetDefinition
from trackbench.errors import DataError
from trackbench.regions.files import read_boxes

COLUMNS: tuple[str, ...] = ("name", "revised", "attributes")
TRUTH = "groundtruth.txt"


def recognise(folder: Path) -> Recognised | None:
    """Return what ``folder`` holds, if some of its sequences are the benchmark's; others of that form are read too."""
    here = [entry.name for entry in os.scandir(folder) if os.path.isfile(f"{entry.path}/{TRUTH}")]
    test, train = benchmark("tnl2k", COLUMNS), benchmark("tnl2k-train", COLUMNS)
    tables = [({row["name"]: row for row in rows}, record) for record, rows in (test, train)]
    known, record = max(tables, key=lambda table: len(table[0].keys() & set(here)))
    if not known.keys() & set(here):
        return None
    rows = tables[1][0] | tables[0][0]
    names = [name for name in known if name in set(here)]
    names += sorted(set(here) - set(names), key=natural_key)
    blank = {"revised": "", "attributes": ""}
    return Recognised(record, read(folder, record, [rows.get(name, {"name": name, **blank}) for name in names]))


def read(folder: Path, definition: DatasetDefinition, table: Table) -> Listing:
    """Return the sequences of the table whose annotations are in ``folder``, and the names of the others.

    With ``revisions`` in the definition, the annotation of a sequence that the table calls revised is the one in that
    folder, which lies in ``folder`` or beside it, and no other.
    """
    around = (folder, folder.parent)
    boxes = next((base / "annos" / "gt_rect" for base in around if (base / "annos" / "gt_rect").is_dir()), None)
    places = [base / place for base in around for place in ("annos/absent", "absent", "toolkit/absent")]
    flags = next((place for place in places if place.is_dir()), None)
    sequences, missing = [], []
    for row in table:
        name = row["name"]
        if definition.revisions and row["revised"]:
            candidates = [base / definition.revisions / name / TRUTH for base in around]
        else:
            candidates = [folder / name / TRUTH, *([boxes / f"{name}.txt"] if boxes else [])]
        ground_truth = next((path for path in candidates if path.is_file()), None)
        if ground_truth is None:
            missing.append(name)
            continue
        sequence = VideoSequence(
            name,
            read_frames=partial(_frames, name, folder / name / "imgs"),
            read_ground_truth=partial(_truth, ground_truth, flags and flags / f"{name}.txt"),
            attributes=tuple(row["attributes"].split()),
            sources=(ground_truth, *([flags / f"{name}.txt"] if flags else [])),
            read_sentence=partial(read_sentence, folder / name / "language.txt"),
        )
        sequences.append(sequence)
    return Listing(sequences, missing)


def _frames(name: str, folder: Path) -> list[Path]:
    names = image_names(frames_folder(name, folder))
    if not names:
        raise DataError(f"the frames of {name} are missing; {folder} holds none")
    return [folder / image for image in sorted(names)]


def _truth(path: Path, flags: Path | None) -> GroundTruth:
    boxes = read_boxes(path)
    if flags is None or not flags.is_file():
        return GroundTruth(boxes, absent=(boxes == 0).all(axis=1))
    return GroundTruth(boxes, absent=read_labels(flags, len(boxes)).astype(bool))
