import pickle
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.synthetic import make_scene
from trackbench.errors import TrackerError
from trackbench.frames import read_frame
from trackbench.metrics.conventions import convention
from trackbench.metrics.ope import SequenceGroundTruth, evaluate
from trackbench.nn.crops.window import crop
from trackbench.nn.layers.correlation_filter import gaussian_label, respond, train
from trackbench.nn.layers.response import find_peak
from trackbench.regions import Box, Mask, region_to_box
from trackbench.trackers.base import Frame, Target, Tracker
from trackbench.trackers.registry import find_tracker, load_model
from trackbench.trackers.zoo.dcf.features import colour_corners, gradient_histograms
from trackbench.trackers.zoo.dcf.filter import constrained_filter, target_support


def follow(frames: list[Frame], start: Box, **options: Any) -> np.ndarray:
    tracker = Tracker(load_model("dcf", device="cpu", options=options))
    tracker.init(frames[0], start)
    boxes = [start.numbers(), *(region_to_box(tracker.track(frame).region).numbers() for frame in frames[1:])]
    return np.array(boxes)


def textured(shift: tuple[float, float] = (0, 0), scale: float = 1.0, grey: bool = False) -> Frame:
    """A frame with a textured patch of 40 x 30 pixels around (80, 60), moved and scaled, on another texture."""
    draw = np.random.default_rng(3)
    background = cv2.GaussianBlur(draw.integers(0, 255, (120, 160, 3)).astype(np.uint8), (0, 0), 3)
    texture = cv2.GaussianBlur(draw.integers(0, 255, (300, 400, 3)).astype(np.uint8), (0, 0), 12)
    texture = cv2.normalize(texture, None, 0, 255, cv2.NORM_MINMAX)  # type: ignore[call-overload]
    width, height = 40 * scale, 30 * scale
    matrix = np.array(
        [
            [width / 400, 0, 80 + shift[0] - width / 2],
            [0, height / 300, 60 + shift[1] - height / 2],
        ]
    )
    inside = cv2.warpAffine(np.ones((300, 400), np.float32), matrix, (160, 120), flags=cv2.INTER_AREA)
    patch = cv2.warpAffine(texture, matrix, (160, 120), flags=cv2.INTER_AREA)
    frame = (patch * inside[..., None] + background * (1 - inside[..., None])).round().astype(np.uint8)
    return np.repeat(frame.mean(-1, keepdims=True), 3, -1).astype(np.uint8) if grey else frame


START = Box(60, 45, 40, 30)


def test_closed_form_is_the_ridge_regression() -> None:
    """The filter solves the dense least-squares problem over all cyclic shifts, and so does its response."""
    torch.manual_seed(0)
    n, channels, regularisation = 6, 2, 0.3
    sample = torch.randn(1, channels, n, n, dtype=torch.float64)
    label = gaussian_label((n, n), 1.0).double()
    spectra = torch.fft.rfft2(sample)
    response = torch.fft.irfft2(respond(spectra, train(spectra, torch.fft.rfft2(label)), regularisation), s=(n, n))
    # Row p of the dense problem holds the sample shifted by p; h * f at p is the sum over cells of h(q) f(q + p).
    rows = [
        torch.cat([sample[0, c].roll((-i, -j), (0, 1)).reshape(-1) for c in range(channels)])
        for i in range(n)
        for j in range(n)
    ]
    design = torch.stack(rows)
    weights = torch.linalg.solve(
        design.T @ design + regularisation * torch.eye(n * n * channels, dtype=torch.float64),
        design.T @ label.reshape(-1),
    )
    assert torch.allclose(response[0], (design @ weights).view(n, n), atol=1e-10)


