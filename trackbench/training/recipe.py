"""Recipes: TOML files that say how a tracker is trained, with every value of its paper or code.

The built-in ones lie in ``trackers/recipes``; ``trackers/recipes/NAME.toml`` in the working folder wins. A file with
``same_as = "OTHER"`` is another recipe with some values changed. Every value can be changed by ``--set``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from trackbench.definitions import content_folder, describe_invalid, keys_of
from trackbench.errors import UsageError, fold_name, suggestion
from trackbench.files import read_toml
from trackbench.quoting import shown
from trackbench.trackers.settings import merge, nested

KIND = "trackers/recipes"


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False, validate_default=True)


class SetOptions(_Table):
    """One data set of a recipe, ``[data.sets.NAME]``."""

    source: str | None = None
    """A data set of ``trackbench list datasets``; ``coco``, ``imagenet-vid``, ``imagenet-det``, ``youtube-vos``,
    ``youtube-bb``; or a folder of sequences, or of stills with a ``boxes.csv``. By default the table's name."""
    root: Path | None = None
    """Where it is; by default what ``data add`` or TRACKBENCH_DATA say."""
    split: str | None = None
    """``vot-train``, ``vot-val`` (GOT-10k), ``lasot-train``, ``0-11`` (chunks of TrackingNet); ``train2017`` and the
    like of the others."""
    share: float = Field(1.0, ge=0)
    """Probability of the set over the sum of all; 0 leaves it out."""
    every: int = Field(1, ge=1)
    """Only every so-manieth frame counts as visible."""
    frame_range: int = Field(100, ge=1)
    """Frames between template and search image at most, where the sampling goes by the set (pysot)."""
    per_image: bool = False
    """Whether an item of a set of still images is an image, of whose targets one is drawn."""
    leave_out: tuple[str, ...] = ()
    """Names of sequences that are not trained on: those for validation."""


class DataOptions(_Table):
    """What is trained on."""

    sets: dict[str, SetOptions]
    samples: int = Field(ge=1)
    """In an epoch, all processes together."""
    distinct: int | None = Field(None, ge=1)
    """So many samples are drawn once and come back in the same order; None: every sample is a new one."""
    keep_tokens: bool = False
    """Whether what the frozen first blocks make of the distinct samples is kept in the training's folder, in float16,
    so that it is computed once (SimTrack with ``separate_blocks``). A sample then takes its number of tokens times
    ``width`` times 2 bytes."""
    max_gap: int = Field(200, ge=2)
    """STARK: frames between template and search image, less than this."""
    min_frames: int = Field(20, ge=2)
    """STARK: shorter videos are not used."""
    min_visible: int = Field(4, ge=0)
    """STARK: videos need more visible frames than this."""
    negative: float = Field(0.0, ge=0, le=1)
    """Share of pairs whose search image shows another target (SiamAttn, SparseTT)."""
    small_jitter: float = Field(0.0, ge=0, le=1)
    """STARK: share of samples whose search image is jittered by a fifth only; no paper has it."""
    distractors: float = Field(0.0, ge=0, le=1)
    """STARK: share of samples into whose search image another target is pasted; no paper has it."""


class CropOptions(_Table):
    """How crops are jittered and augmented; their sizes and factors are the tracker's own options."""

    scale_jitter: float = Field(0.5, ge=0)
    centre_jitter: float = Field(4.5, ge=0)
    grey: float = Field(0.05, ge=0, le=1)
    flip: float = Field(0.5, ge=0, le=1)
    brightness: float = Field(0.2, ge=0, lt=1)
    crop_flip: float = Field(0.5, ge=0, le=1)
    shrink: float = Field(0.0, ge=0, le=1)
    """STARK: share of samples whose frames are shrunk first, so that small targets are seen too; no paper has it."""
    parts: float = Field(0.0, ge=0, le=1)
    """STARK: share of samples whose boxes become the same part of the target, or more than it, so that the template's
    box says how far the target reaches; no paper has it."""
    stretch: float = Field(1.0, ge=1)
    """STARK: largest factor by which width over height of a sample's frames is changed first; no paper has it."""
    template_shift: float = Field(4.0, ge=0)
    """SiamAttn, pixels of the crop; likewise the next three."""
    template_scale: float = Field(0.05, ge=0, lt=1)
    search_shift: float = Field(64.0, ge=0)
    search_scale: float = Field(0.18, ge=0, lt=1)
    colour: float = Field(0.5, ge=0, le=1)
    blur: float = Field(0.2, ge=0, le=1)


class LossOptions(_Table):
    """Weights of the terms, by their names in the tracker's module, and the rules of the official code."""

    weights: dict[str, float]
    inverted: Literal["batch", "box"] = "batch"
    """What an inverted box takes out of the GIoU term (SimTrack, AiATrack); ``batch`` is the official code's."""
    clip_labels: bool = False
    """Whether a target that sticks out at the left or top has positive tokens (SBT); false is the official code's."""
    regions: int = Field(16, ge=1)
    """Regions of each image for box and mask head (SiamAttn)."""


class ParameterGroup(_Table):
    """Parameters with a learning rate of their own."""

    match: str
    """Regular expression that is searched in our names of parameters."""
    factor: float = Field(ge=0)
    """Factor of the learning rate."""


