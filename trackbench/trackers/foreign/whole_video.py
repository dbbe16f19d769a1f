"""``whole-video:MODULE:CLASS``: trackers that see the whole video before they answer, as got10k's ``track`` does.

Their numbers are no tracker's that answers frame by frame: tables mark them "offline", and protocols that restart a
tracker or measure its time refuse them.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any, ClassVar, Literal

from pydantic import Field, computed_field, model_validator

from trackbench.regions import Box, Mask, Region
from trackbench.trackers.base import Frame, Options, Target
from trackbench.trackers.foreign.model import CheckpointOptions, ForeignModel, Repository, named
from trackbench.trackers.foreign.repository import module_fingerprint


class WholeVideoOptions(CheckpointOptions):
    """The class, what its constructor gets, and the shape of its one method."""

    tracker: Annotated[str, named(r"[\w.]+:\w+", "MODULE:CLASS, such as my_module:MyTracker")]
    """``MODULE:CLASS``, or a function that returns a tracker."""
    repo: Annotated[Repository | None, Field(exclude=True)] = None
    """The folder that holds the module; default: the working folder."""
    args: Annotated[dict[str, Any], Field(default_factory=dict)]
    """Arguments of the constructor."""
    track: str = "track"
    """The method: it gets the paths of all frames and the target in the first."""
    preset: Literal["sam2"] | None = None
    """``sam2``: the class is a function that builds a video predictor of that line, such as SAM2Long's."""
    state: Annotated[dict[str, Any], Field(default_factory=dict)]
    """Entries of that predictor's state: ``num_pathway``, ``iou_thre`` and ``uncertainty`` of SAM2Long."""
    precision: Literal["float32", "float16", "bfloat16"] | None = None
    """Of autocast on CUDA, without gradients; default: as the class itself computes."""
    region: Literal["xywh", "xyxy", "mask", "array", "mask_or_box"] = "array"
    """What the target is given as: four numbers in a list, or as got10k has them in an array, or uint8 (H, W)."""
    all: str = "0"
    """Where in the answer the regions lie, one a frame; default: first, as in got10k's boxes and times."""
    answer: str = ""
    """Where in the answer of one frame the region is."""
    form: Literal["xywh", "xyxy", "mask"] = "xywh"
    """What a region is."""
    score: str = ""
    """Where in the answer of one frame the score is."""

    @model_validator(mode="before")
    @classmethod
    def _of_preset(cls, values: dict[str, Any]) -> dict[str, Any]:
        presets = {"sam2": {"region": "mask_or_box", "all": "", "form": "mask", "precision": "bfloat16"}}
        return presets.get(values.get("preset") or "", {}) | values

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def repository(self) -> Mapping[str, str]:
        """Which code it is."""
        return module_fingerprint(self.tracker.partition(":")[0], self.repo)


class WholeVideoModel(ForeignModel):
    """Such a class; one object and one call for each sequence."""

    Options: ClassVar[type[Options]] = WholeVideoOptions
    takes: ClassVar[tuple[type[Region], ...]] = (Box, Mask)
    door = "whole_video"

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"whole-video:{self.options.tracker}"

    def describe(self, target: Target, frame: Frame, blobs: list[Any]) -> dict[str, Any]:
        """Return what the door is told of a target, with the paths of its video."""
        paths = [] if target.video is None else [str(path.resolve()) for path in target.video.paths]
        return super().describe(target, frame, blobs) | {"paths": paths}
