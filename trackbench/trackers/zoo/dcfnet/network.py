"""The features of DCFNet: two convolutions and a normalisation, 10,144 parameters."""

from __future__ import annotations

from torch import Tensor, nn


class Features(nn.Module):
    """Two 3x3 convolutions over 32 channels, padded, with a ReLU between them only, and a normalisation over channels.

    The paper draws a ReLU after each convolution; the published weights are those of a network without the second.
    """

    def __init__(self) -> None:
        super().__init__()
        self.feature = nn.Sequential(
            nn.Conv2d(3, 32, 3, padding=1),
            nn.ReLU(inplace=True),
            nn.Conv2d(32, 32, 3, padding=1),
            nn.LocalResponseNorm(size=5, alpha=1e-4, beta=0.75, k=1.0),
        )

    def forward(self, crops: Tensor) -> Tensor:
        """Return features (B, 32, H, W) of crops (B, 3, H, W): B, G, R, 0 to 255, less the mean colour."""
        features: Tensor = self.feature(crops)
        return features
