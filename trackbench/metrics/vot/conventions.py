"""The rules by which the toolkits judge the reset-based experiment of VOT2013-2019, each difference a field."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from trackbench.metrics.vot.raster import OverlapRule
from trackbench.registry import Registry

#: Frames from a failure to the next initialisation (VOT2013 to VOT2019).
SKIP = 5
#: Runs of a stochastic tracker, and how many equal ones end them early (VOT2013 to VOT2019).
REPETITIONS, EQUAL_REPETITIONS = 15, 3


@dataclass(frozen=True)
class VotConvention:
    """How accuracy, failures and expected average overlap are computed from the answers of a reset-based run."""

    name: str
    overlap: OverlapRule
    average: Literal["frames", "sequences", "tags"]
    """What the accuracy is averaged over: all frames; sequences by length; tags by number of frames."""
    robustness: Literal["per-100", "count"]
    """What is printed as R: failures per 100 frames; failures averaged as the accuracy is."""
    eao_margin: int = 0
    """How much smaller than the image the bounds are for EAO, in pixels; for the accuracy they are the image."""
    unknown_is_miss: bool = False
    """A code counts as overlap 0 in EAO; otherwise such a frame is left out of trajectories without a failure."""
    average_repetitions_first: bool = False
    """A sequence's accuracy is the mean of its repetitions' accuracies; otherwise of its frames' mean overlaps."""
    empty_accuracy: float = 0.0
    """Accuracy of a sequence (or of a repetition) in which no frame counts; NaN: it is left out of averages."""
    required_repetitions: int | None = None
    """With any other number of repetitions only the first counts; None: all of them count."""
    last_fragment: Literal["failure", "success", "success-inside"] = "failure"
    """What the last fragment is when no frame is left for a restart after its failure.

    ``success-inside`` is pysot's: a failure whose restart would be the very first frame after the end still counts.
    """
    repetition_weights: bool = False
    """A fragment weighs one over the number of its sequence's repetitions, otherwise one."""
    curve_spans_fragments: bool = False
    """The curve ends with the longest fragment and is 0 at index 0; otherwise with the longest sequence, and 1."""
    shift: int = 0
    """Added to both ends of the interval when the curve is averaged; 0: lengths are counted from 1."""
    tags_first: bool = False
    """Frames are filtered by the tag before the burn-in is counted, otherwise after."""
    takes_late_answers: bool = False
    """Regions between a failure and the next initialisation, which the MATLAB toolkit's real-time mode writes, are
    answers like any other; otherwise such a run is refused."""
    short_runs_end: bool = False
    """EAO knows a run that is shorter than its sequence only as far as it goes; otherwise its missing frames are frames
    without an answer."""
    burn_in: int = 10
    """Frames from the initialisation on, itself included, that do not count for the accuracy."""
    skip: int = SKIP
    """Frames from a failure to the next initialisation."""
    sensitivity: float = 30.0
    """S in exp(-S·F), F the failures per frame."""


PYSOT = VotConvention(
    "pysot",
    "pysot",
    "frames",
    "per-100",
    eao_margin=1,
    empty_accuracy=math.nan,
    required_repetitions=REPETITIONS,
    last_fragment="success-inside",
    takes_late_answers=True,
)
MATLAB = VotConvention(
    "matlab",
    "matlab",
    "tags",
    "count",
    eao_margin=1,
    last_fragment="success",
    repetition_weights=True,
    tags_first=True,
    takes_late_answers=True,
    short_runs_end=True,
)
VOT = VotConvention(
    "vot",
    "vot",
    "sequences",
    "count",
    unknown_is_miss=True,
    average_repetitions_first=True,
    curve_spans_fragments=True,
    shift=1,
)
CONVENTIONS: Registry[VotConvention] = Registry(
    "VOT convention",
    "trackbench.vot_conventions",
    VotConvention,
    "a trackbench.metrics.vot.conventions.VotConvention",
    {c.name: c for c in (PYSOT, MATLAB, VOT)},
)
