"""The network of Alpha-Refine with a mask head (Yan et al., CVPR 2021; the variant of the VOT2020 challenge).

A ResNet-50 sees the reference crop once and each search crop; the neck compares the two at stride 16; the decoder turns
the comparison and the features of all stages into a mask of the search crop. S is the side of the crops in pixels, P =
S / 32 the side of the reference's kernel in cells: the target, half as wide as its crop, covers P cells of stride 16.

Parameters have the names of the official checkpoints. There the levels of the decoder are called ``layer2`` to
``layer5`` after the maps that enter it, one more than the backbone's stages.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trackbench.nn.layers.folding import fold_batch_norms
from trackbench.nn.layers.packed_conv import pack_convolutions
from trackbench.nn.layers.resnet import ResNet
from trackbench.nn.layers.roi_pooling import precise_roi_pool
from trackbench.trackers.zoo.alpharefine.decoder import Decoder
from trackbench.trackers.zoo.alpharefine.neck import Neck

STRIDE = 16
"""Pixels of a crop for each cell of the maps that are compared."""
LEVELS = {"layer5": 2048, "layer4": 1024, "layer3": 512, "layer2": 256}
"""Levels of the decoder, the deepest first -> channels of the backbone's map."""


class AlphaRefineNetwork(nn.Module):
    """Backbone, neck and decoder.

    Args:
        size: side S of the crops in pixels, a multiple of 32.
    """

    def __init__(self, size: int = 384) -> None:
        super().__init__()
        self.size = size
        self.pool = size // (2 * STRIDE)
        self.feature_extractor = ResNet(50, ("layer4", "layer3", "layer2", "layer1"), nn.BatchNorm2d)
        self.neck = Neck(self.pool**2)
        self.refiner = Decoder(LEVELS, self.pool**2)

    def reference(self, images: Tensor, boxes: Tensor) -> Tensor:
        """Return the kernels of targets, (B, P * P, 1024).

        Args:
            images: normalised reference crops (B, 3, S, S).
            boxes: x1, y1, x2, y2 of the targets in pixels of the crops, (B, 4).
        """
        features = self.feature_extractor(images)[1]
        pooled = precise_roi_pool(features, boxes[:, None], self.pool, 1 / STRIDE)
        return pooled[:, 0].flatten(2).transpose(1, 2).contiguous()

    def logits(self, kernels: Tensor, images: Tensor) -> Tensor:
        """Return mask logits (B, 1, S, S) of the normalised search crops ``images`` (B, 3, S, S)."""
        features = dict(zip(LEVELS, self.feature_extractor(images), strict=True))
        logits: Tensor = self.refiner(self.neck(kernels, features["layer4"]), features)
        return logits

    def for_inference(self, cpu: bool) -> AlphaRefineNetwork:
        """Fold batch norms and lay weights out for tracking, in evaluation mode; from here on weights stay.

        Args:
            cpu: whether to rearrange weights as a CPU wants them; the network then stays there.
        """
        fold_batch_norms(self)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if cpu:
            for number, level in enumerate(reversed(LEVELS)):
                stage = self.feature_extractor.get_submodule(f"layer{number + 1}")
                decoder = self.refiner
                for part in (stage, decoder.TSE[level], decoder.RRB1[level], decoder.RRB2[level]):
                    pack_convolutions(part, self.size // 4 >> number)
        return self

    def forward(self, reference: Tensor, boxes: Tensor, search: Tensor) -> Tensor:
        """Return the probability of each pixel of the search crops, (B, 1, S, S); for training."""
        return torch.sigmoid(self.logits(self.reference(reference, boxes), search))
