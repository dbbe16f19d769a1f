"""OTB's robustness evaluations: in time (TRE), from 20 frames, and in space (SRE), from 12 shifted first boxes.

Wu, Lim and Yang, CVPR 2013 and PAMI 2015; the rules are those of the MATLAB toolkit (``splitSeqTRE.m``,
``shiftInitBB.m``, ``perfPlot``), in MATLAB's coordinates, whose first pixel is 1.

Starts: frames that the data set excludes (occluded or out of view, ``initOmit``) do not count, nor those whose box is
not wholly positive; of the others, e is the number of those with 20 frames left. The k-th start (k = 0 .. 18) is number
``floor(1 + k e / 19)``, the 20th is number e. Every run goes to the end of the sequence.

Shifts start where the first of these starts: 10 % of the target's size to each of the four sides (rounded up) and
corners (rounded), and sizes of 80, 90, 110 and 120 %; then the box is clipped to the frame.
"""

from __future__ import annotations

import math
from functools import partial

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from trackbench.datasets.sequence import VideoSequence
from trackbench.errors import DataError
from trackbench.protocols.base import Episode, EpisodeGenerator, Init, Track, Trajectory
from trackbench.protocols.multi_start import from_anchor
from trackbench.regions import STARTED, Box

SEGMENTS = 20
#: Frames that a segment has at least.
LEAST = 20
SHIFTS = (
    "left",
    "right",
    "up",
    "down",
    "topLeft",
    "topRight",
    "bottomLeft",
    "bottomRight",
    "scale_8",
    "scale_9",
    "scale_11",
    "scale_12",
)
"""Names and order of the toolkit."""


def segment_starts(sequence: VideoSequence, origin: int) -> list[int]:
    """Return the frames (0-based) on which the runs of TRE start, in order; short sequences have some twice.

    Args:
        sequence: with its whole annotation.
        origin: the coordinate of the first pixel in the annotation, 0 or 1.

    Raises:
        DataError: no frame of it can start a run, or the list of frames that start none cannot be read.
    """
    boxes = sequence.ground_truth.boxes.copy()
    boxes[:, :2] += 1 - origin
    usable: NDArray[np.bool_] = np.all(boxes > 0, axis=1)
    for omitted in sequence.omitted_starts:
        usable[omitted.start : omitted.stop] = False
    frames = np.flatnonzero(usable)
    count = int((len(boxes) - frames >= LEAST).sum())
    if not count:
        raise DataError(f"{sequence.name}: no frame with a box has {LEAST} frames left, so no segment can start")
    # MATLAB's floor(1 : e / 19 : e), and e.
    steps = np.arange(SEGMENTS - 1) * (count / (SEGMENTS - 1)) + 1
    numbers = [*np.floor(steps[steps <= count]).astype(int).tolist(), count]
    return [int(frames[number - 1]) for number in numbers]


def segment_names(sequence: VideoSequence, origin: int) -> dict[str, int]:
    """Return what the runs of TRE are called, ``<sequence>_1`` to ``<sequence>_20``, and their starts."""
    return {f"{sequence.name}_{k}": start for k, start in enumerate(segment_starts(sequence, origin), 1)}


def shift_names(sequence: VideoSequence) -> dict[str, str]:
    """Return what the runs of SRE are called, ``<sequence>_1`` to ``<sequence>_12``, and their shifts."""
    return {f"{sequence.name}_{k}": shift for k, shift in enumerate(SHIFTS, 1)}


def temporal_runs(origin: int, sequence: VideoSequence) -> list[Episode]:
    """Return the runs of TRE.

    Raises:
        DataError: no frame can start a run.
    """
    return [
        Episode(name, partial(from_anchor, first=start), start=start)
        for name, start in segment_names(sequence, origin).items()
    ]


def spatial_runs(origin: int, sequence: VideoSequence) -> list[Episode]:
    """Return the runs of SRE.

    Raises:
        DataError: no frame can start a run.
    """
    first = segment_starts(sequence, origin)[0]
    return [
        Episode(name, partial(shifted, shift=shift, first=first, origin=origin), start=first)
        for name, shift in shift_names(sequence).items()
    ]


def shifted(sequence: VideoSequence, shift: str, first: int, origin: int) -> EpisodeGenerator:
    """Start on a shifted box, then track to the last frame; the first line of the trajectory is the code of a start."""
    trajectory = Trajectory()
    trajectory.add(STARTED, (yield Init(first, first_box(sequence, first, shift, origin))))
    for frame in range(first + 1, len(sequence)):
        answer = yield Track(frame)
        trajectory.add(answer.region, answer)
    return trajectory


def first_box(sequence: VideoSequence, start: int, shift: str | None, origin: int) -> Box:
    """Return the box on which a run of TRE starts (no shift), or of SRE.

    Raises:
        DataError: the size of the frames is not known.
    """
    box = sequence.ground_truth.boxes[start]
    return Box.of(box) if shift is None else shifted_box(box, shift, _size(sequence), origin)


def shifted_box(box: NDArray[np.float64], shift: str, size: tuple[int, int], origin: int = 0) -> Box:
    """Return the box on which a run of SRE starts.

    Args:
        box: (4,) x, y, w, h in pixels.
        shift: one of :data:`SHIFTS`.
        size: width and height of the frame in pixels.
        origin: the coordinate of the first pixel, of ``box`` and of the result.

    Example:
        >>> shifted_box(np.array([198.0, 214.0, 34.0, 81.0]), "topLeft", (576, 432), 1).numbers()
        (195.0, 206.0, 37.0, 89.0)
    """
    x, y, w, h = box.tolist()
    x, y = x + 1 - origin, y + 1 - origin
    right, bottom = x + w - 1, y + h - 1
    if shift.startswith("scale_"):
        ratio = int(shift.removeprefix("scale_")) / 10
        wide, high = ratio * w, ratio * h
        x, y, w, h = (_round(value) for value in (x + w / 2 - wide / 2, y + h / 2 - high / 2, wide, high))
    elif shift in ("left", "right"):
        x += math.ceil(0.1 * w) * (1 if shift == "right" else -1)
    elif shift in ("up", "down"):
        y += math.ceil(0.1 * h) * (1 if shift == "down" else -1)
    else:
        wide, high = 0.1 * w, 0.1 * h
        x, right = (_round(x - wide), right) if "Left" in shift else (x, _round(right + wide))
        y, bottom = (_round(y - high), bottom) if "top" in shift else (y, _round(bottom + high))
        w, h = right - x + 1, bottom - y + 1
    x, y = max(x, 1), max(y, 1)
    w = size[0] - x + 1 if x + w - 1 > size[0] else w
    h = size[1] - y + 1 if y + h - 1 > size[1] else h
    return Box(x - 1 + origin, y - 1 + origin, w, h)


def _round(value: float) -> float:
    """Round as MATLAB does: halves away from zero."""
    return math.copysign(math.floor(abs(value) + 0.5), value)


def _size(sequence: VideoSequence) -> tuple[int, int]:
    """Return width and height of the frames: the metadata's, else those of the first image."""
    if sequence.size is not None:
        return sequence.size
    try:
        with Image.open(sequence.frames[0]) as image:
            return image.size
    except OSError as error:
        raise DataError(f"{sequence.frames[0]}: is not a readable image: {error}") from None
