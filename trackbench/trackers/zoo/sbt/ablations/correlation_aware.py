"""Correlation-aware features for other trackers (Sec. 5.3 and A.2 of the paper).

A Siamese tracker computes features of two images apart and correlates them then. Here one network sees both images and
gives a map of each, so that the search image's map already knows of the template; all that follows stays as it is.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn

from trackbench.nn.layers.pyramid import TokenMap
from trackbench.trackers.zoo.sbt.backbone import SBTBackbone, TemplateFeatures
from trackbench.trackers.zoo.sbt.options import BackboneOptions


class FeatureMaps(NamedTuple):
    """Maps of both images, channels last in memory."""

    search: Tensor
    """(B, C, H, W)."""
    template: Tensor
    """(B, C, h, w)."""


class CorrelationAwareFeatures(nn.Module):
    """SBT's backbone as a feature network with two inputs.

    What the paper calls a modified SBT is one whose stride is that of the tracker it serves: the options say which.

    Args:
        options: form of the backbone, with at least one EoC-CA block.
        search_size: side of the search image in pixels, the larger one.

    Raises:
        ValueError: there is no EoC-CA block.
    """

    def __init__(self, options: BackboneOptions, search_size: int) -> None:
        super().__init__()
        if not any(options.cross):
            raise ValueError("correlation-aware features need an EoC-CA block")
        self.backbone = SBTBackbone(options, search_size, with_template=True)
        self.channels, self.stride = options.dims[-1], options.stride

    def template(self, template: Tensor) -> Tensor:
        """Return what of templates (B, 3, h, w) no search image changes, a map (B, C', h', w') to be kept."""
        return self.backbone.template(template).current.image()

    def forward(self, search: Tensor, template: Tensor) -> FeatureMaps:
        """Return the maps of both images.

        Args:
            search: normalised images (B, 3, H, W).
            template: what :meth:`template` returned for the templates.
        """
        features = self.backbone(search, TemplateFeatures(TokenMap.of(template)))
        return FeatureMaps(features.search[-1].image(), features.template[-1].image())
