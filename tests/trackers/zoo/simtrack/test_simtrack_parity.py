"""SimTrack against recorded outputs of the official code, with the same deterministic weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from official import official_state
from torch import Tensor, nn

from trackbench.checkpoints.key_map import match
from trackbench.nn.crops.normalise import Normaliser
from trackbench.nn.crops.square import square_crop
from trackbench.regions import Box
from trackbench.trackers.base import Target
from trackbench.trackers.settings import resolve_settings
from trackbench.trackers.zoo.simtrack.network import SearchOutput, SimTrack
from trackbench.trackers.zoo.simtrack.options import SimTrackOptions
from trackbench.trackers.zoo.simtrack.position import cell_inputs
from trackbench.trackers.zoo.simtrack.tracker import SimTrackTracker, exemplar_boxes
from trackbench.trackers.zoo.simtrack.vit_backbone import Memory, ViTBackbone

pytestmark = pytest.mark.filterwarnings("ignore::UserWarning")

Recorded = Callable[[str], NDArray[Any]]


class Unprepared(SimTrackTracker):
    """The network as it is trained, so that every activation can be looked at."""

    def prepare(self, network: SimTrack) -> nn.Module:
        return network


class Subject(NamedTuple):
    """One variant: the tracker, what was recorded, the sequence, and the activations of frame 1."""

    name: str
    tracker: SimTrackTracker
    recorded: Any
    frames: NDArray[np.uint8]
    boxes: NDArray[np.float64]
    seen: dict[str, list[Tensor]]


def load(reference: Path, name: str, changed: dict[str, Any]) -> Unprepared:
    variant = name.partition("_")[0]
    options = resolve_settings(f"simtrack-{variant}", options=changed).options
    assert isinstance(options, SimTrackOptions)
    with torch.device("meta"):
        wanted = Unprepared.build_network(options).state_dict()
    found = match(official_state(reference, "simtrack", variant), Unprepared.key_map(options), wanted)
    assert found.complete
    assert found.unused == ["backbone.visual.proj"]
    return Unprepared(options, weights=found.weights)


@torch.inference_mode()
def activations(
    tracker: SimTrackTracker, frames: NDArray[np.uint8], boxes: NDArray[np.float64]
) -> dict[str, list[Tensor]]:
    """Return inputs and outputs of the network's parts at frame 1, and the crops that went in."""
    options, network = tracker.options, tracker.network
    seen: dict[str, list[Tensor]] = {}

    def keep(name: str) -> Callable[..., None]:
        def hook(_: nn.Module, taken: tuple[Tensor, ...], given: Tensor) -> None:
            seen.setdefault(f"{name}.in", []).append(taken[0])
            seen.setdefault(name, []).append(given)

        return hook

    backbone = network.backbone
    assert isinstance(backbone, ViTBackbone)
    parts: dict[str, nn.Module] = {
        "conv1": backbone.visual.conv1,
        "pos_fc": backbone.pos_fc,
        "ln_pre": backbone.visual.ln_pre,
        **{f"block{i}": block for i, block in enumerate(backbone.visual.blocks)},
    }
    hooks = [part.register_forward_hook(keep(name)) for name, part in parts.items()]
    exemplar = square_crop([frames[0]], boxes[:1], options.template_factor, options.template_size)
    search = square_crop([frames[1]], boxes[:1], options.search_factor, options.search_size)
    inside = torch.from_numpy(exemplar_boxes(boxes[:1], exemplar.factors, options.template_size))
    memory = network.exemplar(Normaliser()(exemplar.images), inside)
    # All tokens of the last block are recorded, but tracking needs only the search tokens there.
    backbone(Normaliser()(search.images), memory, with_exemplar=True)
    for hook in hooks:
        hook.remove()
    found = network.locate(Normaliser()(search.images), memory)
    seen |= {"boxes": [found.boxes], "tl": [found.top_left], "br": [found.bottom_right], "exemplar_box": [inside]}
    seen |= {"exemplar": [torch.from_numpy(exemplar.images)], "search": [torch.from_numpy(search.images)]}
    seen["factor"] = [torch.from_numpy(search.factors)]
    return seen


def chosen(*by_default: str) -> list[Any]:
    """Return all variants, those not named marked as slow."""
    names = ("b32", "b16", "b16star", "b32_unshifted", "l14")
    return [name if name in by_default else pytest.param(name, marks=pytest.mark.slow) for name in names]


@pytest.fixture(scope="module", params=chosen("b32"))
def subject(reference: Path, request: pytest.FixtureRequest) -> Subject:
    name = request.param
    tracker = load(reference, name, {"foveal_shift": False} if name == "b32_unshifted" else {})
    sequence = np.load(reference / "parity" / "sequence.npz")
    frames, boxes = sequence["frames"], sequence["boxes"]
    seen = activations(tracker, frames, boxes)
    prepared = SimTrackTracker.prepare(tracker, tracker.network)
    assert isinstance(prepared, SimTrack)
    tracker.network = prepared
    return Subject(name, tracker, np.load(reference / "parity" / f"simtrack_{name}.npz"), frames, boxes, seen)


