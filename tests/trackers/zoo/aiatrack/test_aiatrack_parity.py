"""AiATrack against recorded outputs of the official code, with the same deterministic weights.

The three recordings: the published architecture with memory that never changes, the same with weights under which the
memory accepts, rejects and evicts, and the architecture without AiA.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from official import official_state
from torch import Tensor

from trackbench.nn.crops.normalise import Normaliser
from trackbench.nn.crops.square import SquareCrops, square_crop
from trackbench.nn.layers.corner_head import centre_form
from trackbench.nn.layers.positions import sine_positions
from trackbench.nn.layers.roi_pooling import precise_roi_pool
from trackbench.regions import Box
from trackbench.trackers.base import Target
from trackbench.trackers.matching import read_weights
from trackbench.trackers.settings import resolve_settings
from trackbench.trackers.zoo.aiatrack.attention import InnerAttention
from trackbench.trackers.zoo.aiatrack.memory import Memory
from trackbench.trackers.zoo.aiatrack.network import LONG, SHORT, Encoded
from trackbench.trackers.zoo.aiatrack.tracker import AiATrack, AiATrackOptions, AiATrackState
from trackbench.trackers.zoo.aiatrack.transformer import References

Recorded = dict[str, NDArray[Any]]


class Settings:
    """Stands for the object that the official training code pickles beside the weights."""

    def __init__(self) -> None:
        self.env = {"workspace_dir": "/home/someone"}


class Subject(NamedTuple):
    """One recording, and the tracker that it is of."""

    recorded: Recorded
    tracker: AiATrack
    frames: list[NDArray[np.uint8]]
    boxes: NDArray[np.float64]
    seen: dict[str, Any]


def build(recorded: Recorded, reference: Path, folder: Path) -> AiATrack:
    """Write the weights as the official code saves them, and read them as a user's file."""
    name = "aiatrack" if recorded["use_aia"] else "aiatrack-no-aia"
    state = official_state(
        reference, "aiatrack", "baseline" if recorded["use_aia"] else "no_aia", str(recorded["salt"])
    )
    for key, scale in zip(recorded["override_keys"], recorded["override_scales"], strict=True):
        state[str(key)] *= float(scale)
    file = folder / "AIATRACK_ep0500.pth.tar"
    document = {"epoch": 500, "actor_type": "AIATRACKActor", "net_type": "AIATRACK", "net": state, "net_info": None}
    torch.save(document | {"constructor": None, "optimizer": {"state": {}}, "stats": {}, "settings": Settings()}, file)
    cache_size, ensemble, threshold = recorded["hyper"].tolist()
    settings = resolve_settings(
        name, options={"cache_size": int(cache_size), "ensemble": int(ensemble), "threshold": float(threshold)}
    )
    assert isinstance(settings.options, AiATrackOptions)
    found = read_weights(file, name, AiATrack, settings.options)
    file.unlink()
    assert found.complete
    assert not found.unused
    return AiATrack(settings.options, weights=found.weights)


@torch.inference_mode()
def activations(tracker: AiATrack, frames: list[NDArray[np.uint8]], boxes: NDArray[np.float64]) -> dict[str, Any]:
    """Return every stage of the network at frame 1, and what was before."""
    network, size = tracker.network, tracker.options.network.search_size
    seen: dict[str, Any] = {}
    for name, frame in (("template", frames[0]), ("search", frames[1])):
        crops = square_crop([frame], boxes[:1], tracker.options.search_factor, size)
        seen[name] = crops
        padded = crops.padded_rows[:, :, None] | crops.padded_columns[:, None]
        seen[f"{name}_mask"] = padded[0]
        cells = torch.from_numpy(padded[:, ::16, ::16])
        images = Normaliser()(crops.images)
        seen[f"{name}_encoded"] = network.encode(images, cells)
        places = sine_positions(cells, 256)
        inner = sine_positions(cells, 64)
        if name == "search":
            seen["backbone"] = network.backbone(images)[0]
            seen["bottleneck"] = network.bottleneck(seen["backbone"])
            seen["pos"], seen["inner_pos"] = places, inner
            x = seen["bottleneck"].flatten(2).transpose(1, 2)
            seen["encoder_inputs"] = [x]
            for layer in network.encoder:
                x = layer(x, places.flatten(2).transpose(1, 2), inner.flatten(2).transpose(1, 2))
                seen["encoder_inputs"].append(x)
    state = tracker.start([frames[0]], [Target(Box.of(boxes[0]))])[0]
    seen["state"] = state
    search = seen["search_encoded"]
    block: Any = network.decoder.blocks[0]
    references = [branch.stacked(torch.zeros(0)) for branch in tracker._sample([state])]
    attended = [
        block.get_submodule(branch)(search.memory, r.projected[:, 0], r.positions, search.positions, r.log_counts)
        for branch, r in zip((LONG, SHORT), references, strict=True)
    ]
    seen["long_attn"], seen["short_attn"] = attended
    x = block.norm(search.memory + attended[0] + attended[1])
    seen["decoder_layer"] = network.decoder.feed_forward(x)
    seen["decoded"] = network.decode(search, references)
    seen["corners"] = network.box_head(seen["decoded"])
    seen["iou_feat"] = network.iou_head.features(seen["decoded"])
    seen["iou"] = network.iou_head(seen["decoded"], seen["corners"].boxes[:, None])
    return seen


