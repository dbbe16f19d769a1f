"""Correlation after feature extraction, and the Siamese baselines of Table 7 and Fig. 9 of the paper.

The paper gives the kinds of correlation, the 256 channels, the 7x7 centre of the template and the weighted sum over
three levels; how they are put together below is our reading of it, and there are no checkpoints to compare with.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from trackbench.nn.layers.correlation import depthwise_correlation
from trackbench.nn.layers.correlation_filter import gaussian_label, train
from trackbench.nn.layers.pyramid import SpatialReductionAttention, TokenMap
from trackbench.nn.layers.resnet import ResNet, ResNetStage
from trackbench.trackers.zoo.sbt.backbone import PairFeatures, TemplateFeatures


class SiameseResNet(nn.Module):
    """ResNet-50 of stride 8, whose last stages are dilated instead, on both images alone (SiamRPN++'s features).

    Args:
        levels: stages whose features are wanted, among 2, 3 and 4.
    """

    def __init__(self, levels: tuple[int, ...]) -> None:
        super().__init__()
        stages = (
            ResNetStage(),
            ResNetStage(stride=2),
            ResNetStage(dilation=2),
            ResNetStage(dilation=4, first_dilation=2),
        )
        self.resnet = ResNet(50, tuple(f"layer{level}" for level in levels), nn.BatchNorm2d, stages)
        self.channels = [256 * 2 ** (level - 1) for level in levels]

    def template(self, template: Tensor) -> TemplateFeatures:
        """Return the features of templates, normalised images (B, 3, h, w)."""
        levels = tuple(TokenMap.of(level) for level in self.resnet(template))
        return TemplateFeatures(levels[-1], levels)

    def forward(self, search: Tensor, template: Tensor | TemplateFeatures) -> PairFeatures:
        """Return the features of search images (B, 3, H, W) and of templates, images or known features."""
        known = self.template(template) if isinstance(template, Tensor) else template
        return PairFeatures([TokenMap.of(level) for level in self.resnet(search)], list(known.levels))


class DepthwiseCorrelation(nn.Module):
    """Each channel of the search image against the template's 7x7 centre, zero-padded so that the size stays."""

    def forward(self, search: Tensor, template: Tensor) -> Tensor:
        """Return the responses (B, C, H, W) of maps (B, C, H, W) and (B, C, h, w)."""
        kernel = _centre(template, 7)
        above, left = ((length - 1) // 2 for length in kernel.shape[2:])
        below, right = (length // 2 for length in kernel.shape[2:])
        return depthwise_correlation(F.pad(search, (left, right, above, below)), kernel)


class CrossAttention(nn.Module):
    """Search tokens attend to all template tokens, with a shortcut."""

    def __init__(self, dim: int, heads: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(dim)
        self.attn = SpatialReductionAttention(dim, heads, 1)

    def forward(self, search: Tensor, template: Tensor) -> Tensor:
        """Return search maps (B, C, H, W) that have attended to template maps (B, C, h, w)."""
        x, z = (TokenMap.of(image) for image in (search, template))
        gathered = self.attn(x.replaced(self.norm(x.tokens)), self.attn.keys_values(z.replaced(self.norm(z.tokens))))
        return x.replaced(x.tokens + gathered).image()


class FilterCorrelation(nn.Module):
    """Channel-wise responses of a correlation filter that is learned from the template in closed form.

    The paper puts SBT's features into ECO, a tracker that learns on-line; here the filter is ridge regression on the
    template alone, which lies in the middle of a map of the search image's size.
    """

    def __init__(self) -> None:
        super().__init__()
        self.log_regularisation = nn.Parameter(torch.zeros(()))

    def forward(self, search: Tensor, template: Tensor) -> Tensor:
        """Return the responses (B, C, H, W) of maps (B, C, H, W) and (B, C, h, w)."""
        search, template = search.float(), template.float()
        height, width = search.shape[2:]
        rows, columns = template.shape[2:]
        padded = F.pad(template, (0, width - columns, 0, height - rows)).roll((-(rows // 2), -(columns // 2)), (2, 3))
        label = gaussian_label((height, width), rows / 16, search.device)
        model = train(torch.fft.rfft2(padded), torch.fft.rfft2(label))
        divisor = (model.denominator + self.log_regularisation.exp() * model.denominator.mean((1, 2), True)).unsqueeze(
            1
        )
        response: Tensor = torch.fft.irfft2(
            torch.fft.rfft2(search) * model.numerator.conj() / divisor, s=(height, width)
        )
        return response


class LayerwiseCorrelation(nn.Module):
    """Correlation of the two images at several levels, summed with learned weights (Fig. 9 b).

    Args:
        channels: of each level.
        kind: ``depth-wise``, ``cross-attention`` or ``filter``.
        dim: channels to which all levels are brought.
    """

    def __init__(self, channels: list[int], kind: str, dim: int = 256) -> None:
        super().__init__()
        self.dim = dim
        self.adjust = nn.ModuleList(
            nn.Sequential(nn.Conv2d(count, dim, 1, bias=False), nn.BatchNorm2d(dim)) for count in channels
        )
        self.correlate = nn.ModuleList(_correlation(kind, dim) for _ in channels)
        self.weights = nn.Parameter(torch.zeros(len(channels)))

    def forward(self, features: PairFeatures) -> Tensor:
        """Return the tokens (B, N, dim) of the search image after correlation."""
        total: Tensor | None = None
        levels = zip(
            features.search, features.template, self.adjust, self.correlate, self.weights.softmax(0), strict=True
        )
        for search, template, adjust, correlate, weight in levels:
            response = weight * correlate(adjust(search.image()), adjust(template.image()))
            total = response if total is None else total + response
        assert total is not None
        return TokenMap.of(total).tokens


def _correlation(kind: str, dim: int) -> nn.Module:
    if kind == "cross-attention":
        return CrossAttention(dim, dim // 32)
    return DepthwiseCorrelation() if kind == "depth-wise" else FilterCorrelation()


def _centre(template: Tensor, size: int) -> Tensor:
    """Return the middle of template maps (B, C, h, w), at most ``size`` cells wide and high."""
    top, left = (max(0, (length - size) // 2) for length in template.shape[2:])
    return template[:, :, top : top + size, left : left + size]
