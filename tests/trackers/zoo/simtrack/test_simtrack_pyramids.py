"""What the pyramids of Table 7 share with the plain ones, and what the paper says is different."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from small_simtrack import PVT, SWIN, small
from torch import Tensor

from trackbench.nn.layers.pyramid import TokenMap
from trackbench.nn.layers.swin import WindowAttention
from trackbench.trackers.zoo.simtrack.ablations.pvt_backbone import JointAttention, PVTBackbone
from trackbench.trackers.zoo.simtrack.ablations.swin_backbone import SwinBackbone, pooled
from trackbench.trackers.zoo.simtrack.network import SimTrack
from trackbench.trackers.zoo.simtrack.tracker import SimTrackTracker

pytestmark = pytest.mark.usefixtures("fixed_seed")


@pytest.fixture
def fixed_seed() -> None:
    torch.manual_seed(0)


def attention(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Plain attention of (heads, N, d)."""
    return (q @ k.transpose(-1, -2) / q.shape[-1] ** 0.5).softmax(-1) @ v


@torch.inference_mode()
def test_windows_attend_to_tokens_outside_of_the_map() -> None:
    layer = WindowAttention(width=8, heads=2, window=3, shift=0)
    layer.relative_position_bias_table.zero_()
    x, others = torch.randn(2, 18, 8), torch.randn(2, 5, 8)
    found = layer(x, (6, 3), layer.keys_values(others)).view(2, 2, 9, 8)
    for image in range(2):
        for window in range(2):
            tokens = torch.cat([x[image].view(2, 9, 8)[window], others[image]])
            q, k, v = layer.qkv(tokens).view(14, 3, 2, 4).permute(1, 2, 0, 3)
            expected = layer.proj(attention(q[:, :9], k, v).transpose(0, 1).reshape(9, 8))
            torch.testing.assert_close(found[image, window], expected)


@torch.inference_mode()
def test_the_exemplar_of_a_swin_is_a_plain_swins() -> None:
    backbone = SwinBackbone(small(**SWIN, position_embedding="none")).eval()
    image = torch.randn(2, 3, 32, 32)
    memory = backbone.exemplar(image, torch.zeros(2, 4))
    torch.testing.assert_close(memory[-1], backbone.visual(image)[0].flatten(2).transpose(1, 2))
    # Of the maps of 8, 4 and 2 tokens only the first is larger than a window.
    assert [part.shape[3] for part in memory[:-1]] == [49, 16, 4, 4]


def test_pooling_averages_cells() -> None:
    tokens = torch.arange(28.0 * 28).view(1, 28, 28, 1)
    means = pooled(tokens.flatten(1, 2), (28, 28)).view(7, 7)
    assert means[2, 3].item() == pytest.approx(tokens[0, 8:12, 12:16].mean().item())


@torch.inference_mode()
def test_the_exemplar_of_a_pvt_is_reduced_as_if_it_were_twice_as_large() -> None:
    layer = JointAttention(16, heads=2, reduction=4)
    search, exemplar = (TokenMap(torch.randn(2, side * side, 16), side, side) for side in (8, 4))
    found = layer.joint(search, exemplar)
    doubled = TokenMap.of(F.interpolate(exemplar.image(), scale_factor=2, mode="nearest"))
    expected = [torch.cat(pair, 2) for pair in zip(layer.keys_values(search), layer.keys_values(doubled), strict=True)]
    torch.testing.assert_close(found.keys, expected[0])
    torch.testing.assert_close(found.values, expected[1])


@torch.inference_mode()
def test_in_a_pvt_both_images_see_each_other() -> None:
    backbone = PVTBackbone(small(**PVT)).eval()
    boxes = torch.tensor([[0.25, 0.25, 0.5, 0.5]])
    exemplar, search = torch.randn(1, 3, 32, 32), torch.randn(1, 3, 64, 64)
    tokens, others = backbone(search, backbone.exemplar(exemplar, boxes), with_exemplar=True)
    assert tokens.shape == (1, 16, 64)
    assert others.shape == (1, 4, 64)
    changed = backbone(search, backbone.exemplar(exemplar + 1, boxes))[0]
    assert not torch.allclose(changed, tokens)
    changed = backbone(search + 1, backbone.exemplar(exemplar, boxes), with_exemplar=True)[1]
    assert not torch.allclose(changed, others)


@pytest.mark.parametrize("name", ["swin", "pvt"])
def test_a_pyramid_starts_from_a_published_file(name: str, tmp_path: Path) -> None:
    source = SimTrack(small(**(SWIN if name == "swin" else PVT))).backbone.visual
    state = {}
    for key, tensor in source.state_dict().items():
        if name == "swin":
            if key.startswith("norm2."):
                continue
            key = key.replace("stages.", "layers.")
        else:
            number = int(key.split(".")[1]) + 1
            key = key.split(".", 2)[2].replace("blocks.", f"block{number}.").replace("positions", f"pos_embed{number}")
            key = key.replace("patch_embed.", f"patch_embed{number}.")
        state[key] = tensor
    if name == "swin":
        extra = {"layers.3.blocks.0.norm1.weight": torch.ones(3), "layers.2.downsample.norm.weight": torch.ones(256)}
        extra |= {
            "norm.weight": torch.ones(3),
            "head.weight": torch.ones(3),
            "layers.0.blocks.0.attn.relative_position_index": torch.zeros(3),
        }
        document = {"model": state | extra}
    else:
        document = state | {
            name: torch.ones(3)
            for name in ("cls_token", "pos_embed4", "block4.0.norm1.weight", "head.bias", "norm.weight")
        }
    torch.save(document, tmp_path / "pyramid.pth")
    options = small(**(SWIN if name == "swin" else PVT), backbone_file=tmp_path / "pyramid.pth")
    loaded = SimTrackTracker.build_network(options).backbone.visual.state_dict()
    for key, tensor in source.state_dict().items():
        if ".downsample." not in key:
            assert loaded[key].equal(tensor), key
    if name == "swin":
        # The original order of a patch's tokens is (0, 0), (1, 0), (0, 1), (1, 1); ours is row by row.
        key = "stages.0.downsample.norm.weight"
        assert loaded[key].view(4, 16)[1].equal(source.state_dict()[key].view(4, 16)[2])
