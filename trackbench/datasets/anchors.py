"""Anchors: the frames on which VOT's multi-start experiment starts its runs, and what these are called."""

from __future__ import annotations

import re
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.datasets.sequence import VideoSequence
from trackbench.errors import DataError

#: The file ``anchor.value`` of a sequence, a number a frame: above 0 a run goes forwards from there, below 0 back.
ANCHOR = "anchor"
_NAME = re.compile(r"(.+)_(\d{8})", re.DOTALL)


class Anchor(NamedTuple):
    """A frame (0-based) on which a run starts, and its direction: 1 forwards, -1 backwards."""

    frame: int
    step: int

    def length(self, frames: int) -> int:
        """Return how many frames the run has, of a sequence of ``frames``."""
        return frames - self.frame if self.step > 0 else self.frame + 1


def anchor_values(sequence: VideoSequence) -> NDArray[np.float64]:
    """Return the number of each frame, float64 (N,), which is 0 where no run starts; (0,) where there are none."""
    return sequence.ground_truth.values.get(ANCHOR, np.zeros(0))


def find_anchors(sequence: VideoSequence) -> dict[int, Anchor]:
    """Return the anchors of a sequence by their frames, in order; empty where it has none."""
    values = anchor_values(sequence)
    return {frame: Anchor(frame, 1 if values[frame] > 0 else -1) for frame in np.flatnonzero(values).tolist()}


def anchor_at(sequence: VideoSequence, frame: int) -> Anchor:
    """Return the anchor on ``frame`` (0-based).

    Raises:
        DataError: there is none.
    """
    anchor = find_anchors(sequence).get(frame)
    if anchor is None:
        raise DataError(f"{sequence.name} has no anchor on frame {frame} (counted from 0)")
    return anchor


def anchored_name(sequence: str, frame: int) -> str:
    """Return what the run from an anchor is called, as in vot-toolkit's results.

    Example:
        >>> anchored_name("ants1", 50), split_anchored("ants1_00000050"), split_anchored("ants1")
        ('ants1_00000050', ('ants1', 50), None)
    """
    return f"{sequence}_{frame:08d}"


def split_anchored(name: str) -> tuple[str, int] | None:
    """Return the sequence and the frame (0-based) that the name of a run means; None where it names no anchor."""
    match = _NAME.fullmatch(name)
    return (match[1], int(match[2])) if match else None
