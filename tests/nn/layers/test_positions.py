"""Sine encodings of places, by hand."""

from __future__ import annotations

import math

import torch

from trackbench.nn.layers.positions import sine_positions


def test_coordinates_count_what_is_not_padding() -> None:
    padded = torch.zeros(1, 3, 4, dtype=torch.bool)
    padded[:, :, 0] = True
    encoded = sine_positions(padded, 8)
    assert encoded.shape == (1, 8, 3, 4)
    # Four channels for y, then four for x; wavelengths 1, 1, 100, 100 of 10000^(2 floor(i / 2) / 4).
    x = [0.0, *(2 * math.pi * count / (3 + 1e-6) for count in (1, 2, 3))]
    for column, phase in enumerate(x):
        expected = torch.tensor([math.sin(phase), math.cos(phase), math.sin(phase / 100), math.cos(phase / 100)])
        torch.testing.assert_close(encoded[0, 4:, 1, column], expected, atol=1e-5, rtol=0)
    # The padded column counts no rows: its y is 0.
    torch.testing.assert_close(encoded[0, :4, 2, 0], torch.tensor([0.0, 1.0, 0.0, 1.0]))


def test_all_padding_is_finite() -> None:
    assert sine_positions(torch.ones(2, 3, 3, dtype=torch.bool), 16).isfinite().all()
