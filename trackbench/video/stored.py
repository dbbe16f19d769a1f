"""Stored runs frame by frame, to be drawn over their sequence."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from trackbench.datasets.anchors import anchored_name, find_anchors
from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.errors import DataError, UsageError, suggestion
from trackbench.files import read_text
from trackbench.frames import FrameSource
from trackbench.frames.video import VideoFrame
from trackbench.protocols.robustness import segment_names
from trackbench.regions import Region, Special, overlap, region_to_box
from trackbench.results.store import RunFolder
from trackbench.scoring.stored import find_runs

#: Frames that are decoded ahead.
AHEAD = 8


@dataclass(frozen=True)
class StoredTrack:
    """What one run answered on a sequence."""

    label: str
    title: str
    regions: dict[int, Region]
    """Frame (0-based) -> answer; frames on which the run was not asked are missing."""
    scores: dict[int, float]
    """Frame -> confidence, where there is one."""


def find_sequence(dataset: Dataset, name: str) -> VideoSequence:
    """Return the sequence called ``name``.

    Raises:
        UsageError: there is none.
    """
    names = [sequence.name for sequence in dataset.sequences]
    if name not in names:
        raise UsageError(f"{dataset.name} has no sequence '{name}'{suggestion(name, names)}")
    return dataset[name]


def load_tracks(
    dataset: Dataset,
    sequence: VideoSequence,
    runs: Path,
    trackers: Sequence[str] | None = None,
    *,
    protocol: str | None = None,
    anchor: int | None = None,
    repetition: int = 1,
) -> list[StoredTrack]:
    """Return what the stored runs answered on a sequence, in the order in which they are named.

    Args:
        dataset: what they ran on.
        sequence: one of its sequences.
        runs: the folder of all runs.
        trackers: labels, or names of trackers; None means all.
        protocol: default: the data set's.
        anchor: the frame (0-based) from which a run of multi-start or TRE began; default: the first.
        repetition: which one.

    Raises:
        UsageError: nothing is stored of the sequence, or no run begins on the anchor.
        DataError: a result cannot be read, or has another length than the sequence.
    """
    protocol = protocol or dataset.protocol
    name, order = sequence.name, list(range(len(sequence)))
    if protocol == "multistart":
        name, order = _anchored(sequence, anchor)
    elif protocol == "tre":
        name, order = _segment(sequence, dataset.definition.origin, anchor)
    elif protocol == "sre":
        raise UsageError(
            "--protocol sre: its 12 runs over the same frames are not drawn; those of tre and one-pass are"
        )
    elif anchor is not None:
        raise UsageError(f"--anchor: protocol '{protocol}' on {dataset.name} has no anchors")
    tracks = []
    for folder in find_runs(dataset, runs, trackers, protocol):
        if not folder.has(name, repetition):
            continue
        regions = folder.regions(name, repetition)
        if len(regions) != len(order):
            path = folder.file(name, ".txt", repetition)
            raise DataError(f"{path}: holds {len(regions)} frames; expected {len(order)}")
        title = str((folder.manifest() or {}).get("title", folder.key.tracker))
        scores = dict(zip(order, _scores(folder, name, repetition), strict=False))
        known = {frame: score for frame, score in scores.items() if score is not None}
        tracks.append(StoredTrack(folder.key.tracker, title, dict(zip(order, regions, strict=True)), known))
    if not tracks:
        raise UsageError(f"{runs}: holds no result of sequence '{name}' of {dataset.name} by protocol {protocol}")
    return tracks


def frame_overlap(sequence: VideoSequence, frame: int, region: Region | None) -> float | None:
    """Return the overlap of an answer with the ground truth; None where either is missing.

    Boxes are compared as they are; as soon as the ground truth is more than a box, exact shapes are.
    """
    if region is None or isinstance(region, Special) or (frame and sequence.only_first_annotated):
        return None
    truth = sequence.region(frame)
    absent = sequence.ground_truth.absent
    if isinstance(truth, Special) or not region_to_box(truth).is_valid or (absent is not None and absent[frame]):
        return None
    box = region_to_box(region)
    return overlap(region, truth) if all(map(math.isfinite, box.numbers())) else 0.0


def read_frames(sequence: VideoSequence, begin: int, end: int, fps: float) -> Iterator[VideoFrame]:
    """Yield the frames from ``begin`` to before ``end`` (0-based), decoded ahead.

    Raises:
        DataError: one cannot be read.
    """
    paths = sequence.frames
    with FrameSource() as source:
        for index in range(begin, min(end, len(paths))):
            source.plan([paths[index]], paths[index + 1 : min(index + 1 + AHEAD, end)])
            yield VideoFrame(index, (index - begin) / fps, source.get(paths[index]))


def _anchored(sequence: VideoSequence, anchor: int | None) -> tuple[str, list[int]]:
    known = find_anchors(sequence)
    if not known:
        raise DataError(f"{sequence.name}: has no anchors")
    chosen = next(iter(known)) if anchor is None else anchor
    if chosen not in known:
        listed = ", ".join(str(frame + 1) for frame in known)
        raise UsageError(f"--anchor {chosen + 1}: {sequence.name} has anchors on frames {listed}")
    order = range(chosen, len(sequence) if known[chosen].step > 0 else -1, known[chosen].step)
    return anchored_name(sequence.name, chosen), list(order)


def _segment(sequence: VideoSequence, origin: int, anchor: int | None) -> tuple[str, list[int]]:
    starts = segment_names(sequence, origin)
    for name, start in starts.items():
        if anchor is None or start == anchor:
            return name, list(range(start, len(sequence)))
    listed = ", ".join(str(start + 1) for start in dict.fromkeys(starts.values()))
    raise UsageError(f"--anchor {(anchor or 0) + 1}: the runs of TRE on {sequence.name} start on frames {listed}")


def _scores(folder: RunFolder, name: str, repetition: int) -> list[float | None]:
    path = folder.file(name, ".score", repetition)
    if not path.is_file():
        return []
    try:
        return [float(line) if line.strip() else None for line in read_text(path).split("\n")]
    except ValueError as error:
        raise DataError(f"{path}: {error}; expected a number a line") from None
