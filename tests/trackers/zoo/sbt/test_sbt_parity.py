"""SBT against what the official code gave with the same deterministic weights, on the same frames."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from official import official_names, official_state
from samples import noted
from small_sbt import published_options
from torch import nn

from trackbench.checkpoints.key_map import match
from trackbench.nn.crops.normalise import Normaliser
from trackbench.nn.crops.square import square_crop, to_frame
from trackbench.nn.layers.pyramid import TokenMap
from trackbench.regions import Box
from trackbench.trackers.base import Target
from trackbench.trackers.matching import match_checkpoint
from trackbench.trackers.zoo.sbt.tracker import SBT, SBTState, TokenResponses

ARRAYS = {"types"}
"""Recorded things that are no numbers."""


@dataclass
class Run:
    """What the official code recorded of one size, and our tracker with the same weights."""

    recorded: dict[str, NDArray[Any]]
    frames: NDArray[np.uint8]
    ground_truth: NDArray[np.float64]
    model: SBT
    size: str
    seen: dict[str, torch.Tensor] = field(default_factory=dict)
    """Activation name -> tokens of the first frame."""

    def start(self) -> SBTState:
        return self.model.start([self.frames[0]], [Target(Box.of(self.ground_truth[0]))])[0]

    @property
    def activations(self) -> list[str]:
        return [name.removesuffix("_step") for name in self.recorded if name.endswith("_step")]


@pytest.fixture(
    scope="module",
    params=["light", *(pytest.param(size, marks=pytest.mark.slow) for size in ("small", "base", "large"))],
)
def run(request: pytest.FixtureRequest, reference: Path) -> Run:
    size = request.param
    options = published_options(f"sbt-{size}")
    found = match_checkpoint(official_state(reference, "sbt", size), SBT, options)
    assert found.complete
    assert not found.unused
    recorded = dict(np.load(reference / "parity" / f"sbt_{size}.npz"))
    sequence = np.load(reference / "parity" / "sequence.npz")
    run = Run(recorded, sequence["frames"], sequence["boxes"], SBT(options, weights=found.weights), size)
    record_activations(run)
    return run


def record_activations(run: Run) -> None:
    """Follow the template, then the first frame, through the network, and keep every output that was recorded."""
    network = run.model.network
    backbone, head = network.backbone, network.head
    phase = "z"

    def keep(name: str, module: nn.Module) -> Any:
        def hook(_: nn.Module, __: Any, output: Any) -> None:
            if isinstance(output, torch.Tensor):
                run.seen[name] = output[0]
            elif isinstance(output, TokenMap):
                run.seen.setdefault(f"{name}_{phase}", output.tokens[0])
            elif len(output) == 2:
                for image, tokens in zip("xz", output, strict=True):
                    run.seen[f"{name}_{image}"] = tokens.tokens[0]
            else:
                run.seen[f"{name}_{phase}"] = output[0].tokens[0]

        return module.register_forward_hook(hook)

    hooks = [keep("act_backbone_feat", backbone.get_submodule("norm3")), keep("act_reg_logits", head.bbox_head)]
    for stage in (1, 2, 3):
        hooks.append(keep(f"act_patch_embed{stage}", backbone.get_submodule(f"patch_embed{stage}")))
        for number, block in enumerate(backbone.get_submodule(f"block{stage}").children(), 1):
            hooks.append(keep(f"act_stage{stage}_block{number}", block))
    state = run.start()
    phase = "x"
    run.model.step([run.frames[1]], [state])
    for hook in hooks:
        hook.remove()


def close(ours: Any, recorded: Any, relative: float) -> None:
    """Assert a largest deviation, relative to the largest recorded value."""
    ours, recorded = np.asarray(ours, np.float64), np.asarray(recorded, np.float64)
    assert ours.shape == recorded.shape
    np.testing.assert_allclose(ours, recorded, rtol=0, atol=relative * np.abs(recorded).max())


@pytest.mark.parametrize("size", ["light", "small", "base", "large", "huge"])
def test_every_official_name_is_matched(reference: Path, size: str) -> None:
    options = published_options(f"sbt-{size}")
    names = official_names(reference, "sbt", size)
    with torch.device("meta"):
        network = SBT.build_network(options)
        official = {name: torch.empty(entry["shape"]) for name, entry in names.items()}
    found = match(official, SBT.key_map(options), network.state_dict())
    assert found.complete
    assert not found.unused
    assert len(found.weights) == len(names)


def test_crops_are_the_same_to_the_bit(run: Run) -> None:
    recorded, options = run.recorded, run.model.options
    template = square_crop([run.frames[0]], run.ground_truth[:1], options.template_factor, options.template_size)
    np.testing.assert_array_equal(template.images[0], recorded["template_crop"])
    np.testing.assert_allclose(template.factors[0], recorded["template_resize_factor"], rtol=0, atol=1e-12)
    search = square_crop([run.frames[1]], run.ground_truth[:1], options.search_factor, options.search_size)
    np.testing.assert_array_equal(search.images[0], recorded["search_crop_frame1"])
    np.testing.assert_allclose(search.factors[0], recorded["search_resize_factor_frame1"], rtol=0, atol=1e-12)
    later = square_crop([run.frames[6]], run.ground_truth[5:6], options.search_factor, options.search_size)
    np.testing.assert_array_equal(later.images[0], recorded["forced_search_crop_frame6"])
    pixels = Normaliser()(template.images).double()
    close([pixels.mean(), pixels.std()], recorded["template_input_stats"], 1e-6)


def test_activations(run: Run) -> None:
    assert len(run.activations) >= 19
    for name in run.activations:
        relative = 1e-5 if "patch_embed" in name else 3e-5
        tokens = run.seen[name].double()
        close(tokens[:: int(run.recorded[f"{name}_step"])], run.recorded[name], relative)
        stats = [tokens.mean(), tokens.std(correction=0), tokens.abs().max()]
        close(stats, run.recorded[f"{name}_stats"], 1e-5)


def test_head_of_the_first_frame(run: Run) -> None:
    recorded = run.recorded
    with torch.inference_mode():
        template = Normaliser()(recorded["template_crop"][None])
        output = run.model.network(Normaliser()(recorded["search_crop_frame1"][None]), template)
    close(output.logits, recorded["score_map_frame1"], 3e-5)
    np.testing.assert_allclose(output.boxes, recorded["pred_boxes_frame1"], rtol=0, atol=1e-5)
    with torch.inference_mode():
        state = run.start()
        crops = square_crop([run.frames[1]], state.box[None], *run.model.search_view)
        found = run.model.respond(run.model.normalise(crops.images), [state])
    np.testing.assert_allclose(found.scores[0], recorded["score_frame1"], rtol=0, atol=1e-5)
    np.testing.assert_allclose(found.fused[0], recorded["pscore_frame1"], rtol=0, atol=1e-5)


def test_head_of_a_later_forced_frame(run: Run) -> None:
    recorded = run.recorded
    with torch.inference_mode():
        template = Normaliser()(recorded["template_crop"][None])
        output = run.model.network(Normaliser()(recorded["forced_search_crop_frame6"][None]), template)
    close(output.logits, recorded["forced_score_map_frame6"], 3e-5)
    np.testing.assert_allclose(output.boxes, recorded["forced_pred_boxes_frame6"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("forced", [False, pytest.param(True, marks=pytest.mark.slow)], ids=["free", "forced"])
def test_boxes_and_scores_of_every_frame(run: Run, forced: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    prefix = "forced_" if forced else ""
    recorded = {name.removeprefix(prefix): run.recorded[name] for name in run.recorded if name.startswith(prefix)}
    state = run.start()
    answers: list[TokenResponses] = []
    respond = run.model._respond
    monkeypatch.setattr(run.model, "_respond", lambda *pair: noted(answers, respond(*pair)))
    np.testing.assert_array_equal(recorded["boxes"][0], run.ground_truth[0])
    for frame in range(1, len(run.frames)):
        if forced:
            state.box = run.ground_truth[frame - 1].copy()
        before = state.box
        prediction = run.model.step([run.frames[frame]], [state])[0]
        found = answers[-1]
        best = prediction.extras["token"]
        assert best == recorded["best_index"][frame]
        assert isinstance(prediction.region, Box)
        np.testing.assert_allclose(prediction.region.array(), recorded["boxes"][frame], rtol=0, atol=2e-3)
        np.testing.assert_array_equal(prediction.region.array(), state.box)
        factors = square_crop([run.frames[frame]], before[None], *run.model.search_view).factors
        whole = to_frame(found.boxes[:, best].numpy(), before[None], factors, run.model.options.search_size)
        np.testing.assert_allclose(whole[0], recorded["unclipped_boxes"][frame], rtol=0, atol=2e-3)
        assert prediction.score == pytest.approx(recorded["raw_scores"][frame], abs=1e-5)
        assert prediction.extras["fused_score"] == pytest.approx(recorded["scores"][frame], abs=1e-5)
        second, first = np.sort(found.fused[0])[-2:]
        assert first - second == pytest.approx(recorded["margin"][frame], abs=1e-5)
        if not forced:
            assert factors[0] == pytest.approx(recorded["resize_factors"][frame], abs=1e-12)


def test_nothing_recorded_is_left_out(run: Run) -> None:
    pairs = {"boxes", "scores", "raw_scores", "best_index", "margin", "unclipped_boxes"}
    compared = {"template_crop", "template_resize_factor", "search_crop_frame1", "search_resize_factor_frame1"}
    compared |= {"forced_search_crop_frame6", "template_input_stats", "score_map_frame1", "pred_boxes_frame1"}
    compared |= {"score_frame1", "pscore_frame1", "forced_score_map_frame6", "forced_pred_boxes_frame6"}
    compared |= {"resize_factors"} | pairs | {f"forced_{name}" for name in pairs}
    compared |= {f"{name}{end}" for name in run.activations for end in ("", "_step", "_stats")}
    assert set(run.recorded) - ARRAYS == compared
