"""Backbones begin with published weights."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from trackbench.errors import DataError
from trackbench.trackers.classes import load_class
from trackbench.trackers.networks import Networked
from trackbench.trackers.settings import resolve_settings
from trackbench.trackers.zoo.simtrack.initialisation import initialise_backbone
from trackbench.trackers.zoo.simtrack.network import SimTrack
from trackbench.trackers.zoo.simtrack.options import SimTrackOptions
from trackbench.trackers.zoo.simtrack.vit_backbone import ViTBackbone

SMALL = {
    "backbone": "vit",
    "width": (24,),
    "depth": (2,),
    "heads": (2,),
    "patch": 14,
    "template_size": 56,
    "search_size": 112,
    "pretraining_size": 70,
    "foveal_size": 28,
}


def dinov2(depth: int, width: int = 24) -> dict[str, Tensor]:
    """Return a state dict with the names of DINOv2's own files."""
    torch.manual_seed(0)
    state = {
        "cls_token": torch.randn(1, 1, width),
        "pos_embed": torch.randn(1, 26, width),
        "mask_token": torch.randn(1, width),
        "patch_embed.proj.weight": torch.randn(width, 3, 14, 14),
        "patch_embed.proj.bias": torch.randn(width),
        "norm.weight": torch.randn(width),
        "norm.bias": torch.randn(width),
    }
    for index in range(depth):
        shapes = {"attn.qkv": 3 * width, "attn.proj": width, "mlp.fc1": 4 * width}
        for name, out in shapes.items():
            state[f"blocks.{index}.{name}.weight"] = torch.randn(out, width)
            state[f"blocks.{index}.{name}.bias"] = torch.randn(out)
        state[f"blocks.{index}.mlp.fc2.weight"] = torch.randn(width, 4 * width)
        state[f"blocks.{index}.mlp.fc2.bias"] = torch.randn(width)
        for name in ("norm1.weight", "norm1.bias", "norm2.weight", "norm2.bias", "ls1.gamma", "ls2.gamma"):
            state[f"blocks.{index}.{name}"] = torch.randn(width)
    return state


def test_dinov2_starts_a_vision_transformer_its_layer_scales_multiplied_in(tmp_path: Path) -> None:
    path, state = tmp_path / "dinov2.pth", dinov2(3)
    torch.save(state, path)
    options = SimTrackOptions.model_validate({**SMALL, "pretraining": "dinov2", "backbone_file": path})
    network = SimTrack(options)
    initialise_backbone(network, options)
    assert isinstance(network.backbone, ViTBackbone)
    block: Any = network.backbone.visual.blocks[1]
    scaled = state["blocks.1.attn.proj.weight"] * state["blocks.1.ls1.gamma"][:, None]
    assert torch.equal(block.attn.out_proj.weight, scaled)
    assert torch.equal(block.mlp.c_proj.bias, state["blocks.1.mlp.fc2.bias"] * state["blocks.1.ls2.gamma"])
    assert torch.equal(network.backbone.visual.positional_embedding, state["pos_embed"][0])


@pytest.mark.parametrize(("name", "last"), [("aiatrack", 3), ("siamattn", 4)])
def test_a_resnet_file_starts_the_backbone(tmp_path: Path, name: str, last: int) -> None:
    settings = resolve_settings(name)
    model = load_class(settings.definition)
    assert issubclass(model, Networked)
    torch.manual_seed(0)
    network: nn.Module = model.build_network(settings.options)
    backbone = network.get_submodule("backbone")
    state = {key: torch.randn_like(part.float()) for key, part in backbone.state_dict().items()}
    state |= {"fc.weight": torch.randn(10, 8), "fc.bias": torch.randn(10)}
    if last == 3:
        state |= {"layer4.0.conv1.weight": torch.randn(4, 4, 1, 1), "bn1.num_batches_tracked": torch.tensor(7)}
    path = tmp_path / "resnet50.pth"
    torch.save(state, path)
    started = model.build_network(resolve_settings(name, options={"backbone_file": str(path)}).options)
    loaded = started.get_submodule("backbone").state_dict()
    assert all(torch.equal(loaded[key], state[key]) for key in loaded if not key.endswith("num_batches_tracked"))
    del state["layer2.0.conv1.weight"]
    torch.save(state, path)
    with pytest.raises(DataError, match=r"1 missing: layer2\.0\.conv1\.weight"):
        model.build_network(resolve_settings(name, options={"backbone_file": str(path)}).options)


def test_separate_blocks_give_each_image_its_own_tokens() -> None:
    options = SimTrackOptions.model_validate(
        {**SMALL, "pretraining": "mae", "separate_blocks": 1, "position_embedding": "late"}
    )
    torch.manual_seed(0)
    network = SimTrack(options).eval()
    image, boxes = torch.randn(1, 3, 56, 56), torch.tensor([[0.25, 0.25, 0.5, 0.5]])
    backbone = network.backbone
    assert isinstance(backbone, ViTBackbone)
    torch.nn.init.normal_(backbone.pos_fc.get_parameter("2.weight"))  # it starts at zero
    with torch.no_grad():
        tokens, _ = backbone.exemplar(image, boxes)
        alone = backbone.visual.blocks[0](backbone.visual.ln_pre(backbone.exemplar_tokens(image, boxes)))
        late = backbone.pos_fc.embed(boxes, 4)
        torch.testing.assert_close(tokens[:, :16], alone[:, :16] + late)
        moved, _ = backbone.exemplar(image, boxes + 0.1)
    assert not torch.equal(tokens, moved)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth": (3,), "interaction_ratio": 0.5}, "depth 3 is no multiple of 2"),
        ({"separate_blocks": 2}, "expected less than depth 2"),
        ({"separate_blocks": 1, "interaction_ratio": 0.5}, "expected 1"),
        ({"position_embedding": "late", "asymmetric": True}, "sees itself alone"),
    ],
)
def test_blocks_that_do_not_fit_are_refused(changes: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        SimTrackOptions.model_validate({**SMALL, "pretraining": "mae", **changes})
