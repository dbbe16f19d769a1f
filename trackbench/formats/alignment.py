"""Fitting one file of results to its sequence: length, origin, times, confidences.

What is unusual but can be used is noted; what cannot be used raises.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackbench.datasets.sequence import VideoSequence
from trackbench.errors import DataError
from trackbench.formats import discovery, reading
from trackbench.formats.evidence import Form, Judge, frame_size, keeps_first, lacks_first, to_boxes
from trackbench.formats.json_results import read_json_result
from trackbench.formats.matlab import MatRun, read_mat
from trackbench.formats.result_reader import ResultReader
from trackbench.regions import Box, Region

#: Sequences with leading frames that the ground truth lacks in some tools' results: OTB's starts Tiger1 at frame 6.
LEADING = {"Tiger1": 5}


@dataclass(frozen=True)
class ImportOptions:
    """How the numbers are to be read."""

    boxes: Form = "xywh"
    offset: float = 0.0
    """Added to every x and y."""
    pad_missing: bool = False
    """Frames that a short file lacks count as frames without an answer."""
    first_missing: bool = False
    """Files that are one line short lack the first frame, and get the given box."""
    fractions: bool = False
    """The numbers are fractions of the images' width and height."""

    @property
    def converts(self) -> bool:
        """Whether boxes come out otherwise than they stand in the file."""
        return self.boxes != "xywh" or bool(self.offset) or self.fractions

    def document(self) -> dict[str, Any]:
        """Return what a manifest says of them; what came later is there only where it is used."""
        document: dict[str, Any] = {"boxes": self.boxes, "offset": self.offset, "pad_missing": self.pad_missing}
        return document | {key: True for key in ("first_missing", "fractions") if getattr(self, key)}


@dataclass
class Result:
    """One trajectory as it will be stored: N regions, N seconds or none, N confidences or none."""

    boxes: NDArray[np.float64]
    regions: tuple[Region, ...] | None
    seconds: list[float]
    scores: list[float | None]
    given: int | None = None
    """How many of the N frames the file has, where it is short and was filled up."""


