"""The layout of VOT: ``list.txt``, and a folder for each sequence.

============================  ==========================================================================================
``groundtruth.txt``           a region a line, in any of VOT's forms; a code (``0``) or an empty mask: no target
``color/%08d.jpg``            the frames; in older downloads they lie directly in the sequence's folder
``sequence``                  ``key=value``: where the frames are, ``width``, ``height``, ``length``, ``fps``; or none
``<tag>.tag``, ``.label``     an attribute of single frames: true where the line is ``1``; missing lines are false
``<name>.value``              a number a frame (``anchor``); missing lines are 0
============================  ==========================================================================================

The rules are those of vot-toolkit 0.9.0, except that a ground truth shorter than ``sequence`` says is an error here,
where the toolkit pads it.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trackbench.datasets.layouts.base import Listing, Recognised, Table
from trackbench.datasets.layouts.images import find_child, list_images, natural_key
from trackbench.datasets.layouts.tables import known_names
from trackbench.datasets.sequence import Details, GroundTruth, VideoSequence
from trackbench.definitions import DATASETS, DatasetDefinition, RegionKind
from trackbench.errors import DataError
from trackbench.files import MAX_LINES, read_text
from trackbench.quoting import printable, shown
from trackbench.regions import Mask, Polygon, Region, Special, parse_region
from trackbench.regions.files import read_regions, with_commas

TRUTH, LIST, METADATA = "groundtruth.txt", "list.txt", "sequence"
TAG_SUFFIXES, VALUE_SUFFIX = (".tag", ".label"), ".value"
#: The record of a folder in VOT's layout that is none of its challenges.
_OTHER = DatasetDefinition(title="", layout="vot", family="vot")
_KEY = re.compile(r"([A-Za-z0-9_.-]+)=(.*)")
_FOLDER = re.compile(r"(?!\.\.?(/|$))[\w-]+/?")
_PATTERN = re.compile(r"((?!\.\.?/)[\w.-]+/)*[\w.-]*%(0\d\d?)?d\.\w+")
COLUMNS: tuple[str, ...] = ("name",)


@dataclass(frozen=True)
class Metadata:
    """What the file ``sequence`` says, as far as it is there."""

    pattern: str | None = None
    """Where the frames are, such as ``color/%08d.jpg``, numbered from 1."""
    size: tuple[int, int] | None = None
    length: int | None = None
    fps: float | None = None


def recognise(folder: Path) -> Recognised | None:
    """Return what ``folder`` holds, if the first sequence in it has a mark of VOT beside its ``groundtruth.txt``.

    Marks are a file ``sequence``, a tag file, and a first frame ``00000001.jpg`` in ``color/``, or in the folder itself
    if ``list.txt`` names the sequence. GOT-10k's folders, which have the latter too, are told by ``meta_info.ini``.
    """
    listed = (folder / LIST).is_file()
    names = [name for _, name in _lines(folder / LIST)] if listed else _children(folder)
    first = next((folder / name for name in names if _is_name(name) and (folder / name / TRUTH).is_file()), None)
    if first is None or (first / "meta_info.ini").exists():
        return None
    frames = ("color/00000001.jpg", "00000001.jpg") if listed else ("color/00000001.jpg",)
    marks = (METADATA, *frames)
    if not any((first / mark).is_file() for mark in marks) and not any(_frame_files(first, TAG_SUFFIXES)):
        return None
    listing = read(folder, _OTHER, [])
    kind = _first_kind(first)
    challenge = _challenge({sequence.name for sequence in listing.sequences}, kind)
    if challenge is not None:
        return Recognised(challenge, listing)
    # Rotated boxes are the annotation of the years of the reset-based protocol, 2014 to 2019.
    return Recognised(_OTHER.model_copy(update={"protocol": "supervised"}) if kind == "polygon" else _OTHER, listing)


def _challenge(names: set[str], kind: RegionKind | None) -> DatasetDefinition | None:
    """Return the challenge that has just these sequences; of several, the latest whose regions are of this kind.

    2017 and 2018 have the same sequences and rules; 2022 has them with boxes and with masks.
    """
    known = [resolved.value for resolved in DATASETS.readable() if resolved.builtin and known_names(resolved) == names]
    return max(known, key=lambda record: (record.regions == kind, record.name), default=None)


def _first_kind(sequence: Path) -> RegionKind | None:
    try:
        first, _, _ = read_text(sequence / TRUTH).partition("\n")
        region = parse_region(with_commas(first))
    except (DataError, ValueError):
        return None  # the run over the sequence reports it
    return "polygon" if isinstance(region, Polygon) else "mask" if isinstance(region, Mask) else "box"


def read(folder: Path, definition: DatasetDefinition, table: Table) -> Listing:
    """Return the sequences in ``folder`` and the names of those that are missing.

    The table names them, else ``list.txt``, else every folder with a ``groundtruth.txt`` is one. The attributes of a
    sequence are the tags that have a file; the frames that have them are read with the ground truth.

    Raises:
        DataError: ``list.txt`` or a file ``sequence`` cannot be understood.
    """
    if table:
        names = [row["name"] for row in table]
    elif (folder / LIST).is_file():
        names = _listed(folder / LIST)
    else:
        names = sorted((name for name in _children(folder) if (folder / name / TRUTH).is_file()), key=natural_key)
    present = {name for name in names if (folder / name / TRUTH).is_file()}
    sequences = [_sequence(folder / name) for name in names if name in present]
    return Listing(sequences, [name for name in names if name not in present])


def read_metadata(path: Path) -> Metadata:
    """Return what a file ``sequence`` says; a file that is not there says nothing.

    Raises:
        DataError: a number is none, or the pattern of the frames leaves the sequence's folder.
    """
    if not path.is_file():
        return Metadata()
    numbers: dict[str, int] = {}
    pattern = fps = None
    for line, text in enumerate(read_text(path).splitlines(), 1):
        match = _KEY.fullmatch(text.strip())
        if match is None:
            continue
        key, value = match[1], match[2].strip()
        if key in ("width", "height", "length"):
            if not value.isdecimal() or len(value) > 9 or not 0 < int(value) <= MAX_LINES:
                expected = f"expected a whole number from 1 to {MAX_LINES}"
                raise DataError(f"{path}: line {line}: {key} is '{printable(value, 40)}'; {expected}")
            numbers[key] = int(value)
        elif key == "fps":
            fps = _rate(value)
            if fps is None:
                raise DataError(f"{path}: line {line}: fps is {shown(value, 40)}; expected a number above 0")
        elif key == "channels.color":
            value = value.removeprefix("./")
            if _FOLDER.fullmatch(value):  # vot-toolkit takes a folder's name for its usual pattern there
                value = f"{value.rstrip('/')}/%08d.jpg"
            if not _PATTERN.fullmatch(value):
                raise DataError(
                    f"{path}: line {line}: {key} is {shown(value, 40)}; expected a path such as color/%08d.jpg"
                )
            pattern = value
    size = (numbers["width"], numbers["height"]) if {"width", "height"} <= numbers.keys() else None
    return Metadata(pattern, size, numbers.get("length"), fps)


def _rate(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if 0 < value < math.inf else None


def _sequence(folder: Path) -> VideoSequence:
    metadata = read_metadata(folder / METADATA)
    return VideoSequence(
        folder.name,
        read_frames=partial(_frames, folder, metadata),
        read_ground_truth=partial(_truth, folder, metadata),
        attributes=tuple(sorted({path.stem for path in _frame_files(folder, TAG_SUFFIXES)})),
        read_details=partial(Details, metadata.size, fps=metadata.fps),
    )


def _frames(folder: Path, metadata: Metadata) -> list[Path]:
    if metadata.pattern is not None and metadata.length is not None and (folder / metadata.pattern).parent.is_dir():
        present = {path.name for path in list_images((folder / metadata.pattern).parent)}
        # Of many that are missing, the first tells enough.
        numbers = range(1, min(metadata.length, len(present) + 1) + 1)
        paths = [folder / (metadata.pattern % number) for number in numbers]
        absent = [path for path in paths if path.name not in present]
        if absent:
            lacking = metadata.length - len(paths) + len(absent)
            raise DataError(f"{absent[0]}: is missing ({lacking} of {metadata.length} frames of {folder.name} are)")
        return paths
    paths = list_images(find_child(folder, "color") or folder)
    if not paths:
        raise DataError(f"{folder}: holds no frames (looked in it and in color)")
    return paths


def _truth(folder: Path, metadata: Metadata) -> GroundTruth:
    path = folder / TRUTH
    # An empty mask says the same as the code 0.
    regions = [Special(0) if _is_empty_mask(region) else region for region in read_regions(path, any_separator=True)]
    total = len(regions)
    if not regions:
        raise DataError(f"{path}: the file is empty; expected a region for each frame")
    if metadata.length is not None and total != metadata.length:
        raise DataError(f"{path}: {total} annotations; expected {metadata.length}, as the file '{METADATA}' says")
    return GroundTruth.of_regions(
        regions,
        absent=np.array([isinstance(region, Special) for region in regions], bool),
        tags={file.stem: _tag(file, total) for file in _frame_files(folder, TAG_SUFFIXES)},
        values={file.stem: _values(file, total) for file in _frame_files(folder, (VALUE_SUFFIX,))},
    )


def _is_empty_mask(region: Region) -> bool:
    return isinstance(region, Mask) and not region.array.any()


def _tag(path: Path, total: int) -> NDArray[np.bool_]:
    return np.array([line == "1" for line in _frame_lines(path, total)], bool)


def _values(path: Path, total: int) -> NDArray[np.float64]:
    numbers = np.zeros(total)
    for index, line in enumerate(_frame_lines(path, total)):
        try:
            numbers[index] = float(line or 0)
        except ValueError:
            raise DataError(f"{path}: line {index + 1}: '{line[:40]}' is not a number") from None
    return numbers


def _frame_lines(path: Path, total: int) -> list[str]:
    """Return ``total`` lines of a file with one for each frame, the missing ones empty."""
    lines = [line.strip() for line in read_text(path).rstrip().splitlines()]
    if len(lines) > total:
        raise DataError(f"{path}: {len(lines)} lines; expected at most {total}, one for each frame")
    return lines + [""] * (total - len(lines))


def _frame_files(folder: Path, suffixes: tuple[str, ...]) -> Iterator[Path]:
    return (path for path in sorted(folder.iterdir()) if path.suffix in suffixes and not path.name.startswith("."))


def _listed(path: Path) -> list[str]:
    names: dict[str, None] = {}
    for line, name in _lines(path):
        if not _is_name(name):
            raise DataError(f"{path}: line {line}: '{name[:80]}' is not the name of a folder beside it")
        names[name] = None
    return list(names)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Return the lines that are not blank, with their numbers."""
    return ((line, text.strip()) for line, text in enumerate(read_text(path).splitlines(), 1) if text.strip())


def _is_name(name: str) -> bool:
    return name not in (".", "..") and not set(name) & set("/\\\0")


def _children(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.is_dir() and not path.name.startswith("."))
