"""YouTube-VOS and YouTube-BB as published.

============================================  ==========================================================================
``train/JPEGImages/<video>/<frame>.jpg``      YouTube-VOS
``train/Annotations/<video>/<frame>.png``     its masks: the palette's index is the number of the target
``youtube_boundingboxes_detection_train.csv`` YouTube-BB; also ``yt_bb_detection_train.csv``, with or without ``.gz``
``<anywhere>/<id>+<class>+<object>+<ms>.jpg`` its frames, which everybody has to download; also ``<id>_<ms>.jpg``
============================================  ==========================================================================
"""

from __future__ import annotations

import csv
import gzip
import os
from pathlib import Path

import numpy as np
from PIL import Image

from trackbench.errors import DataError
from trackbench.training.data.clips import Mask
from trackbench.training.data.index import Entry, IndexedSet, indexed


def vos_set(name: str, root: Path, split: str = "train") -> IndexedSet:
    """Return YouTube-VOS: one clip for each target, its boxes around its masks; frames without it are left out.

    Raises:
        DataError: annotations are missing or damaged.
    """
    base = root / split / "Annotations"
    return IndexedSet(
        name, root, indexed(f"youtube-vos-{split}", root, base, lambda: _masks(root, base)), mask=_read_mask
    )


def _masks(root: Path, base: Path) -> list[Entry]:
    entries = []
    for video in sorted(os.listdir(base)):
        targets: dict[int, tuple[list[str], list[list[float]]]] = {}
        for file in sorted(os.listdir(base / video)):
            labels = _labels(base / video / file)
            image = str((base.parent / "JPEGImages" / video / file).with_suffix(".jpg").relative_to(root))
            for target in np.unique(labels[labels > 0]).tolist():
                rows, columns = (np.flatnonzero((labels == target).any(axis)) for axis in (1, 0))
                box = [columns[0], rows[0], columns[-1] - columns[0] + 1, rows[-1] - rows[0] + 1]
                files, boxes = targets.setdefault(target, ([], []))
                files.append(image)
                boxes.append([float(number) for number in box])
        entries += [(f"{video}/{target}", *masks) for target, masks in sorted(targets.items())]
    return entries


def _labels(path: Path) -> Mask:
    try:
        with Image.open(path) as image:
            return np.asarray(image, np.uint8)
    except (OSError, ValueError) as error:
        raise DataError(f"{path}: is no mask of YouTube-VOS: {error}") from None


def _read_mask(root: Path, entry: Entry, index: int) -> Mask:
    name, files, _ = entry
    image = Path(files[index])
    path = root / image.parents[2] / "Annotations" / image.parent.name / f"{image.stem}.png"
    return np.asarray(_labels(path) == int(name.rpartition("/")[2]), np.uint8)


def bounding_boxes_set(name: str, root: Path, split: str = "train") -> IndexedSet:
    """Return YouTube-BB: one clip for each segment with two annotated frames on disk.

    Raises:
        DataError: annotations are missing or damaged.
    """
    tables = [
        f"{stem}_{split}.csv{gz}"
        for stem in ("youtube_boundingboxes_detection", "yt_bb_detection")
        for gz in ("", ".gz")
    ]
    table = next((root / file for file in tables if (root / file).is_file()), root / tables[0])
    return IndexedSet(name, root, indexed(f"youtube-bb-{split}", root, table, lambda: _segments(root, table)))


def _segments(root: Path, table: Path) -> list[Entry]:
    frames = {
        os.path.splitext(file)[0]: os.path.relpath(os.path.join(folder, file), root)
        for folder, _, files in os.walk(root)
        for file in files
        if file.endswith(".jpg")
    }
    segments: dict[str, tuple[list[str], list[list[float]]]] = {}
    sizes: dict[str, tuple[int, int]] = {}
    with (gzip.open if table.suffix == ".gz" else open)(table, "rt", encoding="utf-8") as file:
        for line, row in enumerate(csv.reader(file), 1):
            try:
                video, time, kind, _, target, presence, x1, x2, y1, y2 = row
                sides = [float(number) for number in (x1, x2, y1, y2)]
            except ValueError:
                raise DataError(f"{table}: line {line}: expected ten columns of YouTube-BB, found {row[:3]}…") from None
            path = frames.get(f"{video}+{kind}+{target}+{time}") or frames.get(f"{video}_{time}")
            if presence != "present" or path is None:
                continue
            segment = f"{video}+{kind}+{target}"
            if segment not in sizes:
                with Image.open(root / path) as image:
                    sizes[segment] = image.size
            width, height = sizes[segment]
            left, right, top, bottom = sides
            paths, boxes = segments.setdefault(segment, ([], []))
            paths.append(path)
            boxes.append([left * width, top * height, (right - left) * width, (bottom - top) * height])
    return [(name, *boxes) for name, boxes in segments.items() if len(boxes[0]) > 1]
