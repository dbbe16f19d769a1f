"""Options of SBT: the network's form, with the ablations of the paper's tables, and the tracker's settings."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from trackbench.trackers.base import Options
from trackbench.trackers.networks import NetworkOptions

Attention = Literal["srg", "srg-depthwise", "global", "shifted-window", "window-srg"]
Position = Literal["conditional", "absolute", "relative", "none"]


class BackboneOptions(Options):
    """Form of the two-image feature network: one number, or list, for each stage (Table 2; SBT-base)."""

    dims: tuple[int, ...] = (64, 128, 320)
    """Channels of the tokens (Table 1 right, Table 10)."""
    heads: tuple[int, ...] = (1, 2, 5)
    """Heads of the attention."""
    depths: tuple[int, ...] = (3, 4, 10)
    """Number of blocks (Table 1 right, Table 9)."""
    strides: tuple[int, ...] = (4, 2, 1)
    """Strides of the patch embeddings (Table 1 right)."""
    reductions: tuple[int, ...] = (8, 4, 2)
    """Side of the cells that become one key."""
    expansions: tuple[int, ...] = (8, 8, 4)
    """Hidden channels of the feed-forward networks over their channels (Table 2 says 4 throughout; the published
    checkpoints, and the paper's own count of operations, have 8, 8, 4)."""
    cross: tuple[tuple[int, ...], ...] = ((), (), (2, 4, 6, 8, 10))
    """Which blocks are EoC-CA, counted from 1; the others are EoC-SA (Fig. 4, Table 8). Without any, the network is a
    Siamese one."""
    attention: Attention = "srg"
    """Attention (Table 1 left): spatial reduction (A5); reduction by depth-wise convolutions (our reading of A3, which
    the paper only refers to); global (A1); shifted windows (A2); windows in EoC-SA and spatial reduction in EoC-CA
    (A7)."""
    window: int = Field(default=8, ge=2)
    """Side of the windows."""
    position: Position = "conditional"
    """Position encoding (Table 1 left): depth-wise convolutions in the feed-forward networks (A5), sines of absolute
    coordinates (A1), a bias for relative positions (A2, A6), or none."""
    patch_embedding: Literal["convolution", "split"] = "convolution"
    """Overlapping convolutions (A5), or a linear layer on patches that do not overlap (A1, A2, A4)."""
    drop_path: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Probability of dropping the last block's branches while training; it grows linearly from 0 at the first block."""

    @model_validator(mode="after")
    def _fits(self) -> BackboneOptions:
        for name in ("heads", "depths", "strides", "reductions", "expansions", "cross"):
            if len(getattr(self, name)) != len(self.dims):
                raise ValueError(f"{name} has {len(getattr(self, name))} stages, dims has {len(self.dims)}")
        for name in ("dims", "heads", "depths", "strides", "reductions", "expansions"):
            if not self.dims or min(getattr(self, name)) < 1:
                raise ValueError(f"{name} is {list(getattr(self, name))}: expected a positive number for each stage")
        for dim, heads in zip(self.dims, self.heads, strict=True):
            if dim % heads:
                raise ValueError(f"{dim} channels are no multiple of {heads} heads")
            if self.position == "absolute" and dim % 4:
                raise ValueError(f"{dim} channels are no multiple of 4, as absolute positions need")
        for number, (depth, blocks) in enumerate(zip(self.depths, self.cross, strict=True), 1):
            if any(not 1 <= block <= depth for block in blocks):
                raise ValueError(f"cross names blocks {list(blocks)} of stage {number}, which has {depth}")
        return self

    @property
    def stride(self) -> int:
        """Return the stride of the whole network."""
        return prod(self.strides)

    def sides(self, size: int) -> list[int]:
        """Return the sides of the stages' maps of an image with sides of ``size`` pixels."""
        return [size // prod(self.strides[: stage + 1]) for stage in range(len(self.strides))]


class SBTOptions(NetworkOptions):
    """Options of :class:`trackbench.trackers.zoo.sbt.tracker.SBT`; by default those of the published checkpoint."""

    backbone: BackboneOptions = BackboneOptions()
    """Form of the feature network."""
    backbone_file: Path | None = None
    """Classification weights of PVT v2 (``pvt_v2_b3.pth``) from which the backbone of a network without tracking
    weights starts."""
    head: Literal["mix-mlp", "mix-mlp-paper", "mlp"] = "mix-mlp"
    """Prediction heads: two Mix-MLP blocks as in the published checkpoint; the same as Eq. 7 has them; plain MLPs."""
    extractor: Literal["sbt", "resnet50"] = "sbt"
    """The feature network: SBT, or the Siamese baseline of Table 7."""
    correlation: Literal["none", "depth-wise", "cross-attention", "filter"] = "none"
    """Correlation after the features (Table 7): none (direct prediction), depth-wise correlation, cross-attention, or a
    discriminative correlation filter."""
    levels: tuple[int, ...] = ()
    """Blocks of the last stage (of ResNet-50: stages), counted from 1, whose features are correlated and summed with
    learned weights (Table 7: 6, 8, 10; ResNet-50: 2, 3, 4)."""
    template_factor: float = Field(2.0, gt=0.0)
    """Side of the template over sqrt(w * h) of the target."""
    template_size: int = Field(128, ge=8)
    """Side of the template in pixels."""
    search_factor: float = Field(5.0, gt=0.0)
    """Side of the search window over sqrt(w * h) of the target (the paper's appendix: 4)."""
    search_size: int = Field(256, ge=8)
    """Side of the search window in pixels; the head is made for it."""
    window_weight: float = Field(0.49, ge=0.0, lt=1.0)
    """Weight of the Hann window in the score (the paper has none: 0)."""
    integer_boxes: bool = False
    """Whether reported boxes are truncated to integers towards zero, as in the official result files of all data sets
    but GOT-10k, from which the published numbers were computed. The box that is searched around next is not."""

    @field_validator("levels")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if list(value) != sorted(set(value)):
            raise ValueError("expected blocks in ascending order, each once")
        return value

    @model_validator(mode="after")
    def _fits(self) -> SBTOptions:
        backbone = self.backbone
        for name in ("template_size", "search_size"):
            size, sides = getattr(self, name), backbone.sides(getattr(self, name))
            if size % backbone.stride:
                raise ValueError(f"{name} {size} is no multiple of the network's stride {backbone.stride}")
            if any(side < ratio for side, ratio in zip(sides, backbone.reductions, strict=True)):
                raise ValueError(f"{name} {size} gives maps of {sides}, smaller than the cells of reductions")
            if backbone.attention in ("shifted-window", "window-srg") and any(side % backbone.window for side in sides):
                raise ValueError(f"{name} {size} gives maps of {sides}, no multiples of window {backbone.window}")
        if backbone.attention == "shifted-window" and any(backbone.cross) and self.template_size != self.search_size:
            raise ValueError("shifted windows attend across images of one size only: template_size is not search_size")
        if (self.correlation == "none") != (not self.levels):
            raise ValueError("levels are what correlation works on: expected both or neither")
        if self.extractor == "resnet50":
            if self.correlation == "none" or not set(self.levels) <= {2, 3, 4}:
                raise ValueError("extractor resnet50 needs a correlation, and levels among 2, 3, 4")
            if self.search_size % 8 or self.template_size % 8:
                raise ValueError("extractor resnet50 needs sizes that are multiples of 8")
        elif self.levels and self.levels[-1] > backbone.depths[-1]:
            raise ValueError(f"levels name block {self.levels[-1]}, the last stage has {backbone.depths[-1]}")
        return self
