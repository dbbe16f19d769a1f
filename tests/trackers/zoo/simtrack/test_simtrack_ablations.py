"""The switches of the paper's tables: each network can be built and trained, and does what its switch says."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from small_simtrack import PVT, SWIN, small
from torch import Tensor, nn

from trackbench.trackers.zoo.simtrack.network import SimTrack
from trackbench.trackers.zoo.simtrack.vit_backbone import ViTBackbone

STARK_SV = {"interaction_ratio": 0.0, "position_embedding": "pretrained", "foveal_size": 0, "transformer_head": True}
SWITCHES: dict[str, dict[str, Any]] = {
    "Table 1, Sim-B/16": {},
    "Table 1, Sim-B/16*": {"depth": (2,)},
    "Table 1, Sim-B/32 as coded": {"foveal_shift": False},
    "Table 5, DeiT": {"pretraining": "deit"},
    "Table 5, MoCo v3": {"pretraining": "moco"},
    "Table 5, SLIP": {"pretraining": "slip"},
    "Table 5, MAE": {"pretraining": "mae"},
    "Table 4, Table 8, STARK-SV": STARK_SV,
    "STARK-S's head on a Swin": SWIN | {"transformer_head": True},
    "Table 8, +Sim": {"position_embedding": "pretrained", "foveal_size": 0},
    "Table 8, +Sim without positions": {"position_embedding": "none", "foveal_size": 0},
    "Table 8, +PosEm": {"foveal_size": 0},
    "Table 9, 1": {"decoder_layers": 1},
    "Table 9, 3": {"decoder_layers": 3},
    "Table 9, 6": {"decoder_layers": 6},
    "Table 10, 50 %": {"interaction_ratio": 0.5},
    "Table 10, 25 %": {"interaction_ratio": 0.25},
    "Table 11": {"search_size": 96},
    "Sec. 4.3, asymmetric": {"asymmetric": True},
    "asymmetric, with all else": {"asymmetric": True, "decoder_layers": 1, "interaction_ratio": 0.5},
    "foveal positions, pre-trained": {"position_embedding": "pretrained"},
    "Table 7, Swin": SWIN,
    "Table 7, Swin without Eq. 7, with a decoder": SWIN | {"position_embedding": "none", "decoder_layers": 1},
    "Table 7, PVT": PVT,
    "Table 7, PVT without Eq. 7, with a decoder": PVT | {"position_embedding": "pretrained", "decoder_layers": 1},
    "Table 7, PVT without positions, larger": PVT | {"position_embedding": "none", "search_size": 96},
}


def inputs(network: SimTrack, batch: int = 2) -> tuple[Tensor, Tensor, Tensor]:
    options = network.options
    torch.manual_seed(0)
    exemplar = torch.randn(batch, 3, options.template_size, options.template_size)
    search = torch.randn(batch, 3, options.search_size, options.search_size)
    return exemplar, torch.tensor([[0.25, 0.25, 0.5, 0.5]]).expand(batch, 4), search


@pytest.mark.parametrize("switch", SWITCHES)
def test_every_ablation_can_be_trained(switch: str) -> None:
    network = SimTrack(small(**SWITCHES[switch])).train()
    found = network(*inputs(network))
    grid = network.options.search_grid
    assert found.boxes.shape == (2, 4)
    assert found.top_left.shape == found.bottom_right.shape == (2, grid, grid)
    found.boxes.square().sum().backward()
    silent = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert not silent
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in network.parameters())


def block_inputs(backbone: nn.Module, *given: Any) -> list[int]:
    """Return how many tokens went through the blocks, call by call."""
    assert isinstance(backbone, ViTBackbone)
    seen: list[int] = []

    def note(_: nn.Module, taken: tuple[Tensor, ...]) -> None:
        seen.append(taken[0].shape[1])

    hooks = [block.register_forward_pre_hook(note) for block in backbone.visual.blocks]
    backbone(*given)
    for hook in hooks:
        hook.remove()
    return seen


def test_without_interaction_exemplar_and_search_stay_apart() -> None:
    network = SimTrack(small(interaction_ratio=0.25)).eval()
    exemplar, boxes, search = inputs(network)
    memory = network.exemplar(exemplar, boxes)
    # 64 search tokens and the class token three times, then all together; the 16 + 4 of the exemplar wait there.
    assert block_inputs(network.backbone, search, memory) == [65, 65, 65, 85]
    network = SimTrack(small(interaction_ratio=0.5)).eval()
    assert network.backbone.interacting == [False, True, False, True]
    memory = network.exemplar(exemplar, boxes)
    assert block_inputs(network.backbone, search, memory) == [65, 85, 65, 20, 85]


@pytest.mark.parametrize("ratio", [1.0, 0.5, 0.25])
@torch.inference_mode()
def test_what_is_kept_of_the_exemplar_changes_nothing(ratio: float) -> None:
    network = SimTrack(small(interaction_ratio=ratio)).eval()
    exemplar, boxes, search = inputs(network)
    backbone = network.backbone
    assert isinstance(backbone, ViTBackbone)
    tokens = backbone.visual.ln_pre(backbone.search_tokens(search))
    others = backbone.visual.ln_pre(backbone.exemplar_tokens(exemplar, boxes))
    for block, interacts in zip(backbone.visual.blocks, backbone.interacting, strict=True):
        if interacts:
            tokens, others = block(torch.cat([tokens, others], 1)).split([65, 20], 1)
        else:
            tokens, others = block(tokens), block(others)
    found, seen = backbone(search, network.exemplar(exemplar, boxes), with_exemplar=True)
    torch.testing.assert_close(found, backbone.visual.ln_post(tokens[:, :64]))
    torch.testing.assert_close(seen, backbone.visual.ln_post(others[:, :16]))


@torch.inference_mode()
def test_a_siamese_backbone_knows_nothing_of_the_exemplar() -> None:
    network = SimTrack(small(**STARK_SV)).eval()
    exemplar, boxes, search = inputs(network)
    memory, other = network.exemplar(exemplar, boxes), network.exemplar(exemplar + 1, boxes)
    assert len(memory) == 1
    assert network.backbone(search, memory)[0].equal(network.backbone(search, other)[0])
    # Their meeting is left to the head.
    assert not torch.allclose(network.locate(search, memory).top_left, network.locate(search, other).top_left)


@torch.inference_mode()
def test_asymmetric_attention_is_joint_attention_with_blind_exemplars() -> None:
    network = SimTrack(small(asymmetric=True)).eval()
    exemplar, boxes, search = inputs(network)
    backbone = network.backbone
    assert isinstance(backbone, ViTBackbone)
    tokens = backbone.visual.ln_pre(backbone.search_tokens(search))
    others = backbone.visual.ln_pre(backbone.exemplar_tokens(exemplar, boxes))
    for block in backbone.visual.blocks:
        tokens, others = block(torch.cat([tokens, others], 1), queries=tokens.shape[1]), block(others)
    memory = network.exemplar(exemplar, boxes)
    found, seen = backbone(search, memory, with_exemplar=True)
    torch.testing.assert_close(found, backbone.visual.ln_post(tokens[:, :64]))
    torch.testing.assert_close(seen, backbone.visual.ln_post(others[:, :16]))
    # Per frame only the search tokens pass the blocks.
    assert block_inputs(backbone, search, memory) == [65, 65, 65, 65]


@torch.inference_mode()
def test_positions_tell_the_target_from_its_surroundings() -> None:
    network = SimTrack(small()).eval()
    exemplar, boxes, search = inputs(network)
    here = network(exemplar, boxes, search).top_left
    elsewhere = network(exemplar, boxes + 0.2, search).top_left
    assert not torch.allclose(here, elsewhere)
    for kind in ("pretrained", "none"):
        other = SimTrack(small(position_embedding=kind)).eval()
        assert other(exemplar, boxes, search).top_left.equal(other(exemplar, boxes + 0.2, search).top_left)
