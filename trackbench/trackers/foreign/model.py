"""A tracker behind a door, as the engine knows trackers: targets that start and step, in a process that may die."""

from __future__ import annotations

import os
import re
import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import AfterValidator, Field

from trackbench.errors import LostStateError, TrackerError, UsageError
from trackbench.regions import Box, Mask, Polygon, Region, region_to_box
from trackbench.trackers.base import Channel, Frame, Options, Prediction, Target, TrackerModel
from trackbench.trackers.foreign.checkpoints import harmless_copy
from trackbench.trackers.foreign.client import InProcess, Peer, Worker
from trackbench.trackers.foreign.sensors import Form, six_channels
from trackbench.trackers.foreign.worker.process import pack_mask, unpack_mask

UserFolder = Annotated[Path, AfterValidator(lambda path: path.expanduser().resolve())]
"""A folder as the user writes it, ``~`` and all."""


def _there(path: Path) -> Path:
    if not path.is_dir():
        raise UsageError(f"--set repo={path}: there is no such folder")
    return path


Repository = Annotated[UserFolder, AfterValidator(_there)]
"""The folder of a repository."""


def named(pattern: str, spelling: str) -> AfterValidator:
    """Return what checks the name after a door's colon.

    Args:
        pattern: of the whole name.
        spelling: what a message says that it should be.
    """

    def check(name: str) -> str:
        if not re.fullmatch(pattern, name):
            raise UsageError(f"'{name}' is no name for this tracker; expected {spelling}")
        return name

    return AfterValidator(check)


def _checkpoint(path: Path | None) -> Path | None:
    if path is not None and not path.is_file():
        raise UsageError(f"--weights {path}: there is no such file")
    return None if path is None else path.resolve()


class ForeignOptions(Options):
    """How the tracker's process is run; none of it is part of a run's identity."""

    python: Annotated[Path | None, Field(exclude=True)] = None
    """The interpreter of the environment in which the tracker's packages are; default: this one."""
    isolated: Annotated[bool, Field(exclude=True)] = True
    """Whether the tracker has a process of its own."""
    timeout: Annotated[float, Field(gt=0, exclude=True)] = 300.0
    """Seconds to wait for an answer."""
    log: Annotated[Path | None, Field(exclude=True)] = None
    """File that keeps what the tracker prints."""

    def payload(self) -> dict[str, Any]:
        """Return what the door in the worker gets, as JSON holds it."""
        hidden = {"python", "isolated", "timeout", "log"}
        return {key: _plain(getattr(self, key)) for key in type(self).model_fields if key not in hidden}


class CheckpointOptions(ForeignOptions):
    """The same of a tracker that loads a checkpoint itself."""

    weights: Annotated[Path | None, AfterValidator(_checkpoint)] = None
    """The checkpoint; ``--weights``."""
    trust_checkpoint: Annotated[bool, Field(exclude=True)] = False
    """Whether the checkpoint may execute code when it is loaded."""


class SensorOptions(CheckpointOptions):
    """The same of a tracker that may want frames of six channels."""

    sensor: str | None = None
    """The data set's images of a second sensor that go beside the colours: ``infrared``, ``depth``; default: none."""
    sensor_form: Form = "rgb"
    """As what; see :func:`~trackbench.trackers.foreign.sensors.six_channels`."""
    sensor_clip: bool = False
    """Whether values far above the median are cut first, as RGB-D scripts do on CDTB and DepthTrack."""


@dataclass(eq=False)
class ForeignState:
    """A target, whose state the tracker's process holds under a number."""

    number: int
    peer: Peer
    channels: Mapping[str, Channel]
    """Images of further sensors, for the trackers that read them."""


