"""Alpha-Refine against recorded outputs of the official code, with the same deterministic weights.

The sequence has twelve frames; the first gives the reference, the others are refined around their true boxes.
"""

from __future__ import annotations

import math
import zlib
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from official import official_state
from torch import Tensor, nn

from trackbench.regions import Box
from trackbench.trackers.matching import match_checkpoint
from trackbench.trackers.zoo.alpharefine.crop import rectangle_around
from trackbench.trackers.zoo.alpharefine.tracker import AlphaRefine, AlphaRefineOptions

GOLDEN = Path(__file__).parents[3] / "golden" / "alpharefine"
SIZE = 384
OPTIONS = AlphaRefineOptions()


class Subject(NamedTuple):
    """The refiner, what was recorded, the sequence, and what the refiner has made of its first frames."""

    refiner: AlphaRefine
    recorded: Any
    frames: NDArray[np.uint8]
    boxes: list[Box]
    kernel: NDArray[np.float32]
    seen: dict[str, NDArray[np.float32]]
    """Activations of frame 1."""
    masks: Masks


class Masks(NamedTuple):
    """What the refiner answers, from frame 1 on."""

    probabilities: list[NDArray[np.float32]]
    binary: list[NDArray[np.bool_]]


@pytest.fixture(scope="module")
def subject(reference: Path) -> Subject:
    official = official_state(reference, "alpharefine", "only_mask_384")
    found = match_checkpoint(official, AlphaRefine, OPTIONS)
    assert found.complete
    assert sorted(found.unused) == ["feature_extractor.fc.bias", "feature_extractor.fc.weight"]
    assert len(found.weights) == 475
    refiner = AlphaRefine(OPTIONS, weights=found.weights)
    sequence = np.load(reference / "parity" / "sequence.npz")
    frames, boxes = sequence["frames"], [Box.of(row) for row in sequence["boxes"]]
    # The official reference box is float32.
    boxes[0] = Box.of(sequence["boxes"][0].astype(np.float32))
    states = refiner.start([frames[0]], [boxes[0]])
    seen: dict[str, NDArray[np.float32]] = {}
    hooks = _watch(refiner, seen)
    masks = _refine(refiner, seen, frames[1:2], boxes[1:2], states)
    for hook in hooks:
        hook.remove()
    kernel = states[0].kernel.t().reshape(1024, 12, 12).numpy()
    recorded = np.load(reference / "parity" / "alpharefine_only_mask_384.npz")
    return Subject(refiner, recorded, frames, boxes, kernel, seen, masks)


@pytest.fixture(scope="module")
def every_mask(subject: Subject) -> Masks:
    refiner, frames, boxes = subject.refiner, subject.frames, subject.boxes
    seen: dict[str, NDArray[np.float32]] = {}
    hooks = _watch(refiner, seen, only="logits")
    masks = _refine(refiner, seen, frames[1:], boxes[1:], refiner.start([frames[0]], [boxes[0]]))
    for hook in hooks:
        hook.remove()
    return masks


def _refine(
    refiner: AlphaRefine, seen: dict[str, NDArray[np.float32]], frames: NDArray[np.uint8], boxes: list[Box], states: Any
) -> Masks:
    masks = Masks([], [])
    for frame, box in zip(frames, boxes, strict=True):
        mask = refiner.refine([frame], [box], states)[0]
        assert mask is not None
        masks.binary.append(mask.window(0, 0, 320, 240))
        masks.probabilities.append(torch.sigmoid(torch.from_numpy(seen["logits"][0])).numpy())
    return masks


