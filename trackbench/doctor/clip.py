"""The clip of the self-test: three frames drawn in whole numbers, so that every machine has the same bytes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.frames import Frame
from trackbench.regions import Box

HEIGHT, WIDTH, FRAMES = 240, 320, 3
#: Side of a cell of each layer of noise, in pixels (powers of two), and its weight of 256.
LAYERS = ((64, 112), (16, 84), (4, 60))
SIZE = (52, 40)
#: Top left corner of the target in the first frame, and what it moves by, in pixels.
CORNER, MOVE = (131, 94), (5, -3)

Ints = NDArray[np.int64]


class TestClip(NamedTuple):
    """Frames, and where two targets are in the first one."""

    frames: list[Frame]
    """uint8 (240, 320, 3) RGB."""
    target: Box
    """A moving patch, far from every edge."""
    corner: Box
    """A part of the ground at the bottom right corner: its surroundings lie outside of the frame."""


def make_clip() -> TestClip:
    """Return the clip."""
    ground = _texture(HEIGHT, WIDTH, 1)
    patch = 255 - _texture(SIZE[1], SIZE[0], 2) // 2
    frames = []
    for index in range(FRAMES):
        frame = ground.copy()
        x, y = CORNER[0] + index * MOVE[0], CORNER[1] + index * MOVE[1]
        frame[y : y + SIZE[1], x : x + SIZE[0]] = patch
        frames.append(frame.astype(np.uint8))
    return TestClip(frames, Box(*CORNER, *SIZE), Box(WIDTH - 44, HEIGHT - 36, 40, 30))


def _texture(height: int, width: int, seed: int) -> Ints:
    """Return noise of three scales, another in each channel, 0 to 255, int64 (height, width, 3)."""
    rows, columns = np.arange(height)[:, None, None], np.arange(width)[None, :, None]
    channels = np.arange(3)[None, None] + 16 * seed
    total: Ints = np.zeros((height, width, 3), np.int64)
    for cell, weight in LAYERS:
        # Channels are stretched differently, so that exchanging them shows.
        x = columns * (4 + channels % 16) // 4
        row, column = rows // cell, x // cell
        down, right = rows % cell, x % cell
        corners = [_noise(row + i, column + j, channels * 8 + cell) for i in (0, 1) for j in (0, 1)]
        upper = corners[0] * (cell - right) + corners[1] * right
        lower = corners[2] * (cell - right) + corners[3] * right
        total = total + np.asarray(weight * (upper * (cell - down) + lower * down) // (cell * cell), np.int64)
    return total // 256


def _noise(row: Ints, column: Ints, seed: Ints) -> Ints:
    """Return a grey level, 0 to 255, for each place of a lattice: a hash in 32 bits."""
    mixed = (row * 0x9E3779B1 + column * 0x85EBCA77 + seed * 0xC2B2AE3D) & 0xFFFFFFFF
    for factor in (0x2C1B3C6D, 0x297A2D39):
        mixed = ((mixed ^ (mixed >> 15)) * factor) & 0xFFFFFFFF
    return (mixed ^ (mixed >> 16)) & 0xFF