class ForeignModel(TrackerModel[ForeignState]):
    """A foreign tracker in its process; a request holds the targets of one call, and each of their frames once."""

    door: ClassVar[str]
    """The module of :mod:`trackbench.trackers.foreign.worker` that speaks the tracker's language."""

    def __init__(self, options: Any, device: str = "cpu") -> None:
        super().__init__(options, device)
        self._peer: Peer | None = None
        self._numbers = count()
        self._forgotten: list[int] = []
        self._seed = 0
        self._record: dict[str, Any] = {}
        self._folder: TemporaryDirectory[str] | None = None
        self._alive()  # a fault in the settings is said once and at once, not of each sequence

    def seed(self, seed: int) -> None:
        """Set the seed of the generators of Python, numpy and torch for the targets started from here on."""
        self._seed = seed

    def synchronize(self) -> None:
        """Do nothing: the answer comes when its numbers are there."""

    def record(self) -> Mapping[str, Any]:
        """Return what the manifest says of the process: versions, shims and whatever else the door has found."""
        trusted = {"trust_checkpoint": True} if getattr(self.options, "trust_checkpoint", False) else {}
        return self._record | trusted

    def start(self, frames: list[Frame], targets: list[Target]) -> list[ForeignState]:
        """Start each target; of a process that has died a new one is made.

        Raises:
            TrackerError: the tracker fails, or its process dies or gives no answer in time.
        """
        peer = self._alive()
        states = [ForeignState(next(self._numbers), peer, target.channels) for target in targets]
        blobs: list[Any] = []
        described = [
            {"id": state.number, **self.describe(target, frame, blobs)}
            for state, target, frame in zip(states, targets, frames, strict=True)
        ]
        request = {"kind": "start", "seed": self._seed, "forget": self._take_forgotten()}
        reply = self._ask(peer, request, self._seen(frames, states), described, blobs)[0]
        self._record = reply["record"]
        for state in states:
            weakref.finalize(state, self._forgotten.append, state.number)
        return states

    def step(self, frames: list[Frame], states: list[ForeignState]) -> list[Prediction]:
        """Track each target.

        Raises:
            TrackerError: the tracker fails, or its process dies or gives no answer in time.
            LostStateError: the process died with these targets before.
        """
        peer = states[0].peer
        if any(state.peer.closed or state.peer is not peer for state in states):
            raise LostStateError(f"{self.name}: its process died while it followed another target")
        request = {"kind": "step", "forget": self._take_forgotten()}
        asked = [{"id": state.number} for state in states]
        reply, out = self._ask(peer, request, self._seen(frames, states), asked, [])
        return [_prediction(answer, out) for answer in reply["answers"]]

    @property
    def name(self) -> str:
        """What messages call it."""
        return self.door

    def _seen(self, frames: list[Frame], states: list[ForeignState]) -> list[Frame]:
        """Return what the tracker sees of each frame: itself, or with the image of a second sensor beside it."""
        sensor = getattr(self.options, "sensor", None)
        if sensor is None:
            return frames
        seen = []
        for frame, state in zip(frames, states, strict=True):
            channel = state.channels.get(sensor)
            if channel is None:
                there = ", ".join(state.channels) or "none"
                raise TrackerError(
                    f"{self.name}: --set sensor={sensor}: the sequence has no such images (there: {there})"
                )
            seen.append(six_channels(frame, channel.image(), self.options.sensor_form, self.options.sensor_clip))
        return seen

    def describe(self, target: Target, frame: Frame, blobs: list[Any]) -> dict[str, Any]:
        """Return what the door is told of a target; a mask goes into ``blobs``."""
        box = list(region_to_box(target.region).numbers())
        described: dict[str, Any] = {"box": box, "sentence": target.sentence, "category": target.category}
        if target.video is not None:
            described |= {"sequence": target.video.name, "length": len(target.video.paths)}
        if isinstance(target.region, Mask):
            height, width = frame.shape[:2]
            mask, bits = pack_mask(target.region.window(0, 0, width, height))
            described["mask"] = mask | {"blob": len(blobs)}
            blobs.append(bits)
        return described

    def _ask(
        self, peer: Peer, request: dict[str, Any], frames: list[Frame], targets: list[dict[str, Any]], blobs: list[Any]
    ) -> tuple[dict[str, Any], list[Any]]:
        different: dict[int, int] = {}
        shared: list[Frame] = []
        for frame, target in zip(frames, targets, strict=True):
            if id(frame) not in different:
                different[id(frame)] = len(shared)
                shared.append(frame)
            target["frame"] = different[id(frame)]
        return peer.ask(request | {"targets": targets}, shared, blobs)

    def _alive(self) -> Peer:
        if self._peer is None or not self._peer.alive:
            peer = self._make()
            try:
                request = {"kind": "load", "door": self.door, "options": self.payload(), "device": self._seen_device()}
                self._record = peer.ask(request)[0]["record"]
            except BaseException:
                peer.close()
                raise
            self._peer = peer
            self._forgotten.clear()
        return self._peer

    def payload(self) -> dict[str, Any]:
        """Return what the door gets of the options."""
        payload: dict[str, Any] = self.options.payload()
        if payload.get("weights") is not None and not payload["trust_checkpoint"]:
            if self._folder is None:
                self._folder = TemporaryDirectory(prefix="trackbench-checkpoint-")
                self._harmless = harmless_copy(Path(payload["weights"]), Path(self._folder.name))
            payload["weights"] = str(self._harmless)
        return payload

    def _make(self) -> Peer:
        options: ForeignOptions = self.options
        if not options.isolated:
            if options.python is not None:
                raise TrackerError(f"{self.name}: --set isolated=false runs in this Python; leave out python=")
            return InProcess(self.name)
        number = self.device.partition(":")[2]
        seen = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")
        if number and len(seen) > int(number):
            number = seen[int(number)]
        visible = {"CUDA_VISIBLE_DEVICES": number} if number else {}
        return Worker(self.name, options.python, options.timeout, options.log, visible)

    def _seen_device(self) -> str:
        """Return the device as the worker calls it, which sees one alone."""
        isolated = self.options.isolated and ":" in self.device
        return "cuda:0" if isolated else self.device

    def _take_forgotten(self) -> list[int]:
        taken = self._forgotten[:]
        del self._forgotten[: len(taken)]
        return taken


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, Path) else value


def _prediction(answer: dict[str, Any], blobs: list[Any]) -> Prediction:
    mask, box, polygon = answer.get("mask"), answer["box"], answer.get("polygon")
    region: Region = Box(np.nan, np.nan, np.nan, np.nan) if box is None else Box.of(box)
    if polygon is not None:
        region = Polygon(polygon)
    if mask is None:
        return Prediction(region, answer["score"])
    return Prediction(region, answer["score"], mask=Mask(unpack_mask(mask, blobs[mask["blob"]]), mask["x"], mask["y"]))
