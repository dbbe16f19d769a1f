"""VOT's runs without resets: one from each anchor (VOT2020 to VOT2022), or one from the first frame."""

from __future__ import annotations

from functools import partial

from trackbench.datasets.anchors import ANCHOR, Anchor, anchored_name, find_anchors
from trackbench.datasets.sequence import VideoSequence
from trackbench.errors import DataError
from trackbench.protocols.base import Episode, EpisodeGenerator, Init, Track, Trajectory
from trackbench.regions import STARTED


def anchors(sequence: VideoSequence) -> list[Anchor]:
    """Return the anchors of a sequence in the order of frames: values above 0 go forwards, those below backwards.

    Raises:
        DataError: it has none.
    """
    frames = list(find_anchors(sequence).values())
    if not frames:
        raise DataError(f"{sequence.name}: has no anchors; expected a file {ANCHOR}.value with values other than 0")
    return frames


def anchored_runs(sequence: VideoSequence) -> list[Episode]:
    """Return a run for each anchor, called ``<sequence>_<frame, 8 digits>`` as in vot-toolkit's results.

    Runs of one direction are delayed so that each starts when the first of them comes by.

    Raises:
        DataError: the sequence has no anchors.
    """
    starts = anchors(sequence)
    forwards = min((a.frame for a in starts if a.step > 0), default=0)
    backwards = max((a.frame for a in starts if a.step < 0), default=0)
    return [
        Episode(
            anchored_name(sequence.name, frame),
            partial(from_anchor, first=frame, step=step),
            start=frame,
            step=step,
            delay=frame - forwards if step > 0 else backwards - frame,
        )
        for frame, step in starts
    ]


def from_anchor(sequence: VideoSequence, first: int = 0, step: int = 1) -> EpisodeGenerator:
    """Start on frame ``first`` (0-based) and track to the last frame, or to the first if ``step`` is -1.

    The first line of the trajectory is the code of a start; line k belongs to the k-th frame that the tracker saw.
    """
    trajectory = Trajectory()
    trajectory.add(STARTED, (yield Init(first, sequence.initial_region(first))))
    for frame in range(first + step, len(sequence) if step > 0 else -1, step):
        answer = yield Track(frame)
        trajectory.add(answer.region, answer)
    return trajectory
