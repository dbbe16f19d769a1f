"""The IoU prediction head of AiATrack (section 3.2, "Prediction Heads"): how well a box fits the target."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from trackbench.nn.layers.corner_head import conv_norm_relu
from trackbench.nn.layers.roi_pooling import precise_roi_pool


class IoUHead(nn.Module):
    """Three convolutions, precise RoI pooling and two linear layers, the first with batch norm and ReLU.

    The paper pools to 3x3; the published weights are those of 4x4.

    Args:
        channels: channels of the features.
        cells: cells along each side of the map.
        pool: rows and columns of bins.
    """

    def __init__(self, channels: int = 256, cells: int = 20, pool: int = 4) -> None:
        super().__init__()
        self.cells, self.pool = cells, pool
        self.conv1 = conv_norm_relu(channels, channels)
        self.conv2 = conv_norm_relu(channels, channels)
        self.conv3 = conv_norm_relu(channels, channels)
        self.fc = nn.Sequential()
        self.fc.add_module("linear", nn.Linear(channels * pool * pool, channels))
        self.fc.add_module("bn", nn.BatchNorm1d(channels))
        self.fc.add_module("relu", nn.ReLU(inplace=True))
        self.iou_predictor = nn.Linear(channels, 1)
        self._initialise()

    def _initialise(self) -> None:
        for module in self.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, mode="fan_in", nonlinearity="relu")
                assert module.bias is not None
                nn.init.zeros_(module.bias)
            elif isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                nn.init.uniform_(module.weight)

    def features(self, x: Tensor) -> Tensor:
        """Return the map that is pooled, (B, C, cells, cells)."""
        out: Tensor = self.conv3(self.conv2(self.conv1(x)))
        return out

    def forward(self, x: Tensor, boxes: Tensor) -> Tensor:
        """Return 2 * IoU - 1 as the head predicts it, (B, N); not clamped.

        Args:
            x: decoded features, (B, C, cells, cells).
            boxes: (B, N, 4), x1, y1, x2, y2 over the side of the crop.
        """
        pooled = precise_roi_pool(self.features(x), boxes, self.pool, scale=float(self.cells))
        scores: Tensor = self.iou_predictor(self.fc(torch.flatten(pooled, 2).flatten(0, 1)))
        return scores.view(boxes.shape[:2])
