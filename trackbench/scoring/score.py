"""What one run scores on one data set."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, NamedTuple


class Curve(NamedTuple):
    """A curve over thresholds."""

    thresholds: list[float]
    values: list[float]


class BadAnswers(NamedTuple):
    """How often one kind of suspicious answer was given."""

    frames: int
    sequences: int


Metrics = dict[str, float | None]
"""Metric key of the command line's contract -> fraction (frames per second for ``fps``); None where not defined."""


@dataclass(frozen=True)
class Score:
    """What one run scores on one data set."""

    tracker: str
    title: str
    """The tracker as tables print it."""
    dataset: str
    protocol: str
    convention: str
    sequences: int
    """How many sequences the score is over."""
    of: int
    """How many the benchmark has."""
    repetitions: int
    run: dict[str, Any]
    """What the manifest says: ``weights_sha256`` (and the refiner's), ``device``, ``precision``, ``hardware`` in words,
    ``imported``."""
    metrics: Metrics
    spread: Metrics = field(default_factory=dict)
    """Standard deviation of each metric over repetitions (divided by n - 1); empty for a single run."""
    intervals: dict[str, tuple[float, float]] = field(default_factory=dict)
    """Bootstrap interval (95 %, over sequences) of each metric that has one; see trackbench.metrics.statistics."""
    attributes: dict[str, Metrics] = field(default_factory=dict)
    """Attribute -> metrics, with ``sequences`` the number of sequences that carry it."""
    attribute_curves: dict[str, dict[str, Curve]] = field(default_factory=dict)
    """Attribute -> mean curves over its sequences, of one-pass evaluation; plots alone need them."""
    per_sequence: dict[str, Metrics] = field(default_factory=dict)
    curves: dict[str, Curve] = field(default_factory=dict)
    interval: tuple[int, int] | None = None
    """First and last length over which the curve of expected average overlap is averaged."""
    problems: tuple[str, ...] = ()
    """Stored results that could not be used, and why."""
    bad_answers: dict[str, BadAnswers] = field(default_factory=dict)
    """Kind (see trackbench.metrics.answers) -> how often the tracker gave suspicious answers."""
    unannotated: int = 0
    """Frames that are left out because they have no annotation."""
    common: int | None = None
    """How many sequences the benchmark has, where the score is over those that all trackers of a report have."""
    manifest: dict[str, Any] = field(default_factory=dict)
    """What made the results: see trackbench.results.manifest."""

    @property
    def is_complete(self) -> bool:
        """Whether the score is over all sequences; only such scores can be ranked."""
        return self.sequences >= self.of

    @property
    def is_tuned(self) -> bool:
        """Whether the settings were searched on a test set (``trackbench search``)."""
        return bool(self.manifest.get("search", {}).get("test_set"))

    @property
    def marked_title(self) -> str:
        """The title, with a dagger behind it where settings were searched on a test set."""
        return f"{self.title} †" if self.is_tuned else self.title

    @property
    def heading(self) -> str:
        """The tracker as tables and plots print it: of an incomplete run with n/N behind it, marked where tuned."""
        return self.marked_title if self.is_complete else f"{self.marked_title} ({self.sequences}/{self.of})"

    def document(self) -> dict[str, Any]:
        """Return the score as a row of ``report --json``; what is not defined is None."""
        row = {
            "tracker": self.tracker,
            "dataset": self.dataset,
            "protocol": self.protocol,
            "convention": self.convention,
            "sequences": self.sequences,
            "of": self.of,
            "complete": self.is_complete,
            "tuned_on_test_set": self.is_tuned,
            "common": self.common,
            "unannotated": self.unannotated,
            "repetitions": self.repetitions,
            "run": self.run,
            "metrics": self.metrics,
            "spread": self.spread,
            "intervals": self.intervals,
            "attributes": self.attributes,
            "per_sequence": self.per_sequence,
            "curves": {name: curve.values for name, curve in self.curves.items()},
            "interval": self.interval,
            "problems": list(self.problems),
            "bad_answers": {kind: count._asdict() for kind, count in self.bad_answers.items()},
        }
        return {key: _defined(value) for key, value in row.items()}


def _defined(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _defined(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_defined(item) for item in value]
    return None if isinstance(value, float) and value != value else value