def test_constrained_filter_lies_within_the_target() -> None:
    torch.manual_seed(1)
    n = 16
    sample = torch.fft.rfft2(torch.randn(2, 3, n, n))
    label = torch.fft.rfft2(gaussian_label((n, n), 1.0))
    support = target_support(torch.tensor([[6.0, 4.0], [5.0, 8.0]]), n)
    assert support[0].sum() == pytest.approx(24)
    outside = []
    for steps in (1, 3, 8):
        penalties = tuple(n * n * 4.0**k for k in range(steps))
        filters = torch.fft.irfft2(constrained_filter(sample, label, support, penalties), s=(n, n))
        beyond = (filters * (1 - support)[:, None]).square().sum() / filters.square().sum()
        outside.append(float(beyond))
    assert outside[0] > outside[1] > outside[2]
    assert outside[2] < 1e-3


def test_gradient_features_of_a_plain_edge() -> None:
    """A ramp in x has one orientation everywhere; its unsigned channel is that of its sign."""
    image = torch.arange(18.0).mul(5).expand(1, 3, 18, 18).contiguous()
    features = gradient_histograms(image, 4)
    assert features.shape == (1, 31, 4, 4)
    strongest = features[0, :18].mean((1, 2)).argmax()
    assert (features[0, :18].mean((1, 2)) > 0.01).sum() == 1
    assert features[0, 18 + strongest % 9].mean() == pytest.approx(float(features[0, strongest].mean()))
    # Turned by half a turn the signed orientation is the opposite one, the unsigned one stays.
    turned = gradient_histograms(image.flip(-1), 4)
    assert turned[0, :18].mean((1, 2)).argmax() == (strongest + 9) % 18
    assert gradient_histograms(torch.full((1, 3, 18, 18), 77.0), 4).abs().max() < 1e-3


def test_colour_features() -> None:
    image = torch.zeros(1, 3, 10, 10)
    image[:, 0] = 255
    image[:, :, :, 5:] = 0
    corners = colour_corners(image, 4)
    assert corners.shape == (1, 8, 2, 2)
    assert torch.allclose(corners.sum(1), torch.zeros(1, 2, 2), atol=1e-6)
    # Red on the left (corner 4), black on the right (corner 0).
    assert corners[0, 4, 0, 0] > 0 > corners[0, 4, 0, 1]
    assert corners[0, 0, 0, 1] > 0 > corners[0, 0, 0, 0]


def test_peak_below_the_cell() -> None:
    n = 20
    rows, columns = torch.meshgrid(torch.arange(n), torch.arange(n), indexing="ij")
    for x, y in ((3.3, -2.4), (0.0, 0.0), (-9.1, 7.75)):
        response = torch.exp(
            2 * torch.cos((columns - x) * 2 * torch.pi / n) + 2 * torch.cos((rows - y) * 2 * torch.pi / n)
        )
        peak = find_peak(torch.fft.rfft2(response[None]), n)
        assert peak.shift[0].tolist() == pytest.approx([x, y], abs=0.02)


def test_crops_of_frames_of_different_sizes() -> None:
    small, large = np.full((20, 30, 3), 10, np.uint8), np.full((50, 40, 3), 200, np.uint8)
    large[:, 20:] = 100
    crops = crop([small, large], np.array([[15.0, 10], [20, 25]]), np.array([[60.0, 60], [20, 20]]), (8, 6))
    assert crops.shape == (2, 6, 8, 3)
    assert (crops[0] == 10).all()
    assert crops[1, :, :3].mean() == 200
    assert crops[1, :, 5:].mean() == 100


@pytest.mark.parametrize("grey", [False, True])
@pytest.mark.parametrize("shift", [(3.4, -2.6), (-7.0, 5.5), (0.3, 0.3)])
def test_a_known_shift_is_found(shift: tuple[float, float], grey: bool) -> None:
    boxes = follow([textured(grey=grey), textured(shift, grey=grey)], START)
    moved = boxes[1, :2] + boxes[1, 2:] / 2 - (boxes[0, :2] + boxes[0, 2:] / 2)
    assert moved == pytest.approx(shift, abs=0.5)


