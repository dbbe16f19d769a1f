"""SimTrack with a Pyramid Vision Transformer (Sec. 4.3, Table 7).

Wang et al., Pyramid Vision Transformer, ICCV 2021. Exemplar and search image attend to each other in every block; the
reduction of the exemplar's keys is half that of the search image's, "to keep a reasonable exemplar size", which is all
that the paper says. Read into it here: the map of stride 16 goes to the head, as that of the vision transformers; Eq. 7
takes the place of the learned positions of every stage; there is no foveal window; and the exemplar's reduction is the
search image's applied to an exemplar of twice the size, that is, the same kernel with each 2x2 of its weights summed.
With PVT-Medium this takes 8.03 G multiply-accumulates a frame up to the head; the paper prints 8.9 G.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trackbench.nn.layers.packed_linear import pack_linears
from trackbench.nn.layers.pyramid import (
    KeysValues,
    PatchEmbedding,
    SpatialReductionAttention,
    TokenMap,
)
from trackbench.nn.layers.swin import FeedForward
from trackbench.trackers.zoo.simtrack.options import SimTrackOptions
from trackbench.trackers.zoo.simtrack.position import ExemplarPosition
from trackbench.trackers.zoo.simtrack.vit_backbone import Memory

REDUCTIONS = (8, 4, 2)
EXPANSIONS = (8, 8, 4)
"""Side of a reduced cell and width of the feed-forward in the three stages of all sizes of PVT (Table 1 there)."""


class JointAttention(SpatialReductionAttention):
    """Spatial-reduction attention of two images to both."""

    halved: Tensor | None

    def __init__(self, width: int, heads: int, reduction: int) -> None:
        super().__init__(width, heads, reduction)
        self.register_buffer("halved", None, persistent=False)

    def for_inference(self) -> None:
        """Make the kernel of half the reduction once; the weights do not change any more."""
        self.halved = self._half_kernel()

    def joint(self, search: TokenMap, exemplar: TokenMap) -> KeysValues:
        """Return the keys and values of (normalised) tokens of both images."""
        one, other = self.keys_values(search), self._halved(exemplar)
        return KeysValues(torch.cat([one.keys, other.keys], 2), torch.cat([one.values, other.values], 2))

    def _halved(self, source: TokenMap) -> KeysValues:
        """Return the keys and values of an image that is reduced by half the ratio."""
        assert self.sr is not None
        kernel = self._half_kernel() if self.halved is None else self.halved
        reduced = F.conv2d(source.image(), kernel, self.sr.bias, stride=kernel.shape[-1])
        tokens = self.norm(TokenMap.of(reduced).tokens)
        keys, values = self.kv(tokens).unflatten(2, (2, self.heads, -1)).permute(2, 0, 3, 1, 4)
        return KeysValues(keys, values)

    def _half_kernel(self) -> Tensor:
        assert self.sr is not None
        return 4 * F.avg_pool2d(self.sr.weight, 2)


class Block(nn.Module):
    """x += attention(norm(x)); x += feed-forward(norm(x)), for both images."""

    def __init__(self, width: int, heads: int, reduction: int, expansion: int) -> None:
        super().__init__()
        self.norm1 = nn.LayerNorm(width, 1e-6)
        self.attn = JointAttention(width, heads, reduction)
        self.norm2 = nn.LayerNorm(width, 1e-6)
        self.mlp = FeedForward(width, expansion * width)

    def forward(self, tokens: Tensor, sides: tuple[int, int], queries: int | None = None) -> Tensor:
        """Return the first ``queries`` tokens (by default all) after the block, (B, queries, C).

        Args:
            tokens: of the search image, then of the exemplar, (B, s² + t², C).
            sides: s and t.
            queries: how many of the tokens ask.
        """
        normed = self.norm1(tokens)
        search, exemplar = split(normed, sides)
        gathered = self.attn(search.replaced(normed[:, :queries]), self.attn.joint(search, exemplar))
        tokens = tokens[:, :queries] + gathered
        return cast(Tensor, tokens + self.mlp(self.norm2(tokens)))


def split(tokens: Tensor, sides: tuple[int, int]) -> tuple[TokenMap, TokenMap]:
    """Return the maps of search image and exemplar."""
    search, exemplar = sides
    return TokenMap(tokens[:, : search**2], search, search), TokenMap(tokens[:, search**2 :], exemplar, exemplar)


class PvtStage(nn.Module):
    """Patch embedding, learned positions and blocks at one resolution."""

    def __init__(self, channels: int, patch: int, grid: int, width: int, blocks: list[Block]) -> None:
        super().__init__()
        self.grid = grid
        self.patch_embed = PatchEmbedding(channels, width, patch, patch)
        self.positions = nn.Parameter(torch.zeros(1, grid * grid, width))
        nn.init.trunc_normal_(self.positions, std=0.02)
        self.blocks = nn.ModuleList(blocks)

    def placed(self, side: int) -> Tensor:
        """Return the positions, bilinearly resized to a map of ``side`` x ``side``, (1, side², C)."""
        if side == self.grid:
            return self.positions
        square = self.positions.transpose(1, 2).reshape(1, -1, self.grid, self.grid)
        return F.interpolate(square, (side, side), mode="bilinear", align_corners=False).flatten(2).transpose(1, 2)


class PyramidTransformer(nn.Module):
    """The first three stages of a PVT."""

    def __init__(self, options: SimTrackOptions) -> None:
        super().__init__()
        channels, patch, grid = 3, options.patch, options.pretraining_size // options.patch
        stages = []
        for width, depth, heads, reduction, expansion in zip(
            options.width, options.depth, options.heads, REDUCTIONS, EXPANSIONS, strict=True
        ):
            blocks = [Block(width, heads, reduction, expansion) for _ in range(depth)]
            stages.append(PvtStage(channels, patch, grid, width, blocks))
            channels, patch, grid = width, 2, grid // 2
        self.stages = nn.ModuleList(stages)


class PVTBackbone(nn.Module):
    """Exemplar and search image in one pyramid."""

    def __init__(self, options: SimTrackOptions) -> None:
        super().__init__()
        self.kind = options.position_embedding
        self.visual = PyramidTransformer(options)
        self.cells = tuple(options.template_size // options.patch >> index for index in range(len(options.width)))
        if self.kind == "distinguishable":
            self.pos_fc = nn.ModuleList(ExemplarPosition(width) for width in options.width)

    def for_inference(self) -> None:
        """Bring the weights into the form that is fastest on a CPU; they do not change any more."""
        rows = self.cells[0] ** 2
        for module in self.visual.modules():
            if isinstance(module, JointAttention):
                module.for_inference()
            elif isinstance(module, FeedForward):
                module.pack(rows)
        pack_linears(self.visual, rows)

    def exemplar(self, image: Tensor, boxes: Tensor) -> Memory:
        """Return all of a target that no later frame changes.

        Args:
            image: exemplars (B, 3, T, T), normalised.
            boxes: the target in them, x, y, w, h in units of T, (B, 4).

        Returns:
            The tokens before the first block, (B, t², C), and the positions of each further stage.
        """
        first, *others = [position.expand(len(image), -1, -1) for position in self._positions(boxes)]
        return (self._stages()[0].patch_embed(image).tokens + first, *others)

    def forward(self, image: Tensor, memory: Memory, with_exemplar: bool = False) -> tuple[Tensor, Tensor | None]:
        """Return the tokens of the search images (B, s², C) and, on demand, of the exemplars (B, t², C).

        Args:
            image: search images (B, 3, S, S), normalised.
            memory: what :meth:`exemplar` returned.
            with_exemplar: whether the exemplars' tokens are wanted too.
        """
        exemplar, *positions = memory
        stages = self._stages()
        for index, stage in enumerate(stages):
            search: TokenMap = stage.patch_embed(image)
            sides = (search.height, self.cells[index])
            tokens = torch.cat([search.tokens + stage.placed(search.height), exemplar], 1)
            *others, last = stage.blocks
            for block in others:
                tokens = block(tokens, sides)
            needed = None if with_exemplar or stage is not stages[-1] else search.height**2
            larger, smaller = split(last(tokens, sides, needed), sides)
            if index + 1 < len(stages):
                image = larger.image()
                exemplar = stages[index + 1].patch_embed(smaller.image()).tokens + positions[index]
        return larger.tokens, smaller.tokens if with_exemplar else None

    def _stages(self) -> list[PvtStage]:
        return [cast(PvtStage, stage) for stage in self.visual.stages]

    def _positions(self, boxes: Tensor) -> list[Tensor]:
        if self.kind == "distinguishable":
            return [
                cast(ExemplarPosition, fc).embed(boxes, cells)
                for fc, cells in zip(self.pos_fc, self.cells, strict=True)
            ]
        positions = [stage.placed(cells) for stage, cells in zip(self._stages(), self.cells, strict=True)]
        return positions if self.kind == "pretrained" else [torch.zeros_like(position) for position in positions]
