"""SparseTT with correlation-aware features: SBT's contribution to other trackers, shown on SparseTT's network.

The search image's map knows of the template before the target focus network correlates them, and the template's map of
the search image; so the template is encoded anew in each frame, from what SBT keeps of it. Everything else is
SparseTT's. The paper does this to SiamFC++, DiMP, STARK and STM; there are no published weights of this pair.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from pydantic import field_validator
from torch import Tensor

from trackbench.checkpoints.key_map import KeyMap
from trackbench.nn.layers.folding import fold_batch_norms
from trackbench.trackers.base import Options
from trackbench.trackers.zoo.sbt.ablations.correlation_aware import CorrelationAwareFeatures
from trackbench.trackers.zoo.sbt.options import BackboneOptions
from trackbench.trackers.zoo.sparsett.network import FocusNetwork, NetworkSize
from trackbench.trackers.zoo.sparsett.tracker import SparseTT, SparseTTOptions, network_size

SBT_SMALL = BackboneOptions(depths=(2, 2, 6), strides=(4, 2, 2), cross=((), (), (2, 4, 6)))
"""SBT-small with the stride of SparseTT's features, 16 pixels."""


class CorrelationAwareSparseTT(FocusNetwork):
    """SparseTT's network on correlation-aware features.

    Args:
        size: of the parts behind the features.
        features: form of the feature network.
    """

    def __init__(self, size: NetworkSize, features: BackboneOptions = SBT_SMALL) -> None:
        made = CorrelationAwareFeatures(features, size.search)
        super().__init__(made.channels, made.stride, size)
        self.features = made

    def encode(self, template: Tensor) -> Tensor:
        """Return what no search region changes of normalised templates (B, 3, h, w), (B, C', h', w')."""
        return self.features.template(template)

    def focused(self, search: Tensor, memory: Tensor) -> Tensor:
        """Return the head's input for normalised search regions (B, 3, H, W) and what :meth:`encode` returned."""
        maps = self.features(search, memory)
        return self.joined(maps.search, self.encoded(maps.template))

    def for_inference(self, cpu: bool) -> CorrelationAwareSparseTT:
        """Fold batch norms and lay weights out as the device wants them."""
        fold_batch_norms(self)
        if cpu:
            self.features.backbone.pack(self.search_side * self.features.stride)
            self.pack()
        return self.to(memory_format=torch.channels_last)  # type: ignore[call-overload,no-any-return]


class SparseTTCAOptions(SparseTTOptions):
    """Options of :class:`SparseTTCA`."""

    features: BackboneOptions = SBT_SMALL
    """Form of the feature network; its stride is 16."""

    @field_validator("features")
    @classmethod
    def _fits(cls, value: BackboneOptions) -> BackboneOptions:
        if value.stride != 16 or not any(value.cross):
            raise ValueError("expected strides whose product is 16, and an EoC-CA block")
        return value


class SparseTTCA(SparseTT):
    """See the module's text."""

    Options: ClassVar[type[Options]] = SparseTTCAOptions
    options: SparseTTCAOptions

    @classmethod
    def build_network(cls, options: SparseTTCAOptions) -> CorrelationAwareSparseTT:
        """Return the network of the options' features, layers, sparseness and heads."""
        return CorrelationAwareSparseTT(network_size(options), options.features)

    @classmethod
    def key_map(cls, options: SparseTTOptions) -> KeyMap:
        """Return the names of files of one's own: ours."""
        return KeyMap()
