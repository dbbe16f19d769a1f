"""The network of AiATrack (section 3.2): ResNet-50, encoder, two-branch decoder, corner head and IoU head.

Shapes: B items, L = cells * cells tokens in row-major order, C channels, D inner channels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import torch
from pydantic import Field, field_validator, model_validator
from torch import Tensor, nn

from trackbench.nn.layers.corner_head import CornerHead, Corners
from trackbench.nn.layers.positions import sine_positions
from trackbench.nn.layers.resnet import ResNet
from trackbench.trackers.base import Options
from trackbench.trackers.zoo.aiatrack.attention import Attention, ConvBottleneck, InnerAttention, Perspective
from trackbench.trackers.zoo.aiatrack.iou_head import IoUHead
from trackbench.trackers.zoo.aiatrack.transformer import Decoder, EncoderLayer, References

STRIDE = 16
"""Pixels of the crop for each cell of the map."""
LONG, SHORT, SINGLE = "long_term_attn", "short_term_attn", "cross_attn"
"""Names of the decoder's branches; ``SINGLE`` is the one of the variant without branch split."""


class Architecture(Options):
    """What decides the network's parameters, with the terms of the paper's ablations (section 4.3)."""

    search_size: int = Field(default=320, ge=32, le=1024)
    """Side of the crops in pixels, a multiple of 16. Correlation vectors are as long as the map has cells, so weights
    serve one size only."""
    channels: int = Field(default=256, ge=16)
    heads: int = Field(default=4, ge=1)
    feed_forward: int = Field(default=1024, ge=1)
    """Channels within the feed-forward networks."""
    encoder_layers: int = Field(default=3, ge=1)
    dropout: float = Field(default=0.1, ge=0.0, lt=1.0)
    """Dropout of attention weights, attention outputs and feed-forward networks, in training."""
    aia: Literal["none", "self-attn", "cross-attn", "both"] = "both"
    """Where correlations are refined: nowhere (Table 3 c), in the encoder (f), the decoder (g), both (i)."""
    refinement: Literal["attention", "conv"] = "attention"
    """What refines them: the inner attention, or a convolutional bottleneck (Table 4)."""
    inner_channels: int = Field(default=64, ge=4, multiple_of=4)
    """Channels of the inner queries and keys, D."""
    inner_positions: bool = True
    """Whether the inner attention knows places; "w/o pos in both" (Table 3 h) does not."""
    perspective: Perspective = "keys"
    """Whether a correlation vector is that of a key or of a query (section 4.3, "Visualization Perspective")."""
    cascade: bool = False
    """Whether every Attention-Add-Norm block is two in a row (Table 4; there without AiA)."""
    embedding: Literal["none", "mask", "embed"] = "embed"
    """How values know the target: not at all (Table 3 a), only by features of the target region (b), or by
    target-background embeddings (c). The paper does not say how (b) discards the background; here its features are
    zeros before they become keys and values."""
    short_refer: bool = True
    """Whether there is a short-term branch ("w/o short refer" is Table 3 d)."""
    branch_split: bool = True
    """Whether long-term and short-term references have a branch each ("w/o branch split" is Table 3 e)."""

    @field_validator("search_size")
    @classmethod
    def _whole_cells(cls, value: int) -> int:
        if value % STRIDE:
            raise ValueError(f"expected a multiple of {STRIDE}")
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Architecture:
        if self.channels % self.heads or self.channels % 8:
            raise ValueError(f"channels {self.channels} is not a multiple of heads {self.heads} and of 8")
        if not self.short_refer and not self.branch_split:
            raise ValueError("short_refer = false leaves one branch: branch_split = false means nothing there")
        return self

    @property
    def cells(self) -> int:
        """Cells along each side of the map."""
        return self.search_size // STRIDE


class Encoded(NamedTuple):
    """A frame after the encoder: all that the network needs to know of it."""

    memory: Tensor
    """Features, (B, L, C)."""
    positions: Tensor
    """Inner encodings of its places, (B, L, D)."""


