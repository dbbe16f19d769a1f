"""Files of SimTrack's weights and of pre-trained backbones, in the forms in which they are published."""

from __future__ import annotations

from collections import OrderedDict
from pathlib import Path
from typing import Any

import pytest
import torch
from small_simtrack import small
from torch import Tensor, nn

from trackbench.checkpoints.key_map import Match, match
from trackbench.checkpoints.reader import read_state
from trackbench.errors import DataError
from trackbench.trackers.zoo.simtrack.network import SimTrack
from trackbench.trackers.zoo.simtrack.options import SimTrackOptions
from trackbench.trackers.zoo.simtrack.tracker import SimTrackTracker
from trackbench.trackers.zoo.simtrack.vit_backbone import ViTBackbone

WIDTH = 32


class Settings:
    """Stands for the objects that the official trainer pickles beside the weights."""

    def __init__(self) -> None:
        self.batch = 64


def official(network: nn.Module) -> dict[str, Tensor]:
    """Return a network's weights under the official names."""
    names = {name: name.replace(".in_proj.", ".in_proj_") for name in network.state_dict()}
    state = OrderedDict((names[name], tensor.clone()) for name, tensor in network.state_dict().items())
    state["backbone.visual.proj"] = torch.randn(WIDTH, 16)
    return state


def read(path: Path, options: SimTrackOptions) -> Match:
    wanted = SimTrackTracker.build_network(options).state_dict()
    return match(read_state(path), SimTrackTracker.key_map(options), wanted)


def assert_same(found: dict[str, Tensor], network: nn.Module) -> None:
    expected = network.state_dict()
    assert found.keys() == expected.keys()
    for name, tensor in found.items():
        torch.testing.assert_close(tensor.float(), expected[name].float(), rtol=0, atol=0)


def test_a_checkpoint_of_the_official_trainer(tmp_path: Path) -> None:
    network = SimTrack(small())
    document = {
        "epoch": 50,
        "actor_type": "SimTrackActor",
        "net_type": "SimTrack",
        "net": official(network),
        "optimizer": {"state": {0: {"exp_avg": torch.zeros(3)}}, "param_groups": []},
        "settings": Settings(),
    }
    torch.save(document, tmp_path / "SimTrack_ep0050.pth.tar")
    found = read(tmp_path / "SimTrack_ep0050.pth.tar", small())
    assert found.complete
    assert found.unused == ["backbone.visual.proj"]
    assert_same(found.weights, network)


def test_a_checkpoint_of_another_code_base(tmp_path: Path) -> None:
    """Other prefixes, a 1x1 convolution of another name before the head, CLIP's text encoder."""
    network = SimTrack(small())
    renamed = {}
    for name, tensor in official(network).items():
        if name.startswith("bottleneck."):
            name = name.replace("bottleneck.", "module.neck.reduce.")
            tensor = tensor[..., None, None] if tensor.ndim == 2 else tensor
        elif name.startswith("box_head."):
            name = name.replace("box_head.", "module.head.corner.")
        else:
            name = f"module.{name}"
        renamed[name] = tensor
    renamed |= {f"module.backbone.{name}": tensor for name, tensor in clip_text().items()}
    torch.save({"state_dict": renamed}, tmp_path / "model.pth")
    found = read(tmp_path / "model.pth", small())
    assert found.complete
    assert_same(found.weights, network)


def test_other_files_are_not_taken(tmp_path: Path) -> None:
    torch.save(official(SimTrack(small(depth=(3,)))), tmp_path / "shorter.pth")
    found = read(tmp_path / "shorter.pth", small())
    assert not found.complete
    assert all(name.startswith("backbone.visual.transformer.resblocks.3.") for name in found.missing)
    state = official(SimTrack(small()))
    state["neck.extra.weight"] = torch.zeros(3)
    torch.save(state, tmp_path / "more.pth")
    assert read(tmp_path / "more.pth", small()).unknown == ["neck.extra.weight"]


def test_a_parameter_that_is_there_twice_is_not_guessed(tmp_path: Path) -> None:
    state = official(SimTrack(small()))
    state["average.pos_fc.0.bias"] = torch.zeros(16)
    torch.save(state, tmp_path / "twice.pth")
    assert read(tmp_path / "twice.pth", small()).unknown == ["average.pos_fc.0.bias"]


# Pre-trained backbones: files are written here under the names of their own programs.


