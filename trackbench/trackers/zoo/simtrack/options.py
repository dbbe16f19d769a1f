"""The options of SimTrack: sizes of the variants (Sec. 4.1, appendix) and the switches of the paper's ablations."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, PositiveInt, field_validator, model_validator

from trackbench.trackers.networks import NetworkOptions

Pretraining = Literal["clip", "mae", "deit", "moco", "slip", "dinov2", "imagenet"]


class SimTrackOptions(NetworkOptions):
    """Options of :class:`trackbench.trackers.zoo.simtrack.tracker.SimTrackTracker`; the defaults are Sim-B/16."""

    backbone: Literal["vit", "swin", "pvt"] = "vit"
    """Kind of the transformer: the paper's vision transformers, or one of the two pyramids of Table 7."""
    width: tuple[PositiveInt, ...] = (768,)
    """Channels of the tokens, one number for each stage; a vision transformer has one stage."""
    depth: tuple[PositiveInt, ...] = (12,)
    """Blocks of each stage; Sim-B/16* keeps the first 8 of 12."""
    heads: tuple[PositiveInt, ...] = (12,)
    """Attention heads of each stage."""
    patch: int = Field(16, ge=2, le=64)
    """Side of a patch of the first stage in pixels."""
    pretraining: Pretraining = "clip"
    """Where the backbone's weights began (Table 5), which fixes details of its form: a vision transformer of CLIP has
    QuickGELU, a norm before the first block and none of MAE's, DeiT's, MoCo v3's and SLIP's patch bias. ``imagenet`` is
    that of the pyramids; ``dinov2`` is no row of the paper's, and has the form of MAE's."""
    pretraining_size: int = Field(224, ge=32)
    """Side of the images of the pre-training, which fixes the number of learned positions."""
    backbone_file: Path | None = None
    """The pre-trained weights as published, from which the backbone of a network without a checkpoint starts."""
    template_size: int = Field(112, ge=16)
    """Side of the exemplar image in pixels."""
    template_factor: float = Field(2.0, gt=0)
    """Side of the exemplar over the square root of the target's area."""
    search_size: int = Field(224, ge=16)
    """Side of the search image in pixels (Table 11: 224, 320, 384)."""
    search_factor: float = Field(4.0, gt=0)
    """Side of the search image over the square root of the target's area."""
    position_embedding: Literal["distinguishable", "pretrained", "none", "late"] = "distinguishable"
    """Positions of the exemplar's tokens (Table 8): Eq. 7; the pre-trained ones, resized; none. Ours is ``late``: the
    pre-trained ones, and Eq. 7's added before the first block with interaction, so that blocks before it may stay
    frozen; it starts at zero, since tokens of DINOv2 are ten times smaller there than a random embedding."""
    foveal_size: int = Field(64, ge=0)
    """Side of the foveal window in the exemplar in pixels (Sec. 3.3, Table 8); 0 is none."""
    foveal_shift: bool = True
    """Whether the foveal window's grid lies half a patch off the exemplar's wherever its size alone does not achieve
    this. The official code's rule never shifts Sim-B/32, against the paper's text; false is what it computes."""
    interaction_ratio: float = Field(1.0, ge=0.0, le=1.0)
    """Share of the blocks in which exemplar and search tokens see each other (Table 10: 1, 0.5, 0.25): every second or
    fourth block, the last one among them, so that ``depth`` has to be a multiple of 2 or 4; 0 is a siamese backbone. In
    the others the class token stays with the search tokens."""
    separate_blocks: int = Field(0, ge=0)
    """So many first blocks of a vision transformer in which exemplar and search tokens do not see each other; in all
    others they do. No row of the paper's tables: blocks that work apart can be frozen in training."""
    asymmetric: bool = False
    """Whether exemplar tokens see only each other (Sec. 4.3), so that they are computed once for a target."""
    decoder_layers: int = Field(0, ge=0, le=12)
    """Layers of a decoder after the backbone, queries of the search, keys and values of the exemplar (Table 9)."""

    transformer_head: bool = False
    """Whether STARK-S's transformer stands between backbone and predictor, as in the baseline of Tables 4 and 8,
    STARK-SV: with ``interaction_ratio`` 0, ``position_embedding`` "pretrained" and ``foveal_size`` 0."""
    integer_boxes: bool = False
    """Whether reported boxes are truncated to integers towards zero, as the official code writes its result files. The
    box that is searched around next is not."""

    @property
    def siamese(self) -> bool:
        """Whether the exemplar's tokens do not depend on the search image."""
        return self.asymmetric or self.interaction_ratio == 0

    @property
    def interacting(self) -> list[bool]:
        """Whether exemplar and search tokens see each other in each block of a vision transformer."""
        depth, ratio = self.depth[0], self.interaction_ratio
        if self.separate_blocks:
            return [index >= self.separate_blocks for index in range(depth)]
        period = round(1 / ratio) if ratio else depth + 1
        return [index % period == period - 1 for index in range(depth)]

    @property
    def stride(self) -> int:
        """Pixels of the search image for each of its tokens at the backbone's end."""
        return self.patch << (len(self.width) - 1)

    @property
    def search_grid(self) -> int:
        """Tokens along a side of the search image at the backbone's end."""
        return self.search_size // self.stride

    @field_validator("interaction_ratio")
    @classmethod
    def _whole_period(cls, value: float) -> float:
        if value and abs(1 / value - round(1 / value)) > 1e-9:
            raise ValueError("expected 1, 1/2, 1/3, 1/4, ... or 0")
        return value

    @model_validator(mode="after")
    def _fits(self) -> SimTrackOptions:
        stages = 1 if self.backbone == "vit" else 3
        for key in ("width", "depth", "heads"):
            if len(getattr(self, key)) != stages:
                raise ValueError(f"{key} {list(getattr(self, key))} of a {self.backbone}: expected {stages} numbers")
        for width, heads in zip(self.width, self.heads, strict=True):
            if width % heads:
                raise ValueError(f"width {width} is not a multiple of heads {heads}")
        for key in ("template_size", "search_size", "pretraining_size"):
            if getattr(self, key) % self.stride:
                raise ValueError(f"{key} {getattr(self, key)} is not a multiple of the stride {self.stride}")
        if (self.pretraining == "imagenet") == (self.backbone == "vit"):
            raise ValueError(f"there is no pretraining '{self.pretraining}' of a {self.backbone}")
        if self.foveal_size % self.patch or self.foveal_size + self.patch > self.template_size:
            raise ValueError(f"foveal_size {self.foveal_size}: expected patches of the exemplar, less than all")
        if self.transformer_head and self.decoder_layers:
            raise ValueError(f"decoder_layers {self.decoder_layers}: the transformer head has its own, expected 0")
        if self.backbone == "vit":
            self._blocks_fit()
        else:
            self._pyramid_fits()
        return self

    def _blocks_fit(self) -> None:
        depth, ratio = self.depth[0], self.interaction_ratio
        if self.separate_blocks:
            if ratio != 1:
                raise ValueError(f"separate_blocks {self.separate_blocks}: interaction_ratio is {ratio}, expected 1")
            if self.separate_blocks >= depth:
                raise ValueError(f"separate_blocks {self.separate_blocks}: expected less than depth {depth}")
        elif ratio and depth % round(1 / ratio):
            raise ValueError(f"interaction_ratio {ratio}: depth {depth} is no multiple of {round(1 / ratio)}")
        if self.position_embedding == "late" and self.siamese:
            raise ValueError("position_embedding 'late': an exemplar that sees itself alone has no such block")

    def _pyramid_fits(self) -> None:
        if self.foveal_size:
            raise ValueError(f"foveal_size {self.foveal_size}: a {self.backbone} has no foveal window, expected 0")
        if self.asymmetric != (self.backbone == "swin"):
            raise ValueError(
                f"asymmetric is {self.asymmetric}: a {self.backbone} is {self.backbone == 'swin'} (Sec. 4.3)"
            )
        if self.backbone == "swin" and self.width != tuple(self.width[0] << index for index in range(3)):
            raise ValueError(f"width {list(self.width)}: each stage of a swin has twice the channels of the one before")
        if self.backbone == "swin" and self.position_embedding == "pretrained":
            raise ValueError("position_embedding 'pretrained': a swin has no pre-trained positions")
        if self.separate_blocks or self.position_embedding == "late":
            raise ValueError(
                f"separate_blocks and position_embedding 'late' are a vision transformer's, no {self.backbone}'s"
            )
        if self.interaction_ratio != 1:
            raise ValueError(f"interaction_ratio {self.interaction_ratio} of a {self.backbone}: expected 1")
