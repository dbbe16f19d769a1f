"""Sequences that a table cuts out of numbered videos: the frames ``first`` to ``last``, without the first ``omit``."""

from __future__ import annotations

from pathlib import Path

from trackbench.datasets.layouts.images import frames_folder, numbered_images
from trackbench.datasets.sequence import GroundTruth
from trackbench.errors import DataError
from trackbench.regions.files import read_boxes


def evaluated_frames(row: dict[str, str]) -> range:
    """Return the numbers of the frames that a row of a table says are evaluated."""
    return range(int(row["first"]) + int(row.get("omit") or 0), int(row["last"]) + 1)


def window_frames(folder: Path, row: dict[str, str]) -> list[Path]:
    """Return the evaluated frames, which lie in ``folder``.

    Raises:
        DataError: they are not there, or not all.
    """
    return numbered_images(row["name"], frames_folder(row["name"], folder), evaluated_frames(row))


def window_truth(path: Path, row: dict[str, str]) -> GroundTruth:
    """Return the boxes of the evaluated frames.

    The file may also begin with the omitted frames: the download of OTB's Tiger1 does, its toolkit's copy does not.

    Raises:
        DataError: the file cannot be read, or has another number of lines.
    """
    boxes = read_boxes(path)
    evaluated, omitted = len(evaluated_frames(row)), int(row.get("omit") or 0)
    if omitted and len(boxes) == evaluated + omitted:
        boxes = boxes[omitted:]
    if len(boxes) != evaluated:
        raise DataError(f"{path}: {len(boxes)} annotations; expected {evaluated} (frames {row['first']}-{row['last']})")
    return GroundTruth(boxes)
