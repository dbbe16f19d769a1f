"""Compares a data set on disk with the official release: what is missing, what differs, what cannot be read."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np

from trackbench.datasets.catalogue import NotFoundError, find_definition, open_dataset, read_table
from trackbench.datasets.layouts.windows import evaluated_frames
from trackbench.datasets.meaning import suspected_corners
from trackbench.datasets.sequence import VideoSequence
from trackbench.definitions import DatasetDefinition
from trackbench.errors import DataError
from trackbench.files import reading
from trackbench.frames import image_size, read_frame

DECODING_THREADS = 4
#: Sides of images in which boxes of a pixel are not taken for fractions; a box so many times an image's side is none.
SMALLEST, LARGEST = 16, 10
#: Share of steps from image to image that have to be the same, for another to be called a gap.
USUAL = 0.6


@dataclass(frozen=True)
class Discrepancy:
    """One way in which a data set differs from what it should be."""

    sequence: str | None
    """None: the data set as a whole."""
    what: str
    """What is at fault: data set, sequences, sequence, annotation, first box, metadata, frames or image."""
    found: str
    expected: str


def check_dataset(
    name: str, root: Path | None = None, deep: bool = False, progress: Callable[[int, int], None] | None = None
) -> list[Discrepancy]:
    """Return every fault of the data set called ``name``, or of the one in the folder of that path.

    Args:
        name: the data set.
        root: where it is; by default where it is known to lie.
        deep: also decode every image.
        progress: is told after each sequence how many of how many are done.

    Raises:
        UsageError: there is no such data set or folder, or its definition is wrong.
    """
    resolved = find_definition(name)
    table = [] if resolved is None else read_table(resolved)
    try:
        dataset = open_dataset(name, root)
    except NotFoundError as error:
        of = (resolved.value.count if resolved else None) or len(table)
        return [Discrepancy(None, "data set", f"nothing ({error.where})", f"{of} sequences")]
    faults = [
        Discrepancy(missing, "sequence", "no annotation", f"its annotation in {dataset.root}")
        for missing in dataset.missing
    ]
    unnamed = dataset.of - len(dataset.sequences) - len(dataset.missing)
    if unnamed:
        faults.append(Discrepancy(None, "sequences", str(len(dataset.sequences)), str(dataset.of)))
    lengths = {row["name"]: length for row in table if (length := _official_length(row)) is not None}
    with ThreadPoolExecutor(DECODING_THREADS, thread_name_prefix="check") as pool:
        for done, sequence in enumerate(dataset.sequences, 1):
            faults += _check_sequence(sequence, lengths.get(sequence.name), own=resolved is None)
            if deep:
                faults += _check_images(sequence, pool)
            if progress is not None:
                progress(done, len(dataset.sequences))
    if resolved is None:
        corners = suspected_corners(dataset.sequences)
        faults += [Discrepancy(None, "annotation", corners, "x, y, width, height")] if corners else []
    if resolved is not None and not faults:
        faults += _check_total(resolved.value, list(dataset.sequences))
    return faults


def _official_length(row: dict[str, str]) -> int | None:
    if row.get("first"):
        return len(evaluated_frames(row))
    return int(row["frames"]) if row.get("frames") else None


def _check_sequence(sequence: VideoSequence, official: int | None, *, own: bool) -> Iterator[Discrepancy]:
    try:
        length = len(sequence.ground_truth)
    except DataError as error:
        yield _fault(sequence, "annotation", error, "an annotation that can be read")
        return
    if official is not None and length != official and not sequence.only_first_annotated:
        yield Discrepancy(sequence.name, "annotation", f"{length} annotations", f"{official}")
    yield from _check_copies(sequence)
    try:
        sequence.initial_region()
    except DataError as error:
        yield _fault(sequence, "first box", error, "a box to start on")
    try:
        _ = sequence.details
    except DataError as error:
        yield _fault(sequence, "metadata", error, "metadata that can be read")
    try:
        frames = sequence.frames
    except DataError as error:
        yield _fault(sequence, "frames", error, f"{official or length} frames")
    else:
        yield from _check_place(sequence, frames[0])
        if own:
            yield from _check_numbers(sequence, frames)


def _check_place(sequence: VideoSequence, first: Path) -> Iterator[Discrepancy]:
    """Compare boxes with the size of the images: fractions, another scale and other images are seen by that."""
    try:
        width, height = sequence.size or image_size(first)
    except DataError:  # --deep says so
        return
    boxes = sequence.ground_truth.boxes
    boxes = boxes[np.isfinite(boxes).all(1) & (boxes[:, 2:] > 0).all(1)]
    if not len(boxes) or min(width, height) < SMALLEST:
        return
    if float(np.abs(boxes).max()) <= 1.5:
        actual = "all numbers are between 0 and 1 (fractions of the image?)"
        yield Discrepancy(sequence.name, "annotation", actual, "pixels")
        return
    far = (np.abs(boxes) > LARGEST * max(width, height)).any(1)
    outside = far | (boxes[:, 0] >= width) | (boxes[:, 1] >= height)
    outside |= (boxes[:, 2] <= -boxes[:, 0]) | (boxes[:, 3] <= -boxes[:, 1])
    if 2 * int(outside.sum()) > len(boxes) or outside[0] or far.any():
        actual = f"{int(outside.sum())} of {len(boxes)} boxes are outside of the image or are far larger"
        yield Discrepancy(sequence.name, "annotation", actual, f"boxes in images of {width} x {height} pixels")


def _check_numbers(sequence: VideoSequence, frames: list[Path]) -> Iterator[Discrepancy]:
    """See a gap in the numbers of images, which would shift all that come after it against the annotation."""
    found = [re.search(r"(\d+)\D*$", path.stem) for path in frames]
    numbers = [int(match[1]) for match in found if match is not None and len(match[1]) < 19]
    if len(numbers) < max(len(frames), 4):
        return
    steps = [after - before for before, after in pairwise(numbers)]
    usual, count = Counter(steps).most_common(1)[0]
    if count < USUAL * len(steps):  # time stamps, say
        return
    for before, after, step in zip(frames, frames[1:], steps, strict=False):
        if step != usual:
            yield Discrepancy(sequence.name, "frames", f"{after.name} after {before.name}", f"numbers {usual} apart")
            return


def _check_copies(sequence: VideoSequence) -> Iterator[Discrepancy]:
    """Compare the annotation that counts with the other copies of it in the data set's folder."""
    counts = f"{len(sequence.ground_truth)} annotations"
    where = f", as in {sequence.sources[0]}, which counts" if sequence.sources else ""
    for path, read in sequence.copies.items():
        try:
            with reading(sequence.name):
                copy = read()
        except DataError as error:
            yield _fault(sequence, "annotation", error, "a second copy of the annotation that can be read")
            continue
        if len(copy) != len(sequence.ground_truth):
            yield Discrepancy(sequence.name, "annotation", f"{len(copy)} annotations in {path}", counts + where)
        elif not np.array_equal(copy.boxes, sequence.ground_truth.boxes, equal_nan=True):
            yield Discrepancy(sequence.name, "annotation", f"other boxes in {path}", f"the same boxes{where}")


def _check_images(sequence: VideoSequence, pool: ThreadPoolExecutor) -> Iterator[Discrepancy]:
    try:
        frames = sequence.frames
    except DataError:  # is a fault already, with the annotation or the frames
        return
    yield from (
        Discrepancy(sequence.name, "image", reason, "an image that decodes")
        for reason in pool.map(_decode, frames)
        if reason
    )


def _decode(path: Path) -> str | None:
    try:
        read_frame(path, strict=True)
    except DataError as error:
        return str(error)
    return None


def _check_total(definition: DatasetDefinition, sequences: list[VideoSequence]) -> Iterator[Discrepancy]:
    """Compare the number of all frames, where the official release is known by that only."""
    total = sum(map(len, sequences))
    if definition.frames is not None and total != definition.frames:
        yield Discrepancy(None, "frames", f"{total} in all sequences", str(definition.frames))


def _fault(sequence: VideoSequence, what: str, error: DataError, expected: str) -> Discrepancy:
    """Make a fault of an error, whose message mostly ends with what was expected."""
    actual, separator, named = str(error).partition("; expected ")
    return Discrepancy(sequence.name, what, actual, named if separator else expected)