def clip_text() -> dict[str, Tensor]:
    return {
        "positional_embedding": torch.randn(7, 8),
        "text_projection": torch.randn(8, 16),
        "logit_scale": torch.tensor(4.6),
        "transformer.resblocks.0.ln_1.weight": torch.randn(8),
        "transformer.resblocks.0.attn.in_proj_weight": torch.randn(24, 8),
        "token_embedding.weight": torch.randn(10, 8),
        "ln_final.weight": torch.randn(8),
        "ln_final.bias": torch.randn(8),
    }


def clip_visual(depth: int) -> dict[str, Tensor]:
    state = {
        "class_embedding": torch.randn(WIDTH),
        "positional_embedding": torch.randn(17, WIDTH),
        "proj": torch.randn(WIDTH, 16),
        "conv1.weight": torch.randn(WIDTH, 3, 8, 8),
    }
    for norm in ("ln_pre", "ln_post"):
        state |= {f"{norm}.weight": torch.randn(WIDTH), f"{norm}.bias": torch.randn(WIDTH)}
    for index in range(depth):
        start = f"transformer.resblocks.{index}"
        state[f"{start}.attn.in_proj_weight"] = torch.randn(3 * WIDTH, WIDTH)
        state[f"{start}.attn.in_proj_bias"] = torch.randn(3 * WIDTH)
        layers = {"attn.out_proj": (1, 1), "mlp.c_fc": (4, 1), "mlp.c_proj": (1, 4)}
        for layer, (rows, columns) in layers.items():
            state[f"{start}.{layer}.weight"] = torch.randn(rows * WIDTH, columns * WIDTH)
            state[f"{start}.{layer}.bias"] = torch.randn(rows * WIDTH)
        for norm in ("ln_1", "ln_2"):
            state |= {f"{start}.{norm}.weight": torch.randn(WIDTH), f"{start}.{norm}.bias": torch.randn(WIDTH)}
    return state


def timm(depth: int, tokens: int = 1) -> dict[str, Tensor]:
    state = {
        "cls_token": torch.randn(1, 1, WIDTH),
        "pos_embed": torch.randn(1, 16 + tokens, WIDTH),
        "patch_embed.proj.weight": torch.randn(WIDTH, 3, 8, 8),
        "patch_embed.proj.bias": torch.randn(WIDTH),
        "norm.weight": torch.randn(WIDTH),
        "norm.bias": torch.randn(WIDTH),
    }
    for index in range(depth):
        layers = {"attn.qkv": (3, 1), "attn.proj": (1, 1), "mlp.fc1": (4, 1), "mlp.fc2": (1, 4)}
        for layer, (rows, columns) in layers.items():
            state[f"blocks.{index}.{layer}.weight"] = torch.randn(rows * WIDTH, columns * WIDTH)
            state[f"blocks.{index}.{layer}.bias"] = torch.randn(rows * WIDTH)
        for norm in ("norm1", "norm2"):
            state[f"blocks.{index}.{norm}.weight"] = torch.randn(WIDTH)
            state[f"blocks.{index}.{norm}.bias"] = torch.randn(WIDTH)
    return state


def prefixed(prefix: str, state: dict[str, Tensor]) -> dict[str, Tensor]:
    return {prefix + name: tensor for name, tensor in state.items()}


