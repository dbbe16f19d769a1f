"""ResNet (He et al., CVPR 2016) as trackers use it: any stages, strides and dilations, torchvision's parameter names.

The stride of a bottleneck sits in its 3x3 convolution, as in torchvision.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from trackbench.nn.layers.frozen_norm import FrozenBatchNorm2d

Norm = Callable[[int], nn.Module]
"""Makes a normalisation of so many channels: ``nn.BatchNorm2d`` or ``FrozenBatchNorm2d``."""

_DEPTHS = {18: (2, 2, 2, 2), 34: (3, 4, 6, 3), 50: (3, 4, 6, 3), 101: (3, 4, 23, 3)}


@dataclass(frozen=True)
class ResNetStage:
    """How the blocks of one stage convolve."""

    stride: int = 1
    """Stride of the first block."""
    dilation: int = 1
    """Dilation of all 3x3 convolutions but the first block's."""
    first_dilation: int = 1
    """Dilation of the first block."""
    first_padding: int | None = None
    """Padding of the first block's strided 3x3 convolution; by default its dilation, which keeps the size."""
    shortcut: int = 1
    """Kernel of the projection shortcut: 1, or 3 with the stride, padding and dilation of the first block."""


STANDARD = (ResNetStage(), ResNetStage(stride=2), ResNetStage(stride=2), ResNetStage(stride=2))
"""The stages of an ordinary ResNet; its output has stride 32."""


class ResNet(nn.Module):
    """A ResNet up to the last stage that is asked for.

    Args:
        depth: 18, 34, 50 or 101.
        outputs: which maps to return, in this order: ``stem`` (after the first ReLU, before pooling), ``layer1`` to
            ``layer4``. Stages after the last of them do not exist.
        norm: which normalisation.
        stages: how the four stages convolve.
        stem_padding: padding of the first, 7x7 convolution.
        width: channels of the stem; all others are multiples of it.
    """

    def __init__(
        self,
        depth: int = 50,
        outputs: tuple[str, ...] = ("layer3",),
        norm: Norm = FrozenBatchNorm2d,
        stages: tuple[ResNetStage, ...] = STANDARD,
        stem_padding: int = 3,
        width: int = 64,
    ) -> None:
        super().__init__()
        block = _BasicBlock if depth < 50 else _Bottleneck
        self.outputs = outputs
        self.conv1 = nn.Conv2d(3, width, 7, stride=2, padding=stem_padding, bias=False)
        self.bn1 = norm(width)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        channels = width
        self._names = tuple(f"layer{number}" for number in range(1, max(map(_number, outputs)) + 1))
        for name, count, stage in zip(self._names, _DEPTHS[depth], stages, strict=False):
            rest = ResNetStage(dilation=stage.dilation, first_dilation=stage.dilation)
            blocks: list[nn.Module] = []
            for index in range(count):
                blocks.append(block(channels, width, stage if index == 0 else rest, norm))
                channels = width * block.expansion
            self.add_module(name, nn.Sequential(*blocks))
            width *= 2
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")

    def forward(self, images: Tensor) -> list[Tensor]:
        """Return the maps that were asked for, each (B, C, H, W); ``images`` is (B, 3, H, W)."""
        x = self.relu(self.bn1(self.conv1(images)))
        maps = {"stem": x}
        if self._names:
            x = self.maxpool(x)
        for name in self._names:
            x = maps[name] = self.get_submodule(name)(x)
        return [maps[name] for name in self.outputs]


def _number(name: str) -> int:
    return 0 if name == "stem" else int(name.removeprefix("layer"))


def _middle(channels: int, width: int, stage: ResNetStage) -> nn.Conv2d:
    """Return the 3x3 convolution that has the block's stride and dilation."""
    padding = stage.first_dilation if stage.first_padding is None else stage.first_padding
    return nn.Conv2d(
        channels, width, 3, stride=stage.stride, padding=padding, dilation=stage.first_dilation, bias=False
    )


def _projection(channels: int, out: int, stage: ResNetStage, norm: Norm) -> nn.Sequential:
    if stage.shortcut == 1:
        return nn.Sequential(nn.Conv2d(channels, out, 1, stride=stage.stride, bias=False), norm(out))
    return nn.Sequential(_middle(channels, out, stage), norm(out))


class _BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, channels: int, width: int, stage: ResNetStage, norm: Norm) -> None:
        super().__init__()
        self.conv1 = _middle(channels, width, stage)
        self.bn1 = norm(width)
        self.conv2 = nn.Conv2d(width, width, 3, padding=stage.first_dilation, dilation=stage.first_dilation, bias=False)
        self.bn2 = norm(width)
        self.relu = nn.ReLU(inplace=True)
        changed = stage.stride != 1 or channels != width
        self.downsample = _projection(channels, width, stage, norm) if changed else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output for the map ``x``, (B, C, H, W)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        out: Tensor = self.relu(self.bn2(self.conv2(x)) + shortcut)
        return out


class _Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, channels: int, width: int, stage: ResNetStage, norm: Norm) -> None:
        super().__init__()
        out = width * self.expansion
        self.conv1 = nn.Conv2d(channels, width, 1, bias=False)
        self.bn1 = norm(width)
        self.conv2 = _middle(width, width, stage)
        self.bn2 = norm(width)
        self.conv3 = nn.Conv2d(width, out, 1, bias=False)
        self.bn3 = norm(out)
        self.relu = nn.ReLU(inplace=True)
        changed = stage.stride != 1 or channels != out
        self.downsample = _projection(channels, out, stage, norm) if changed else None

    def forward(self, x: Tensor) -> Tensor:
        """Return the block's output for the map ``x``, (B, C, H, W)."""
        shortcut = x if self.downsample is None else self.downsample(x)
        x = self.relu(self.bn1(self.conv1(x)))
        x = self.relu(self.bn2(self.conv2(x)))
        out: Tensor = self.relu(self.bn3(self.conv3(x)).add_(shortcut))
        return out
