"""ResNets: names and shapes, strides and dilations, frozen norms, and folding."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from trackbench.nn.layers.corner_head import CornerHead
from trackbench.nn.layers.folding import fold_batch_norms
from trackbench.nn.layers.frozen_norm import FrozenBatchNorm2d
from trackbench.nn.layers.resnet import ResNet, ResNetStage


def randomise_norms(root: nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    for module in root.modules():
        if isinstance(module, nn.BatchNorm2d | FrozenBatchNorm2d):
            for name in ("weight", "bias", "running_mean", "running_var"):
                value = getattr(module, name).data
                value.copy_(torch.rand(value.shape, generator=generator) * 0.5 + 0.5)


def test_names_are_those_of_torchvision() -> None:
    names = set(ResNet(50, ("layer4",), nn.BatchNorm2d).state_dict())
    # torchvision's resnet50 has 320 entries, two of them of the classifier.
    assert len(names) == 318
    assert {
        "conv1.weight",
        "bn1.running_var",
        "layer1.0.downsample.1.weight",
        "layer4.2.bn3.num_batches_tracked",
    } <= names
    frozen = set(ResNet(50).state_dict())
    assert not any(name.startswith("layer4") or name.endswith("num_batches_tracked") for name in frozen)


@pytest.mark.parametrize(
    ("depth", "parameters"), [(18, 11_176_512), (34, 21_284_672), (50, 23_508_032), (101, 42_500_160)]
)
def test_number_of_parameters_without_the_classifier(depth: int, parameters: int) -> None:
    network = ResNet(depth, ("layer4",), nn.BatchNorm2d)
    assert sum(parameter.numel() for parameter in network.parameters()) == parameters


def test_maps_of_all_stages() -> None:
    maps = ResNet(18, ("stem", "layer1", "layer2", "layer3", "layer4"))(torch.zeros(1, 3, 64, 96))
    assert [tuple(m.shape[1:]) for m in maps] == [(64, 32, 48), (64, 16, 24), (128, 8, 12), (256, 4, 6), (512, 2, 3)]


def test_dilated_stages_keep_stride_8() -> None:
    stages = (
        ResNetStage(),
        ResNetStage(stride=2, first_padding=0, shortcut=3),
        ResNetStage(dilation=2, shortcut=3),
        ResNetStage(dilation=4, first_dilation=2, shortcut=3),
    )
    network = ResNet(50, ("stem", "layer2", "layer4"), nn.BatchNorm2d, stages, stem_padding=0).eval()
    with torch.inference_mode():
        maps = network(torch.zeros(1, 3, 127, 127))
    assert [tuple(m.shape[1:]) for m in maps] == [(64, 61, 61), (512, 15, 15), (2048, 15, 15)]
    convolutions: list[Any] = [network.get_submodule(f"layer4.{index}.conv2") for index in range(2)]
    assert [(c.dilation, c.padding) for c in convolutions] == [((2, 2), (2, 2)), ((4, 4), (4, 4))]
    shortcut: Any = network.get_submodule("layer4.0.downsample.0")
    assert (shortcut.kernel_size, shortcut.dilation) == ((3, 3), (2, 2))


def test_frozen_norm_is_a_batch_norm_in_evaluation_even_while_training() -> None:
    plain, frozen = nn.BatchNorm2d(5), FrozenBatchNorm2d(5)
    randomise_norms(plain)
    frozen.load_state_dict({name: value for name, value in plain.state_dict().items() if "num" not in name})
    x = torch.randn(2, 5, 3, 3)
    torch.testing.assert_close(frozen.train()(x), plain.eval()(x))
    assert not list(frozen.parameters())


@pytest.mark.parametrize("norm", [FrozenBatchNorm2d, nn.BatchNorm2d])
def test_folding_changes_nothing_but_the_norms(norm: type[nn.Module]) -> None:
    network = ResNet(50, ("stem", "layer2"), norm)
    head = CornerHead(512, 32, size=8)
    randomise_norms(network)
    randomise_norms(head)
    both = nn.ModuleList([network, head]).eval()
    x = torch.randn(2, 3, 64, 64)
    with torch.inference_mode():
        before = network(x)
        boxes = head(before[1]).boxes
        assert fold_batch_norms(both) == 1 + 3 * 3 + 4 * 3 + 2 + 8
        after = network(x)
        folded = head(after[1]).boxes
    assert not any(isinstance(module, nn.BatchNorm2d | FrozenBatchNorm2d) for module in both.modules())
    for one, other in zip(before, after, strict=True):
        torch.testing.assert_close(one, other, rtol=1e-4, atol=1e-4 * float(one.abs().max()))
    torch.testing.assert_close(boxes, folded, rtol=0, atol=1e-5)


def test_folding_into_linear_layers() -> None:
    layers = nn.Sequential(nn.Linear(4, 6, bias=False), nn.BatchNorm1d(6, affine=False)).eval()
    x = torch.randn(3, 4)
    expected = layers(x)
    assert fold_batch_norms(layers) == 1
    torch.testing.assert_close(layers(x), expected)


def test_norms_in_training_are_not_folded() -> None:
    with pytest.raises(ValueError, match="training mode"):
        fold_batch_norms(nn.Sequential(nn.Conv2d(1, 2, 1), nn.BatchNorm2d(2)))


def test_corner_head_finds_single_peaks() -> None:
    head = CornerHead(8, 16, size=10).eval()
    logits = torch.full((1, 10, 10), -1e4)
    logits[0, 3, 7] = 0
    torch.testing.assert_close(head._expectation(logits), torch.tensor([[0.7, 0.3]]))
    corners = head(torch.randn(2, 8, 10, 10))
    assert corners.boxes.shape == (2, 4)
    assert corners.top_left.shape == (2, 10, 10)
