"""The tracker interface.

A tracker is a :class:`TrackerModel` without memory, which starts and steps many targets at once, and a state for each
target. :class:`Tracker` is the face that the field knows, ``init`` and ``track``: the same with a batch of one.
"""

from __future__ import annotations

import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeAlias, TypeVar, get_args

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, ValidationInfo, field_validator

from trackbench.errors import TrackerError
from trackbench.frames import Frame, read_image
from trackbench.regions import Box, Mask, Region

if TYPE_CHECKING:
    from trackbench.trackers.maps import MapReader

__all__ = [
    "Channel",
    "Frame",
    "Options",
    "Prediction",
    "SingleTargetTracker",
    "State",
    "Target",
    "Tracker",
    "TrackerModel",
    "UnbatchedModel",
    "Video",
]

State = TypeVar("State")


BoxLike: TypeAlias = Sequence[float] | NDArray[np.float64]
"""Four numbers ``x, y, w, h`` in pixels."""


class Channel:
    """The images of a second sensor (infrared, depth, events), one beside each frame of a sequence.

    Args:
        paths: the images in the order of the frames.
    """

    def __init__(self, paths: Sequence[Path]) -> None:
        self.paths = paths
        self.index = 0
        """The frame (0-based) that the tracker is asked about; the engine sets it before each call."""

    def image(self) -> NDArray[Any]:
        """Return the image beside the frame that the tracker is asked about, as stored: (H, W) or (H, W, 3) RGB.

        Raises:
            DataError: the file is missing or no image.
        """
        return read_image(self.paths[self.index])


@dataclass(frozen=True)
class Video:
    """The frames that a tracker will be asked about, as far as the protocol can tell when the target starts."""

    name: str
    """The sequence's name."""
    paths: Sequence[Path]
    """The images from the target's first frame on, in the order in which they will be asked about."""


@dataclass(frozen=True)
class Target:
    """What a tracker starts on.

    Example:
        >>> Target(Box(10, 20, 30, 40), sentence="the white car").region.w
        30.0
    """

    region: Region
    """Where the target is in the first frame, of a kind that the tracker ``takes``."""
    sentence: str | None = None
    """The sentence that describes the target; None where the data set has none."""
    channels: Mapping[str, Channel] = field(default_factory=dict)
    """Images of further sensors by name. A tracker keeps those that it reads in the target's state."""
    video: Video | None = None
    """Where the frames come from; None where nobody knows, as behind a camera."""
    category: str | None = None
    """The class of the object; None where the data set has none."""

    def __getattr__(self, name: str) -> Any:
        # Trackers written when start() was given the regions themselves arrive here.
        raise AttributeError(
            f"'Target' object has no attribute '{name}': start() is given targets; use target.region"
            + (f".{name}" if hasattr(Box, name) or name in "xywh" else "")
        )


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

    @field_validator("*", mode="before")
    @classmethod
    def _takes_no_truth_value_for_a_number(cls, value: Any, info: ValidationInfo) -> Any:
        kind = cls.model_fields[info.field_name].annotation if info.field_name else None
        kinds = set(get_args(kind)) or {kind}
        if isinstance(value, bool) and bool not in kinds and kinds & {int, float}:
            raise ValueError("a truth value; expected a number")
        return value

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

    Options: ClassVar[type[Options]] = Options
    takes: ClassVar[tuple[type[Region], ...]] = (Box,)
    """Kinds of region that it starts on; a target of another kind reaches it as a box, by the benchmark's rule."""

    crop_seconds: float = 0.0
    """What all its calls so far have spent on cutting crops; the engine says what limits a run."""

    def __init__(self, options: Any, device: str = "cpu") -> None:
        self.options = options
        self.device = device

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        if "step" in cls.__dict__ and "launch" not in cls.__dict__:
            cls.launch = TrackerModel.launch  # type: ignore[method-assign]  # else an inherited one passes step() by

    @abstractmethod
    def start(self, frames: list[Frame], targets: list[Target]) -> list[State]:
        """Return the state of each target, given its first frame.

        Raises:
            trackbench.errors.TrackerError: a region that the tracker cannot take.
        """

    @abstractmethod
    def step(self, frames: list[Frame], states: list[State]) -> list[Prediction]:
        """Track each target into its next frame; advances the states in place."""

    def launch(self, frames: list[Frame], states: list[State]) -> Callable[[], list[Prediction]]:
        """Begin a step: do the host's part, hand the rest to the device, and return what waits for the answers.

        In between the host may begin steps of other targets. By default all is done at once.
        """
        predictions = self.step(frames, states)
        return lambda: predictions

    @contextmanager
    def cropping(self) -> Iterator[None]:
        """Count the time of a block as spent on cutting crops."""
        before = time.perf_counter()
        try:
            yield
        finally:
            self.crop_seconds += time.perf_counter() - before

    def maps(self) -> Mapping[str, MapReader]:
        """Return the maps of its search region that it offers, by name; see :mod:`trackbench.trackers.maps`."""
        return {}

    def search_window(self, state: State) -> Box:
        """Return where the search region of a target's next frame will be, in pixels.

        Raises:
            TrackerError: the tracker offers maps and does not say where they lie.
        """
        raise TrackerError(f"{type(self).__name__} offers maps: expected a method search_window(state) beside maps()")

    def seed(self, seed: int) -> None:
        """Set the seed of the targets started from here on.

        A tracker that draws at random keeps a generator in each state, made from this seed, so that a target's boxes
        depend neither on the batch nor on what ran before.
        """

    def record(self) -> Mapping[str, Any]:
        """Return what the manifest says of a session besides; of a foreign tracker its versions, shims and so on."""
        return {}

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

    def init(self, frame: Frame, region: Region | BoxLike, *, sentence: str | None = None) -> None:
        """Start on a first frame; forgets any earlier target.

        Args:
            frame: uint8 (H, W, 3) RGB.
            region: where the target is; a box may be four numbers ``x, y, w, h`` (pixels, 0-based).
            sentence: describes the target, for trackers that read it.
        """
        if not isinstance(region, Region):
            region = Box.of(region)
        self._states = self.model.start([frame], [Target(region, sentence)])

    def track(self, frame: Frame, *, maps: Sequence[str] = ()) -> Prediction:
        """Return where the target is in ``frame``, the next one of the sequence.

        Args:
            frame: uint8 (H, W, 3) RGB.
            maps: names of ``self.model.maps()``; the prediction's ``extras`` have them as
                :class:`trackbench.trackers.maps.NetworkMap`.

        Raises:
            RuntimeError: ``init`` has not been called.
            UsageError: the tracker does not offer a map.
        """
        if self._states is None:
            raise RuntimeError("track() was called before init()")
        if maps:
            from trackbench.trackers.maps import step_with_maps

            return step_with_maps(self.model, [frame], self._states, maps)[0]
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

    def start(self, frames: list[Frame], targets: list[Target]) -> list[SingleTargetTracker]:
        """Make and start one object for each target."""
        states = [self._make() for _ in frames]
        for state, frame, target in zip(states, frames, targets, strict=True):
            state.init(frame, target.region)
        return states

    def step(self, frames: list[Frame], states: list[SingleTargetTracker]) -> list[Prediction]:
        """Ask each object about its frame."""
        return [state.track(frame) for frame, state in zip(frames, states, strict=True)]
