"""Sequences that a table cuts out of numbered videos: the frames ``first`` to ``last``, without the first ``omit``."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trackbench.datasets.layouts.images import frames_folder, numbered_images
from trackbench.datasets.sequence import GroundTruth
from trackbench.errors import DataError
from trackbench.files import read_text
from trackbench.regions.files import read_boxes

#: Beside an annotation: lines of two numbers, the first and the last frame of a range where OTB's TRE starts no run.
INIT_OMIT = "init_omit.txt"


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
    omit = path.with_name(INIT_OMIT)
    return GroundTruth(boxes, values={"init_omit": omitted_frames(omit, row)} if omit.is_file() else {})


def omitted_frames(path: Path, row: dict[str, str]) -> NDArray[np.float64]:
    """Return 1 for each evaluated frame in one of the file's ranges, else 0, float64 (N,).

    Raises:
        DataError: a line is not two numbers of frames.
    """
    numbers = np.array(evaluated_frames(row))
    omitted = np.zeros(len(numbers))
    for line, text in enumerate(read_text(path).splitlines(), 1):
        parts = text.replace(",", " ").split()
        if not parts:
            continue
        if len(parts) != 2 or not all(part.isdecimal() for part in parts):
            raise DataError(f"{path}: line {line}: '{text[:40]}'; expected the first and the last frame of a range")
        omitted[(numbers >= int(parts[0])) & (numbers <= int(parts[1]))] = 1
    return omitted
