"""The single-branch feature network of SBT (Sec. 3 of the paper): two images through one set of weights."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn

from trackbench.nn.layers.packed_pyramid import pack_pyramid
from trackbench.nn.layers.pyramid import PatchEmbedding, TokenMap
from trackbench.trackers.zoo.sbt.ablations.positions import with_absolute_positions
from trackbench.trackers.zoo.sbt.blocks import EoCBlock
from trackbench.trackers.zoo.sbt.options import BackboneOptions


class TemplateFeatures(NamedTuple):
    """What of the template does not depend on the search image: computed once for each target."""

    current: TokenMap
    """Its tokens where the first EoC-CA block sees them, or at the end."""
    levels: tuple[TokenMap, ...] = ()
    """Features that were asked for and lie before that."""

    def tensors(self) -> list[Tensor]:
        """Return all its tensors, (B, N, C) each."""
        return [self.current.tokens, *(level.tokens for level in self.levels)]

    @classmethod
    def stacked(cls, targets: list[TemplateFeatures]) -> TemplateFeatures:
        """Return features of many targets as one batch."""
        first = targets[0]
        if len(targets) == 1:
            return first
        current, *levels = (torch.cat(parts) for parts in zip(*(t.tensors() for t in targets), strict=True))
        joined = [old.replaced(new) for old, new in zip(first.levels, levels, strict=True)]
        return cls(first.current.replaced(current), tuple(joined))

    def targets(self) -> list[TemplateFeatures]:
        """Return the features of each target of a batch, on memory of their own."""
        parts = zip(*(torch.split(tensor, 1) for tensor in self.tensors()), strict=True)
        return [
            TemplateFeatures(
                self.current.replaced(current.clone()),
                tuple(old.replaced(new.clone()) for old, new in zip(self.levels, levels, strict=True)),
            )
            for current, *levels in parts
        ]


class PairFeatures(NamedTuple):
    """Features of a search image that know of the template, and the other way round."""

    search: list[TokenMap]
    """The search image's, one for each level that was asked for."""
    template: list[TokenMap]
    """The template's; empty where they were not asked for."""


class SBTBackbone(nn.Module):
    """Stages of a patch embedding and extract-or-correlate blocks.

    Only the last stage's normalisation is ever applied; the others exist in published checkpoints. Blocks of the last
    stage after its last EoC-CA block are not run, as in the official code.

    Args:
        options: its form.
        search_size: side of the search image in pixels, the larger one.
        levels: blocks of the last stage, counted from 1, whose features are wanted; by default the last one that runs.
        with_template: whether the template's features are wanted too.
    """

    def __init__(
        self,
        options: BackboneOptions,
        search_size: int = 256,
        levels: tuple[int, ...] = (),
        with_template: bool = False,
    ) -> None:
        super().__init__()
        self.options, self.with_template = options, with_template
        self.last = max(options.cross[-1], default=options.depths[-1])
        self.levels = levels or (self.last,)
        self.last = max(self.last, self.levels[-1])
        crosses = [(stage, block) for stage, blocks in enumerate(options.cross) for block in blocks]
        nowhere = (len(options.dims), 0)
        self.first_cross = min(crosses, default=nowhere)
        self.last_cross = max(crosses, default=nowhere)
        total = sum(options.depths)
        rates = iter([options.drop_path * index / max(1, total - 1) for index in range(total)])
        channels = 3
        for stage, (dim, stride) in enumerate(zip(options.dims, options.strides, strict=True)):
            kernel = stride if options.patch_embedding == "split" else 7 if stage == 0 else 3
            side = options.sides(search_size)[stage]
            blocks = (EoCBlock(options, stage, i, side, next(rates)) for i in range(options.depths[stage]))
            self.add_module(f"patch_embed{stage + 1}", PatchEmbedding(channels, dim, kernel, stride))
            self.add_module(f"block{stage + 1}", nn.ModuleList(blocks))
            self.add_module(f"norm{stage + 1}", nn.LayerNorm(dim, eps=1e-6))
            channels = dim
        self.apply(_initialise)

    @property
    def channels(self) -> list[int]:
        """Return the channels of each level."""
        return [self.options.dims[-1]] * len(self.levels)

    def template(self, template: Tensor) -> TemplateFeatures:
        """Return what of templates, normalised images (B, 3, h, w), does not depend on a search image."""
        image = template
        levels: list[TokenMap] = []
        for stage in range(len(self.options.dims)):
            tokens = self._embed(stage, image)
            for number, block in self._blocks(stage):
                if (stage, number) == self.first_cross:
                    return TemplateFeatures(tokens, tuple(levels))
                (tokens,) = block([tokens], crossed=False)
                if self._wanted(stage, number) and self.with_template:
                    levels.append(self._normed(tokens))
            image = tokens.image()
        return TemplateFeatures(tokens, tuple(levels))

    def forward(self, search: Tensor, template: Tensor | TemplateFeatures) -> PairFeatures:
        """Return the features of search images.

        Args:
            search: normalised images (B, 3, H, W).
            template: normalised images (B, 3, h, w), or what :meth:`template` returned for them.
        """
        known = self.template(template) if isinstance(template, Tensor) else template
        pair = PairFeatures([], list(known.levels))
        image: Tensor = search
        maps: list[TokenMap] = []
        for stage in range(len(self.options.dims)):
            maps = [self._embed(stage, image), *(self._embed(stage, other.image()) for other in maps[1:])]
            for number, block in self._blocks(stage):
                if (stage, number) == self.first_cross:
                    maps.append(known.current)
                both = self.with_template or (stage, number) < self.last_cross
                maps = block(maps, number in self.options.cross[stage], wanted=None if both else 1)
                if self._wanted(stage, number):
                    for features, tokens in zip(pair, maps, strict=False):
                        features.append(self._normed(tokens))
            image = maps[0].image()
        return pair

    def pack(self, search_size: int) -> None:
        """Rearrange the weights as a CPU wants them, for inference in float32; they do not change any more."""
        for stage, side in enumerate(self.options.sides(search_size), 1):
            pack_pyramid(self.get_submodule(f"patch_embed{stage}"), side)
            pack_pyramid(self.get_submodule(f"block{stage}"), side)

    def _embed(self, stage: int, image: Tensor) -> TokenMap:
        embedded: TokenMap = self.get_submodule(f"patch_embed{stage + 1}")(image)
        return with_absolute_positions(embedded) if self.options.position == "absolute" else embedded

    def _blocks(self, stage: int) -> list[tuple[int, nn.Module]]:
        """Return the blocks of a stage that are run, each with its number from 1."""
        blocks = list(enumerate(self.get_submodule(f"block{stage + 1}").children(), 1))
        return blocks[: self.last] if stage == len(self.options.dims) - 1 else blocks

    def _wanted(self, stage: int, number: int) -> bool:
        return stage == len(self.options.dims) - 1 and number in self.levels

    def _normed(self, tokens: TokenMap) -> TokenMap:
        return tokens.replaced(self.get_submodule(f"norm{len(self.options.dims)}")(tokens.tokens))


def _initialise(module: nn.Module) -> None:
    """Draw initial weights as the official code does (PVT v2's rule)."""
    if isinstance(module, nn.Linear):
        nn.init.trunc_normal_(module.weight, std=0.02)
        nn.init.zeros_(module.bias)
    elif isinstance(module, nn.Conv2d):
        fan_out = module.weight[0, 0].numel() * module.out_channels // module.groups
        nn.init.normal_(module.weight, std=math.sqrt(2 / fan_out))
        if module.bias is not None:
            nn.init.zeros_(module.bias)
