"""Every switch of the paper's tables builds, runs forward and backward, and trains every parameter."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest
import torch
from small_sbt import images, published_options, small_options

from trackbench.errors import UsageError
from trackbench.nn.layers.drop_path import DropPath
from trackbench.nn.layers.pyramid import TokenMap
from trackbench.trackers.settings import resolve_settings
from trackbench.trackers.zoo.sbt.backbone import SBTBackbone
from trackbench.trackers.zoo.sbt.network import SBTNetwork

FOUR = {"heads": (1, 2, 4, 4), "reductions": (8, 4, 2, 1), "expansions": (2, 2, 2, 2), "strides": (4, 2, 1, 1)}
SIAMESE: dict[str, Any] = {"cross": ((), (), ())}
"""Backbone without an EoC-CA block."""

TABLE_1_LEFT: dict[str, dict[str, Any]] = {
    "A1": {
        "attention": "global", "position": "absolute", "patch_embedding": "split",
        "dims": (16,), "heads": (2,), "depths": (4,), "strides": (4,), "reductions": (1,), "expansions": (2,),
        "cross": ((2, 4),),
    },
    "A2": {"attention": "shifted-window", "position": "relative", "patch_embedding": "split", "window": 4},
    "A3": {"attention": "srg-depthwise"},
    "A4": {"patch_embedding": "split"},
    "A5": {},
    "A6": {"position": "relative"},
    "A7": {"attention": "window-srg", "window": 4},
    "A5 without positions": {"position": "none"},
}  # fmt: skip
TABLE_1_RIGHT: dict[str, dict[str, Any]] = {
    "B1": {"dims": (64, 128, 320), "heads": (1, 2, 5), "depths": (3, 4, 10), "cross": ((), (), (2, 4, 6, 8, 10))},
    "B2": FOUR | {"dims": (8, 16, 32, 64), "depths": (4, 2, 6, 1), "cross": ((), (), (2, 4, 6), ())},
    "B3": FOUR | {"dims": (8, 16, 32, 64), "depths": (2, 2, 6, 2), "cross": ((), (), (2, 4, 6), (2,))},
    "B4": {"dims": (8, 16, 64), "depths": (2, 2, 4)},
    "B5": {"strides": (4, 1, 2)},
    "B6": FOUR | {"dims": (8, 16, 32, 64), "depths": (2, 4, 6, 1), "cross": ((), (), (2, 4, 6), (1,))},
    "B7": {
        "strides": (4, 2, 2),
        "depths": (3, 4, 12),
        "cross": ((), (), (2, 4, 6, 8, 10, 12)),
        "reductions": (8, 4, 1),
    },
    "B8": {"dims": (4, 8, 32), "heads": (1, 1, 4)},
}
PLACEMENTS: dict[str, dict[str, Any]] = {
    "late": {"cross": ((), (), (3, 4))},
    "early": {"cross": ((), (), (1, 4))},
    "every block": {"cross": ((1, 2), (1,), (1, 2, 3, 4))},
    "second stage only": {"cross": ((), (1,), ())},
    "first and third stage": {"cross": ((2,), (), (4,))},
}
TABLES_9_10: dict[str, dict[str, Any]] = {
    "4/4/14": {"depths": (4, 4, 14), "cross": ((), (), tuple(range(2, 15, 2)))},
    "64/128/256": {"dims": (64, 128, 256), "heads": (1, 2, 4)},
    "64/128/512": {"dims": (64, 128, 512), "heads": (1, 2, 8)},
}
TABLE_7: dict[str, dict[str, Any]] = {
    "ResNet-50 DW": {"extractor": "resnet50", "correlation": "depth-wise", "levels": (2, 3, 4)},
    "ResNet-50 CA": {"extractor": "resnet50", "correlation": "cross-attention", "levels": (2, 3, 4)},
    "ResNet-50 DCF": {"extractor": "resnet50", "correlation": "filter", "levels": (2, 3, 4)},
    "SBT DW": {"backbone": SIAMESE, "correlation": "depth-wise", "levels": (2, 3, 4)},
    "SBT CA": {"backbone": SIAMESE, "correlation": "cross-attention", "levels": (2, 3, 4)},
    "SBT DCF": {"backbone": SIAMESE, "correlation": "filter", "levels": (2, 3, 4)},
    "embedded DW": {"correlation": "depth-wise", "levels": (1, 2, 4)},
    "embedded DCF": {"correlation": "filter", "levels": (2, 3, 4)},
}
BACKBONES = TABLE_1_LEFT | TABLE_1_RIGHT | PLACEMENTS | TABLES_9_10
HEAVY = {"ResNet-50 CA", "ResNet-50 DCF", "B1", "B7", "4/4/14", "64/128/256", "64/128/512"}


def light_first(names: Iterable[str], *heavy: str) -> list[Any]:
    """Return the names, those of networks that take long marked as slow."""
    return [pytest.param(name, marks=pytest.mark.slow) if name in {*HEAVY, *heavy} else name for name in names]


def sizes(name: str) -> dict[str, int]:
    """Windows that are shared by both images need images of one size (Table 1, note 2)."""
    return {"template_size": 64} if name == "A2" else {}


def train(network: SBTNetwork, search: torch.Tensor, template: torch.Tensor) -> set[str]:
    """Run forward and backward in training mode; return the parameters without a gradient."""
    torch.manual_seed(0)
    output = network.train()(search, template)
    assert output.logits.shape[2] == 2
    assert bool(((output.boxes >= 0) & (output.boxes <= 1)).all())
    (output.logits.square().mean() + output.boxes.square().mean()).backward()
    for parameter in network.parameters():
        assert parameter.grad is None or bool(parameter.grad.isfinite().all())
    return {name for name, parameter in network.named_parameters() if parameter.grad is None}


@pytest.mark.parametrize("name", light_first(BACKBONES))
def test_backbones_of_the_tables(name: str) -> None:
    options = small_options({"drop_path": 0.0} | BACKBONES[name], **sizes(name))
    network = SBTNetwork(options)
    untrained = train(network, *images(options))
    stages = len(options.backbone.dims)
    # Norms between the stages exist in published checkpoints and are never applied.
    assert untrained == {f"backbone.norm{i}.{part}" for i in range(1, stages) for part in ("weight", "bias")}


@pytest.mark.parametrize("name", light_first(TABLE_7))
def test_extractors_and_correlations_of_table_7(name: str) -> None:
    options = small_options(**TABLE_7[name])
    network = SBTNetwork(options)
    untrained = train(network, *images(options))
    assert all(parameter.startswith(("backbone.norm1.", "backbone.norm2.")) for parameter in untrained)
    assert network.neck is not None
    assert network.neck.weights.grad is not None
    assert network.neck.weights.grad.ne(0).all()


@pytest.mark.parametrize("head", ["mix-mlp", "mix-mlp-paper", "mlp"])
def test_heads(head: str) -> None:
    options = small_options(head=head)
    untrained = train(SBTNetwork(options), *images(options))
    assert not any(name.startswith("head") for name in untrained)


@pytest.mark.parametrize("name", light_first([*BACKBONES, *TABLE_7], "ResNet-50 DW"))
def test_a_template_read_once_gives_what_both_images_give(name: str) -> None:
    changes = TABLE_7.get(name) or {"backbone": BACKBONES[name], **sizes(name)}
    options = small_options(changes.get("backbone"), **{key: v for key, v in changes.items() if key != "backbone"})
    torch.manual_seed(1)
    network = SBTNetwork(options).eval()
    search, template = images(options)
    with torch.inference_mode():
        direct, known = network(search, template), network(search, network.template(template))
        other = network(search, template.flip(3))
        with torch.autocast("cpu", torch.bfloat16):
            half = network(search, network.template(template))
    assert (half.boxes.float() - direct.boxes).abs().mean() < 0.03
    for one, two, third in zip(direct, known, other, strict=True):
        torch.testing.assert_close(one, two, rtol=0, atol=0)
        # And the template matters.
        assert (one - third).abs().max() > 1e-6


def test_blocks_after_the_last_cross_block_are_not_run() -> None:
    options = small_options({"cross": ((), (), (2,))})
    network = SBTNetwork(options)
    untrained = train(network, *images(options))
    assert {name.split(".")[2] for name in untrained if name.startswith("backbone.block3.")} == {"2", "3"}


def test_the_template_waits_at_the_first_cross_block() -> None:
    options = small_options()
    network = SBTNetwork(options).eval()
    ran: list[str] = []
    for name, module in network.named_modules():
        if name.startswith("backbone.block") and name.count(".") == 2:
            module.register_forward_hook(lambda *_, name=name: ran.append(name.removeprefix("backbone.")))
    search, template = images(options)
    known = network.template(template)
    assert ran == ["block1.0", "block1.1", "block2.0", "block3.0"]
    ran.clear()
    network(search, known)
    assert ran == ["block1.0", "block1.1", "block2.0", "block3.0", "block3.1", "block3.2", "block3.3"]


def test_crossing_is_simultaneous() -> None:
    """Each image must attend to what the other was before the block (Eq. 5)."""
    backbone = SBTBackbone(small_options().backbone, 64)
    block = backbone.get_submodule("block3")[1].eval()  # type: ignore[index]
    search, template = (torch.randn(1, side * side, 32) for side in (8, 4))
    x, z = TokenMap(search, 8, 8), TokenMap(template, 4, 4)
    both = block([x, z], crossed=True)
    swapped = block([z, x], crossed=True)
    torch.testing.assert_close(both[0].tokens, swapped[1].tokens)
    torch.testing.assert_close(both[1].tokens, swapped[0].tokens)
    (alone,) = block([x, z], crossed=True, wanted=1)
    torch.testing.assert_close(both[0].tokens, alone.tokens)


def test_stochastic_depth_grows_from_block_to_block() -> None:
    options = small_options({"drop_path": 0.6})
    torch.manual_seed(0)
    network = SBTNetwork(options)
    rates = [module.probability for module in network.modules() if isinstance(module, DropPath)]
    assert rates == pytest.approx([0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6])
    search, template = images(options)
    one, two = (network.train()(search, template).logits for _ in range(2))
    assert not torch.equal(one, two)
    one, two = (network.eval()(search, template).logits for _ in range(2))
    assert torch.equal(one, two)


def test_initial_weights() -> None:
    """Backbone as PVT v2 draws it; head Xavier-uniform."""
    torch.manual_seed(0)
    network = SBTNetwork(published_options("sbt-light"))
    state = network.state_dict()
    deviations = {
        "backbone.block3.0.mlp.fc1.weight": 0.02,
        "backbone.patch_embed3.proj.weight": (2 / (9 * 160)) ** 0.5,
        "backbone.block3.0.mlp.position.weight": (2 / 9) ** 0.5,
        "head.class_head.spatial.0.weight": (2 / (1024 + 160)) ** 0.5,
    }
    for name, deviation in deviations.items():
        assert state[name].std().item() == pytest.approx(deviation, rel=0.03)
    zeros = [name for name in state if name.startswith("backbone.") and name.endswith("bias")]
    assert all(not state[name].any() for name in zeros)
    assert all((state[name] == 1).all() for name in state if name.endswith("norm1.weight"))


@pytest.mark.parametrize(
    ("size", "millions"), [("light", 3.824), ("small", 13.819), ("base", 22.000), ("large", 35.251), ("huge", 52.568)]
)
def test_numbers_of_parameters(size: str, millions: float) -> None:
    with torch.device("meta"):
        network = SBTNetwork(published_options(f"sbt-{size}"))
    assert sum(parameter.numel() for parameter in network.parameters()) / 1e6 == pytest.approx(millions, abs=5e-4)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"backbone.depths": [3, 4]}, "depths has 2 stages, dims has 3"),
        ({"backbone.cross": [[], [], [11]]}, "blocks [11] of stage 3, which has 10"),
        ({"backbone.heads": [1, 2, 3]}, "320 channels are no multiple of 3 heads"),
        ({"search_size": 250}, "search_size 250 is no multiple of the network's stride 8"),
        ({"correlation": "filter"}, "expected both or neither"),
        ({"extractor": "resnet50"}, "extractor resnet50 needs a correlation"),
        ({"backbone.attention": "shifted-window"}, "template_size is not search_size"),
        ({"backbone.attention": "window-srg", "backbone.window": 7}, "no multiples of window 7"),
        ({"backbone.attention": "local"}, "input should be 'srg'"),
    ],
)
def test_settings_that_do_not_fit_are_refused_in_one_line(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as refused:
        resolve_settings("sbt", options=settings)
    assert words in str(refused.value)
    assert "\n" not in str(refused.value)
