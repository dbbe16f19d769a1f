"""Resampling in tensors against the installed OpenCV."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from strict_device import strict_device

from trackbench.nn.crops.resample import resample_squares

SIDES = (1, 2, 3, 17, 63, 64, 100, 127, 128, 200, 255, 256, 257, 383, 512, 600)


@pytest.mark.parametrize("size", [1, 64, 112, 127, 128, 256, 320])
def test_every_pixel_is_that_of_opencv(size: int) -> None:
    generator = np.random.default_rng(size)
    windows = [generator.integers(0, 256, (side, side, 3), np.uint8) for side in SIDES]
    together = resample_squares(windows, size, "cpu").numpy()
    for window, ours in zip(windows, together, strict=True):
        theirs = cv2.resize(window, (size, size), interpolation=cv2.INTER_LINEAR)
        np.testing.assert_array_equal(ours, theirs.reshape(size, size, 3), err_msg=f"{len(window)} -> {size}")


def test_a_device_gives_the_same_pixels(monkeypatch: pytest.MonkeyPatch) -> None:
    windows = [np.random.default_rng(0).integers(0, 256, (side, side, 3), np.uint8) for side in (33, 90)]
    expected = resample_squares(windows, 64, "cpu")
    with strict_device(monkeypatch) as device:
        ours = resample_squares(windows, 64, device).cpu()
    np.testing.assert_array_equal(ours, expected)