class OptimiserOptions(_Table):
    """Optimiser, groups, and what is frozen."""

    kind: Literal["adamw", "sgd"] = "adamw"
    lr: float = Field(gt=0)
    weight_decay: float = Field(1e-4, ge=0)
    momentum: float = Field(0.9, ge=0, lt=1)
    """Momentum of SGD."""
    groups: tuple[ParameterGroup, ...] = ()
    """The first that matches counts; all other parameters have the learning rate itself."""
    frozen: tuple[str, ...] = ()
    """Regular expressions of parameters that are never trained; batch norms among them stay in evaluation mode."""
    frozen_until: dict[str, int] = {}
    """Regular expression -> epoch (0-based) at which the optimiser is made anew and they are trained too."""
    clip_norm: float | None = Field(None, gt=0)
    """Largest L2 norm of all gradients together."""
    skip_above: float | None = Field(None, gt=0)
    """A step is left out where the loss is larger than this, or not finite (pysot's rule)."""


class ScheduleOptions(_Table):
    """Learning rates over epochs, constant within each."""

    epochs: int = Field(ge=1)
    drops: tuple[int, ...] = ()
    """After how many epochs the rate is multiplied by ``gamma``."""
    gamma: float = Field(0.1, gt=0)
    warm_epochs: int = Field(0, ge=0)
    """Epochs in which the factor grows geometrically from ``warm_from`` to 1."""
    warm_from: float = Field(1.0, gt=0)
    final: float | None = Field(None, gt=0)
    """Factor of the last epoch, to which it falls geometrically after the warm-up."""

    @model_validator(mode="after")
    def _one_way(self) -> ScheduleOptions:
        if self.drops and self.final is not None:
            raise ValueError("drops and final: expected one of them")
        return self


class ValidationOptions(_Table):
    """What is measured while training."""

    every: int = Field(0, ge=0)
    """Epochs between evaluations; 0 is none."""
    dataset: str | None = None
    """Data set or folder of held-out sequences."""
    sequences: tuple[str, ...] = ()
    """Names or globs; by default all."""
    pairs: int = Field(64, ge=0)
    """Steps from the true previous box, spread over the sequences."""


class Recipe(_Table):
    """All of it."""

    title: str
    tracker: str
    """Name of the tracker's definition."""
    source: str = ""
    """Paper and code that the values are from."""
    options: dict[str, Any] = {}
    """Options of the tracker that differ in training."""
    data: DataOptions
    crops: CropOptions = CropOptions()
    loss: LossOptions
    optimiser: OptimiserOptions
    schedule: ScheduleOptions
    validation: ValidationOptions = ValidationOptions()
    batch: int = Field(ge=1)
    """Samples of a step, all processes together."""
    precision: Literal["float32", "bf16"] = "float32"
    ema: float = Field(0.0, ge=0, lt=1)
    """Decay of the averaged weights, which then are what is saved; 0 is none."""
    seed: int = Field(42, ge=0)
    start: Path | None = None
    """Tracking weights to start from."""

    @field_validator("data")
    @classmethod
    def _something(cls, value: DataOptions) -> DataOptions:
        if not any(options.share for options in value.sets.values()):
            raise ValueError("every share is 0: nothing to train on")
        return value

    @model_validator(mode="after")
    def _whole_batches(self) -> Recipe:
        distinct = self.data.distinct
        if distinct is None and self.data.keep_tokens:
            raise ValueError("data.keep_tokens: data.distinct has to say of how many samples")
        if distinct is not None and distinct % self.batch:
            raise ValueError(f"data.distinct {distinct}: expected a multiple of the batch of {self.batch}")
        return self

    @property
    def steps_per_epoch(self) -> int:
        """Steps of an epoch; a last, smaller batch is dropped."""
        return max(self.data.samples // self.batch, 1)


def recipe_names() -> list[str]:
    """Return the names of all recipes, sorted."""
    return sorted({path.stem for folder in _folders() for path in folder.glob("*.toml")})


def load_recipe(name: str, changes: Mapping[str, Any] | None = None) -> Recipe:
    """Return the recipe called ``name`` with some values changed.

    Args:
        name: case, ``_`` and ``-`` do not matter.
        changes: dotted name of a value -> what it becomes.

    Raises:
        UsageError: unknown name, or a value that does not fit.
    """
    path = _find(name)
    raw = _read(path)
    for key, value in (changes or {}).items():
        merge(raw, nested(key, value))
    try:
        return Recipe.model_validate(raw)
    except ValidationError as error:
        raise UsageError(describe_invalid(error, f"recipe '{path.stem}'", keys_of(Recipe))) from None


def _folders() -> Iterator[Path]:
    own = Path.cwd() / KIND
    if own.is_dir():
        yield own
    yield content_folder(KIND)


def _find(name: str) -> Path:
    for folder in _folders():
        for path in sorted(folder.glob("*.toml")):
            if fold_name(path.stem) == fold_name(name):
                return path
    names = recipe_names()
    raise UsageError(f"unknown recipe '{name}'{suggestion(name, names)} (there are: {', '.join(names)})")


def _read(path: Path, seen: tuple[Path, ...] = ()) -> dict[str, Any]:
    raw = read_toml(path)
    if "same_as" not in raw:
        return raw
    other, replaced = _find(str(raw.pop("same_as"))), raw.pop("replace", [])
    if other in seen:
        raise UsageError(f"{path}: key 'same_as': '{path.stem}' and '{other.stem}' are each the same as the other")
    if not isinstance(replaced, list) or not all(isinstance(key, str) for key in replaced):
        raise UsageError(f"{path}: key 'replace' is {shown(replaced)}: expected names of keys")
    under = _read(other, (*seen, path)) if other != path else {}
    for key in replaced:
        under.pop(key, None)
    merge(under, raw)
    return under
