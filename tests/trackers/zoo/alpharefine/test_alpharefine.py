"""Parts of Alpha-Refine against plain forms of the same; batches, states, boxes of all kinds."""

from __future__ import annotations

import copy
import pickle

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional as F

from trackbench.errors import TrackerError
from trackbench.regions import Box, Mask
from trackbench.trackers.base import Frame
from trackbench.trackers.zoo.alpharefine.crop import LARGEST, rectangle_around
from trackbench.trackers.zoo.alpharefine.decoder import Projection
from trackbench.trackers.zoo.alpharefine.neck import Neck, SpatialAttention, correlate
from trackbench.trackers.zoo.alpharefine.network import AlphaRefineNetwork
from trackbench.trackers.zoo.alpharefine.tracker import AlphaRefine, AlphaRefineOptions

#: With random weights a mask is more than the target and less than the crop.
OPTIONS = AlphaRefineOptions(size=64, threshold=0.4)


@pytest.fixture(scope="module")
def refiner() -> AlphaRefine:
    return AlphaRefine(OPTIONS)


def scene(seed: int, width: int = 100, height: int = 80) -> Frame:
    """A frame of coloured blotches."""
    draw = np.random.default_rng(seed).integers(0, 255, (height // 10, width // 10, 3), np.uint8)
    return np.repeat(np.repeat(draw, 10, 0), 10, 1)


FRAMES = [scene(seed, 100 + 10 * seed, 80) for seed in (0, 2, 4, 7)]
BOXES = [Box(20.3 + 4 * seed, 15 + 5.5 * seed, 30 - 2 * seed, 14 + 3.2 * seed) for seed in (0, 2, 4, 7)]


def test_projection_is_two_convolutions_of_doubled_maps() -> None:
    torch.manual_seed(0)
    project = Projection().double()
    x = torch.randn(2, 64, 6, 9, dtype=torch.float64)
    doubled = F.relu(project.conv1(F.interpolate(x, scale_factor=2, mode="bicubic")))
    expected = project.conv2(F.interpolate(doubled, scale_factor=2, mode="bicubic"))
    assert expected.shape == (2, 1, 24, 36)
    torch.testing.assert_close(project(x), expected)
    torch.testing.assert_close(project(x.contiguous(memory_format=torch.channels_last)), expected)


def test_correlation_is_one_product_for_each_pair_of_places() -> None:
    torch.manual_seed(0)
    kernel, features = torch.randn(2, 4, 16), torch.randn(2, 16, 3, 5)
    torch.testing.assert_close(correlate(kernel, features), torch.einsum("bkc,bchw->bkhw", kernel, features))


def test_spatial_attention_is_a_weighted_mean_of_all_places() -> None:
    torch.manual_seed(0)
    attention = SpatialAttention(8).eval()
    x = torch.randn(1, 8, 4, 6)
    theta, phi, g = attention.theta(x)[0], attention.phi(x)[0], attention.g(x)[0]
    assert phi.shape == (4, 2, 3)
    expected = torch.empty(1, 4, 4, 6)
    for row in range(4):
        for column in range(6):
            weights = (theta[:, row, column, None, None] * phi).sum(0).flatten().softmax(0)
            expected[0, :, row, column] = g.flatten(1) @ weights
    torch.testing.assert_close(attention(x), attention.W(expected) + x)


def test_training_reaches_every_parameter() -> None:
    torch.manual_seed(0)
    network = AlphaRefineNetwork(64).train()
    before = copy.deepcopy(network.state_dict())
    crops, boxes = torch.randn(2, 3, 64, 64), torch.tensor([[15.5, 15.5, 47.5, 47.5]] * 2)
    probability = network(crops, boxes, crops.flip(3))
    assert probability.shape == (2, 1, 64, 64)
    F.binary_cross_entropy(probability, torch.rand(2, 1, 64, 64)).backward()
    gradients = {name: value.grad for name, value in network.named_parameters()}
    reached = {name for name, gradient in gradients.items() if gradient is not None and gradient.isfinite().all()}
    assert reached == set(gradients)
    # Products of untrained features are so large that the neck's gates are full and its attention looks at one place.
    still = {name for name, gradient in gradients.items() if gradient is not None and not gradient.any()}
    assert {name.partition(".")[0] for name in still} <= {"neck"}
    assert not torch.equal(
        before["feature_extractor.bn1.running_mean"], network.state_dict()["feature_extractor.bn1.running_mean"]
    )


def test_training_reaches_the_neck() -> None:
    torch.manual_seed(0)
    neck = Neck(16).train()
    out = neck(0.3 * torch.randn(2, 16, 32), 0.3 * torch.randn(2, 32, 8, 8))
    (out * torch.randn_like(out)).sum().backward()
    unreached = {name for name, value in neck.named_parameters() if value.grad is None or value.grad.norm() < 1e-4}
    # A softmax ignores what all its entries have in common, a batch norm what is added to a whole channel.
    assert unreached <= {"spatial_attention.phi.0.bias", "spatial_attention.W.0.bias", "spatial_attention.g.0.bias"}


def test_folding_changes_nothing() -> None:
    torch.manual_seed(0)
    network = AlphaRefineNetwork(64)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.running_var, 0.5, 2.0)  # type: ignore[arg-type]
            nn.init.normal_(module.running_mean, std=0.1)  # type: ignore[arg-type]
    refiner = AlphaRefine(OPTIONS, weights=network.state_dict())
    assert not any(isinstance(module, nn.BatchNorm2d) for module in refiner.network.modules())
    network.eval()
    crops, boxes = torch.randn(2, 3, 64, 64), torch.tensor([[15.5, 15.5, 47.5, 47.5]] * 2)
    with torch.inference_mode():
        expected = network(crops, boxes, crops.flip(3))
        torch.testing.assert_close(refiner.network(crops, boxes, crops.flip(3)), expected, rtol=1e-3, atol=1e-4)


def test_a_batch_is_several_single_runs(refiner: AlphaRefine) -> None:
    states = refiner.start(FRAMES, BOXES)
    together = refiner.refine(FRAMES[::-1], BOXES[::-1], states[::-1])[::-1]
    for frame, box, mask in zip(FRAMES, BOXES, together, strict=True):
        assert mask is not None
        assert 0 < mask.array.sum() < mask.array.size
        (state,) = refiner.start([frame], [box])
        (alone,) = refiner.refine([frame], [box], [state])
        assert alone is not None
        rows, columns = frame.shape[:2]
        # Sums of other lengths round otherwise; a probability may then cross the threshold.
        assert (alone.window(0, 0, columns, rows) != mask.window(0, 0, columns, rows)).sum() <= 2


def test_a_state_survives_copy_and_pickle(refiner: AlphaRefine) -> None:
    states = refiner.start(FRAMES[:1], BOXES[:1])
    expected = refiner.refine(FRAMES[1:2], BOXES[1:2], states)
    # Refining changes nothing.
    assert refiner.refine(FRAMES[1:2], BOXES[1:2], states) == expected
    assert refiner.refine(FRAMES[1:2], BOXES[1:2], copy.deepcopy(states)) == expected
    assert AlphaRefine(OPTIONS).refine(FRAMES[1:2], BOXES[1:2], pickle.loads(pickle.dumps(states))) == expected
    # A state keeps its own kernel, not the whole batch's.
    batch = refiner.start(FRAMES, BOXES)
    assert len(pickle.dumps(batch[0])) < 2 * len(pickle.dumps(states[0]))


@pytest.mark.parametrize(
    "box",
    [
        Box(np.nan, 0, 5, 5),
        Box(10, 10, 0, 5),
        Box(10, 10, 5, -3),
        Box(200, 10, 20, 20),
        Box(-60, 10, 20, 20),
        Box(10, 10, LARGEST, 20),
    ],
)
def test_a_box_with_nothing_to_see(refiner: AlphaRefine, box: Box) -> None:
    good = refiner.start(FRAMES[:2], BOXES[:2])
    expected = refiner.refine(FRAMES[1:2], BOXES[1:2], good[1:])
    assert refiner.refine(FRAMES[:1], [box], good[:1]) == [None]
    assert refiner.refine(FRAMES[:2], [box, BOXES[1]], good) == [None, *expected]
    with pytest.raises(TrackerError, match=r"alpharefine cannot start on box x=.* of a frame of 100x80 pixels"):
        refiner.start(FRAMES[:1], [box])


numbers = st.floats(-300, 300)


@given(numbers, numbers, st.floats(0.1, 300), st.floats(0.1, 300), st.floats(1, 4))
def test_every_rectangle_can_be_cut_and_pasted(x: float, y: float, w: float, h: float, factor: float) -> None:
    frame = scene(0)
    rectangle = rectangle_around(Box(x, y, w, h), factor, frame)
    if rectangle is None:
        return
    assert rectangle.cut(frame, 16).shape == (16, 16, 3)
    mask = rectangle.paste(np.ones((16, 16), np.float32), 0.5, (100, 80))
    inside = Mask(np.ones((80, 100))).window(rectangle.x, rectangle.y, rectangle.w, rectangle.h)
    assert mask == Mask(inside, rectangle.x, rectangle.y)


def plain_crop(frame: Frame, x: int, y: int, w: int, h: int) -> NDArray[np.uint8]:
    """Return the pixels of a window, one by one; the frame's last row and column are black where it reaches them."""
    out = np.zeros((h, w, 3), np.uint8)
    rows, columns = frame.shape[:2]
    last_row, last_column = rows - (y + h >= rows), columns - (x + w >= columns)
    for row in range(h):
        for column in range(w):
            if 0 <= y + row < last_row and 0 <= x + column < last_column:
                out[row, column] = frame[y + row, x + column]
    return out


@pytest.mark.parametrize("box", [Box(10, 10, 16, 8), Box(-6, -2, 16, 8), Box(90, 70, 16, 8), Box(-10, -10, 130, 100)])
def test_each_axis_is_scaled_by_itself(box: Box) -> None:
    frame = scene(3)
    rectangle = rectangle_around(box, 2.0, frame)
    assert rectangle is not None
    assert (rectangle.w, rectangle.h) == (2 * box.w, 2 * box.h)
    corner = (box.x - box.w / 2, box.y - box.h / 2)
    assert (rectangle.x, rectangle.y) == tuple(map(round, corner))
    size = 2 * int(box.w)
    cut = rectangle.cut(frame, size)
    plain = plain_crop(frame, rectangle.x, rectangle.y, rectangle.w, rectangle.h)
    # The width is that of the crop, so columns are not resampled; a row is a mix of its neighbours.
    share = (np.arange(size) + 0.5) * (rectangle.h / size) - 0.5
    above = np.clip(np.floor(share).astype(int), 0, rectangle.h - 1)
    below = np.clip(above + 1, 0, rectangle.h - 1)
    weight = np.clip(share - above, 0, 1)[:, None, None]
    assert np.abs(cut - (plain[above] * (1 - weight) + plain[below] * weight)).max() <= 1
    assert rectangle.box_within(Box(0, 0, box.w, box.h), 384).tolist() == [95.5, 95.5, 287.5, 287.5]


def test_kernel_places_follow_the_size() -> None:
    network = AlphaRefineNetwork(128)
    assert network.pool == 4
    with torch.inference_mode():
        kernel = network.eval().reference(torch.randn(1, 3, 128, 128), torch.tensor([[31.5, 31.5, 95.5, 95.5]]))
        assert kernel.shape == (1, 16, 1024)
        assert network.logits(kernel, torch.randn(1, 3, 128, 128)).shape == (1, 1, 128, 128)
