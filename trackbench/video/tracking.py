"""Tracks one target through a source with several trackers at once."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from trackbench.errors import TrackbenchError, TrackerError
from trackbench.frames import Frame
from trackbench.protocols.region_policy import BOXES
from trackbench.regions import Region
from trackbench.trackers.base import Prediction, Target, TrackerModel
from trackbench.video.sources import Source


@dataclass(frozen=True, slots=True)
class TrackedFrame:
    """What all trackers say about one frame."""

    index: int
    """0-based."""
    seconds: float
    """When the frame is shown; NaN where it is not known."""
    image: Frame
    predictions: dict[str, Prediction | None]
    """Label -> prediction; None of a tracker that has failed."""
    elapsed: dict[str, float]
    """Seconds that each tracker took."""


@dataclass
class Tracking:
    """Follows one target; what goes wrong with one tracker does not stop the others.

    Args:
        models: label -> model.
        region: where the target is in the first frame that is tracked, in pixels.
        first: that frame (0-based); earlier ones are passed over.
    """

    models: dict[str, TrackerModel[Any]]
    region: Region
    first: int = 0
    seed: int = 0
    """For trackers that draw at random."""
    failed: dict[str, str] = field(default_factory=dict)
    """Label -> why it stopped."""

    def run(self, source: Source, last: int | None = None) -> Iterator[TrackedFrame]:
        """Yield the frames of a source with what the trackers say, from the first to ``last`` (0-based).

        Raises:
            TrackerError: every tracker has failed.
            DataError: a frame cannot be read.
        """
        states: dict[str, Any] = {}
        for frame in source.read():
            if last is not None and frame.index > last:
                return
            if frame.index < self.first:
                continue
            predictions: dict[str, Prediction | None] = {}
            elapsed: dict[str, float] = {}
            for label, model in self.models.items():
                if label in self.failed:
                    predictions[label] = None
                    continue
                before = time.perf_counter()
                try:
                    predictions[label] = self._ask(label, model, frame.image, states)
                except (Exception, SystemExit) as error:  # whatever a tracker raises is that tracker's failure
                    self.failed[label] = _reason(error)
                    predictions[label] = None
                elapsed[label] = time.perf_counter() - before
            yield TrackedFrame(frame.index, frame.seconds, frame.image, predictions, elapsed)
            if len(self.failed) == len(self.models):
                listed = "; ".join(f"{label}: {reason}" for label, reason in self.failed.items())
                raise TrackerError(f"frame {frame.index + 1}: no tracker is left: {listed}")

    def _ask(self, label: str, model: TrackerModel[Any], image: Frame, states: dict[str, Any]) -> Prediction:
        if label not in states:
            model.seed(self.seed)
            states[label] = model.start([image], [Target(BOXES.target(self.region, model.takes))])[0]
            model.synchronize()
            return Prediction(self.region)
        prediction = model.step([image], [states[label]])[0]
        model.synchronize()
        return prediction


def _reason(error: BaseException) -> str:
    if isinstance(error, TrackbenchError):
        return str(error)
    return f"{type(error).__name__}: {error}".strip().replace("\n", " ")


def speed(elapsed: Sequence[dict[str, float]], label: str) -> float | None:
    """Return frames per second of one tracker after its first frame; None for fewer than two."""
    times = [row[label] for row in elapsed[1:] if label in row]
    return len(times) / sum(times) if times and sum(times) > 0 else None
