"""Crops with context: whole-pixel windows, the border's colour, OpenCV's resize."""

from __future__ import annotations

import math

import cv2
import numpy as np
import pytest

from trackbench.nn.crops.context import context_crop, context_side

FRAME = np.random.default_rng(0).integers(0, 256, (40, 60, 3), dtype=np.uint8)
COLOUR = np.array([10.9, 20.2, 200.999])


def test_side_of_the_context() -> None:
    assert context_side(60, 40, 0.5) == math.sqrt(110 * 90)
    assert context_side(30, 30, 0.0) == 30


@pytest.mark.parametrize("side", [15, 16])
@pytest.mark.parametrize("centre", [(30.0, 20.0), (30.49, 20.5), (30.5, 19.99)])
def test_window_within_the_frame_is_cut(side: int, centre: tuple[float, float]) -> None:
    left, top = (math.floor(c - (side + 1) / 2 + 0.5) for c in centre)
    crop = context_crop(FRAME, centre, side, side, COLOUR)
    assert np.array_equal(crop, FRAME[top : top + side, left : left + side])
    resized = context_crop(FRAME, centre, side, 32, COLOUR)
    assert np.array_equal(resized, cv2.resize(crop, (32, 32)))


@pytest.mark.parametrize("centre", [(2.0, 3.0), (58.0, 38.0), (30.0, -3.0), (-100.0, 20.0), (30.0, 400.0)])
def test_outside_has_the_colour_without_its_fraction(centre: tuple[float, float]) -> None:
    side = 21
    left, top = (math.floor(c - (side + 1) / 2 + 0.5) for c in centre)
    crop = context_crop(FRAME, centre, side, side, COLOUR)
    for row in range(side):
        for column in range(side):
            y, x = top + row, left + column
            inside = 0 <= y < 40 and 0 <= x < 60
            assert crop[row, column].tolist() == (FRAME[y, x].tolist() if inside else [10, 20, 200])