RECORDINGS = ["memory", *(pytest.param(name, marks=pytest.mark.slow) for name in ("baseline", "no_aia"))]
"""All have every activation of frame 1; the first is of the published architecture and has a memory that changes."""


@pytest.fixture(scope="module", params=RECORDINGS)
def subject(reference: Path, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Subject:
    with np.load(reference / "parity" / f"aiatrack_{request.param}.npz") as file:
        recorded = dict(file)
    with np.load(reference / "parity" / "sequence.npz") as file:
        frames, boxes = list(file["frames"]), file["boxes"]
    tracker = build(recorded, reference, tmp_path_factory.mktemp("weights"))
    return Subject(recorded, tracker, frames, boxes, activations(tracker, frames, boxes))


def check(subject: Subject, name: str, full: Tensor, kept: Callable[[NDArray[Any]], Any], tolerance: float) -> None:
    """Compare the recorded slice of a tensor, and mean, deviation, minimum and maximum of all of it."""
    values, recorded = full.double().numpy(), subject.recorded[name]
    largest = np.abs(recorded).max()
    np.testing.assert_allclose(kept(values), recorded, rtol=0, atol=tolerance * largest)
    numbers = [values.mean(), values.std(), values.min(), values.max()]
    stats = subject.recorded[f"{name}_stats"]
    np.testing.assert_allclose(numbers, stats, rtol=0, atol=tolerance * np.abs(stats).max())


def test_crops_and_padding(subject: Subject) -> None:
    for name, kept in (("template", "template"), ("search", "search")):
        end = "_frame1" if name == "search" else ""
        np.testing.assert_array_equal(subject.seen[name].images[0], subject.recorded[f"{kept}_crop{end}"])
        mask = np.unpackbits(subject.recorded[f"{kept}_mask{end}"]).reshape(320, 320).astype(bool)
        np.testing.assert_array_equal(subject.seen[f"{name}_mask"], mask)


def test_backbone_and_encodings_of_places(subject: Subject) -> None:
    seen = subject.seen
    check(subject, "f1_backbone", seen["backbone"][0], lambda v: v[::16, ::2, ::2], 2e-5)
    check(subject, "f1_bottleneck", seen["bottleneck"][0], lambda v: v[::8], 2e-5)
    check(subject, "f1_pos", seen["pos"][0], lambda v: v[::16], 1e-6)
    check(subject, "f1_inner_pos", seen["inner_pos"][0], lambda v: v[::8], 1e-6)


def test_encoder(subject: Subject) -> None:
    for index, layer in enumerate(subject.seen["encoder_inputs"][1:]):
        check(subject, f"f1_encoder{index}", layer[0], lambda v: v[::4, ::4], 2e-5)
    torch.testing.assert_close(subject.seen["search_encoded"].memory, subject.seen["encoder_inputs"][-1])
    check(subject, "template_memory", subject.seen["template_encoded"].memory[0], lambda v: v[::4, ::4], 2e-5)


@torch.inference_mode()
def test_correlations(subject: Subject) -> None:
    """The maps of the paper's formulas, and that the factors in their place mean the same."""
    if not subject.recorded["use_aia"]:
        pytest.skip("no refinement here")
    seen, network = subject.seen, subject.tracker.network
    search, state = seen["search_encoded"], seen["state"]
    x = seen["encoder_inputs"][0]
    placed = x + seen["pos"].flatten(2).transpose(1, 2)
    sampled = [entry for entry, count in state.memory.sample() for _ in range(count)]
    short = torch.stack([entry.projected[0] for entry in sampled], 2)[None]
    positions = torch.stack([entry.positions for entry in sampled])[None]
    inner_pos = seen["inner_pos"].flatten(2).transpose(1, 2)
    encoder: Any = network.encoder.get_submodule("0.blocks.0.self_attn")
    decoder: Any = network.decoder.blocks[0].get_submodule(SHORT)
    own = encoder.project(placed, x).unsqueeze(3)
    for name, attention, given, references, places in (
        ("encoder0", encoder, placed, own, inner_pos[:, None]),
        ("short", decoder, search.memory, short, positions),
    ):
        weight, bias = attention.in_proj_weight[:256], attention.in_proj_bias[:256]
        queries = attention._split(given @ weight.T + bias) / 8
        keys = references[:, 0]
        raw = attention.correlate(queries, keys)
        residual = attention.residual(raw, places, inner_pos)

        def laid_out(maps: Tensor) -> Tensor:
            return maps.flatten(2, 3).transpose(2, 3)[0]

        check(subject, f"f1_{name}_corr_raw", laid_out(raw), lambda v: v[:, ::20, ::20], 2e-5)
        check(subject, f"f1_{name}_corr_residual", laid_out(residual), lambda v: v[:, ::20, ::20], 1e-4)
        assert isinstance(attention.inner_attn, InnerAttention)
        left, right = attention.inner_attn.factors(queries, keys, places)
        product = right @ left[:, :, None].transpose(3, 4)
        # The same but for a number for each query.
        offset = (product - residual).mean((2, 3), keepdim=True)
        torch.testing.assert_close(product - offset, residual, rtol=0, atol=2e-5 * float(residual.abs().max()))


def test_decoder(subject: Subject) -> None:
    seen = subject.seen
    for name in ("long_attn", "short_attn", "decoder_layer"):
        check(subject, f"f1_{name}", seen[name][0], lambda v: v[::4, ::4], 2e-5)
    check(subject, "f1_out_embed", seen["decoded"][0].flatten(1).T, lambda v: v, 2e-5)


def test_embedding_map(subject: Subject) -> None:
    region = torch.from_numpy(subject.recorded["region"][0].astype(bool).reshape(1, -1))
    check(subject, "template_embed_map", subject.tracker.network.embedding_map(region)[0], lambda v: v[::4, ::8], 1e-6)


def test_heads(subject: Subject) -> None:
    seen, recorded = subject.seen, subject.recorded
    corners = seen["corners"]
    check(subject, "f1_score_map_tl", corners.top_left[0], lambda v: v, 5e-5)
    check(subject, "f1_score_map_br", corners.bottom_right[0], lambda v: v, 5e-5)
    x1, y1, x2, y2 = corners.boxes[0].tolist()
    np.testing.assert_allclose([x1, y1, x2 - x1, y2 - y1], recorded["f1_box_xywh"], rtol=0, atol=1e-5)
    check(subject, "f1_iou_feat", seen["iou_feat"][0], lambda v: v[::8], 5e-5)
    np.testing.assert_allclose(seen["iou"].item(), recorded["f1_iou"], rtol=0, atol=1e-4)


@torch.inference_mode()
def test_iou_head_on_boxes_of_all_kinds(subject: Subject) -> None:
    """Inside, partly outside, tiny, inverted."""
    boxes = torch.from_numpy(subject.recorded["probe_boxes_xywh"].copy())[None]
    boxes[..., 2:] += boxes[..., :2]
    head = subject.tracker.network.iou_head
    pooled = precise_roi_pool(subject.seen["iou_feat"], boxes, 4, 20.0)[0]
    check(subject, "probe_roi_feat", pooled, lambda v: v[:, ::4], 1e-4)
    scores = head(subject.seen["decoded"], boxes)[0]
    np.testing.assert_allclose(scores, subject.recorded["probe_iou"], rtol=0, atol=1e-4)


class Followed(NamedTuple):
    """What a run gave, frame by frame from 1; ``factors`` and ``regions`` from 0."""

    boxes: list[NDArray[np.float64]]
    scores: list[float]
    predicted: list[NDArray[np.float32]]
    factors: list[float]
    kept: list[list[int]]
    looked_at: list[list[int]]
    regions: dict[int, NDArray[np.bool_]]


def follow(subject: Subject, monkeypatch: pytest.MonkeyPatch, forced: bool, length: int) -> Followed:
    """Track the first frames; a forced run puts the state on the annotation before every frame."""
    tracker = subject.tracker
    seen = Followed([], [], [], [], [], [], {})
    refer, encode = tracker.network.refer, tracker._encode

    def note_region(branch: str, memory: Tensor, regions: Tensor) -> Tensor:
        seen.regions[len(seen.factors) - 1] = regions[0].reshape(20, 20).numpy()
        return refer(branch, memory, regions)

    def note_factor(images: Tensor, crops: SquareCrops, *geometry: Any) -> tuple[Encoded, Tensor]:
        seen.factors.append(crops.factors[0])
        return encode(images, crops, *geometry)

    monkeypatch.setattr(tracker.network, "refer", note_region)
    monkeypatch.setattr(tracker, "_encode", note_factor)
    hook = tracker.network.box_head.register_forward_hook(
        lambda module, taken, given: seen.predicted.append(centre_form(given.boxes)[0].numpy())
    )
    state = tracker.start([subject.frames[0]], [Target(Box.of(subject.boxes[0]))])[0]
    for index, frame in enumerate(subject.frames[1:length], 1):
        if forced:
            state.box = subject.boxes[index - 1].copy()
        seen.looked_at.append([state.initial.frame, *references(state.memory)])
        prediction = tracker.step([frame], [state])[0]
        assert isinstance(prediction.region, Box)
        assert prediction.score is not None
        seen.boxes.append(prediction.region.array())
        seen.scores.append(prediction.score)
        seen.kept.append([entry.frame for entry in state.memory.entries])
    hook.remove()
    return seen


def references(memory: Memory) -> list[int]:
    return [entry.frame for entry, count in memory.sample() for _ in range(count)]


@pytest.mark.parametrize(
    ("subject", "forced", "length"),
    [
        ("memory", False, 5),
        *(
            pytest.param(name, forced, 12, marks=pytest.mark.slow)
            for name in ("memory", "baseline", "no_aia")
            for forced in (False, True)
        ),
    ],
    indirect=["subject"],
)
def test_tracking(subject: Subject, monkeypatch: pytest.MonkeyPatch, forced: bool, length: int) -> None:
    recorded = subject.recorded
    run = follow(subject, monkeypatch, forced, length)
    prefix = "forced_" if forced else ""

    kept = recorded[f"{prefix}cache_frames"]
    for index in range(1, length):
        assert run.kept[index - 1] == kept[index][kept[index] >= 0].tolist()
        assert run.looked_at[index - 1] == recorded[f"{prefix}refer_frames"][index].tolist()
        evicted = set([[0], *run.kept][index - 1]) - set(run.kept[index - 1])
        assert evicted == set(recorded[f"{prefix}cache_evicted"][[index]].tolist()) - {-1}
        assert (index in run.kept[index - 1]) == recorded[f"{prefix}cache_added"][index]
        assert (index in run.regions) == recorded[f"{prefix}cache_added"][index]
    assert 0 in run.regions
    for index, region in run.regions.items():
        np.testing.assert_array_equal(region, recorded[f"{prefix}region"][index])

    np.testing.assert_allclose(run.predicted, recorded[f"{prefix}pred_cxcywh"][1:length], rtol=0, atol=1e-5)
    np.testing.assert_allclose(run.scores, recorded[f"{prefix}scores"][1:length], rtol=0, atol=1e-4)
    np.testing.assert_allclose(run.boxes, recorded[f"{prefix}boxes"][1:length], rtol=0, atol=0.01)
    if not forced:
        np.testing.assert_array_equal(run.factors, recorded["resize_factor"][:length])


def test_merged_references_equal_copies(subject: Subject) -> None:
    """One reference that counts three times gives what three copies of it give."""
    state: AiATrackState = subject.seen["state"]
    [(entry, count)] = state.memory.sample()
    assert count == 3
    long = subject.tracker._sample([state])[0].stacked(torch.zeros(0))
    copies = References(torch.stack([entry.projected] * 3, 3)[None], torch.stack([entry.positions] * 3)[None])
    with torch.inference_mode():
        decoded = subject.tracker.network.decode(subject.seen["search_encoded"], [long, copies])
    torch.testing.assert_close(decoded, subject.seen["decoded"], rtol=0, atol=1e-5 * float(decoded.abs().max()))
