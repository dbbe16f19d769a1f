"""Videos as sequences of a folder: ``clip.mp4`` with its ground truth in ``clip.txt``."""

from __future__ import annotations

import os
import re
from functools import partial
from pathlib import Path

from trackbench.datasets.sequence import Details, GroundTruth, VideoSequence
from trackbench.errors import DataError
from trackbench.files import VIDEO_SUFFIXES, read_text
from trackbench.regions.files import MAX_ROW, read_boxes, read_regions

#: How many numbers the line of a polygon may have.
POLYGONS = range(6, MAX_ROW, 2)


def find_clips(folder: Path) -> dict[str, Path]:
    """Return the videos directly in ``folder`` that have a ground truth beside them, by name without ending.

    Raises:
        DataError: two videos have the same name but for the ending.
    """
    names = {entry.name for entry in os.scandir(folder) if not entry.name.startswith(".") and entry.is_file()}
    clips: dict[str, Path] = {}
    for name in sorted(names):
        stem, suffix = os.path.splitext(name)
        if suffix.lower() in VIDEO_SUFFIXES and f"{stem}.txt" in names:
            if stem in clips:
                raise DataError(f"{folder}: {clips[stem].name} and {name} are both sequence '{stem}'")
            clips[stem] = folder / name
    return clips


def clip_sequence(video: Path, attributes: tuple[str, ...] | None = None) -> VideoSequence:
    """Return a video as a sequence.

    Args:
        video: the file; its ground truth is the file of the same name that ends in ``.txt``.
        attributes: of the sequence; default: those that ``<name>.attributes.txt`` lists.
    """
    truth = video.with_suffix(".txt")
    return VideoSequence(
        video.stem,
        read_frames=partial(_frames, video),
        read_ground_truth=partial(read_truth, truth),
        attributes=read_attributes(video.with_suffix(".attributes.txt")) if attributes is None else attributes,
        read_details=partial(_details, video),
        annotation_withheld=True,  # has a meaning only where the ground truth has one line
    )


def read_truth(path: Path) -> GroundTruth:
    """Return the annotation in a file: boxes, or other regions in VOT's text forms, with any separator.

    Raises:
        DataError: it holds something else.
    """
    try:
        return GroundTruth(read_boxes(path))
    except DataError:
        lines = read_text(path).split("\n")
        if not any(line[:1] == "m" or len(re.findall(r"[^\s,;]+", line[:MAX_ROW])) in (1, *POLYGONS) for line in lines):
            raise
    return GroundTruth.of_regions(read_regions(path, any_separator=True))


def read_attributes(path: Path) -> tuple[str, ...]:
    """Return the attributes that a file lists, separated by blanks, commas or lines; none where there is no file."""
    if not path.is_file():
        return ()
    return tuple(filter(None, re.split(r"[,\s]+", read_text(path).strip())))


def _frames(video: Path) -> list[Path]:
    from trackbench.frames.video import count_frames
    from trackbench.frames.video_paths import frame_paths

    return frame_paths(video, count_frames(video))


def _details(video: Path) -> Details:
    from trackbench.frames.video import video_info

    info = video_info(video)
    return Details(size=info.size, fps=info.fps)
