"""SBT's backbone in the place of another tracker's Siamese features."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from trackbench.errors import UsageError
from trackbench.regions import Box
from trackbench.trackers.base import Target
from trackbench.trackers.settings import resolve_settings
from trackbench.trackers.zoo.sbt.ablations.correlation_aware import CorrelationAwareFeatures
from trackbench.trackers.zoo.sbt.ablations.sparsett_ca import SBT_SMALL, CorrelationAwareSparseTT, SparseTTCA
from trackbench.trackers.zoo.sbt.options import BackboneOptions
from trackbench.trackers.zoo.sparsett.focus import FocusSize
from trackbench.trackers.zoo.sparsett.network import NetworkSize
from trackbench.trackers.zoo.sparsett.tracker import SparseTTOptions

SMALL = BackboneOptions(
    dims=(8, 16, 32), heads=(1, 2, 4), depths=(1, 1, 4), strides=(4, 2, 2), reductions=(8, 4, 2),
    expansions=(2, 2, 2), cross=((), (), (2, 4)),
)  # fmt: skip


def pair(batch: int = 2) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    search, template = (torch.randn(batch, 3, size, size, generator=generator) for size in (289, 127))
    return search, template


def test_both_maps_know_of_both_images() -> None:
    torch.manual_seed(0)
    features = CorrelationAwareFeatures(SMALL, 289).eval()
    search, template = pair()
    maps = features(search, features.template(template))
    assert maps.search.shape == (2, 32, 19, 19)
    assert maps.template.shape == (2, 32, 8, 8)
    other = features(search, features.template(template.flip(2)))
    assert (maps.search - other.search).abs().max() > 1e-4
    other = features(search.flip(2), features.template(template))
    assert (maps.template - other.template).abs().max() > 1e-4


def test_features_without_a_cross_block_are_refused() -> None:
    with pytest.raises(ValueError, match="need an EoC-CA block"):
        CorrelationAwareFeatures(SMALL.model_copy(update={"cross": ((), (), ())}), 289)
    with pytest.raises(UsageError, match="expected strides whose product is 16"):
        resolve_settings("sparsett-ca", options={"features.strides": [4, 2, 1]})


def test_sparsett_runs_and_trains_on_them() -> None:
    torch.manual_seed(0)
    focus = FocusSize(encoder_layers=1, decoder_layers=1, width=32, heads=4, hidden=64)
    network = CorrelationAwareSparseTT(NetworkSize(focus, head_width=32, bottlenecks=1), SMALL).train()
    search, template = pair()
    responses = network(template, search)
    assert responses.keys() == {"fc", "conv"}
    loss = torch.zeros(())
    for head in responses.values():
        assert head.logits.shape == (2, 19 * 19)
        assert head.boxes.shape == (2, 19 * 19, 4)
        loss = loss + head.logits.square().mean() + head.raw.square().mean()
    loss.backward()
    without = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    between = {f"features.backbone.norm{i}.{part}" for i in (1, 2) for part in ("weight", "bias")}
    # The losses above do not reach the scale of the boxes.
    assert without == between | {f"head.{head}.{name}" for head in ("fc", "conv") for name in ("si", "bi")}
    # Through the template alone: its map reaches the heads, and they reach it.
    template.requires_grad_()
    network.zero_grad()
    network(template, search)["fc"].logits.sum().backward()
    assert template.grad is not None
    assert template.grad.abs().max() > 0


def test_a_tracker_definition_uses_them() -> None:
    options = resolve_settings("sparsett-ca", options={"features": SMALL.model_dump(mode="json")}).options
    assert resolve_settings("sparsett-ca").options.features == SBT_SMALL  # type: ignore[attr-defined]
    assert isinstance(options, SparseTTOptions)
    tracker = SparseTTCA(options)
    generator = np.random.default_rng(0)
    frames = list(generator.integers(0, 256, (2, 90, 120, 3), np.uint8))
    boxes = [Box(30, 20, 30, 40), Box(50, 30, 20, 25)]
    states = tracker.start([frames[0]] * 2, [Target(box) for box in boxes])
    together = [tracker.step([frame] * 2, states) for frame in frames[1:]]
    for index, box in enumerate(boxes):
        (state,) = tracker.start([frames[0]], [Target(box)])
        for frame, both in zip(frames[1:], together, strict=True):
            (alone,) = tracker.step([frame], [state])
            region, expected = alone.region, both[index].region
            assert isinstance(region, Box)
            assert isinstance(expected, Box)
            np.testing.assert_allclose(region.array(), expected.array(), rtol=0, atol=1e-3)
