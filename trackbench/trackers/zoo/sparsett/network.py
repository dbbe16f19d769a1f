"""The network of SparseTT: backbone, target focus network, double-head predictor (figure 2).

Where the paper is silent or differs, this is the official code, whose checkpoints need it: the heads see the decoder's
output next to the search region's own features; predictions end in batch norms; positions are learned, by row and by
column; no similarity is masked before the strongest are chosen (figure 4); the heads' scores are fused. The official
code also computes the backbone's last merging and stage, which nothing uses; here they are only built, for their
weights.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import cast

import torch
from torch import Tensor, nn

from trackbench.nn.layers.folding import fold_batch_norms
from trackbench.nn.layers.packed_conv import pack_convolutions
from trackbench.nn.layers.packed_linear import pack_linears
from trackbench.nn.layers.swin import SWIN_TINY, Swin, SwinSize
from trackbench.trackers.zoo.sparsett.focus import Decoder, Encoder, FocusSize
from trackbench.trackers.zoo.sparsett.head import DoubleHead, HeadResponses, Heads


class Adjuster(nn.Module):
    """From the backbone's channels to those of the target focus network: a 1x1 convolution and a batch norm."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, width, 1)
        self.bn = nn.BatchNorm2d(width, eps=1e-3)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, H·W, width)."""
        return cast(Tensor, self.bn(self.conv(x))).flatten(2).transpose(1, 2)


@dataclass(frozen=True)
class NetworkSize:
    """Sizes of everything behind the backbone."""

    focus: FocusSize
    heads: Heads = "double"
    """Which heads there are."""
    template: int = 127
    """Side of the template in pixels; learned positions fix it."""
    search: int = 289
    """Side of the search region in pixels; likewise."""
    head_width: int = 1024
    """Channels of both heads' features."""
    bottlenecks: int = 7
    """Bottlenecks of the convolutional head."""


class FocusNetwork(nn.Module, ABC):
    """The parts behind the features: adjusters, target focus network, heads; subclasses say where features come from.

    Args:
        channels: of the features.
        stride: of the features, in pixels.
        size: of all parts.
    """

    def __init__(self, channels: int, stride: int, size: NetworkSize) -> None:
        super().__init__()
        focus = size.focus
        self.template_side, self.search_side = -(-size.template // stride), -(-size.search // stride)
        self.feat_adjuster_z = Adjuster(channels, focus.width)
        self.feat_adjuster_x = Adjuster(channels, focus.width)
        self.encoder = Encoder(focus, self.template_side)
        self.decoder = Decoder(focus, self.search_side)
        self.head = DoubleHead(2 * focus.width, size.head_width, size.bottlenecks, self.search_side, stride, size.heads)

    @abstractmethod
    def encode(self, template: Tensor) -> Tensor:
        """Return what tracking needs of normalised templates (B, 3, h, w)."""

    @abstractmethod
    def focused(self, search: Tensor, memory: Tensor) -> Tensor:
        """Return the head's input for normalised search regions (B, 3, H, W) and what :meth:`encode` returned."""

    @abstractmethod
    def for_inference(self, cpu: bool) -> FocusNetwork:
        """Fold and drop what tracking does not need, in evaluation mode; from here on weights stay.

        Args:
            cpu: whether to rearrange all weights as a CPU wants them; the network then stays there.
        """

    def encoded(self, features: Tensor) -> Tensor:
        """Return a template's features (B, C, h, w) as the decoder wants them: (B, M, 2, heads, h·w, C' / heads)."""
        return self.decoder.memory(self.encoder(self.feat_adjuster_z(features)))

    def joined(self, features: Tensor, encoded: Tensor) -> Tensor:
        """Return the head's input for the search region's features and what :meth:`encoded` returned."""
        adjusted = self.feat_adjuster_x(features)
        both = torch.cat([self.decoder(adjusted, encoded), adjusted], 2)
        return both.view(len(both), self.search_side, self.search_side, -1).permute(0, 3, 1, 2)

    def forward(self, template: Tensor, search: Tensor) -> dict[str, HeadResponses]:
        """Return what each head says of each cell of the search regions, as training needs it."""
        return cast(dict[str, HeadResponses], self.head(self.focused(search, self.encode(template))))

    def track(self, search: Tensor, memory: Tensor) -> tuple[Tensor, Tensor]:
        """Return each cell's score (B, 361) and box (B, 361, 4), corners in pixels of the search region."""
        return self.head.scores_and_boxes(self.focused(search, memory))

    def pack(self) -> None:
        """Rearrange the weights as a CPU wants them; the network then stays there."""
        pack_linears(self, self.search_side**2)
        pack_convolutions(self, self.search_side)


class SparseTTNetwork(FocusNetwork):
    """The whole network, on a Swin transformer.

    Args:
        size: of the parts behind the backbone.
        swin: size of the backbone; its stages after ``stage`` are built for their weights and never computed.
        stage: of the backbone whose map is used, with a stride of 4 · 2^stage pixels.
    """

    def __init__(self, size: NetworkSize, swin: SwinSize = SWIN_TINY, stage: int = 2) -> None:
        super().__init__(swin.width * 2**stage, 4 * 2**stage, size)
        self.backbone = Swin(swin, outputs=(stage,))

    def encode(self, template: Tensor) -> Tensor:
        """Return what tracking needs of normalised templates (B, 3, 127, 127): (B, M, 2, heads, 64, C / heads)."""
        return self.encoded(self.backbone(template)[0])

    def focused(self, search: Tensor, memory: Tensor) -> Tensor:
        """Return the head's input for normalised search regions (B, 3, 289, 289) and what :meth:`encode` returned."""
        return self.joined(self.backbone(search)[0], memory)

    def for_inference(self, cpu: bool) -> SparseTTNetwork:
        """Fold batch norms and drop the stages that tracking never computes."""
        self.backbone.for_inference(cpu)
        fold_batch_norms(self)
        if cpu:
            self.pack()
        return self
