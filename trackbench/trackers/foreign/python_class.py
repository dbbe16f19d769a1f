"""``python:MODULE:CLASS``: a class of any shape, declared by options or by a preset."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, computed_field

from trackbench.trackers.base import Options
from trackbench.trackers.foreign.model import ForeignModel, Repository, SensorOptions, named
from trackbench.trackers.foreign.repository import module_fingerprint


class PythonOptions(SensorOptions):
    """The class, what its constructor gets, and its shape; a preset fills in what is not said."""

    tracker: Annotated[str, named(r"[\w.]+:\w+", "MODULE:CLASS, such as my_module:MyTracker")]
    """``MODULE:CLASS``, or a function that returns a tracker."""
    repo: Annotated[Repository | None, Field(exclude=True)] = None
    """The folder that holds the module; default: the working folder."""
    args: Annotated[dict[str, Any], Field(default_factory=dict)]
    """Arguments of the constructor."""
    preset: Literal["got10k", "pysot", "video_analyst", "vot-python", "dam4sam", "d4sm", "cutie"] | None = None
    """A shape of the field."""
    init: str | None = None
    """The method that starts on the first frame."""
    track: str | None = None
    """The method that is asked about every later one."""
    image: Literal["rgb", "bgr", "pil", "path", "vot"] | None = None
    """What a frame is given as: uint8 (H, W, 3) RGB or BGR, a PIL image, the path of a PNG, vot-toolkit's frame."""
    region: Literal["xywh", "xyxy", "mask"] | None = None
    """What the target is given as: a list of four numbers, or uint8 (H, W)."""
    init_arguments: tuple[str, ...] | None = None
    """What the first call gets, each ``WHAT`` or ``NAME=WHAT``.

    ``image``, ``region``, ``box``, ``box_array``, ``corners``, ``mask``, ``mask_or_none``, ``regions``, ``sentence``,
    ``sentence_or_none``, ``sequence``.
    """
    answer: str | None = None
    """Where in the answer the region is: keys, attributes and indices with dots between; empty: it is all."""
    form: Literal["xywh", "xyxy", "mask", "polygon", "vot"] | None = None
    """What the region is."""
    score: str | None = None
    """Where in the answer the score lies; default: nowhere."""

    precision: Literal["float32", "float16", "bfloat16"] | None = None
    """Of autocast on CUDA, without gradients; default: as the class itself computes."""

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def repository(self) -> dict[str, str]:
        """Which code it is: that of the repository, or of the module's file alone."""
        return module_fingerprint(self.tracker.partition(":")[0], self.repo)


class PythonModel(ForeignModel):
    """Such a class; one object for each target."""

    Options: ClassVar[type[Options]] = PythonOptions
    door = "python_class"

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"python:{self.options.tracker}"
