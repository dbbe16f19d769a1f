"""From the pixels of crops to what networks take."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trackbench.nn.staging import upload

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


class Normaliser(nn.Module):
    """Normalises images, which it uploads where they are arrays; mean and standard deviation stay on its device.

    Args:
        mean: of each channel.
        std: of each channel.
        levels: what the pixels are divided by first; by default, mean and standard deviation are those of [0, 1].
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        mean: tuple[float, ...] = IMAGENET_MEAN,
        std: tuple[float, ...] = IMAGENET_STD,
        levels: float = 255.0,
    ) -> None:
        super().__init__()
        self.levels = levels
        for name, values in (("mean", mean), ("std", std)):
            self.register_buffer(name, torch.tensor(values).view(1, -1, 1, 1), persistent=False)

    def forward(self, images: NDArray[np.uint8] | Tensor) -> Tensor:
        """Return images, uint8 (N, H, W, C), as float32 (N, C, H, W): ``(value / levels - mean) / std``.

        The tensor lies in memory as the images do, channels last.
        """
        raw = images if isinstance(images, Tensor) else upload(images, self.mean.device)
        tensor = raw.permute(0, 3, 1, 2).float()
        if self.levels != 1:
            tensor.div_(self.levels)
        return tensor.sub_(self.mean).div_(self.std)
