"""The vision transformer that reads exemplar and search image together (Sec. 3.2, Eq. 4 to 6).

Tokens are kept in the order search, class, exemplar, foveal window. Attention does not depend on the order; this one
lets the last block compute the search tokens alone, since nothing after it looks at the others.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trackbench.nn.layers.packed_conv import pack_convolutions
from trackbench.nn.layers.vit import CLIP, TIMM, VisionTransformer
from trackbench.trackers.zoo.simtrack.options import SimTrackOptions
from trackbench.trackers.zoo.simtrack.position import ExemplarPosition, foveal_positions, foveal_start

Memory = tuple[Tensor, ...]
"""What a target's exemplar gives to every frame, each tensor (B, ...)."""


class ViTBackbone(nn.Module):
    """Serialised exemplar, foveal window and search image in one vision transformer."""

    def __init__(self, options: SimTrackOptions) -> None:
        super().__init__()
        self.options = options
        self.width = options.width[-1]
        self.cells = options.template_size // options.patch
        self.foveal_cells = options.foveal_size // options.patch
        self.grid = options.search_grid
        self.visual = VisionTransformer(
            self.width,
            options.depth[0],
            options.heads[0],
            options.patch,
            options.pretraining_size // options.patch,
            CLIP if options.pretraining == "clip" else TIMM,
        )
        if options.position_embedding in ("distinguishable", "late"):
            self.pos_fc = ExemplarPosition(self.width)
        if options.position_embedding == "late":
            self.pos_fc.start_at_zero()
        self.interacting = options.interacting
        self.first_joint = 0 if options.siamese else self.interacting.index(True)
        """Index of the first joint block: before it, the exemplar does not see the search image."""

    def for_inference(self) -> None:
        """Bring the weights into the form that is fastest on a CPU; they do not change any more."""
        self.visual.for_inference(self.grid**2 + 1 + self.cells**2 + self.foveal_cells**2)
        pack_convolutions(self.visual, self.options.search_size)

    def exemplar(self, image: Tensor, boxes: Tensor) -> Memory:
        """Return all of a target that no later frame changes.

        Args:
            image: exemplars (B, 3, T, T), normalised.
            boxes: the target in them, x, y, w, h in units of T, (B, 4).

        Returns:
            The tokens before the first block with interaction, (B, M, C), and their queries, keys and values in it,
            (B, 3, heads, M, C / heads). Where the exemplar does not see the search image: the keys and values of each
            block with interaction, (B, 2, heads, M, C / heads), then the tokens after the last block, (B, M, C).
        """
        if not self.options.siamese:
            return self.remember(self.exemplar_apart(image, boxes), boxes)
        tokens = self.visual.ln_pre(self.exemplar_tokens(image, boxes))
        memory = []
        for block, interacts in zip(self.visual.blocks, self.interacting, strict=True):
            if interacts:
                memory.append(block.project(tokens)[:, 1:])
            tokens = block(tokens)
        return (*memory, tokens)

    def exemplar_apart(self, image: Tensor, boxes: Tensor) -> Tensor:
        """Return the exemplar's tokens before the first joint block, (B, M, C), without Eq. 7's late positions."""
        tokens: Tensor = self.visual.ln_pre(self.exemplar_tokens(image, boxes))
        for block in self.visual.blocks[: self.first_joint]:
            tokens = block(tokens)
        return tokens

    def remember(self, tokens: Tensor, boxes: Tensor) -> Memory:
        """Return what :meth:`exemplar` does, of the tokens of :meth:`exemplar_apart`."""
        if self.options.position_embedding == "late":
            tokens = tokens + self._with_foveal(self.pos_fc.embed(boxes, self.cells))
        return tokens, self.visual.blocks[self.first_joint].project(tokens)

    def exemplar_tokens(self, image: Tensor, boxes: Tensor) -> Tensor:
        """Return the tokens of the exemplar and its foveal window with their positions, (B, t² + f², C)."""
        tokens = self.visual.patches(image)
        positions = self._exemplar_positions(boxes)
        if not self.foveal_cells:
            return tokens + positions
        options = self.options
        start = foveal_start(self.cells, self.foveal_cells, options.patch, options.foveal_shift)
        window = slice(start, start + options.foveal_size)
        foveal = self.visual.patches(image[:, :, window, window])
        return torch.cat([tokens, foveal], dim=1) + self._with_foveal(positions)

    def _with_foveal(self, positions: Tensor) -> Tensor:
        """Return the positions of the exemplar's tokens (B, t², C) and then those of its foveal window's."""
        if not self.foveal_cells:
            return positions
        return torch.cat([positions, foveal_positions(positions, self.cells, self.foveal_cells)], dim=1)

    def search_tokens(self, image: Tensor) -> Tensor:
        """Return the tokens of search images (B, 3, S, S) and the class token, (B, s² + 1, C)."""
        tokens = self.visual.patches(image) + self.visual.positions(self.grid)
        return torch.cat([tokens, self.visual.class_token().expand(len(tokens), 1, -1)], dim=1)

    def forward(self, image: Tensor, memory: Memory, with_exemplar: bool = False) -> tuple[Tensor, Tensor | None]:
        """Return the tokens of the search images (B, s², C) and, on demand, of the exemplars (B, t², C).

        Args:
            image: search images (B, 3, S, S), normalised.
            memory: what :meth:`exemplar` returned.
            with_exemplar: whether the exemplars' tokens are wanted too.
        """
        if self.options.siamese:
            tokens = self.visual.ln_pre(self.search_tokens(image))
            search, exemplar = self._siamese(tokens, memory)
        else:
            search, exemplar = self._joint(self.search_apart(image), memory, with_exemplar)
        return self._normalised(search, exemplar if with_exemplar else None)

    def search_apart(self, image: Tensor) -> Tensor:
        """Return the tokens of search images and the class token before the first joint block, (B, s² + 1, C)."""
        tokens: Tensor = self.visual.ln_pre(self.search_tokens(image))
        for block in self.visual.blocks[: self.first_joint]:
            tokens = block(tokens)
        return tokens

    def join(self, tokens: Tensor, memory: Memory) -> Tensor:
        """Return the search tokens of :meth:`forward`, of those of :meth:`search_apart`."""
        return self._normalised(self._joint(tokens, memory, False)[0], None)[0]

    def _normalised(self, search: Tensor, exemplar: Tensor | None) -> tuple[Tensor, Tensor | None]:
        norm = self.visual.ln_post
        return norm(search), None if exemplar is None else norm(exemplar[:, : self.cells**2])

    def _joint(self, tokens: Tensor, memory: Memory, with_exemplar: bool) -> tuple[Tensor, Tensor]:
        """Eq. 5: all tokens see all, in the blocks with interaction."""
        exemplar, exemplar_projected = memory
        search_count, blocks = tokens.shape[1], self.visual.blocks
        projected: Tensor | None = torch.cat([blocks[self.first_joint].project(tokens), exemplar_projected], dim=3)
        tokens = torch.cat([tokens, exemplar], dim=1)
        for index, block in enumerate(blocks[self.first_joint :], self.first_joint):
            if self.interacting[index]:
                last = index + 1 == len(blocks) and not with_exemplar
                tokens = block(tokens, queries=self.grid**2 if last else None, projected=projected)
                projected = None
            else:
                tokens = torch.cat([block(tokens[:, :search_count]), block(tokens[:, search_count:])], dim=1)
        return tokens[:, : self.grid**2], tokens[:, search_count:]

    def _siamese(self, tokens: Tensor, memory: Memory) -> tuple[Tensor, Tensor]:
        """Eq. 6 with the exemplar's attention to the search image left out, or Eq. 1 where nothing is left of it."""
        *keys_values, exemplar = memory
        seen = iter(keys_values)
        for index, block in enumerate(self.visual.blocks):
            queries = self.grid**2 if index + 1 == len(self.interacting) else None
            tokens = block(tokens, next(seen) if self.interacting[index] else None, queries)
        return tokens[:, : self.grid**2], exemplar

    def _exemplar_positions(self, boxes: Tensor) -> Tensor:
        kind = self.options.position_embedding
        if kind == "distinguishable":
            return self.pos_fc.embed(boxes, self.cells)
        if kind in ("pretrained", "late"):
            return self.visual.positions(self.cells)[None]
        return boxes.new_zeros(1, self.cells**2, self.width)
