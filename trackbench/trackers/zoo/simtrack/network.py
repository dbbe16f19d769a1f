"""SimTrack: a transformer that sees exemplar and search image together, and a corner predictor.

Chen et al., Backbone is All Your Need: A Simplified Architecture for Visual Object Tracking, ECCV 2022. Deviations of
the official code from the paper's text that the network follows: a class token takes part in the attention, and a
linear layer brings the search tokens to 256 channels before STARK's predictor. Where the text and the published code
are silent, the reading is described at the option (:mod:`trackbench.trackers.zoo.simtrack.options`).
"""

from __future__ import annotations

from typing import NamedTuple, cast

from torch import Tensor, nn

from trackbench.nn.layers.corner_head import CornerHead, centre_form
from trackbench.trackers.zoo.simtrack.ablations.pvt_backbone import PVTBackbone
from trackbench.trackers.zoo.simtrack.ablations.swin_backbone import SwinBackbone
from trackbench.trackers.zoo.simtrack.ablations.transformer_head import TransformerHead
from trackbench.trackers.zoo.simtrack.options import SimTrackOptions
from trackbench.trackers.zoo.simtrack.vit_backbone import Memory, ViTBackbone

HEAD_CHANNELS = 256


class SearchOutput(NamedTuple):
    """Where the target is in search images."""

    boxes: Tensor
    """Centre x, y, width, height in units of the search image's side, (B, 4); sizes can be negative."""
    top_left: Tensor
    """Logits of the top-left corner's place, (B, s, s)."""
    bottom_right: Tensor
    """Logits of the bottom-right corner's place, (B, s, s)."""


class SimTrack(nn.Module):
    """The network; parameters have the official names, ``attn.in_proj_weight`` apart."""

    def __init__(self, options: SimTrackOptions) -> None:
        super().__init__()
        self.options = options
        self.grid = options.search_grid
        self.backbone = _backbone(options)
        self.bottleneck = nn.Linear(options.width[-1], HEAD_CHANNELS)
        if options.decoder_layers:
            # STARK's decoder layers, of which the paper's baseline is made; Sec. 4.3 says no more about their form.
            layer = nn.TransformerDecoderLayer(HEAD_CHANNELS, 8, dim_feedforward=2048, dropout=0.1, batch_first=True)
            self.decoder: nn.Module | None = nn.TransformerDecoder(layer, options.decoder_layers)
        else:
            self.decoder = None
        cells = (options.template_size // options.stride, self.grid)
        self.transformer_head = TransformerHead(HEAD_CHANNELS, cells) if options.transformer_head else None
        self.box_head = CornerHead(HEAD_CHANNELS, HEAD_CHANNELS, self.grid)

    def exemplar(self, image: Tensor, boxes: Tensor) -> Memory:
        """Return all of a target's exemplar that no later frame changes.

        Args:
            image: exemplars (B, 3, T, T), normalised.
            boxes: the target in them, x, y, w, h in units of T, (B, 4).
        """
        return self.backbone.exemplar(image, boxes)

    def locate(self, search: Tensor, memory: Memory) -> SearchOutput:
        """Find the targets in search images (B, 3, S, S), normalised."""
        interaction = self.transformer_head or self.decoder
        tokens, exemplar = self.backbone(search, memory, with_exemplar=interaction is not None)
        features = self.bottleneck(tokens)
        if interaction is not None:
            features = interaction(features, self.bottleneck(exemplar))
        return self._boxes(features)

    def _boxes(self, features: Tensor) -> SearchOutput:
        batch, _, channels = features.shape
        corners = self.box_head(features.transpose(1, 2).view(batch, channels, self.grid, self.grid))
        return SearchOutput(centre_form(corners.boxes), corners.top_left, corners.bottom_right)

    def forward(self, exemplar: Tensor, boxes: Tensor, search: Tensor) -> SearchOutput:
        """Find the target of each exemplar in its search image; arguments as of the two steps."""
        return self.locate(search, self.exemplar(exemplar, boxes))

    def apart(self, exemplar: Tensor, boxes: Tensor, search: Tensor) -> tuple[Tensor, Tensor]:
        """Return what the blocks before the first joint one make of both images; see :meth:`joined`.

        Arguments as of :meth:`forward`; only for a joint vision transformer.
        """
        backbone = cast(ViTBackbone, self.backbone)
        return backbone.exemplar_apart(exemplar, boxes), backbone.search_apart(search)

    def joined(self, exemplar: Tensor, boxes: Tensor, search: Tensor) -> SearchOutput:
        """Return what :meth:`forward` does, of the tokens of :meth:`apart`, (B, M, C) and (B, s² + 1, C)."""
        backbone = cast(ViTBackbone, self.backbone)
        return self._boxes(self.bottleneck(backbone.join(search, backbone.remember(exemplar, boxes))))


def _backbone(options: SimTrackOptions) -> ViTBackbone | SwinBackbone | PVTBackbone:
    match options.backbone:
        case "vit":
            return ViTBackbone(options)
        case "swin":
            return SwinBackbone(options)
        case "pvt":
            return PVTBackbone(options)