def apart(ours: Any, recorded: NDArray[Any]) -> float:
    """Return the largest difference over the largest recorded magnitude."""
    ours = np.asarray(ours)
    assert ours.shape == recorded.shape
    return float(np.abs(ours - recorded).max() / np.abs(recorded).max())


def official_order(subject: Subject, tokens: Tensor) -> Tensor:
    """Bring tokens from our order, search, class, exemplar, foveal, to exemplar, class, search, foveal: (N, C)."""
    backbone = subject.tracker.network.backbone
    assert isinstance(backbone, ViTBackbone)
    search, one, exemplar, foveal = tokens[0].split([backbone.grid**2, 1, backbone.cells**2, backbone.foveal_cells**2])
    return torch.cat([exemplar, one, search, foveal])


def test_crops_are_the_same_to_the_bit(subject: Subject) -> None:
    recorded, seen = subject.recorded, subject.seen
    np.testing.assert_array_equal(seen["exemplar"][0][0].numpy(), recorded["template_crop"])
    np.testing.assert_array_equal(seen["search"][0][0].numpy(), recorded["search_crop_frame1"])
    assert seen["factor"][0].item() == recorded["resize_factor_frame1"]
    np.testing.assert_array_equal(seen["exemplar_box"][0][0].numpy(), recorded["template_anno"])


def test_edge_crops_are_the_same_to_the_bit(reference: Path) -> None:
    recorded = np.load(reference / "parity" / "simtrack_b16.npz")
    frame = np.load(reference / "parity" / "sequence.npz")["frames"][0]
    crops = square_crop([frame] * 8, recorded["edge_boxes"], 4.0, 64)
    np.testing.assert_array_equal(crops.images, recorded["edge_crops"])
    np.testing.assert_array_equal(crops.factors, recorded["edge_factors"])


def test_positions(subject: Subject) -> None:
    recorded, seen = subject.recorded, subject.seen
    np.testing.assert_allclose(seen["pos_fc.in"][0][0].numpy(), recorded["pos_fc_in"], rtol=0, atol=1e-6)
    np.testing.assert_allclose(seen["pos_fc"][0][0, :, ::8].numpy(), recorded["pos_fc_out"], rtol=0, atol=1e-6)
    ground_truth = torch.from_numpy(recorded["template_anno"])[None]
    backbone = subject.tracker.network.backbone
    assert isinstance(backbone, ViTBackbone)
    inputs = cell_inputs(ground_truth, backbone.cells)
    np.testing.assert_allclose(inputs[0].numpy(), recorded["pos_fc_in"], rtol=0, atol=1e-6)


def test_patches_and_tokens(subject: Subject) -> None:
    recorded, seen = subject.recorded, subject.seen
    tolerance = 1e-5 if subject.name.startswith("b32") else 4e-6
    exemplar, foveal, search = (maps[0, ::16].numpy() for maps in seen["conv1"])
    assert apart(exemplar, recorded["patch_template"]) < tolerance
    assert apart(search[:, ::2, ::2], recorded["patch_search"]) < tolerance
    # Of the shifted window the official code embeds more patches than it uses.
    whole = recorded["patch_foveal_raw"]
    margin = (whole.shape[1] - foveal.shape[1]) // 2
    inner = slice(margin, whole.shape[1] - margin)
    assert apart(foveal, whole[:, inner, inner]) < tolerance

    target, search_side = seen["ln_pre.in"]
    tokens = official_order(subject, torch.cat([search_side, target], 1))
    assert apart(tokens[:, ::32], recorded["tokens_in"]) < tolerance
    normed = official_order(subject, torch.cat(seen["ln_pre"][::-1], 1))
    assert apart(normed[:, ::32], recorded["ln_pre_out"]) < tolerance


def test_blocks(subject: Subject) -> None:
    recorded, seen = subject.recorded, subject.seen
    depth = subject.tracker.options.depth[0]
    compared = 0
    for index in range(depth):
        tokens = official_order(subject, seen[f"block{index}"][0])
        stats = [tokens.double().mean().item(), tokens.double().std(correction=0).item()]
        np.testing.assert_allclose(stats, recorded["block_stats"][index], rtol=0, atol=1e-6)
        if f"block{index:02d}_out" in recorded:
            assert apart(tokens[:, ::32], recorded[f"block{index:02d}_out"]) < 4e-6
            compared += 1
    assert compared == 3


@torch.inference_mode()
def test_end_of_the_backbone(subject: Subject) -> None:
    recorded, network = subject.recorded, subject.tracker.network
    assert isinstance(network.backbone, ViTBackbone)
    last = subject.seen[f"block{subject.tracker.options.depth[0] - 1}"][0]
    tokens = official_order(subject, network.backbone.visual.ln_post(last))
    assert apart(tokens[:, ::32], recorded["ln_post_out"]) < 4e-6
    narrow = network.bottleneck(tokens)
    others = network.backbone.cells**2 + 1
    search = narrow[others : others + network.grid**2]
    assert apart(search[:, ::2], recorded["bottleneck_search"]) < 4e-6
    assert apart(narrow[:others, ::8], recorded["bottleneck_rest"]) < 4e-6


