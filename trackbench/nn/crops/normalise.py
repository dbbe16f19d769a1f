"""From the pixels of crops to what networks take."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


def imagenet_tensor(images: NDArray[np.uint8], device: str | torch.device = "cpu") -> Tensor:
    """Return RGB images, uint8 (N, H, W, 3), as float32 (N, 3, H, W): ``(value / 255 - mean) / std`` of ImageNet.

    The tensor lies in memory as the images do, channels last.
    """
    mean, std = (torch.tensor(values, device=device).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD))
    tensor = torch.from_numpy(images).to(device).permute(0, 3, 1, 2).float()
    return tensor.div_(255).sub_(mean).div_(std)
