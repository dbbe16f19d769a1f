"""Refiners: from the box of any tracker to the target's pixels."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar, Generic

from trackbench.regions import Box, Mask
from trackbench.trackers.base import Frame, Options, State


class Refiner(ABC, Generic[State]):
    """Finds the pixels of targets whose boxes are known.

    Subclasses take ``(options, device)`` in their constructor, as trackers do. What is known of a target is learned on
    its first frame; refining changes nothing, so that frames can come in any order.
    """

    Options: ClassVar[type[Options]] = Options

    @abstractmethod
    def start(self, frames: list[Frame], boxes: list[Box]) -> list[State]:
        """Return what is known of each target, given its first frame and box there.

        Raises:
            trackbench.errors.TrackerError: a box that the refiner cannot take.
        """

    @abstractmethod
    def refine(self, frames: list[Frame], boxes: list[Box], states: list[State]) -> list[Mask | None]:
        """Return the pixels of each target near its box; None where the box leaves nothing to look at."""
