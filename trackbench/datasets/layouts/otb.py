"""The layout of OTB, DTB70 and Temple Color 128: ``<Seq>/img/%04d.jpg`` and an annotation beside ``img``.

The table of the definition holds what the download does not say: the range of frames that the annotation covers, which
targets share a folder, the name of the annotation, and how many leading frames the toolkit omits.
"""

from __future__ import annotations

import csv
from functools import cache, partial
from pathlib import Path

from trackbench.datasets.layouts import folder as generic
from trackbench.datasets.layouts.windows import window_frames, window_truth
from trackbench.datasets.sequence import VideoSequence
from trackbench.definitions import DATASETS, DatasetDefinition, content_folder

COLUMNS = ("name", "folder", "truth", "first", "last", "attributes")


def recognise(folder: Path) -> bool:
    """Whether ``folder`` holds sequences that OTB has, with its annotation files."""
    return any((folder / row["folder"] / row["truth"]).is_file() for row in _otb_table())


def read(
    folder: Path, definition: DatasetDefinition | None, table: list[dict[str, str]]
) -> tuple[list[VideoSequence], list[str]]:
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
        ground_truth = folder / row["folder"] / row["truth"]
        if not ground_truth.is_file():
            missing.append(row["name"])
            continue
        found.append(
            VideoSequence(
                row["name"],
                read_frames=partial(window_frames, folder / row["folder"] / "img", row),
                read_ground_truth=partial(window_truth, ground_truth, row),
                attributes=tuple(row["attributes"].split()),
                sources=(ground_truth,),
            )
        )
    return found, missing


@cache
def _otb_table() -> list[dict[str, str]]:
    with (content_folder("datasets") / "otb.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
