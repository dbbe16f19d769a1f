"""The extract-or-correlate block (Sec. 3.2 of the paper)."""

from __future__ import annotations

from collections.abc import Sequence

from torch import nn

from trackbench.nn.layers.drop_path import DropPath
from trackbench.nn.layers.pyramid import ConvFeedForward, KeysValues, SpatialReductionAttention, TokenMap
from trackbench.trackers.zoo.sbt.ablations.positions import RelativePositions
from trackbench.trackers.zoo.sbt.ablations.windows import WindowAttention
from trackbench.trackers.zoo.sbt.options import BackboneOptions


class EoCBlock(nn.Module):
    """Attention and feed-forward network, each after a normalisation and within a shortcut; one set of weights for all.

    As EoC-SA every image attends to itself (Eq. 4), as EoC-CA to the other one (Eq. 5), both to what the other was
    before the block.

    Args:
        options: form of the backbone.
        stage: index of the stage, from 0.
        index: of the block within its stage, from 0.
        side: of the largest map of the stage.
        drop_path: probability of dropping a branch while training.
    """

    def __init__(self, options: BackboneOptions, stage: int, index: int, side: int, drop_path: float) -> None:
        super().__init__()
        dim, heads, kind = options.dims[stage], options.heads[stage], options.attention
        ratio = 1 if kind == "global" else options.reductions[stage]
        relative = options.position == "relative"
        self.norm1 = nn.LayerNorm(dim, eps=1e-6)
        self.attn: SpatialReductionAttention | WindowAttention
        self.relative: RelativePositions | None = None
        if kind == "shifted-window" or (kind == "window-srg" and index + 1 not in options.cross[stage]):
            shifted = kind == "shifted-window" and index % 2 == 1 and side > options.window
            self.attn = WindowAttention(dim, heads, options.window, shifted=shifted, relative=relative)
        else:
            self.attn = SpatialReductionAttention(dim, heads, ratio, depthwise=kind == "srg-depthwise")
            if relative and index + 1 not in options.cross[stage]:
                self.relative = RelativePositions(heads, side, ratio)
        self.norm2 = nn.LayerNorm(dim, eps=1e-6)
        convolution = options.position == "conditional"
        self.mlp = ConvFeedForward(dim, dim * options.expansions[stage], convolution=convolution)
        self.drop_path = DropPath(drop_path)

    def forward(self, maps: Sequence[TokenMap], crossed: bool, wanted: int | None = None) -> list[TokenMap]:
        """Return the images' tokens after the block.

        Args:
            maps: tokens of one image, or of two.
            crossed: whether each of the two attends to the other instead of to itself.
            wanted: how many of the images are needed, the first ones; by default all.
        """
        normed = [source.replaced(self.norm1(source.tokens)) for source in maps]
        sources = normed[::-1] if crossed else normed
        triples = list(zip(maps, normed, sources, strict=True))[:wanted]
        return [self._update(source, queries, self.attn.keys_values(offer)) for source, queries, offer in triples]

    def _update(self, source: TokenMap, queries: TokenMap, offer: KeysValues) -> TokenMap:
        bias = None if self.relative is None else self.relative(source.height, source.width)
        tokens = source.tokens + self.drop_path(self.attn(queries, offer, bias))
        tokens = tokens + self.drop_path(self.mlp(source.replaced(self.norm2(tokens))))
        return source.replaced(tokens)