def _watch(refiner: AlphaRefine, seen: dict[str, NDArray[np.float32]], only: str | None = None) -> list[Any]:
    """Keep activations by the names of the record; those of the backbone are one ahead of its parameters' names."""
    network = refiner.network
    backbone, neck, decoder = network.feature_extractor, network.neck, network.refiner
    parts: dict[str, nn.Module] = {"feat_layer1": backbone.maxpool}
    parts |= {f"feat_layer{level + 1}": backbone.get_submodule(f"layer{level}") for level in range(1, 5)}
    parts |= {"se": neck.channel_attention, "nl": neck.spatial_attention, "logits": decoder.project}
    parts |= {f"rrb2_{level}": decoder.RRB2[level] for level in decoder.levels}

    def keep(name: str, value: Tensor) -> None:
        seen[name] = value[0].numpy()

    hooks = [
        part.register_forward_hook(lambda _, taken, given, name=name: keep(name, given))
        for name, part in parts.items()
        if only in (None, name)
    ]
    if only is None:
        hooks.append(neck.channel_attention.register_forward_pre_hook(lambda _, taken: keep("corr", taken[0])))
    return hooks


def _sample(name: str, full: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what was recorded of an activation (C, H, W)."""
    channels, rows, columns = full.shape
    if name.startswith("feat"):
        return full[:: channels // 32, :: rows // 12, :: columns // 12]
    if name.startswith("rrb2"):
        return full[::8, :: rows // 12, :: columns // 12]
    return full[:, ::4, ::4] if name == "logits" else full[::4]


def _on_frame(probability: NDArray[np.float32], box: Box, frame: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Bring a probability back as the official code does: onto a canvas with the crop's padding, which is cut off."""
    rectangle = rectangle_around(box, 2.0, frame)
    assert rectangle is not None
    rows, columns = frame.shape[:2]
    left, top = max(0, -rectangle.x), max(0, -rectangle.y)
    right, bottom = max(0, rectangle.x + rectangle.w - columns + 1), max(0, rectangle.y + rectangle.h - rows + 1)
    canvas = np.zeros((rows + top + bottom, columns + left + right))
    x, y = rectangle.x + left, rectangle.y + top
    canvas[y : y + rectangle.h, x : x + rectangle.w] = cv2.resize(probability, (rectangle.w, rectangle.h))
    return canvas[top : top + rows, left : left + columns]


def test_crops_are_exact(subject: Subject) -> None:
    for index, name in ((0, "template"), (1, "search")):
        frame, box = subject.frames[index], subject.boxes[index]
        rectangle = rectangle_around(box, 2.0, frame)
        assert rectangle is not None
        patch = "template_patch" if index == 0 else "search_patch_frame1"
        assert np.array_equal(rectangle.cut(frame, SIZE), subject.recorded[patch])
        factors = subject.recorded["template_hw_factors" if index == 0 else "search_hw_factors_frame1"]
        assert [SIZE / rectangle.h, SIZE / rectangle.w] == factors.tolist(), name
        if index == 0:
            x, y, w, h = subject.recorded["template_box_crop"]
            assert rectangle.box_within(box, SIZE).tolist() == [x, y, x + w, y + h]


def test_reference_kernel(subject: Subject) -> None:
    mean, std, largest = subject.recorded["ref_kernel_stats"]
    np.testing.assert_allclose(subject.kernel[::8], subject.recorded["ref_kernel"], rtol=0, atol=3e-6 * largest)
    np.testing.assert_allclose([subject.kernel.mean(), subject.kernel.std()], [mean, std], atol=1e-5)


@pytest.mark.parametrize(
    "name",
    [
        *(f"feat_layer{level}" for level in range(1, 6)),
        *("corr", "se", "nl"),
        *(f"rrb2_layer{level}" for level in range(5, 1, -1)),
        "logits",
    ],
)
def test_activations(subject: Subject, name: str) -> None:
    full = subject.seen[name]
    mean, std, largest = subject.recorded[f"act_{name}_stats"]
    np.testing.assert_allclose(_sample(name, full), subject.recorded[f"act_{name}"], rtol=0, atol=1e-5 * largest)
    found = [full.mean(dtype=np.float64), full.std(dtype=np.float64), np.abs(full).max()]
    np.testing.assert_allclose(found, [mean, std, largest], rtol=0, atol=1e-5 * largest)


def test_probabilities_of_the_first_frame(subject: Subject) -> None:
    recorded = subject.recorded
    np.testing.assert_allclose(subject.masks.probabilities[0], recorded["mask_prob_frame1"], rtol=0, atol=5e-3)
    back = _on_frame(subject.masks.probabilities[0], subject.boxes[1], subject.frames[1])
    np.testing.assert_allclose(back[::2, ::2], recorded["mask_image_frame1"], rtol=0, atol=5e-3)
    assert recorded["image_hw"].tolist() == list(back.shape)
    _check_masks(subject, subject.masks)


@pytest.mark.slow
def test_probabilities_and_masks_of_every_frame(subject: Subject, every_mask: Masks) -> None:
    assert len(every_mask.binary) == 11
    _check_masks(subject, every_mask)


def _check_masks(subject: Subject, masks: Masks) -> None:
    recorded = subject.recorded
    for index, (probability, mask) in enumerate(zip(*masks, strict=True)):
        back = _on_frame(probability, subject.boxes[index + 1], subject.frames[index + 1])
        found = [back.mean(), back.max(), probability.mean(), probability.std()]
        np.testing.assert_allclose(found, recorded["mask_stats"][index], rtol=0, atol=1e-5)
        assert mask.sum() == recorded["mask065_area"][index]
        assert np.array_equal(np.packbits(mask), recorded["mask065_bits"][index])
        assert np.array_equal(mask, back > 0.65)
        assert (back > 0.5).sum() == recorded["mask050_area"][index]
        assert np.array_equal(np.packbits(back > 0.5), recorded["mask050_bits"][index])


def _value(name: str, shape: tuple[int, ...]) -> Tensor:
    """Return the deterministic values of a parameter or running statistic, as the record was made with."""
    draw = np.random.default_rng(zlib.crc32(name.encode()))
    if name.endswith("running_var"):
        return torch.from_numpy((0.5 + draw.random(shape)).astype(np.float32))
    normal = draw.standard_normal(shape)
    if len(shape) > 1:
        return torch.from_numpy((normal / math.sqrt(math.prod(shape[1:]))).astype(np.float32))
    shifted = 0.1 * normal if name.endswith("running_mean") else 0.02 * normal if name.endswith("bias") else None
    return torch.from_numpy((1 + 0.1 * normal if shifted is None else shifted).astype(np.float32))


def test_golden_mask() -> None:
    """From frame to mask without the reference material: our parameters have the official names."""
    golden = np.load(GOLDEN / "frame1.npz")
    wanted = AlphaRefine.build_network(OPTIONS).state_dict()
    weights = {
        name: _value(name, tuple(tensor.shape)) if tensor.is_floating_point() else tensor
        for name, tensor in wanted.items()
    }
    refiner = AlphaRefine(OPTIONS, weights=weights)
    frames = np.zeros((2, 240, 320, 3), np.uint8)
    for frame, name in zip(frames, ("reference", "search"), strict=True):
        x, y = golden[f"{name}_corner"]
        window = golden[f"{name}_window"]
        frame[y : y + window.shape[0], x : x + window.shape[1]] = window
    boxes = [Box.of(row) for row in golden["boxes"]]
    states = refiner.start([frames[0]], boxes[:1])
    kernel = states[0].kernel.numpy()[::6, ::32]
    np.testing.assert_allclose(kernel, golden["kernel"], rtol=0, atol=3e-6 * np.abs(golden["kernel"]).max())
    seen: dict[str, NDArray[np.float32]] = {}
    _watch(refiner, seen, only="logits")
    mask = refiner.refine([frames[1]], boxes[1:], states)[0]
    largest = np.abs(golden["logits"]).max()
    np.testing.assert_allclose(seen["logits"][0, ::8, ::8], golden["logits"], rtol=0, atol=3e-5 * largest)
    assert mask is not None
    assert np.array_equal(np.packbits(mask.window(0, 0, 320, 240)), golden["mask"])