def test_head(subject: Subject) -> None:
    recorded, seen = subject.recorded, subject.seen
    assert apart(seen["tl"][0][0], recorded["score_map_tl"]) < 2e-5
    assert apart(seen["br"][0][0], recorded["score_map_br"]) < 2e-5
    np.testing.assert_allclose(seen["boxes"][0][0], recorded["pred_box_frame1"], rtol=0, atol=2e-6)


class Tracked(NamedTuple):
    """Frames 1 to the end."""

    boxes: NDArray[np.float64]
    predicted: NDArray[np.float32]
    """Centre x, y, width, height in units of the search image."""
    peaks: NDArray[np.float32]
    """Largest probability of the two corner maps."""
    top_left: NDArray[np.float32]
    bottom_right: NDArray[np.float32]


def track(subject: Subject, forced: bool, length: int = 12) -> Tracked:
    tracker, frames, ground_truth = subject.tracker, subject.frames, subject.boxes
    found: list[SearchOutput] = []
    locate = tracker.network.locate

    def keep(search: Tensor, memory: Memory) -> SearchOutput:
        found.append(locate(search, memory))
        return found[-1]

    tracker.network.locate = keep  # type: ignore[method-assign]
    states = tracker.start([frames[0]], [Target(Box.of(ground_truth[0]))])
    boxes = []
    for index in range(1, length):
        if forced:
            states[0].box = ground_truth[index - 1]
        (prediction,) = tracker.step([frames[index]], states)
        assert isinstance(prediction.region, Box)
        assert prediction.score is None
        boxes.append(prediction.region.array())
    tracker.network.locate = locate  # type: ignore[method-assign]
    maps = [torch.cat([frame.top_left for frame in found]), torch.cat([frame.bottom_right for frame in found])]
    peaks = torch.stack([logits.flatten(1).softmax(1).amax(1) for logits in maps], 1)
    predicted = torch.cat([frame.boxes for frame in found])
    return Tracked(np.stack(boxes), predicted.numpy(), peaks.numpy(), maps[0].numpy(), maps[1].numpy())


@contextmanager
def sharp_head(network: SimTrack) -> Iterator[None]:
    """Multiply the weights of the corner logits, so that boxes move and become inverted."""

    def sharpen(layer: nn.Module, _: Any, logits: Tensor) -> Tensor:
        assert isinstance(layer.bias, Tensor)
        return (logits - layer.bias) * 25.0 + layer.bias

    layers = [network.box_head.get_submodule(f"conv5_{corner}") for corner in ("tl", "br")]
    hooks = [layer.register_forward_hook(sharpen) for layer in layers]
    yield
    for hook in hooks:
        hook.remove()


@pytest.mark.slow
def test_flat_boxes(subject: Subject) -> None:
    recorded = subject.recorded
    free, forced = track(subject, forced=False), track(subject, forced=True)
    np.testing.assert_allclose(free.boxes, recorded["boxes"][1:], rtol=0, atol=5e-4)
    np.testing.assert_allclose(free.predicted, recorded["pred_boxes"][1:], rtol=0, atol=2e-6)
    np.testing.assert_allclose(free.peaks, recorded["corner_peaks"][1:], rtol=1e-5)
    np.testing.assert_allclose(forced.boxes, recorded["forced_boxes"][1:], rtol=0, atol=5e-4)
    np.testing.assert_allclose(forced.predicted, recorded["forced_pred_boxes"][1:], rtol=0, atol=2e-6)


@pytest.mark.parametrize("length", [4, pytest.param(12, marks=pytest.mark.slow)])
def test_sharp_boxes_in_a_free_run(subject: Subject, length: int) -> None:
    recorded = subject.recorded
    with sharp_head(subject.tracker.network):
        free = track(subject, forced=False, length=length)
    assert apart(free.top_left[0], recorded["sharp_score_map_tl"]) < 2e-5
    assert apart(free.bottom_right[0], recorded["sharp_score_map_br"]) < 2e-5
    np.testing.assert_allclose(free.boxes, recorded["sharp_boxes"][1:length], rtol=0, atol=5e-3)
    np.testing.assert_allclose(free.predicted, recorded["sharp_pred_boxes"][1:length], rtol=0, atol=2e-5)
    np.testing.assert_allclose(free.peaks, recorded["sharp_corner_peaks"][1:length], rtol=5e-5)


@pytest.mark.slow
def test_sharp_boxes_from_forced_states(subject: Subject) -> None:
    recorded = subject.recorded
    with sharp_head(subject.tracker.network):
        forced = track(subject, forced=True)
    np.testing.assert_allclose(forced.boxes, recorded["sharp_forced_boxes"][1:], rtol=0, atol=5e-3)
    np.testing.assert_allclose(forced.predicted, recorded["sharp_forced_pred_boxes"][1:], rtol=0, atol=2e-5)
