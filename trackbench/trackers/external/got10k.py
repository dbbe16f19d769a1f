"""Trackers written for the got10k toolkit: ``got10k:MODULE:CLASS``.

A class has ``init(image, box)`` and ``update(image) -> box``, with images as ``PIL.Image`` in RGB and boxes as numpy
``x, y, w, h``. The toolkit's base class ``got10k.trackers.Tracker`` is not required. An exception in the class is the
tracker's own: it passes through.
"""

from __future__ import annotations

import hashlib
import inspect
import random
import sys
from functools import cached_property
from os.path import isfile
from pathlib import Path
from typing import Annotated, Any, ClassVar, Self

import numpy as np
from PIL import Image
from pydantic import Field, computed_field, model_validator

from trackbench.errors import TrackerError, UsageError
from trackbench.regions import Box, Region, region_to_box
from trackbench.registry import load_object
from trackbench.trackers.base import Frame, Options, Prediction, UnbatchedModel
from trackbench.trackers.source import source_sha256


class Got10kOptions(Options):
    """The class and what its constructor gets."""

    tracker: str
    """``module:Class``; the module may lie in the working folder."""
    args: Annotated[dict[str, Any], Field(default_factory=dict)]
    """Keyword arguments of the constructor."""

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def content_sha256(self) -> dict[str, str]:
        """What the class's source and the files that its arguments name hold, so that it is part of the identity."""
        files = {key: Path(value) for key, value in self.args.items() if isinstance(value, str) and isfile(value)}
        sums = {key: hashlib.sha256(path.read_bytes()).hexdigest() for key, path in files.items()}
        loaded = self.load()
        for module, checksum in source_sha256(loaded).items():
            sums["source" if module == loaded.__module__ else f"source {module}"] = checksum
        return sums

    @model_validator(mode="after")
    def _can_be_made(self) -> Self:
        try:
            inspect.signature(self.load()).bind(**self.args)
        except TypeError as error:
            raise UsageError(
                f"'{self.tracker}' cannot be made: {error}; its constructor gets what --set args.NAME=VALUE says"
            ) from None
        return self

    def load(self) -> type[Any]:
        """Import the class.

        Raises:
            UsageError: no such module, or no such class in it.
        """
        if str(Path.cwd()) not in sys.path:
            sys.path.insert(0, str(Path.cwd()))
        loaded = load_object(self.tracker, "the tracker of got10k")
        if not isinstance(loaded, type):
            raise UsageError(f"the tracker of got10k is '{self.tracker}': expected a class, found {loaded!r}")
        return loaded


class Got10kModel(UnbatchedModel):
    """One object of the class for each target.

    The got10k toolkit uses one object for all sequences; here none can depend on the sequences before it.

    Raises:
        TrackerError: the class cannot be asked frame by frame.
    """

    Options: ClassVar[type[Options]] = Got10kOptions

    def __init__(self, options: Got10kOptions, device: str = "cpu") -> None:
        loaded = options.load()
        for method in ("init", "update"):
            if not _defines(loaded, method):
                track = (
                    " (it has only track(), which runs through a whole sequence)" if _defines(loaded, "track") else ""
                )
                raise TrackerError(
                    f"'{options.tracker}' has no {method}() of its own{track}; "
                    "expected init(image, box) and update(image) -> box"
                )
        super().__init__(options, device, make=lambda: Got10kTarget(loaded(**options.args), options.tracker))

    def seed(self, seed: int) -> None:
        """Seed the generators that Python trackers draw from, each one state for the process."""
        random.seed(seed)
        np.random.seed(seed & 0xFFFFFFFF)
        if "torch" in sys.modules:
            sys.modules["torch"].manual_seed(seed)


class Got10kTarget:
    """One target, followed by one object.

    Args:
        tracker: the object.
        name: what messages call it.
    """

    def __init__(self, tracker: Any, name: str) -> None:
        self._tracker = tracker
        self._name = name

    def init(self, frame: Frame, region: Region) -> None:
        """Start on ``frame`` with the target at the min-max box of ``region``, given as float64 ``x, y, w, h``."""
        self._tracker.init(Image.fromarray(frame), region_to_box(region).array())

    def track(self, frame: Frame) -> Prediction:
        """Return the object's box, NaN where it returns NaN.

        Raises:
            TrackerError: the answer is not four numbers, or infinite.
        """
        answer = self._tracker.update(Image.fromarray(frame))
        try:
            box = np.asarray(answer, np.float64).ravel()
        except (TypeError, ValueError):
            box = np.zeros(0)
        if box.size != 4 or np.isinf(box).any():
            actual = " ".join(repr(answer).split())[:100]
            raise TrackerError(f"'{self._name}' answered {actual}; expected the 4 numbers x, y, w, h")
        return Prediction(Box.of(box))


def _defines(loaded: type[Any], method: str) -> bool:
    """Whether the class has the method, and not just the one of the toolkit's base class."""
    function = getattr(loaded, method, None)
    # The base class is known by its module's name, so that nothing needs to import the toolkit, which takes a second.
    return callable(function) and getattr(function, "__module__", "") != "got10k.trackers"