def published(source: str, depth: int) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Return a file's content, and the backbone within it under timm's names."""
    vit = timm(depth)
    head = {"head.weight": torch.randn(5, WIDTH), "head.bias": torch.randn(5)}
    match source:
        case "mae":
            return {"model": vit}, vit
        case "deit":
            return {"model": vit | head}, vit
        case "moco":
            encoder = prefixed("module.base_encoder.", vit | {"head.0.weight": torch.randn(9, WIDTH)})
            momentum = prefixed("module.momentum_encoder.", timm(depth))
            predictor = {"module.predictor.0.weight": torch.randn(9, 9)}
            return {"epoch": 300, "arch": "vit_base", "state_dict": encoder | momentum | predictor}, vit
        case "slip":
            mlp = {
                "image_mlp.layer1.weight": torch.randn(9, WIDTH),
                "image_mlp.bn1.num_batches_tracked": torch.tensor(3),
            }
            whole = prefixed("visual.", vit) | clip_text() | mlp | {"image_projection": torch.randn(WIDTH, 16)}
            return {"epoch": 25, "state_dict": prefixed("module.", whole), "best_acc1": 1.0}, vit
    raise AssertionError(source)


def visual_of(options: SimTrackOptions) -> Any:
    """Return the vision transformer of a new network."""
    backbone = SimTrackTracker.build_network(options).backbone
    assert isinstance(backbone, ViTBackbone)
    return backbone.visual


@pytest.mark.parametrize("depth", [4, 2], ids=["all blocks", "the first blocks"])
@pytest.mark.parametrize("source", ["mae", "deit", "moco", "slip"])
def test_a_backbone_starts_from_a_published_file(source: str, depth: int, tmp_path: Path) -> None:
    torch.manual_seed(0)
    document, vit = published(source, 4)
    torch.save(document, tmp_path / "backbone.pth")
    options = small(pretraining=source, depth=(depth,), backbone_file=tmp_path / "backbone.pth")
    visual = visual_of(options)
    assert visual.class_embedding.equal(vit["cls_token"].flatten())
    assert visual.positional_embedding.equal(vit["pos_embed"][0])
    assert visual.conv1.bias.equal(vit["patch_embed.proj.bias"])
    assert visual.ln_post.weight.equal(vit["norm.weight"])
    for index, block in enumerate(visual.blocks):
        assert block.attn.in_proj.weight.equal(vit[f"blocks.{index}.attn.qkv.weight"])
        assert block.attn.out_proj.bias.equal(vit[f"blocks.{index}.attn.proj.bias"])
        assert block.mlp.c_fc.weight.equal(vit[f"blocks.{index}.mlp.fc1.weight"])
        assert block.mlp.c_proj.weight.equal(vit[f"blocks.{index}.mlp.fc2.weight"])
        assert block.ln_2.weight.equal(vit[f"blocks.{index}.norm2.weight"])


def test_the_distillation_token_of_deit_goes(tmp_path: Path) -> None:
    vit = timm(4, tokens=2)
    extra = {"dist_token": torch.randn(1, 1, WIDTH), "head_dist.weight": torch.randn(5, WIDTH)}
    torch.save({"model": vit | extra}, tmp_path / "distilled.pth")
    kept = visual_of(small(pretraining="deit", backbone_file=tmp_path / "distilled.pth")).positional_embedding
    assert kept[0].equal(vit["pos_embed"][0, 0])
    assert kept[1:].equal(vit["pos_embed"][0, 2:])


class Holder(nn.Module):
    """Tensors under dotted names, as TorchScript keeps them."""

    def __init__(self, state: dict[str, Tensor]) -> None:
        super().__init__()
        below: dict[str, dict[str, Tensor]] = {}
        for name, tensor in state.items():
            first, dot, rest = name.partition(".")
            if dot:
                below.setdefault(first, {})[rest] = tensor
            elif tensor.is_floating_point():
                self.register_parameter(first, nn.Parameter(tensor))
            else:
                self.register_buffer(first, tensor)
        for first, inner in below.items():
            self.add_module(first, Holder(inner))

    def forward(self, x: Tensor) -> Tensor:
        return x


@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")
def test_a_backbone_starts_from_clips_archive(tmp_path: Path) -> None:
    torch.manual_seed(0)
    vit = clip_visual(4)
    sizes = {"input_resolution": torch.tensor(32), "context_length": torch.tensor(7), "vocab_size": torch.tensor(10)}
    state = {name: tensor.half() for name, tensor in (prefixed("visual.", vit) | clip_text()).items()} | sizes
    torch.jit.script(Holder(state)).save(str(tmp_path / "ViT-B-16.pt"))
    visual = visual_of(small(depth=(3,), backbone_file=tmp_path / "ViT-B-16.pt"))
    assert visual.conv1.weight.dtype == torch.float32
    assert visual.conv1.weight.equal(vit["conv1.weight"].half().float())
    assert visual.ln_pre.bias.equal(vit["ln_pre.bias"].half().float())
    for index, block in enumerate(visual.blocks):
        expected = vit[f"transformer.resblocks.{index}.attn.in_proj_weight"].half().float()
        assert block.attn.in_proj.weight.equal(expected)


def test_a_backbone_file_of_another_kind_or_size_is_refused(tmp_path: Path) -> None:
    torch.save({"model": timm(4)}, tmp_path / "mae.pth")
    with pytest.raises(DataError, match=r"mae.pth: does not fit a backbone of pretraining 'clip': .*unknown"):
        SimTrackTracker.build_network(small(backbone_file=tmp_path / "mae.pth"))
    with pytest.raises(DataError, match=r"1 of another shape: positional_embedding"):
        SimTrackTracker.build_network(small(pretraining="mae", pretraining_size=64, backbone_file=tmp_path / "mae.pth"))
    with pytest.raises(DataError, match=r"nothing.pth: cannot be read"):
        SimTrackTracker.build_network(small(backbone_file=tmp_path / "nothing.pth"))
