"""AiATrack's network: every ablation of the paper, the algebra of its fast path, training."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from pydantic import ValidationError
from small_aiatrack import SMALL, sequence, small_tracker
from torch import Tensor, nn

from trackbench.nn.layers.corner_head import Corners
from trackbench.regions import Box
from trackbench.trackers.base import Target
from trackbench.trackers.zoo.aiatrack.attention import Attention, ConvBottleneck, InnerAttention
from trackbench.trackers.zoo.aiatrack.network import AiATrackNetwork, Architecture, Encoded

ABLATIONS: dict[str, dict[str, Any]] = {
    "T3 (a) none": {"aia": "none", "embedding": "none"},
    "T3 (b) mask": {"aia": "none", "embedding": "mask"},
    "T3 (c) embed, w/ both, w/o AiA": {"aia": "none"},
    "T3 (d) w/o short refer": {"aia": "none", "short_refer": False},
    "T3 (e) w/o branch split": {"aia": "none", "branch_split": False},
    "T3 (f) AiA in self-attn": {"aia": "self-attn"},
    "T3 (g) AiA in cross-attn": {"aia": "cross-attn"},
    "T3 (h) w/o pos in both": {"inner_positions": False},
    "T3 (i) AiA in both": {},
    "T4 w/o AiA cascade": {"aia": "none", "cascade": True},
    "T4 conv in both": {"refinement": "conv"},
    "queries": {"perspective": "queries"},
    "AiA w/o branch split": {"branch_split": False},
    "AiA w/o short refer": {"short_refer": False},
    "AiA cascade": {"cascade": True},
    "conv, queries": {"refinement": "conv", "perspective": "queries"},
}


def ablations(*by_default: str) -> pytest.MarkDecorator:
    """Parametrise with all ablations, those not named marked as slow."""
    assert set(by_default) < ABLATIONS.keys()
    marks = {name: () if name in by_default else pytest.mark.slow for name in ABLATIONS}
    return pytest.mark.parametrize(
        "switches", [pytest.param(switches, id=name, marks=marks[name]) for name, switches in ABLATIONS.items()]
    )


def forward(network: AiATrackNetwork, batch: int = 2) -> tuple[Corners, Tensor]:
    """Run search frames with an initial and two short-term references."""
    generator = torch.Generator().manual_seed(0)
    a = network.architecture
    padded = torch.zeros(batch, a.cells, a.cells, dtype=torch.bool)
    padded[0, :, :1] = True
    encoded = [
        network.encode(torch.randn(batch, 3, a.search_size, a.search_size, generator=generator), padded)
        for _ in range(4)
    ]
    regions = [torch.rand(batch, a.cells**2, generator=generator) > 0.7 for _ in range(3)]
    boxes = torch.tensor([[[0.1, 0.2, 0.6, 0.7], [0.3, 0.3, 0.4, 0.9]]]).repeat(batch, 1, 1)
    found: tuple[Corners, Tensor] = network(encoded[0], encoded[1:], regions, boxes)
    return found


@ablations("T3 (b) mask", "T3 (i) AiA in both", "T4 conv in both", "AiA cascade")
def test_every_ablation_trains(switches: dict[str, Any]) -> None:
    torch.manual_seed(0)
    network = AiATrackNetwork(Architecture.model_validate(SMALL | switches)).train()
    corners, scores = forward(network)
    assert corners.boxes.shape == (2, 4)
    assert scores.shape == (2, 2)
    # Training judges boxes around the ground truth: the prediction reaches the loss through the corners.
    (corners.boxes.sum() + scores.square().sum()).backward()
    without = [name for name, parameter in network.named_parameters() if parameter.grad is None]
    assert not without
    assert all(parameter.grad.isfinite().all() for parameter in network.parameters() if parameter.grad is not None)


@ablations("T3 (a) none", "T3 (f) AiA in self-attn", "queries", "AiA w/o branch split", "AiA w/o short refer")
def test_every_ablation_tracks(switches: dict[str, Any]) -> None:
    tracker = small_tracker(switches, threshold=-1.0, ensemble=2)
    frames, boxes = sequence(4)
    states = tracker.start(frames[:1] * 2, [Target(Box.of(boxes[0]))] * 2)
    for frame in frames[1:]:
        for prediction in tracker.step([frame] * 2, states):
            assert isinstance(prediction.region, Box)
            assert prediction.region.is_valid
    remembered = 4 if switches.get("short_refer", True) else 1
    assert len(states[0].memory.entries) == remembered


def test_ensembles_of_table_5() -> None:
    frames, boxes = sequence(4)
    scores = set()
    tracker = small_tracker(threshold=-1.0)
    for ensemble in (1, 2, 3, 4, 5, 6, 10):
        tracker.options = tracker.options.model_copy(update={"ensemble": ensemble})
        states = tracker.start(frames[:1], [Target(Box.of(boxes[0]))])
        for frame in frames[1:]:
            prediction = tracker.step([frame], states)[0]
        scores.add(prediction.score)
        assert sum(count for _, count in states[0].memory.sample()) == ensemble
    assert len(scores) > 3


@pytest.mark.parametrize(
    ("switches", "message"),
    [
        ({"search_size": 100}, "multiple of 16"),
        ({"channels": 30}, "multiple of heads"),
        ({"short_refer": False, "branch_split": False}, "branch_split = false means nothing"),
        ({"aia": "encoder"}, "self-attn"),
    ],
)
def test_impossible_architectures(switches: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        Architecture.model_validate(SMALL | switches)


@pytest.mark.parametrize(("aia", "count"), [("both", 17_953_011), ("none", 16_976_451)])
def test_parameters_of_the_published_architecture(aia: str, count: int) -> None:
    with torch.device("meta"):
        network = AiATrackNetwork(Architecture(aia=aia))
    norms = [name for name, _ in network.backbone.named_buffers() if name.endswith((".weight", ".bias"))]
    # What the official code counts; its own number has the frozen norms' buffers outside.
    assert sum(parameter.numel() for parameter in network.parameters()) == count
    assert norms


def attention_inputs(length: int, references: int, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator)

    return {
        "queries": draw(2, length, 32) + 3 * draw(1, 1, 32),
        "references": draw(2, 2, 4, references, length, 8),
        "reference_positions": draw(2, references, length, 16),
        "query_positions": draw(2, length, 16),
    }


def random_attention(positions: bool, perspective: Any = "keys") -> Attention:
    torch.manual_seed(1)
    inner = InnerAttention(25, 16, positions, dropout=0.1)
    attention = Attention(32, 4, inner, perspective, dropout=0.1).eval()
    for parameter in attention.parameters():
        nn.init.normal_(parameter, std=0.3)
    inner.feat_norm2.weight.data += 1
    return attention.requires_grad_(False)


@pytest.mark.parametrize("counted", [False, True])
@pytest.mark.parametrize("positions", [False, True])
def test_factors_equal_the_formulas(positions: bool, counted: bool) -> None:
    """Equation 3 written out, against two fused attentions, in float64 to nearly its last digit."""
    attention = random_attention(positions).double()
    given = {name: tensor.double() for name, tensor in attention_inputs(25, 3).items()}
    log_counts = torch.tensor([[1.0, 2.0, 1.0], [3.0, 1.0, 1.0]]).log().double() if counted else None
    fused = attention(**given, log_counts=log_counts)
    queries = attention._split(given["queries"] @ attention.in_proj_weight[:32].T + attention.in_proj_bias[:32])
    keys, values = given["references"].unbind(1)
    maps = attention._refined(
        queries / 8**0.5, keys, values, given["reference_positions"], given["query_positions"], log_counts
    )
    expected = attention.out_proj(maps.transpose(1, 2).flatten(2))
    torch.testing.assert_close(fused, expected, rtol=0, atol=1e-10 * float(expected.abs().max()))


def test_factors_keep_their_precision_where_keys_avoid_the_queries() -> None:
    """Queries spread far in one direction and keys lie across it: what they correlate by must not drown."""
    attention = random_attention(True)
    given = attention_inputs(25, 1)
    direction = nn.functional.normalize(torch.ones(8), dim=0)
    attention.in_proj_weight[:32] += 1000 * direction.repeat(4)[:, None] * torch.linspace(-1, 1, 32)
    keys = given["references"][:, 0]
    keys -= (keys @ direction)[..., None] * direction
    found = attention(**given)
    expected = attention.double()(**{name: tensor.double() for name, tensor in given.items()})
    torch.testing.assert_close(found.double(), expected, rtol=0, atol=2e-3 * float(expected.abs().max()))


@pytest.mark.parametrize("perspective", ["keys", "queries"])
@pytest.mark.parametrize("refined", [False, True])
def test_equal_references_are_one_that_counts_more(perspective: str, refined: bool) -> None:
    attention = random_attention(True, perspective)
    if not refined:
        attention.inner_attn = None
    given = attention_inputs(25, 2)
    merged = attention(**given, log_counts=torch.tensor([[2.0, 1.0], [2.0, 1.0]]).log())
    for name, dimension in (("references", 3), ("reference_positions", 1)):
        given[name] = given[name].index_select(dimension, torch.tensor([0, 0, 1]))
    torch.testing.assert_close(merged, attention(**given), rtol=0, atol=2e-6 * float(merged.abs().max()))


def test_references_do_not_meet_before_the_softmax() -> None:
    """The residual of one reference does not depend on the others."""
    attention = random_attention(True)
    given = attention_inputs(25, 2)
    correlations = torch.randn(2, 4, 2, 25, 25)
    both = attention.residual(correlations, given["reference_positions"], given["query_positions"])
    first = attention.residual(correlations[:, :, :1], given["reference_positions"][:, :1], given["query_positions"])
    torch.testing.assert_close(both[:, :, :1], first)


def test_tokens_are_keys_or_queries() -> None:
    """Permuting keys permutes the residual of equation 2, whatever the perspective, only if keys are the tokens."""
    generator = torch.Generator().manual_seed(3)
    correlations = torch.randn(1, 4, 1, 25, 25, generator=generator)
    order = torch.randperm(25, generator=generator)
    positions = torch.zeros(1, 1, 25, 16)
    for perspective, equivariant in (("keys", True), ("queries", False)):
        attention = random_attention(True, perspective)
        plain = attention.residual(correlations, positions, positions[:, 0])
        permuted = attention.residual(correlations[..., order, :], positions, positions[:, 0])
        assert torch.allclose(plain[..., order, :], permuted, atol=1e-4) is equivariant


def test_the_convolutional_bottleneck_costs_what_the_inner_attention_does() -> None:
    """Multiplications for one map of 400 x 400 correlations, as the formulas have them."""
    length, channels = 400, 64
    inner = length * length * channels + 2 * length * channels**2 + length * length * channels + 2 * length**3
    bottleneck = ConvBottleneck(length, 20)
    weights = sum(parameter.numel() for name, parameter in bottleneck.named_parameters() if "conv" in name)
    assert length * weights == pytest.approx(inner, rel=0.02)


def test_backbone_norms_stay_frozen_while_the_heads_learn_theirs() -> None:
    network = AiATrackNetwork(Architecture.model_validate(SMALL)).train()
    before = {name: buffer.clone() for name, buffer in network.named_buffers()}
    forward(network)
    changed = {name for name, buffer in network.named_buffers() if not torch.equal(buffer, before[name])}
    assert not any(name.startswith("backbone") for name in changed)
    assert "box_head.conv1_tl.1.running_mean" in changed
    assert "iou_head.fc.bn.running_var" in changed


def test_dropout_acts_in_training_only() -> None:
    torch.manual_seed(0)
    network = AiATrackNetwork(Architecture.model_validate(SMALL))
    with torch.no_grad():
        assert torch.equal(forward(network.eval())[0].boxes, forward(network)[0].boxes)
        encoded = Encoded(torch.randn(1, 36, 32), torch.randn(1, 36, 16))
        region = torch.zeros(1, 36, dtype=torch.bool)
        network.train()
        network.box_head.eval()
        network.iou_head.eval()
        one, other = (network(encoded, [encoded] * 2, [region] * 2)[0].top_left for _ in range(2))
    assert not torch.equal(one, other)


def test_initial_weights() -> None:
    """Xavier for the transformer, He for the IoU head, zeros for the biases of attention."""
    torch.manual_seed(0)
    network = AiATrackNetwork(Architecture())
    attention: Any = network.encoder.get_submodule("0.blocks.0.self_attn")
    head: Any = network.iou_head
    # Packed as in the official code: the bound is that of 768 x 256.
    assert float(attention.in_proj_weight.detach().abs().max()) == pytest.approx((6 / (256 + 768)) ** 0.5, rel=1e-3)
    assert not attention.in_proj_bias.any()
    assert not attention.out_proj.bias.any()
    assert float(head.fc.linear.weight.detach().std()) == pytest.approx((2 / 4096) ** 0.5, rel=0.01)
    scales = head.fc.bn.weight.detach()
    assert 0 <= float(scales.min()) < 0.1
    assert 0.9 < float(scales.max()) <= 1
