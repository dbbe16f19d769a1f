"""SimTrack with a Swin transformer (Sec. 4.3, Table 7).

The exemplar sees only itself. A search token attends to its window and to the exemplar's tokens of the same block,
pooled to the size of a window, which is all that the paper says. Read into it here: the map of stride 16 goes to the
head, as that of the vision transformers; Eq. 7 is added to the exemplar's tokens before the first block; there is no
foveal window; pooled tokens come after the block's norm and have no position bias. With Swin-B this takes 14.97 G
multiply-accumulates a frame up to the head; the paper prints 15.0 G.
"""

from __future__ import annotations

from typing import cast

import torch.nn.functional as F
from torch import Tensor, nn

from trackbench.nn.layers.swin import Swin, SwinBlock, SwinSize, SwinStage
from trackbench.trackers.zoo.simtrack.options import SimTrackOptions
from trackbench.trackers.zoo.simtrack.position import ExemplarPosition
from trackbench.trackers.zoo.simtrack.vit_backbone import Memory

WINDOW = 7
Size = tuple[int, int]


class SwinBackbone(nn.Module):
    """The first three stages of a Swin transformer, for exemplar and search image one after the other."""

    def __init__(self, options: SimTrackOptions) -> None:
        super().__init__()
        size = SwinSize(options.width[0], options.depth, options.heads, WINDOW)
        self.last = len(options.depth) - 1
        self.visual = Swin(size, outputs=(self.last,), drop_path=0.0, patch=options.patch)
        self.cells = options.template_size // options.patch
        if options.position_embedding == "distinguishable":
            self.pos_fc = ExemplarPosition(options.width[0])

    def for_inference(self) -> None:
        """Bring the weights into the form that is fastest on a CPU; they do not change any more."""
        self.visual.for_inference(cpu=True)

    def exemplar(self, image: Tensor, boxes: Tensor) -> Memory:
        """Return all of a target that its frames need.

        Args:
            image: exemplars (B, 3, T, T), normalised.
            boxes: the target in them, x, y, w, h in units of T, (B, 4).

        Returns:
            The keys and values of each block, (B, 2, heads, M, C / heads), then the tokens at the end, (B, N, C).
        """
        tokens, size = self.visual.patch_embed(image)
        if hasattr(self, "pos_fc"):
            tokens = tokens + self.pos_fc.embed(boxes, self.cells)
        memory = []
        for stage in self._stages():
            for block in _blocks(stage):
                memory.append(block.attn.keys_values(pooled(block.norm1(tokens), size)))
                tokens = block(tokens, size)
            tokens, size = _merged(stage, tokens, size)
        return (*memory, self._norm(tokens))

    def forward(self, image: Tensor, memory: Memory, with_exemplar: bool = False) -> tuple[Tensor, Tensor | None]:
        """Return the tokens of the search images (B, s², C) and, on demand, of the exemplars (B, t², C).

        Args:
            image: search images (B, 3, S, S), normalised.
            memory: what :meth:`exemplar` returned.
            with_exemplar: whether the exemplars' tokens are wanted too.
        """
        *keys_values, exemplar = memory
        seen = iter(keys_values)
        tokens, size = self.visual.patch_embed(image)
        for stage in self._stages():
            for block in _blocks(stage):
                tokens = block(tokens, size, next(seen))
            tokens, size = _merged(stage, tokens, size)
        return self._norm(tokens), exemplar if with_exemplar else None

    def _stages(self) -> list[SwinStage]:
        return [cast(SwinStage, stage) for stage in self.visual.stages]

    def _norm(self, tokens: Tensor) -> Tensor:
        return cast(Tensor, self.visual.get_submodule(f"norm{self.last}")(tokens))


def pooled(tokens: Tensor, size: Size) -> Tensor:
    """Return the tokens (B, H·W, C) of a map of ``size``, averaged to a window's size, (B, at most 49, C)."""
    height, width = min(size[0], WINDOW), min(size[1], WINDOW)
    if size == (height, width):
        return tokens
    plane = tokens.transpose(1, 2).reshape(len(tokens), -1, *size)
    return F.adaptive_avg_pool2d(plane, (height, width)).flatten(2).transpose(1, 2)


def _blocks(stage: SwinStage) -> list[SwinBlock]:
    return [cast(SwinBlock, block) for block in stage.blocks]


def _merged(stage: SwinStage, tokens: Tensor, size: Size) -> tuple[Tensor, Size]:
    if stage.downsample is None:
        return tokens, size
    return cast(tuple[Tensor, Size], stage.downsample(tokens, size))
