"""The tracker that never moves: it repeats the first region, the floor under every benchmark."""

from __future__ import annotations

from typing import ClassVar

from trackbench.regions import Box, Mask, Polygon, Region
from trackbench.trackers.base import Frame, Options, Prediction, Target, TrackerModel


class StaticOptions(Options):
    """There is nothing to set."""


class Static(TrackerModel[Region]):
    """Keeps the first region."""

    Options: ClassVar[type[Options]] = StaticOptions
    takes: ClassVar[tuple[type[Region], ...]] = (Box, Polygon, Mask)

    def start(self, frames: list[Frame], targets: list[Target]) -> list[Region]:
        """The state of a target is its first region."""
        return [target.region for target in targets]

    def step(self, frames: list[Frame], states: list[Region]) -> list[Prediction]:
        """Repeat the first region of each target."""
        return [Prediction(region, 1.0) for region in states]
