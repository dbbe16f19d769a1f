"""The fixed-point warp of OpenCV 4: against recorded crops, and against its formula written out pixel by pixel."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import read_bgr

from trackbench.nn.crops.warp import warp_affine

GOLDEN = Path(__file__).parents[2] / "golden" / "crops" / "warp.npz"


def slow_warp(image, matrix, size, border):
    """The formula with plain integers; ``matrix`` from output to image pixels."""
    (ax, _, x0), (_, ay, y0) = matrix
    height, width, channels = image.shape
    output = np.empty((size[1], size[0], channels), np.uint8)
    for v in range(size[1]):
        y = (round(1024 * (ay * v + y0)) + 16) >> 5
        for u in range(size[0]):
            x = (round(1024 * x0) + 16 + round(1024 * ax * u)) >> 5
            fx, fy = x & 31, y & 31
            taps = {(0, 0): (32 - fx) * (32 - fy), (0, 1): fx * (32 - fy), (1, 0): (32 - fx) * fy, (1, 1): fx * fy}
            for c in range(channels):
                total = 16384
                for (down, right), weight in taps.items():
                    row, column = (y >> 5) + down, (x >> 5) + right
                    inside = 0 <= row < height and 0 <= column < width
                    total += 32 * weight * (int(image[row, column, c]) if inside else border[c])
                output[v, u, c] = total >> 15
    return output


@given(
    seed=st.integers(0, 1000),
    slopes=st.tuples(st.floats(0.05, 6), st.floats(0.05, 6)),
    shift=st.tuples(st.floats(-30, 20), st.floats(-30, 20)),
)
def test_any_scaling_and_shift_follows_the_formula(seed, slopes, shift):
    generator = np.random.default_rng(seed)
    image = generator.integers(0, 256, (11, 14, 3), dtype=np.uint8)
    matrix = [[slopes[0], 0, shift[0]], [0, slopes[1], shift[1]]]
    border = [7, 200, 90]
    expected = slow_warp(image, matrix, (9, 6), border)
    np.testing.assert_array_equal(warp_affine(image, matrix, (9, 6), border, inverse=True), expected)


def test_columns_round_twice_and_rows_once():
    # In 1/1024 pixel: offset 15.375 and slope 0.25. Apart, both round down everywhere; their sum in row 1, 15.625,
    # rounds to 16, from where places become the next 1/32 of a pixel.
    image = np.array([[[0], [255]], [[255], [0]]], np.uint8)
    offset, slope = 15.375 / 1024, 0.25 / 1024
    crop = warp_affine(image, [[slope, 0, offset], [0, slope, offset]], (3, 3), inverse=True)[..., 0]
    assert (crop[0] == crop[0, 0]).all()
    assert (crop[1:, 0] > crop[0, 0]).all()


def test_recorded_part_of_a_crop():
    golden = np.load(GOLDEN)
    top, left = golden["origin"]
    part = golden["crop"]
    x_slope, y_slope, x0, y0 = golden["map"]
    crop = warp_affine(golden["patch"], [[x_slope, 0, x0], [0, y_slope, y0]], (289, 289), inverse=True)
    np.testing.assert_array_equal(crop[top : top + part.shape[0], left : left + part.shape[1]], part)


def test_recorded_crops_of_sparsett(reference):
    frames = np.load(reference / "parity" / "sequence.npz")["frames"]
    boxes = np.load(reference / "parity" / "sequence.npz")["boxes"]
    record = np.load(reference / "parity" / "sparsett_got10k.npz")
    border = frames[0].mean((0, 1)).astype(int).tolist()
    centre = boxes[0, :2] + (boxes[0, 2:] - 1) / 2
    for name, frame, side, pixels in (
        ("template_crop_cv4", 0, round(127 / float(record["scale_frame1_cv4"])), 127),
        ("search_crop_frame1_cv4", 1, int(record["search_side_frame1"]), 289),
    ):
        x0, y0 = centre - (side - 1) / 2
        slope = (side - 1) / (pixels - 1)
        matrix = np.array([[slope, 0, x0], [0, slope, y0]])
        crop = warp_affine(frames[frame], matrix, (pixels, pixels), border, inverse=True)
        np.testing.assert_array_equal(crop[..., ::-1], record[name])


def test_recorded_crops_of_dcfnet(reference, crossing):
    """A forward map, inverted as OpenCV does."""
    record = np.load(reference / "parity" / "dcfnet.npz")
    for index in range(3):
        bgr = read_bgr(crossing / "Crossing" / "img" / f"{index + 1:04d}.jpg")
        centre = record[f"target_pos_frame{index}_cv4"]
        window = 3 * record[f"target_sz_frame{index}_cv4"]
        low, high = centre - window / 2, centre + window / 2
        slope = 124 / (high - low)
        matrix = np.array([[slope[0], 0, -slope[0] * low[0]], [0, slope[1], -slope[1] * low[1]]])
        crop = warp_affine(bgr, matrix, (125, 125))
        np.testing.assert_array_equal(crop.transpose(2, 0, 1), record[f"update_crop_frame{index}_cv4"])


@pytest.mark.parametrize(
    "matrix", [[[1, 0.1, 0], [0, 1, 0]], [[0, 0, 0], [0, 1, 0]], [[1, 0, float("nan")], [0, 1, 0]]]
)
def test_refuses_what_is_not_a_scaling_and_a_shift(matrix):
    with pytest.raises(ValueError, match="scaling and a shift"):
        warp_affine(np.zeros((4, 4, 3), np.uint8), matrix, (3, 3))
