"""Sequences that a table cuts out of numbered videos: the frames ``first`` to ``last``, without the first ``omit``."""

from __future__ import annotations

from pathlib import Path

from trackbench.datasets.layouts.images import frames_folder, numbered_images
from trackbench.datasets.sequence import GroundTruth
from trackbench.errors import DataError, fold_name
from trackbench.files import read_text
from trackbench.regions.files import read_boxes

#: Lines of two numbers, the first and the last frame of a range where OTB's TRE and SRE start no run: a file beside the
#: annotation, as in the authors' Python toolkit, or a folder of ``<sequence>.txt``, as in their MATLAB toolkit.
OMIT_FILE, OMIT_FOLDER = "init_omit.txt", "initOmit"


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


def omitted_starts(folder: Path, annotation: Path, row: dict[str, str]) -> tuple[range, ...]:
    """Return the ranges of evaluated frames (from 0) on which TRE and SRE start no run.

    They are those of the file beside the annotation; else of the data set's folder of them, in which a sequence without
    a file has none; else of the table.

    Raises:
        DataError: a file cannot be read, or a line is not two numbers of frames.
    """
    beside, collected = annotation.with_name(OMIT_FILE), folder / OMIT_FOLDER
    if beside.is_file():
        ranges = _read_ranges(beside)
    elif collected.is_dir():
        name = fold_name(row["name"])  # david3.txt, jogging-1.txt
        files = [path for path in sorted(collected.glob("*.txt")) if fold_name(path.stem) == name]
        ranges = [each for path in files for each in _read_ranges(path)]
    else:
        ranges = [
            (int(first), int(last)) for first, last in (text.split("-") for text in row.get("init_omit", "").split())
        ]
    begin = evaluated_frames(row).start
    return tuple(range(max(0, first - begin), max(0, last + 1 - begin)) for first, last in ranges)


def _read_ranges(path: Path) -> list[tuple[int, int]]:
    ranges = []
    for line, text in enumerate(read_text(path).splitlines(), 1):
        parts = text.replace(",", " ").split()
        if not parts:
            continue
        if len(parts) != 2 or not all(part.isdecimal() for part in parts):
            raise DataError(f"{path}: line {line}: '{text[:40]}'; expected the first and the last frame of a range")
        ranges.append((int(parts[0]), int(parts[1])))
    return ranges
