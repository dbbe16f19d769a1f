"""Procedural pictures: noise, colours, and textured blobs.

Only NumPy's element-wise arithmetic is used. No interpolation of a library and no matrix product enters, so that a seed
gives the same picture under every version of OpenCV and any number of threads.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Image = NDArray[np.float32]

_OUTLINE = np.linspace(0, 2 * np.pi, 360, endpoint=False)


def noise(rng: np.random.Generator, height: int, width: int, cell: float, octaves: int = 5) -> Image:
    """Return value noise, float32 (height, width) in [0, 1].

    Args:
        rng: where the values come from.
        height: rows.
        width: columns.
        cell: size of the coarsest features in pixels; each octave halves size and amplitude.
        octaves: how many are summed.
    """
    total = np.zeros((height, width), np.float32)
    for octave in range(octaves):
        step = max(cell / 2**octave, 1.0)
        grid = rng.random((int(height / step) + 2, int(width / step) + 2), np.float32)
        y, fy = _cells(height, step)
        x, fx = _cells(width, step)
        rows = grid[y] * (1 - fy[:, None]) + grid[y + 1] * fy[:, None]
        total += (rows[:, x] * (1 - fx) + rows[:, x + 1] * fx) / np.float32(2**octave)
    low, high = total.min(), total.max()
    return np.asarray((total - low) / max(high - low, np.float32(1e-6)), np.float32)


def _cells(length: int, step: float) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
    position = np.arange(length) / step
    cell = position.astype(np.intp)
    part = (position - cell).astype(np.float32)
    return cell, part * part * (3 - 2 * part)


def palette(rng: np.random.Generator, hue: float, saturation: float, colours: int = 4) -> Image:
    """Return colours around ``hue`` (a turn is 1) from dark to light, float32 (colours, 3), RGB in 0..255."""
    rows = []
    for value in np.linspace(0.22, 0.92, colours):
        tint = (hue + rng.uniform(-0.06, 0.06)) % 1.0
        rows.append(colorsys.hsv_to_rgb(tint, saturation * rng.uniform(0.7, 1.0), value + rng.uniform(-0.06, 0.06)))
    return 255 * np.array(rows, np.float32)


def paint(levels: Image, colours: Image) -> Image:
    """Return (H, W, 3): ``levels`` in [0, 1] looked up on the scale of ``colours``."""
    stops = np.linspace(0, 1, len(colours))
    return np.stack([np.interp(levels, stops, colours[:, channel]) for channel in range(3)], -1).astype(np.float32)


@dataclass(frozen=True)
class Sprite:
    """A textured blob in its own coordinates, in which its outline just fits into -1..1 in both directions."""

    texture: Image
    """((texels + 2)^2, 4), row by row: red, green, blue, and 1 inside, all 0 outside and on the border."""
    outline: NDArray[np.float64]
    """(M, 2): points of the outline."""
    half: NDArray[np.float64]
    """(2,): half its width and height in pixels at scale 1."""
    texels: int
    """Texels along a side of the texture, without its border."""


def make_sprite(
    rng: np.random.Generator, half: tuple[float, float], colours: Image, accent: Image, detail: float = 2.0
) -> Sprite:
    """Return a sprite with a random outline between ellipse and rounded rectangle, and a random pattern.

    Args:
        rng: decides outline and pattern.
        half: half its width and height in pixels.
        colours: the scale of its ground colour, (K, 3).
        accent: the scale of the pattern on it, (K, 3).
        detail: texels a pixel at scale 1.
    """
    texels = int(np.clip(2 * max(half) * detail, 32, 1024))
    power = rng.uniform(2.0, 4.0)
    waves = [(k, rng.uniform(-0.2, 0.2) / k, rng.uniform(0, 2 * np.pi)) for k in (2, 3, 4, 5)]

    def radius(angle: NDArray[np.float64]) -> NDArray[np.float64]:
        base = (np.abs(np.cos(angle)) ** power + np.abs(np.sin(angle)) ** power) ** (-1 / power)
        bumps: NDArray[np.float64] = np.sum([c * np.cos(k * angle + d) for k, c, d in waves], 0)
        return np.asarray(base * (1 + bumps), np.float64)

    points = radius(_OUTLINE)[:, None] * np.stack([np.cos(_OUTLINE), np.sin(_OUTLINE)], 1)
    middle, extent = (points.max(0) + points.min(0)) / 2, (points.max(0) - points.min(0)) / 2

    axis = (np.arange(texels) + 0.5) / texels * 2 - 1
    u, v = np.meshgrid(axis * extent[0] + middle[0], axis * extent[1] + middle[1])
    inside = (np.hypot(u, v) <= radius(np.arctan2(v, u))).astype(np.float32)
    colour = np.where(
        _pattern(rng, u, v)[..., None],
        paint(noise(rng, texels, texels, texels / 3), accent),
        paint(noise(rng, texels, texels, texels / 3), colours),
    )
    light = 1.12 - 0.3 * (np.square(u + 0.35) + np.square(v + 0.45)).astype(np.float32)
    texture = np.zeros((texels + 2, texels + 2, 4), np.float32)
    texture[1:-1, 1:-1, :3] = np.clip(colour * light[..., None], 0, 255) * inside[..., None]
    texture[1:-1, 1:-1, 3] = inside
    return Sprite(texture.reshape(-1, 4), (points - middle) / extent, np.array(half, np.float64), texels)


def _pattern(rng: np.random.Generator, u: NDArray[np.float64], v: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return where the accent colour lies: wavy stripes, checks, or patches of noise."""
    angle, period, phase = rng.uniform(0, np.pi), rng.uniform(0.55, 0.95), rng.uniform(0, 2 * np.pi)
    along, across = u * np.cos(angle) + v * np.sin(angle), v * np.cos(angle) - u * np.sin(angle)
    stripes = np.sin(2 * np.pi * along / period + phase + 0.8 * np.sin(3 * across)) > 0.1
    kind = rng.integers(3)
    if kind == 0:
        return np.asarray(stripes)
    if kind == 1:
        return np.asarray(stripes ^ (np.sin(2 * np.pi * across / period) > 0))
    return np.asarray(noise(rng, len(u), len(u), len(u) / 3.5, octaves=3) > 0.55)


def make_background(rng: np.random.Generator, height: int, width: int, hue: float) -> Image:
    """Return a noisy ground in colours around ``hue``, float32 (height, width, 3), RGB in 0..255."""
    ground = paint(noise(rng, height, width, min(height, width) / 2.5), palette(rng, hue, 0.45))
    grain = noise(rng, height, width, 6.0, octaves=3)
    return ground * (0.86 + 0.24 * grain[..., None])
