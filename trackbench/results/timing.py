"""Frames per second of tracking, from stored times."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Speed(NamedTuple):
    """How fast a tracker was."""

    frames: int
    """Frames that were tracked."""
    seconds: float
    """What they took together."""

    @property
    def fps(self) -> float | None:
        """Frames per second; None where nothing was timed."""
        return self.frames / self.seconds if self.seconds > 0 else None


def tracking_speed(times: Iterable[NDArray[np.float64]]) -> Speed:
    """Return the speed of tracking over several runs.

    The first frame of each run does not count: it initialises, which is another matter than tracking.

    Args:
        times: of each run the seconds of its frames, (N,); NaN where the tracker was not asked.

    Example:
        >>> tracking_speed([np.array([3.0, 0.5, np.nan, 0.5])]).fps
        2.0
    """
    frames, seconds = 0, 0.0
    for run in times:
        tracked = run[1:][np.isfinite(run[1:])]
        frames, seconds = frames + tracked.size, seconds + float(tracked.sum())
    return Speed(frames, seconds)