@pytest.mark.parametrize("step", [1.02, 0.98])
def test_a_known_growth_is_found(step: float) -> None:
    frames = [textured(scale=step**k) for k in range(16)]
    boxes = follow(frames, START)
    assert boxes[-1, 2] / 40 == pytest.approx(step**15, rel=0.08)
    assert boxes[-1, 2] / boxes[-1, 3] == pytest.approx(4 / 3)
    assert follow(frames, START, scales=1)[-1, 2] == 40


def scenes(count: int, frames: int) -> list[tuple[list[Frame], Box]]:
    found = []
    for index in range(count):
        scene = make_scene(index, frames, 0, (160 + 16 * index, 120))
        box = scene.ground_truth(0).box
        found.append(([scene.image(i) for i in range(frames)], box))
    return found


def test_a_batch_gives_what_its_targets_give_alone() -> None:
    """Eight sequences of different sizes: to 1e-3 pixels."""
    targets = scenes(8, 8)
    model = load_model("dcf", device="cpu")
    states = model.start([frames[0] for frames, _ in targets], [Target(box) for _, box in targets])
    together = [
        [region_to_box(p.region).numbers() for p in model.step([frames[i] for frames, _ in targets], states)]
        for i in range(1, 8)
    ]
    for index, (frames, box) in enumerate(targets):
        alone = follow(frames, box)[1:]
        np.testing.assert_allclose(np.array([row[index] for row in together]), alone, atol=1e-3)


def test_a_state_can_be_resumed_elsewhere() -> None:
    ((frames, box),) = scenes(1, 8)
    model = load_model("dcf", device="cpu")
    states = model.start(frames[:1], [Target(box)])
    for frame in frames[1:4]:
        model.step([frame], states)
    copied = pickle.loads(pickle.dumps(states))
    fresh = load_model("dcf", device="cpu")
    for frame in frames[4:]:
        assert model.step([frame], states) == fresh.step([frame], copied)


def test_regions_that_are_no_boxes() -> None:
    mask = np.zeros((120, 160), bool)
    mask[45:75, 60:100] = True
    tracker = Tracker(load_model("dcf", device="cpu"))
    tracker.init(textured(), Mask(mask))
    assert region_to_box(tracker.track(textured()).region).w == pytest.approx(40, abs=1)


@pytest.mark.parametrize("box", [Box(1, 1, 0, 5), Box(1, 1, 5, -1), Box(np.nan, 1, 5, 5), Box(1, 1, np.inf, 5)])
def test_unusable_boxes(box: Box) -> None:
    with pytest.raises(TrackerError, match="expected finite numbers and a positive width and height"):
        load_model("dcf", device="cpu").start([textured()], [Target(box)])


def test_targets_at_the_border_and_of_one_pixel() -> None:
    frames = [textured()] * 3
    for box in (Box(-20, -10, 40, 30), Box(150, 110, 40, 30), Box(80, 60, 1, 1), Box(0, 0, 160, 120)):
        boxes = follow(frames, box)
        assert np.isfinite(boxes).all()
        assert (boxes[:, 2:] > 0).all()


def test_the_definition_lists_every_option_with_its_default() -> None:
    spec = find_tracker("dcf")
    assert spec.definition.value.options == type(spec.options)().model_dump()


def test_crossing(crossing: Path) -> None:
    """Success AUC on a real sequence: at least 0.65, and the same boxes every time."""
    sequence = open_dataset("otb100", crossing)["Crossing"]
    frames = [read_frame(path) for path in sequence.frames]
    start = Box.of(sequence.ground_truth.boxes[0])
    boxes = follow(frames, start)
    result = evaluate([SequenceGroundTruth("Crossing", sequence.ground_truth.boxes)], [boxes], convention("matlab"))
    assert result.mean().success_auc >= 0.7
    assert result.mean().precision == 1
    np.testing.assert_array_equal(follow(frames[:30], start), boxes[:30])
