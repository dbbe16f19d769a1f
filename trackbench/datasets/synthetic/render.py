"""Drawing of synthetic sequences, and their ground truth.

Sprites are sampled 3 x 3 times within a pixel; a blurred frame is the mean of exposures spread over its shutter time,
each sampled 2 x 2 times. The ground truth is that of the middle of the exposure.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.datasets.synthetic.effects import Effect
from trackbench.datasets.synthetic.script import ANGLE, BEND_U, BEND_V, SCALE, X, Y, write_script
from trackbench.datasets.synthetic.textures import Image, Sprite, make_background, make_sprite, palette
from trackbench.regions import Box, Mask, Polygon

Floats = NDArray[np.float64]

#: Samples along each side of a pixel; exposures of a blurred frame.
SAMPLES, EXPOSURES = 3, 7
#: Standard deviation of the sensor's noise, in grey levels.
SENSOR_NOISE = 2.0
#: Texels a pixel of the target and its look-alikes, which are drawn up to 1.6 times as large.
TARGET_DETAIL = 3.5


class FrameTruth(NamedTuple):
    """What is exactly known of one frame. The pixel in column 0 and row 0 covers x in [0, 1), y in [0, 1)."""

    polygon: Polygon
    """The rectangle that turns with the target and fits tightly around its outline, hidden parts included, not clipped
    to the image: four corners, at angle 0 clockwise on the screen from the top left."""
    box: Box
    """The tightest upright box around the outline, hidden parts included, not clipped to the image."""
    mask: Mask
    """The visible pixels: those in the image of which the target, less what is in front of it, covers at least half."""
    absent: bool
    """Whether no pixel is visible."""
    tags: frozenset[str]
    """Names of the effects that act in this frame."""


@dataclass(frozen=True)
class Layer:
    """A drawn sprite, as far as it lies in the image."""

    rows: slice
    columns: slice
    pixels: Image
    """(h, w, 4): premultiplied colour, and the covered share of each pixel."""

    def put(self, image: Image) -> None:
        """Draw the layer over ``image`` (H, W, 3)."""
        part = image[self.rows, self.columns]
        part *= 1 - self.pixels[..., 3:]
        part += self.pixels[..., :3]

    def coverage(self, size: tuple[int, int]) -> Image:
        """Return the covered share of each pixel of an image of ``size`` (width, height), as (H, W)."""
        out = np.zeros((size[1], size[0]), np.float32)
        out[self.rows, self.columns] = self.pixels[..., 3]
        return out


def outline(sprite: Sprite, pose: Floats) -> tuple[Floats, Floats]:
    """Return the outline of a posed sprite along its own axes and in the image, each (M, 2), in pixels.

    The deformation is a wave across v added to u, then one across u added to v: each can be undone exactly.
    """
    u = sprite.outline[:, 0] + pose[BEND_U] * np.sin(2.2 * sprite.outline[:, 1])
    v = sprite.outline[:, 1] + pose[BEND_V] * np.sin(2.6 * u)
    own = np.stack([u, v], 1) * sprite.half * pose[SCALE]
    return own, _turn(own, pose)


def _turn(points: Floats, pose: Floats) -> Floats:
    c, s = np.cos(pose[ANGLE]), np.sin(pose[ANGLE])
    x, y = points[:, 0], points[:, 1]
    return np.stack([c * x - s * y + pose[X], s * x + c * y + pose[Y]], 1)


def draw(sprite: Sprite, pose: Floats, size: tuple[int, int], samples: int = SAMPLES) -> Layer:
    """Return a posed sprite as seen in an image of ``size`` (width, height), from ``samples``² samples a pixel."""
    _, points = outline(sprite, pose)
    x1, y1 = np.clip(np.floor(points.min(0)), 0, size).astype(int).tolist()
    x2, y2 = np.clip(np.ceil(points.max(0)), 0, size).astype(int).tolist()
    w, h = x2 - x1, y2 - y1
    x = x1 + (np.arange(w * samples) + 0.5) / samples - pose[X]
    y = (y1 + (np.arange(h * samples) + 0.5) / samples - pose[Y])[:, None]
    c, s = np.cos(pose[ANGLE]), np.sin(pose[ANGLE])
    u = (c * x + s * y) / (sprite.half[0] * pose[SCALE])
    v = (c * y - s * x) / (sprite.half[1] * pose[SCALE])
    if pose[BEND_V]:
        v -= pose[BEND_V] * np.sin(2.6 * u)
    if pose[BEND_U]:
        u -= pose[BEND_U] * np.sin(2.2 * v)
    side = sprite.texels
    column, row = (np.clip((t + 1) * (side / 2) + 1, 0, side + 1).astype(np.intp) for t in (u, v))
    texels = sprite.texture[row * (side + 2) + column].reshape(h, samples, w, samples, 4)
    # Sums over axes this short are several times faster one slice at a time.
    rows: Image = sum((texels[:, k] for k in range(1, samples)), start=texels[:, 0])
    pixels: Image = sum((rows[:, :, k] for k in range(1, samples)), start=rows[:, :, 0]) / np.float32(samples**2)
    return Layer(slice(y1, y2), slice(x1, x2), pixels)


@dataclass
class Scene:
    """One synthetic sequence, ready to be drawn frame by frame.

    Args:
        seed: decides everything.
        effects: what happens in it.
        frames: its number of frames.
        size: width and height of the frames in pixels.
    """

    seed: np.random.SeedSequence
    effects: tuple[Effect, ...]
    frames: int
    size: tuple[int, int]
    target: Sprite = field(init=False)

    def __post_init__(self) -> None:
        looks, course, grain = self.seed.spawn(3)
        rng = np.random.default_rng(looks)
        short = min(self.size)
        self._margin = max(short // 6, 4)
        hue = rng.uniform()
        half = np.full(2, short * rng.uniform(0.085, 0.115))
        half[rng.integers(2)] *= rng.uniform(0.72, 1.0)
        # The target's colours lie across the colour circle from the background's.
        ground, accent = (palette(rng, hue + turn + rng.uniform(-0.08, 0.08), 0.75) for turn in (0.5, 0.78))
        self.target = make_sprite(rng, (half[0], half[1]), ground, accent, TARGET_DETAIL)
        # One look-alike is the target's twin, the others share its colours.
        self._alike = [
            self.target,
            *(make_sprite(rng, (half[0], half[1]), ground, accent, TARGET_DETAIL) for _ in range(2)),
        ]
        cover = palette(rng, hue + 0.15, 0.5)
        self._cover = make_sprite(rng, (1.25 * half.max(), 1.6 * half.max()), cover, cover[::-1])
        height, width = self.size[1] + 2 * self._margin + 1, self.size[0] + 2 * self._margin + 1
        self._background = make_background(rng, height, width, hue)
        for _ in range(14):
            extent = short * rng.uniform(0.03, 0.13, 2)
            colours = palette(rng, hue + rng.uniform(-0.2, 0.2), 0.5)
            blob = make_sprite(rng, (extent[0], extent[1]), colours, colours[::-1])
            place = np.array([rng.uniform(0, width), rng.uniform(0, height), 1.0, rng.uniform(0, np.pi), 0.0, 0.0])
            draw(blob, place, (width, height)).put(self._background)
        rng = np.random.default_rng(grain)
        self._noise = rng.standard_normal((self.size[1] + 64, self.size[0] + 64, 3), np.float32) * SENSOR_NOISE
        self._shift = rng.integers(0, 64, (self.frames, 2))
        self.script = write_script(
            course, {effect.name for effect in self.effects}, self.frames, self.size, half, self._margin
        )

    def image(self, index: int) -> NDArray[np.uint8]:
        """Return frame ``index`` (0-based), uint8 (H, W, 3), RGB."""
        shutter = self.script.shutter[index]
        if shutter > 0:
            offsets = shutter * ((np.arange(EXPOSURES) + 0.5) / EXPOSURES - 0.5)
            light: Image = np.mean([self._expose(index + offset, samples=2) for offset in offsets], 0)
        else:
            light = self._expose(index)
        gain, slope = self.script.light[index]
        ramp = np.linspace(-1, 1, self.size[0])
        light *= (gain * (1 + slope * ramp)).astype(np.float32)[:, None]
        y, x = self._shift[index]
        light += self._noise[y : y + self.size[1], x : x + self.size[0]]
        return np.asarray(np.clip(light + np.float32(0.5), 0, 255), np.uint8)

    def ground_truth(self, index: int) -> FrameTruth:
        """Return what is known of frame ``index`` (0-based)."""
        pose = self.script.target[index]
        own, points = outline(self.target, pose)
        (u1, v1), (u2, v2) = own.min(0), own.max(0)
        corners = _turn(np.array([[u1, v1], [u2, v1], [u2, v2], [u1, v2]]), pose)
        (x1, y1), (x2, y2) = points.min(0), points.max(0)

        whole = draw(self.target, pose, self.size).coverage(self.size)
        visible = whole.copy()
        for track in self.script.occluders:
            visible *= 1 - draw(self._cover, track[index], self.size).coverage(self.size)
        mask = visible >= 0.5
        tags = {name for name, active in self.script.active.items() if active[index]}
        if (mask != (whole >= 0.5)).any():
            tags.add("occlusion")
        if min(x1, y1) < 0 or x2 > self.size[0] or y2 > self.size[1]:
            tags.add("outofview")
        return FrameTruth(
            Polygon(corners), Box(x1, y1, x2 - x1, y2 - y1), Mask(mask).cropped(), not mask.any(), frozenset(tags)
        )

    def _expose(self, time: float, samples: int = SAMPLES) -> Image:
        """Draw the scene as it is at one instant, in frames."""
        dx, dy = _at(self.script.camera, time) + self._margin
        image = _crop(self._background, dx, dy, self.size)
        moving = [
            *zip(self._alike, self.script.distractors, strict=False),
            (self.target, self.script.target),
            *((self._cover, track) for track in self.script.occluders),
        ]
        for sprite, track in moving:
            draw(sprite, _at(track, time), self.size, samples).put(image)
        return image


def _at(track: Floats, time: float) -> Floats:
    """Return the row of ``track`` (N, K) at a time between frames, linearly interpolated."""
    time = min(max(time, 0.0), len(track) - 1.0)
    before = min(int(time), max(len(track) - 2, 0))
    after = min(before + 1, len(track) - 1)
    return np.asarray(track[before] + (time - before) * (track[after] - track[before]), np.float64)


def _crop(canvas: Image, x: float, y: float, size: tuple[int, int]) -> Image:
    """Return the window of ``size`` at a fractional position of ``canvas``, interpolated bilinearly."""
    column, row = int(x), int(y)
    fx, fy = np.float32(x - column), np.float32(y - row)
    part = canvas[row : row + size[1] + 1, column : column + size[0] + 1]
    rows = part[:-1] * (1 - fy) + part[1:] * fy
    return np.asarray(rows[:, :-1] * (1 - fx) + rows[:, 1:] * fx, np.float32)
