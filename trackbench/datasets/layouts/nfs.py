"""The layout of Need for Speed.

=======================================  ===============================================================================
``<seq>/<fps>/<seq>.txt``                ``0 x1 y1 x2 y2 frame 0 0 0 "class"``, separated by blanks
``<seq>/<fps>/<seq>/%05d.jpg``           the frames
``anno/nfs_<seq>.txt``                   pytracking's own copy at 30 frames a second: x, y, w, h
``sequences/<seq>/%05d.jpg``             the frames beside that copy
=======================================  ===============================================================================

The definition's ``split`` is the frame rate. Where the 30-fps file still has the lines of 240 fps, every eighth counts,
and where frames and annotations then differ by one, the longer is cut: both as the got10k toolkit does. The former is
told by the number of frames, or where these are missing by the length of the 240-fps file.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.datasets.layouts.base import Listing, Recognised, Table
from trackbench.datasets.layouts.images import frames_folder, image_names, natural_key, numbered_images
from trackbench.datasets.sequence import GroundTruth, VideoSequence
from trackbench.definitions import DATASETS, DatasetDefinition
from trackbench.errors import DataError
from trackbench.files import read_text
from trackbench.regions.files import read_boxes

RATIO = 240 // 30


class _Files(NamedTuple):
    ground_truth: Path
    images: tuple[Path, ...]
    """Where the frames may be."""
    fast: Path | None = None
    """The annotation at 240 frames a second beside one at 30."""


COLUMNS: tuple[str, ...] = ("name",)


def recognise(folder: Path) -> Recognised | None:
    """Return what ``folder`` holds, at 30 frames a second where it has those."""
    for fps in ("30", "240"):
        if _listed(folder, fps):
            record = DATASETS.get(f"nfs{fps}").value
            return Recognised(record, read(folder, record, []))
    return None


def read(folder: Path, definition: DatasetDefinition, table: Table) -> Listing:
    """Return the sequences in ``folder``; there is no list of names but the folder's."""
    fps = definition.split or "30"
    listed = _listed(folder, fps)
    sequences = [
        VideoSequence(
            name,
            read_frames=partial(_frames, name, listed[name]),
            read_ground_truth=partial(_truth, listed[name]),
        )
        for name in sorted(listed, key=natural_key)
    ]
    return Listing(sequences, [])


def _listed(folder: Path, fps: str) -> dict[str, _Files]:
    files: dict[str, _Files] = {}
    children = sorted(entry.name for entry in os.scandir(folder) if entry.is_dir())
    if fps == "30":
        for path in sorted((folder / "anno").glob("nfs_*.txt")):
            name = path.stem.removeprefix("nfs_")
            files[name] = _Files(path, (folder / "sequences" / name, folder / name / fps / name))
    for name in children:
        path = folder / name / fps / f"{name}.txt"
        if path.is_file():
            fast = folder / name / "240" / f"{name}.txt"
            files[name] = _Files(path, (path.with_suffix(""),), fast if fps == "30" else None)
    return files


def _frames(name: str, files: _Files) -> list[Path]:
    images = numbered_images(name, frames_folder(name, *files.images))
    lines = len(_truth(files))
    return images[:lines] if len(images) == lines + 1 else images


def _truth(files: _Files) -> GroundTruth:
    boxes = (
        read_boxes(files.ground_truth)
        if files.ground_truth.parent.name == "anno"
        else _read_corners(files.ground_truth)
    )
    images = next((len(image_names(place)) for place in files.images if place.is_dir()), 0)
    if files.fast is not None:
        if images:
            every = abs(len(boxes) / images - RATIO) < 1
        else:
            every = files.fast.is_file() and len(_read_corners(files.fast)) == len(boxes)
        boxes = boxes[::RATIO] if every else boxes
    return GroundTruth(boxes[:images] if len(boxes) == images + 1 else boxes)


def _read_corners(path: Path) -> NDArray[np.float64]:
    """Return the boxes of a file with ``0 x1 y1 x2 y2 ...`` a line, as x, y, w = x2 - x1, h = y2 - y1."""
    rows = []
    for number, line in enumerate(read_text(path).rstrip().splitlines(), 1):
        words = line.split(None, 5)[1:5]
        try:
            row = [float(word) for word in words]
        except ValueError:
            row = []
        if len(row) != 4:
            raise DataError(f"{path}: line {number}: expected numbers: track x1 y1 x2 y2 frame ... class")
        rows.append(row)
    if not rows:
        raise DataError(f"{path}: the file is empty; expected a line 'track x1 y1 x2 y2 ...' for each frame")
    corners = np.array(rows, np.float64)
    return np.hstack([corners[:, :2], corners[:, 2:] - corners[:, :2]])