class AiATrackNetwork(nn.Module):
    """The network; see the module's text. ``architecture`` decides its parameters."""

    def __init__(self, architecture: Architecture) -> None:
        super().__init__()
        a = self.architecture = architecture
        blocks = 2 if a.cascade else 1
        self.backbone = ResNet(50, ("layer3",))
        self.bottleneck = nn.Conv2d(1024, a.channels, 1)
        self.encoder = nn.ModuleList(
            EncoderLayer(a.channels, a.feed_forward, lambda: self._attention("self-attn"), blocks, a.dropout)
            for _ in range(a.encoder_layers)
        )
        self.decoder = Decoder(
            a.channels, a.feed_forward, lambda: self._attention("cross-attn"), self.branches, blocks, a.dropout
        )
        if a.embedding == "embed":
            self.foreground_embed = nn.Embedding(1, a.channels)
            self.background_embed = nn.Embedding(1, a.channels)
        for part in (self.encoder, self.decoder):
            for parameter in part.parameters():
                if parameter.dim() > 1:
                    nn.init.xavier_uniform_(parameter)
        self.box_head = CornerHead(a.channels, a.channels, a.cells)
        self.iou_head = IoUHead(a.channels, a.cells)

    @property
    def branches(self) -> tuple[str, ...]:
        """Names of the decoder's branches."""
        if not self.architecture.short_refer:
            return (LONG,)
        return (LONG, SHORT) if self.architecture.branch_split else (SINGLE,)

    def _attention(self, place: Literal["self-attn", "cross-attn"]) -> Attention:
        a = self.architecture
        refinement: nn.Module | None = None
        if a.aia in (place, "both"):
            length = a.cells**2
            if a.refinement == "conv":
                refinement = ConvBottleneck(length, a.cells)
            else:
                refinement = InnerAttention(length, a.inner_channels, a.inner_positions, a.dropout)
        return Attention(a.channels, a.heads, refinement, a.perspective, a.dropout)

    def encode(self, images: Tensor, padded: Tensor) -> Encoded:
        """Return frames as references and decoder see them.

        Args:
            images: normalised crops, (B, 3, size, size).
            padded: bool (B, cells, cells), where they show what lies outside of the frame. Only the encodings of places
                know it; attention does not leave padding out.
        """
        a = self.architecture
        (maps,) = self.backbone(images)
        x = self.bottleneck(maps).flatten(2).transpose(1, 2)
        places = sine_positions(padded, a.channels).flatten(2).transpose(1, 2)
        positions = sine_positions(padded, a.inner_channels).flatten(2).transpose(1, 2)
        for layer in self.encoder:
            x = layer(x, places, positions)
        return Encoded(x, positions)

    def embedding_map(self, regions: Tensor) -> Tensor:
        """Return the target-background embedding map of regions, bool (B, L): (B, L, C) (equation 4)."""
        return torch.where(regions[..., None], self.foreground_embed.weight, self.background_embed.weight)

    def refer(self, branch: str, memory: Tensor, regions: Tensor) -> Tensor:
        """Return frames as references of a branch, (B, blocks, 2, h, L, d).

        Args:
            branch: its name.
            memory: encoded features of the frames, (B, L, C).
            regions: bool (B, L), where the target is.
        """
        keys = values = memory
        if self.architecture.embedding == "embed":
            values = memory + self.embedding_map(regions)
        elif self.architecture.embedding == "mask":
            keys = values = memory * regions[..., None]
        return self.decoder.project(branch, keys, values)

    def decode(self, search: Encoded, references: list[References]) -> Tensor:
        """Return the decoded map of search frames, (B, C, cells, cells); ``references`` are those of each branch."""
        out = self.decoder(search.memory, references, search.positions)
        cells = self.architecture.cells
        # A view of tokens as a map is a map that lies channels last.
        return torch.unflatten(out.transpose(1, 2), 2, (cells, cells))

    def forward(
        self, search: Encoded, references: Sequence[Encoded], regions: Sequence[Tensor], boxes: Tensor | None = None
    ) -> tuple[Corners, Tensor]:
        """Return the corners of the target in search frames and IoU predictions, from frames that are all encoded.

        Args:
            search: the search frames.
            references: the initial frames, then the short-term references in the order of time.
            regions: for each of them the target region, bool (B, L).
            boxes: boxes to judge, (B, N, 4), x1, y1, x2, y2 over the side of the crop; None judges those found.
        """
        groups = {
            LONG: range(1),
            SHORT: range(1, len(references)),
            SINGLE: range(len(references)),
        }
        branches = []
        for branch in self.branches:
            projected = [self.refer(branch, references[i].memory, regions[i]) for i in groups[branch]]
            positions = [references[i].positions for i in groups[branch]]
            branches.append(References(torch.stack(projected, 4), torch.stack(positions, 1)))
        decoded = self.decode(search, branches)
        corners = self.box_head(decoded)
        return corners, self.iou_head(decoded, corners.boxes[:, None] if boxes is None else boxes)
