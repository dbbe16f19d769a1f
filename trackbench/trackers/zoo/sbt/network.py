"""SBT's network: features of the search image that know of the template, and heads on top of them."""

from __future__ import annotations

from torch import Tensor, nn

from trackbench.trackers.zoo.sbt.ablations.correlation import LayerwiseCorrelation, SiameseResNet
from trackbench.trackers.zoo.sbt.backbone import SBTBackbone, TemplateFeatures
from trackbench.trackers.zoo.sbt.head import Head, HeadOutput
from trackbench.trackers.zoo.sbt.options import SBTOptions


class SBTNetwork(nn.Module):
    """Backbone, correlation where Table 7 has one, and prediction heads.

    Args:
        options: its form.
    """

    def __init__(self, options: SBTOptions) -> None:
        super().__init__()
        self.backbone: SBTBackbone | SiameseResNet
        if options.extractor == "resnet50":
            self.backbone, stride = SiameseResNet(options.levels), 8
        else:
            correlated = options.correlation != "none"
            self.backbone = SBTBackbone(options.backbone, options.search_size, options.levels, with_template=correlated)
            stride = options.backbone.stride
        self.neck: LayerwiseCorrelation | None = None
        if options.correlation != "none":
            self.neck = LayerwiseCorrelation(self.backbone.channels, options.correlation)
        dim = self.neck.dim if self.neck else options.backbone.dims[-1]
        self.side = options.search_size // stride
        self.head = Head(options.head, self.side**2, dim)

    def template(self, template: Tensor) -> TemplateFeatures:
        """Return what of templates, normalised images (B, 3, h, w), is the same for every search image."""
        return self.backbone.template(template)

    def forward(self, search: Tensor, template: Tensor | TemplateFeatures) -> HeadOutput:
        """Return what every token of the search images says.

        Args:
            search: normalised images (B, 3, H, W).
            template: normalised images (B, 3, h, w), or what :meth:`template` returned for them.
        """
        features = self.backbone(search, template)
        output: HeadOutput = self.head(self.neck(features) if self.neck else features.search[-1].tokens)
        return output
