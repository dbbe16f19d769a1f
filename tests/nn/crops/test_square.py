"""Square crops: rounding, padding, and the way back, on cases worked out by hand."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from trackbench.errors import TrackerError
from trackbench.nn.crops.context import context_side
from trackbench.nn.crops.normalise import Normaliser
from trackbench.nn.crops.square import clip_box, cut_window, square_crop, to_frame

FRAME = np.random.default_rng(0).integers(1, 256, (240, 320, 3), np.uint8)


def crop_one(box: tuple[float, ...], factor: float = 5.0, size: int = 320, frame: np.ndarray = FRAME):
    return square_crop([frame], np.array([box], np.float64), factor, size)


def test_inside_crop_is_the_plain_resize() -> None:
    # sqrt(36 * 16) * 5 = 120; corner 118 - 60 = 58 and 108 - 60 = 48.
    crops = crop_one((100, 100, 36, 16), size=64)
    expected = cv2.resize(FRAME[48:168, 58:178], (64, 64))
    np.testing.assert_array_equal(crops.images[0], expected)
    assert crops.factors[0] == 64 / 120
    assert not crops.padded_rows.any()
    assert not crops.padded_columns.any()


@pytest.mark.parametrize(("x", "left"), [(100.5, 88), (101.5, 90)])
def test_corner_is_rounded_half_to_even(x: float, left: int) -> None:
    # Side 50, centre x + 5 - 25 + 8: the corners 88.5 and 89.5 go to 88 and 90.
    crops = crop_one((x + 8, 100, 10, 10), size=50)
    np.testing.assert_array_equal(crops.images[0], FRAME[80:130, left : left + 50])


def test_side_is_rounded_up() -> None:
    assert crop_one((100, 100, 10.001, 10)).factors[0] == 320 / 51


def test_last_column_counts_as_outside_when_touched() -> None:
    # Columns 270 to 319: the crop ends exactly at the border.
    crops = crop_one((290, 100, 10, 10), size=50)
    np.testing.assert_array_equal(crops.images[0, :, :49], FRAME[80:130, 270:319])
    assert not crops.images[0, :, 49].any()
    np.testing.assert_array_equal(np.flatnonzero(crops.padded_columns[0]), [49])


def test_padding_reaches_as_far_as_any_trace_of_it() -> None:
    # Side 50, 5 columns of padding = 32 columns of the crop; the bilinear kernel sees them up to column 34.
    crops = crop_one((15, 115, 10, 10))
    np.testing.assert_array_equal(np.flatnonzero(crops.padded_columns[0]), np.arange(35))
    np.testing.assert_array_equal(np.flatnonzero(crops.padded_columns[0, ::16]), [0, 1, 2])


def test_padding_equals_the_two_dimensional_resize() -> None:
    generator = np.random.default_rng(1)
    for _ in range(60):
        w, h = generator.uniform(8, 90, 2)
        box = (generator.uniform(-10, 300), generator.uniform(-10, 220), w, h)
        crops = crop_one(box)
        side = math.ceil(math.sqrt(w * h) * 5)
        x, y = round(box[0] + 0.5 * w - 0.5 * side), round(box[1] + 0.5 * h - 0.5 * side)
        mask = np.ones((side, side))
        mask[max(0, -y) : side - max(0, y + side - 239), max(0, -x) : side - max(0, x + side - 319)] = 0
        expected = cv2.resize(mask, (320, 320)).astype(bool)
        np.testing.assert_array_equal(crops.padded_rows[0][:, None] | crops.padded_columns[0][None], expected)


def test_crops_of_frames_of_different_sizes() -> None:
    small = FRAME[:100, :90]
    boxes = np.array([(100.0, 100, 36, 16), (30.0, 30, 20, 20)])
    both = square_crop([FRAME, small], boxes, 2.0, 64)
    for index, frame in enumerate([FRAME, small]):
        one = square_crop([frame], boxes[index : index + 1], 2.0, 64)
        np.testing.assert_array_equal(both.images[index], one.images[0])
        assert both.factors[index] == one.factors[0]


@pytest.mark.parametrize("box", [(10, 10, 0, 5), (10, 10, -5, 5), (10, math.nan, 5, 5), (math.inf, 0, 5, 5)])
def test_boxes_without_area_are_refused(box: tuple[float, ...]) -> None:
    with pytest.raises(TrackerError, match="no area"):
        crop_one(box)


def test_crops_beside_the_frame_are_refused() -> None:
    with pytest.raises(TrackerError, match="sees nothing of the 320x240 frame"):
        crop_one((1000, 10, 10, 10))


def test_windows_may_be_rectangles() -> None:
    window = cut_window(FRAME, -2, 3, 10, 5)
    assert window.image.shape == (5, 10, 3)
    assert (window.left, window.right, window.above, window.below) == (2, 0, 0, 0)
    np.testing.assert_array_equal(window.image[:, 2:], FRAME[3:8, :8])


def test_way_back_uses_the_unrounded_centre() -> None:
    box = np.array([[100.3, 50.2, 20.0, 30.0]])
    found = to_frame(np.array([[0.5, 0.25, 0.125, 0.25]], np.float32), box, np.array([2.0]), 320)
    np.testing.assert_allclose(found, [[110.3 - 10, 65.2 - 40 - 20, 20, 40]])


@pytest.mark.parametrize(
    ("box", "expected"),
    [
        ((-30, 235, 100, 30), (0, 230, 70, 10)),
        ((315, 50, 20, 20), (310, 50, 10, 20)),
        ((-8, 50, 12, 20), (0, 50, 10, 20)),
        ((-30, 5, 20, 20), (0, 5, 10, 20)),
        ((100, 50, -6, 12), (100, 50, 10, 12)),
        ((312.5, -20, 3, 15), (310, 0, 10, 10)),
        ((50.5, 60.25, 30, 40), (50.5, 60.25, 30, 40)),
    ],
)
def test_clip(box: tuple[float, ...], expected: tuple[float, ...]) -> None:
    np.testing.assert_allclose(clip_box(np.array(box, np.float64), 240, 320), expected)


def test_clip_takes_the_size_of_each_frame() -> None:
    boxes = np.array([(315.0, 50, 20, 20), (315.0, 50, 20, 20)])
    clipped = clip_box(boxes, np.array([240, 500]), np.array([320, 500]))
    np.testing.assert_allclose(clipped, [(310, 50, 10, 20), (315, 50, 20, 20)])


def test_normalisation() -> None:
    tensor = Normaliser()(FRAME[None, :2, :2])
    expected = (FRAME[:2, :2] / 255 - (0.485, 0.456, 0.406)) / (0.229, 0.224, 0.225)
    np.testing.assert_allclose(tensor[0].permute(1, 2, 0).numpy(), expected, atol=1e-6)


@pytest.mark.parametrize("size", [20000.0, 1e6, 1e200])
def test_targets_beyond_all_frames_are_refused(size: float) -> None:
    with pytest.raises(TrackerError, match=r"its side would be .* pixels, more than 32768"):
        square_crop([np.zeros((24, 32, 3), np.uint8)], np.array([[-size / 2, -size / 2, size, size]]), 4.0, 64)
    with pytest.raises(TrackerError, match=r"its side would be .* pixels, more than 32768"):
        context_side(size, size, 0.5)
