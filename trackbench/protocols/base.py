"""The language between a protocol and the engine.

A protocol is a generator over one sequence: it yields requests, is sent an :class:`Answer` for each, decides what to
ask next, and returns the :class:`Trajectory` that is stored.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from trackbench.regions import Region
from trackbench.trackers.base import Prediction


@dataclass(frozen=True, slots=True)
class Init:
    """Start the tracker anew on frame ``index`` (0-based) with the target at ``region``."""

    index: int
    region: Region


@dataclass(frozen=True, slots=True)
class Track:
    """Ask the tracker where the target is in frame ``index`` (0-based)."""

    index: int


Request: TypeAlias = Init | Track


class Answer(NamedTuple):
    """The tracker's prediction (None after an ``Init``) and the seconds it took."""

    prediction: Prediction | None
    seconds: float


@dataclass
class Trajectory:
    """What is stored of one run over one sequence: a region, a time and a score for each frame."""

    regions: list[Region] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    """Seconds the tracker took; NaN where it was not asked."""
    scores: list[float | None] = field(default_factory=list)

    def add(self, region: Region, answer: Answer | None = None) -> None:
        """Append a frame."""
        self.regions.append(region)
        self.seconds.append(float("nan") if answer is None else answer.seconds)
        self.scores.append(None if answer is None or answer.prediction is None else answer.prediction.score)


Script: TypeAlias = Generator[Request, Answer, Trajectory]