class SequenceAligner:
    """Reads the files of one tracker.

    Args:
        reader: reads them by name.
        shape: how they are kept.
        how: how the numbers are to be read.
        read: reads a trajectory file; None: a box a line, or as the shape has it.
    """

    def __init__(
        self,
        reader: ResultReader,
        shape: discovery.Shape,
        how: ImportOptions,
        read: Callable[[bytes, str], reading.ParsedResult] | None = None,
    ) -> None:
        self.reader, self.shape, self.how, self.read = reader, shape, how, read
        self.notes = reader.notes
        self.tabs = False
        """Tabs separate the numbers."""
        self._shifts: list[tuple[float, float]] = []
        self._judge = Judge(how.boxes, how.fractions)
        self._mat: tuple[str, list[MatRun]] | None = None

    def fit(self, entry: discovery.DiscoveredResult, sequence: VideoSequence, runs: int) -> Result:
        """Return the trajectory of ``entry``, as long as the ground truth of ``sequence``.

        Args:
            entry: one of the tracker's files.
            sequence: what it is about.
            runs: how many runs over this sequence there are.

        Raises:
            DataError: it is too short, or no trajectory; the message names the file or the sequence.
        """
        trajectory = self.trajectory(entry)
        name, given = sequence.name, sequence.ground_truth.boxes
        boxes, regions = self._converted(trajectory, sequence), trajectory.regions
        if regions is not None and self.how.converts:
            regions = (regions[0], *map(Box.of, boxes[1:]))
        expected = expected_length(sequence)
        if self.how.first_missing and expected is not None and len(boxes) == expected - 1:
            boxes, regions = np.vstack([given[:1], boxes]), None
            self.notes["without the first frame, filled with the given box"].append(name)
        lines = len(boxes)
        if expected is None:
            self.notes["the number of frames is not known here, lengths are not checked"].append(name)
            expected = lines
        skip = LEADING.get(name, 0)
        if lines != expected + skip:
            skip = 0
        late = lines == expected - 1 and lacks_first(boxes, given)
        hint = "line 1 fits the second frame better than the first: --first-missing puts the given box before it, "
        hint += "--pad-missing fills up the end"
        if lines < expected and not self.how.pad_missing:
            way = hint if late else "--pad-missing fills up the file with frames without an answer"
            raise DataError(f"{name}: {lines} lines, the ground truth has {expected}; {way}")
        if late:
            self.notes[f"one line short, and {hint}"].append(name)
        seconds = [1 / trajectory.fps] * lines if trajectory.fps else self._seconds(entry, lines, runs)
        scores = self._scores(entry, lines)
        if skip:
            self.notes[f"the first {skip} lines, which the benchmark omits, were dropped"].append(name)
        elif lines > expected:
            self.notes["longer than the ground truth and cut"].append(f"{name} ({lines} lines for {expected} frames)")
        elif lines < expected:
            self.notes["shorter than the ground truth, the rest is without an answer"].append(
                f"{name} ({lines} lines for {expected} frames)"
            )
        kept = slice(skip, skip + expected)
        boxes, regions = boxes[kept].copy(), None if regions is None else regions[kept]
        self._judge.look_at(trajectory.boxes[kept], given, self._size(sequence), name)
        lacking = expected - len(boxes)
        if lacking:
            boxes = np.vstack([boxes, np.full((lacking, 4), np.nan)])
            regions = None if regions is None else (*regions, *[Box(*[np.nan] * 4)] * lacking)
        if trajectory.polygons:
            self.notes["polygons, reduced to their min-max boxes"].append(name)
        self._look_at(boxes[: lines - skip], name)
        self._shifts.append(tuple((boxes[0, :2] - sequence.ground_truth.boxes[0, :2]).tolist()))
        return Result(
            boxes,
            regions,
            [*seconds[kept], *[float("nan")] * lacking] if seconds else [],
            [*scores[kept], *[None] * lacking] if scores else [None] * expected,
            lines if lacking else None,
        )

    def _converted(self, trajectory: reading.ParsedResult, sequence: VideoSequence) -> NDArray[np.float64]:
        """Return the boxes x, y, w, h in pixels of what the file has in another form."""
        form = self.how.boxes
        if trajectory.polygons and form != "xywh":
            raise DataError(f"{sequence.name}: 8 numbers a line are polygons, which --boxes {form} cannot mean")
        boxes = to_boxes(trajectory.boxes, form)
        if form != "xywh" and keeps_first(trajectory.boxes, boxes, sequence.ground_truth.boxes):
            self.notes["first box as x, y, width, height, and kept so"].append(sequence.name)
            boxes[0] = trajectory.boxes[0]
        if self.how.fractions:
            boxes = boxes * [*(size := self._size(sequence) or (1, 1)), *size]
        boxes[:, :2] += self.how.offset
        return boxes

    def _size(self, sequence: VideoSequence) -> tuple[int, int] | None:
        """Return the images' sides, where numbers are fractions of them."""
        return (sequence.size or frame_size(sequence)) if self.how.fractions else None

    def _look_at(self, boxes: NDArray[np.float64], name: str) -> None:
        # Line 1 may be VOT's code, which is no lack of an answer.
        unanswered = int((~np.isfinite(boxes[1:])).any(1).sum())
        if unanswered:
            self.notes["NaN or infinity, kept as no answer"].append(f"{name} ({unanswered} frames)")
        negative = int((boxes[:, 2:] < 0).any(1).sum())
        if negative:
            self.notes["width or height below 0"].append(f"{name} ({negative} frames)")

    def trajectory(self, entry: discovery.DiscoveredResult) -> reading.ParsedResult:
        """Return what the file of ``entry`` holds.

        Raises:
            DataError: it is no trajectory.
        """
        where, data = self.reader.files.where(entry.file), self.reader.read(entry.file)
        if self.read is not None:
            return self.read(data, where)
        if self.shape == "own":
            return reading.read_own(data, where)
        if self.shape == "mat":
            run = self._mat_runs(data, where)[entry.run - 1]
            return reading.ParsedResult(run.boxes, fps=run.fps)
        raw = self.how.boxes != "xywh"  # what --boxes says counts, not the names of columns
        if entry.file.lower().endswith((".json", ".jsonl")):
            return read_json_result(data, where, raw=raw)
        self.tabs |= b"\t" in data[:200]
        return reading.read_trajectory(data, where, raw=raw)

    def runs_of(self, entry: discovery.DiscoveredResult) -> list[discovery.DiscoveredResult]:
        """Return the runs in the file of ``entry``: several in some ``.mat`` files, else itself.

        Raises:
            DataError: it cannot be read.
        """
        if self.shape != "mat":
            return [entry]
        count = len(self._mat_runs(self.reader.read(entry.file), self.reader.files.where(entry.file)))
        return [replace(entry, run=number) for number in range(1, count + 1)]

    def _mat_runs(self, data: bytes, where: str) -> list[MatRun]:
        if self._mat is None or self._mat[0] != where:
            self._mat = where, read_mat(data, where)
        return self._mat[1]

    def _seconds(self, entry: discovery.DiscoveredResult, frames: int, runs: int) -> list[float]:
        # GOT-10k's files have a column a run.
        repetitions = runs if self.shape == "nested" else None
        for file in discovery.time_files(entry, self.shape):
            seconds = self.reader.seconds(file, frames, repetition=entry.run, repetitions=repetitions)
            if seconds is not None:
                return seconds
        return []

    def _scores(self, entry: discovery.DiscoveredResult, frames: int) -> list[float | None]:
        for file in discovery.score_files(entry, self.shape):
            scores = self.reader.values(file, frames, may_lack="first")
            if scores is not None:
                return scores
        return []

    def look_for_shift(self) -> None:
        """Note if the numbers mean something else, or most first boxes miss the ground truth by exactly one pixel."""
        if verdict := self._judge.verdict():
            self.notes[verdict] = []
            return
        for shift in (1.0, -1.0):
            count = sum(np.allclose(first, shift, rtol=0, atol=1e-6) for first in self._shifts)
            if 2 * count > len(self._shifts):
                share = f"{count} of {len(self._shifts)} first boxes"
                what = f"{share} miss the ground truth by {shift:+g} pixel in x and y"
                self.notes[f"{what} (another origin? then --offset {-shift:g})"] = []


def expected_length(sequence: VideoSequence) -> int | None:
    """Return how many frames a result of ``sequence`` has; None where neither ground truth nor images tell.

    Benchmarks that are scored by a server publish the first box only; there the images are counted.

    Raises:
        DataError: the ground truth cannot be read.
    """
    if not sequence.only_first_annotated:
        return len(sequence)
    try:
        return len(sequence.frames)
    except DataError:  # only annotations are here
        return None
