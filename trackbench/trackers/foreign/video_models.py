"""``sam2:CONFIG`` and ``hf:MODEL``: promptable video models, asked frame by frame, each target in constant memory."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field, computed_field, field_validator

from trackbench.checkpoints.weight_cache import file_sha256
from trackbench.errors import UsageError
from trackbench.regions import Box, Mask, Region
from trackbench.trackers.base import Options
from trackbench.trackers.foreign.model import CheckpointOptions, ForeignModel, ForeignOptions, Repository
from trackbench.trackers.foreign.repository import fingerprint

Precision = Literal["float32", "float16", "bfloat16"]


class Sam2Options(CheckpointOptions):
    """Which predictor, how it starts, and what it keeps."""

    config: Annotated[str, Field(min_length=1)]
    """A configuration of the package: ``configs/sam2.1/sam2.1_hiera_t.yaml``."""
    package: Literal["sam2", "efficient_track_anything"] = "sam2"
    """The package's name in Python."""
    repo: Annotated[Repository | None, Field(exclude=True)] = None
    """The folder that holds the package, of a fork (``~/samurai/sam2``); default: the installed one."""
    init: Literal["box", "mask"] | None = None
    """What it starts on; default: the mask where the data set has one, else the box."""
    box: Literal["whole", "minmax"] = "whole"
    """Box of a mask: around whole pixels, or from the least to the greatest index as SAMURAI's script has it."""
    keep: Annotated[int, Field(ge=1)] | Literal["all"] | None = None
    """Frames of memory kept; default: as many as the predictor looks back, all of SAMURAI, which looks further."""
    precision: Precision = "float32"
    """Precision of autocast; SAM 2's README has bfloat16, SAMURAI's script float16."""
    postprocess: bool = True
    """The package's ``apply_postprocessing``."""
    overrides: tuple[str, ...] = ()
    """Further overrides of the configuration, in Hydra's form."""

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def repository(self) -> dict[str, str]:
        """Which code it is, of a fork."""
        return {} if self.repo is None else fingerprint(self.repo)

    @field_validator("weights")
    @classmethod
    def _weights_are_given(cls, weights: Path | None) -> Path | None:
        if weights is None:
            raise UsageError("sam2 needs its checkpoint: --weights sam2.1_hiera_tiny.pt")
        return weights


class HfOptions(ForeignOptions):
    """Which model of transformers, and how it starts."""

    model: Annotated[str, Field(min_length=1)]
    """A folder of ``save_pretrained``, or a name on the hub."""
    download: Annotated[bool, Field(exclude=True)] = False
    """Whether a model that is not there may be fetched."""
    init: Literal["box", "mask"] | None = None
    """What it starts on; default: the mask where the data set has one, else the box."""
    precision: Precision = "float32"
    """Precision of the model's numbers."""

    @field_validator("model")
    @classmethod
    def _folders_are_absolute(cls, model: str) -> str:
        path = Path(model).expanduser()
        return str(path.resolve()) if path.is_dir() else model

    @computed_field  # type: ignore[prop-decorator]
    @cached_property
    def files(self) -> Mapping[str, str]:
        """What the folder's weights and configurations hold."""
        folder = Path(self.model)
        kinds = (".safetensors", ".bin", ".json")
        paths = sorted(path for path in folder.glob("*") if path.suffix in kinds) if folder.is_dir() else []
        return {path.name: file_sha256(path) for path in paths}


class Sam2Model(ForeignModel):
    """A video predictor of the SAM 2 line."""

    Options: ClassVar[type[Options]] = Sam2Options
    takes: ClassVar[tuple[type[Region], ...]] = (Box, Mask)
    door = "sam2"

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"sam2:{self.options.config}"


class HfModel(ForeignModel):
    """A video model of transformers."""

    Options: ClassVar[type[Options]] = HfOptions
    takes: ClassVar[tuple[type[Region], ...]] = (Box, Mask)
    door = "hf"

    @property
    def name(self) -> str:
        """What messages call it."""
        return f"hf:{self.options.model}"
