"""Any tracker with a refiner behind it: the tracker's boxes and scores as they are, and a mask beside each box."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from trackbench.regions import Box, Polygon, Region, polygon_to_box_vot, region_to_box
from trackbench.trackers.base import Frame, Prediction, Target, TrackerModel
from trackbench.trackers.refiner import Refiner

if TYPE_CHECKING:
    from trackbench.trackers.maps import MapReader


@dataclass
class RefinedState:
    """One target, as the tracker and as the refiner know it; neither sees the other's."""

    tracker: Any
    refiner: Any


class RefinedModel(TrackerModel[RefinedState]):
    """A tracker that answers with masks too.

    Args:
        tracker: gives the boxes, and takes the kinds of region that it takes alone.
        refiner: finds the pixels near each box; on the same device.
    """

    def __init__(self, tracker: TrackerModel[Any], refiner: Refiner[Any]) -> None:
        super().__init__(tracker.options, tracker.device)
        self.tracker = tracker
        self.refiner = refiner
        # An instance attribute: it depends on the wrapped tracker.
        self.takes = tracker.takes  # type: ignore[misc]

    def start(self, frames: list[Frame], targets: list[Target]) -> list[RefinedState]:
        """Start the tracker on the targets, the refiner on their boxes; of a polygon by VOT's rule."""
        boxes = [_box(target.region) for target in targets]
        trackers, refiners = self.tracker.start(frames, targets), self.refiner.start(frames, boxes)
        return [RefinedState(*both) for both in zip(trackers, refiners, strict=True)]

    def step(self, frames: list[Frame], states: list[RefinedState]) -> list[Prediction]:
        """Track, then find the pixels near each box; an answer without a usable box stays as it is."""
        predictions = self.tracker.step(frames, [state.tracker for state in states])
        boxes = [region_to_box(prediction.region) for prediction in predictions]
        masks = self.refiner.refine(frames, boxes, [state.refiner for state in states])
        return [
            prediction if mask is None else replace(prediction, mask=mask)
            for prediction, mask in zip(predictions, masks, strict=True)
        ]

    def seed(self, seed: int) -> None:
        """Set the tracker's seed."""
        self.tracker.seed(seed)

    def maps(self) -> Mapping[str, MapReader]:
        """Return the tracker's maps."""
        return self.tracker.maps()

    def search_window(self, state: RefinedState) -> Box:
        """Return where the tracker's search region will be."""
        return self.tracker.search_window(state.tracker)

    def synchronize(self) -> None:
        """Wait until both have finished, which use one device."""
        self.tracker.synchronize()


def _box(region: Region) -> Box:
    return polygon_to_box_vot(region) if isinstance(region, Polygon) else region_to_box(region)
