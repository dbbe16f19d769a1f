"""One-pass evaluation (OPE): initialise on the first frame, track to the end (Wu, Lim, Yang, CVPR 2013)."""

from __future__ import annotations

from trackbench.datasets.sequence import VideoSequence
from trackbench.protocols.base import EpisodeGenerator, Init, Track, Trajectory


def one_pass(sequence: VideoSequence) -> EpisodeGenerator:
    """Start on the annotation of the first frame, then ask about every other frame once.

    The first line of the trajectory is the region that the tracker was given.
    """
    trajectory = Trajectory()
    first = sequence.initial_region()
    trajectory.add(first, (yield Init(0, first)))
    for index in range(1, len(sequence)):
        answer = yield Track(index)
        trajectory.add(answer.region, answer)
    return trajectory
