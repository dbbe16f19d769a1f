"""The language between a protocol and the engine.

A protocol says which runs there are over a sequence. Each run is a generator: it yields requests, is sent an
:class:`Answer` for each, decides what to ask next, and returns the :class:`Trajectory` that is stored.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, TypeAlias

from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.protocols.region_policy import BOXES, RegionPolicy
from trackbench.regions import Region, Special, format_region
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
    """What came of a request."""

    prediction: Prediction | None
    """The tracker's prediction, its region as the benchmark wants it; None after an ``Init``."""
    seconds: float
    """How long the tracker took; NaN where it was not asked."""
    size: tuple[int, int]
    """Width and height of the frame."""
    fault: str | None = None
    """The kind of a suspicious answer, see `trackbench.metrics.answers.fault_of`, before the benchmark's rules."""

    @property
    def region(self) -> Region:
        """The predicted region."""
        assert self.prediction is not None
        return self.prediction.region


@dataclass
class Trajectory:
    """What is stored of one run over one sequence: a region, a time and a score for each frame."""

    regions: list[Region] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    """Seconds the tracker took; NaN where it was not asked."""
    scores: list[float | None] = field(default_factory=list)
    masks: list[str] = field(default_factory=list)
    """The mask that a rotated box was made of, in text form; empty where there is none."""
    faults: dict[str, int] = field(default_factory=dict)
    """Kind -> how many suspicious answers a code stands for, so that the regions do not show them."""

    def add(self, region: Region, answer: Answer | None = None) -> None:
        """Append a frame."""
        self.regions.append(region)
        self.seconds.append(float("nan") if answer is None else answer.seconds)
        prediction = None if answer is None else answer.prediction
        self.scores.append(None if prediction is None else prediction.score)
        if answer is not None and answer.fault is not None and isinstance(region, Special):
            self.faults[answer.fault] = self.faults.get(answer.fault, 0) + 1
        self.masks.append("" if prediction is None or prediction.mask is None else format_region(prediction.mask))


EpisodeGenerator: TypeAlias = Generator[Request, Answer, Trajectory]


@dataclass(frozen=True)
class Episode:
    """One run over a sequence, stored in files of its own."""

    name: str
    """What the files are called."""
    script: Callable[[VideoSequence], EpisodeGenerator]
    start: int = 0
    """Frame (0-based) on which it starts."""
    step: int = 1
    """1: it goes on to the last frame; -1: back to the first."""
    delay: int = 0
    """Frames after the sequence's first run that it starts, so that both look at the same frames at the same time."""

    def length(self, sequence: VideoSequence) -> int:
        """Return how many frames its trajectory has."""
        return len(sequence) - self.start if self.step > 0 else self.start + 1


@dataclass(frozen=True)
class Protocol:
    """What is asked of a tracker over a data set."""

    name: str
    runs: Callable[[VideoSequence], list[Episode]]
    """The runs over a sequence; may raise DataError where its annotation cannot be read."""
    region_policy: RegionPolicy = BOXES
    repetitions: int = 1
    """How often a tracker runs that is not deterministic; a deterministic one runs once."""
    equal_repetitions: int | None = None
    """A sequence is not repeated any more once so many repetitions are the same."""
    measures_time: bool = False
    """Whether the trajectory depends on how long each call takes, so that no two targets may share a call."""
    offline: bool = False
    """Whether a tracker may answer after it has seen the whole video."""
    coded: bool = True
    """The first region stored is the code of a start; otherwise the region that the tracker was given."""
    rules: Mapping[str, Any] = field(default_factory=dict)
    """What else decides the trajectories; part of a run's identity."""


@dataclass(frozen=True)
class ProtocolDefinition:
    """A protocol as registries know it: how it is run, and how its results are scored."""

    make: Callable[[Dataset, str | None], Protocol]
    """Gives the protocol for a data set and, where it has a use for one, a convention.

    The protocol's own name is that of the folder in which its runs are stored; it cannot have a ``:`` or ``/``.
    """
    scorer: Any = "one-pass"
    """The protocol of trackbench that scores and traces results, or a `trackbench.scoring.evaluation.MakeScorer`.

    None: the data set's own, whose results these are (``realtime``).
    """
