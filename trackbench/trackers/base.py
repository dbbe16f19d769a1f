"""The tracker interface.

A tracker is a :class:`TrackerModel` without memory, which starts and steps many targets at once, and a state for each
target. :class:`Tracker` is the face that the field knows, ``init`` and ``track``: the same with a batch of one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Generic, Protocol, TypeVar

from pydantic import BaseModel, ConfigDict

from trackbench.frames import Frame
from trackbench.regions import Box, Mask, Region

__all__ = [
    "Frame",
    "Options",
    "Prediction",
    "SingleTargetTracker",
    "State",
    "Tracker",
    "TrackerModel",
    "UnbatchedModel",
]

State = TypeVar("State")


@dataclass(frozen=True)
class Prediction:
    """What a tracker says about one frame."""

    region: Region
    """The answer; of a tracker that also has masks, its box."""
    score: float | None = None
    """Confidence, higher is surer; None where the tracker has none."""
    extras: Mapping[str, Any] = field(default_factory=dict)
    """Whatever else the tracker can tell; nothing in the engine depends on it."""
    mask: Mask | None = None
    """The target's pixels, from a tracker or refiner that finds them; benchmarks of rotated boxes and masks ask."""


class Options(BaseModel):
    """Options of a tracker's definition: every tracker class subclasses this with its own, typed and validated."""

    model_config = ConfigDict(
        extra="forbid", frozen=True, validate_default=True, protected_namespaces=(), allow_inf_nan=False
    )

    @classmethod
    def implied(cls, settings: Mapping[str, Any]) -> Mapping[str, Any]:
        """Return options that others imply, as a configuration file does; what the user sets himself still wins.

        Args:
            settings: all options so far, not validated.
        """
        return {}


class TrackerModel(ABC, Generic[State]):
    """A tracker without memory.

    Subclasses take ``(options, device)`` in their constructor: ``options`` is an instance of their ``Options``
    class, ``device`` a torch device string. Batches may hold frames of different sizes.
    """

    Options: ClassVar[type[Options]]
    takes: ClassVar[tuple[type[Region], ...]] = (Box,)
    """Kinds of region that it starts on; a target of another kind reaches it as a box, by the benchmark's rule."""

    def __init__(self, options: Any, device: str = "cpu") -> None:
        self.options = options
        self.device = device

    @abstractmethod
    def start(self, frames: list[Frame], regions: list[Region]) -> list[State]:
        """Return the state of each target, given its first frame and region there.

        Raises:
            trackbench.errors.TrackerError: a region that the tracker cannot take.
        """

    @abstractmethod
    def step(self, frames: list[Frame], states: list[State]) -> list[Prediction]:
        """Track each target into its next frame; advances the states in place."""

    def seed(self, seed: int) -> None:
        """Set the seed of the targets started from here on.

        A tracker that draws at random keeps a generator in each state, made from this seed, so that a target's boxes
        depend neither on the batch nor on what ran before.
        """

    def synchronize(self) -> None:
        """Wait until the device has finished, so that a clock read after it is honest."""
        if self.device.startswith("cuda"):
            import torch

            torch.cuda.synchronize(self.device)


class Tracker:
    """``init`` on a first frame and region, then ``track`` frame by frame."""

    def __init__(self, model: TrackerModel[Any]) -> None:
        self.model = model
        self._states: list[Any] | None = None

    def init(self, frame: Frame, region: Region) -> None:
        """Start on ``frame`` (uint8 (H, W, 3) RGB) with the target at ``region``; forgets any earlier target."""
        self._states = self.model.start([frame], [region])

    def track(self, frame: Frame) -> Prediction:
        """Return where the target is in ``frame``, the next one of the sequence.

        Raises:
            RuntimeError: ``init`` has not been called.
        """
        if self._states is None:
            raise RuntimeError("track() was called before init()")
        return self.model.step([frame], self._states)[0]


class SingleTargetTracker(Protocol):
    """What an external tracker has to offer: one object follows one target."""

    def init(self, frame: Frame, region: Region) -> None:
        """Start on ``frame`` with the target at ``region``."""

    def track(self, frame: Frame) -> Prediction:
        """Return where the target is in the next frame."""


class UnbatchedModel(TrackerModel[SingleTargetTracker]):
    """An external tracker with ``init/track``, one object for each target, called one after the other."""

    def __init__(self, options: Any, device: str = "cpu", *, make: Callable[[], SingleTargetTracker]) -> None:
        super().__init__(options, device)
        self._make = make

    def start(self, frames: list[Frame], regions: list[Region]) -> list[SingleTargetTracker]:
        """Make and start one object for each target."""
        states = [self._make() for _ in frames]
        for state, frame, region in zip(states, frames, regions, strict=True):
            state.init(frame, region)
        return states

    def step(self, frames: list[Frame], states: list[SingleTargetTracker]) -> list[Prediction]:
        """Ask each object about its frame."""
        return [state.track(frame) for frame, state in zip(frames, states, strict=True)]
