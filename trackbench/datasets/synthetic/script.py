"""The course of a synthetic sequence: where everything is in each frame, before anything is drawn.

Lengths are pixels, angles radians, times frames. Every effect draws from a generator of its own, so that leaving one
out changes nothing else.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from trackbench.datasets.synthetic.effects import EFFECTS

Floats = NDArray[np.float64]

#: Columns of a pose: centre x and y, scale, angle, and the bends of the deformation across u and across v.
X, Y, SCALE, ANGLE, BEND_U, BEND_V = range(6)


@dataclass
class Script:
    """The course of all that moves, over N frames."""

    target: Floats
    """(N, 6): poses of the target."""
    camera: Floats
    """(N, 2): shift of the view over the background."""
    light: Floats
    """(N, 2): gain of the brightness, and its slope from the left edge to the right one."""
    shutter: Floats
    """(N,): exposure time in frames; 0 gives no blur."""
    occluders: list[Floats] = field(default_factory=list)
    """Poses of what passes in front of the target, each (N, 6)."""
    distractors: list[Floats] = field(default_factory=list)
    """Poses of what looks like the target, each (N, 6)."""
    active: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    """Effect -> frames in which it acts. Occlusion and out-of-view are not here: the drawn pixels tell them."""

    def __len__(self) -> int:
        return len(self.target)


def reach_of(half: Floats) -> float:
    """Return a distance from its centre beyond which nothing of a target lies at scale 1, even rotated and bent."""
    return 1.1 * float(np.hypot(*half))


def write_script(
    seed: np.random.SeedSequence,
    effects: Collection[str],
    frames: int,
    size: tuple[int, int],
    half: Floats,
    margin: int,
) -> Script:
    """Return the course of one sequence.

    Args:
        seed: decides everything.
        effects: names of the effects that act.
        frames: number of frames N.
        size: width and height of the frames.
        half: half the width and height of the target at scale 1, (2,).
        margin: how far the camera may shift.
    """
    base, *own = (np.random.default_rng(child) for child in seed.spawn(1 + len(EFFECTS)))
    rng = dict(zip((effect.name for effect in EFFECTS), own, strict=True))
    time = np.arange(frames, dtype=np.float64)
    act = {name: _activity(rng[name], frames) if name in effects else np.zeros(frames) for name in rng}

    script = Script(
        target=np.zeros((frames, 6)),
        camera=np.zeros((frames, 2)),
        light=np.tile([1.0, 0.0], (frames, 1)),
        shutter=np.where(act["blur"] > 0, 0.9, 0.0),
        active={name: act[name] > 0 for name in rng if name in effects and name not in ("occlusion", "outofview")},
    )
    target = script.target

    draw = rng["scale"]
    target[:, SCALE] = np.exp(np.log(1.6) * act["scale"] * _swing(draw, time, (85, 115)))
    draw = rng["rotation"]
    target[:, ANGLE] = np.cumsum(act["rotation"]) * np.deg2rad(draw.uniform(1.3, 2.0)) * draw.choice([-1, 1])
    draw = rng["deformation"]
    target[:, BEND_U] = 0.3 * act["deformation"] * _swing(draw, time, (38, 52))
    target[:, BEND_V] = 0.25 * act["deformation"] * _swing(draw, time, (48, 66))

    draw = rng["illumination"]
    script.light[:, 0] = np.exp(-0.4 * act["illumination"] * (1 + _swing(draw, time, (60, 85))))
    script.light[:, 1] = 0.5 * act["illumination"] * _swing(draw, time, (40, 60))

    # Translation and blur run the same path faster.
    pace = np.cumsum(1 + 2.2 * act["translation"] + 2.0 * act["blur"])
    room = np.array(size) / 2 - reach_of(half) * target[:, SCALE].max()
    for axis in (X, Y):
        swing = 0.62 * _swing(base, pace, (230, 320)) + 0.38 * _swing(base, pace, (115, 165))
        target[:, axis] = size[axis] / 2 + max(room[axis], 0.0) * swing

    draw = rng["camera"]
    for axis in (0, 1):
        travelled = np.cumsum(act["camera"])
        pan, shake = _swing(draw, travelled, (100, 160)), _swing(draw, time, (6, 9)) + _swing(draw, time, (10, 15))
        shake *= act["camera"] * margin * 0.03
        # The camera follows the target, but does not hold still.
        script.camera[:, axis] = np.clip(0.45 * margin * (pan - pan[0]) + shake, -margin, margin)
        target[:, axis] -= shake

    if "outofview" in effects:
        _leave(rng["outofview"], script, size, half)
    if "occlusion" in effects:
        _cover(rng["occlusion"], script, half)
    if "distractors" in effects:
        _surround(rng["distractors"], script, half, act["distractors"])
    return script


def _leave(rng: np.random.Generator, script: Script, size: tuple[int, int], half: Floats) -> None:
    """Make the target leave the frame across the nearest border and come back."""
    frames = len(script)
    target = script.target
    for middle in _events(rng, frames, 0.66):
        x, y = target[int(middle), :2]
        distances = [x, size[0] - x, y, size[1] - y]
        border = int(np.argmin(distances))
        axis, beyond = border // 2, reach_of(half) * target[:, SCALE].max()
        outside = size[axis] + beyond if border % 2 else -beyond
        length = min(72.0, 0.6 * frames)
        away = _window(np.arange(frames), middle - length / 2, middle + length / 2, 0.45 * length)
        target[:, axis] += away * (outside - target[:, axis])


def _cover(rng: np.random.Generator, script: Script, half: Floats) -> None:
    """Make something pass straight across the target, hiding all of it for a moment."""
    frames = len(script)
    for middle in _events(rng, frames, 0.3):
        pose = np.zeros((frames, 6))
        scale = float(script.target[int(middle), SCALE])
        direction = rng.choice([-1, 1]) * np.array([1.0, rng.uniform(-0.35, 0.35)])
        # From first touch to last, the pass takes about 45 frames.
        speed = 4.6 * scale * half.max() / min(45.0, frames / 2)
        pose[:, :2] = script.target[:, :2] + (np.arange(frames) - middle)[:, None] * speed * direction
        pose[:, SCALE] = scale
        script.occluders.append(pose)


def _surround(rng: np.random.Generator, script: Script, half: Floats, activity: Floats, count: int = 3) -> None:
    """Bring look-alikes near the target; they never touch it."""
    frames = len(script)
    target = script.target
    for number in range(count):
        first = 2 * np.pi * number / count + rng.uniform(-0.4, 0.4)
        around = first + np.arange(frames) * rng.uniform(0.006, 0.012)
        # Both blobs lie within reach of their centres.
        distance = 2 * reach_of(half) * target[:, SCALE] * (1.9 - 0.85 * activity)
        pose = target.copy()
        pose[:, X] += distance * np.cos(around)
        pose[:, Y] += distance * np.sin(around)
        pose[:, ANGLE] += 0.3 * _swing(rng, np.arange(frames), (60, 90))
        script.distractors.append(pose)


def _events(rng: np.random.Generator, frames: int, place: float) -> Floats:
    """Return the middles of events, one for each 150 frames, around ``place`` (a fraction) of each such stretch."""
    count = max(1, frames // 150)
    return frames * (np.arange(count) + place + rng.uniform(-0.03, 0.03, count)) / count


def _activity(rng: np.random.Generator, frames: int) -> Floats:
    """Return (frames,) in [0, 1]: 0 at first, then up to 1, and back to 0 before the end."""
    start, end = rng.uniform(0.1, 0.18) * frames, rng.uniform(0.84, 0.94) * frames
    return _window(np.arange(frames), start, end, min(15.0, frames / 8))


def _window(time: NDArray[np.int_], start: float, end: float, ramp: float) -> Floats:
    """Return a smooth rise from 0 at ``start`` to 1 and fall to 0 at ``end``, each over ``ramp`` frames."""
    level = np.clip(np.minimum(time - start, end - time) / max(ramp, 1e-6), 0, 1)
    return np.asarray(level * level * (3 - 2 * level), np.float64)


def _swing(rng: np.random.Generator, time: NDArray[np.float64 | np.int_], period: tuple[float, float]) -> Floats:
    """Return a sine over ``time`` with a random phase and a random period within ``period``."""
    length, phase = rng.uniform(*period), rng.uniform(0, 2 * np.pi)
    return np.asarray(np.sin(2 * np.pi * time / length + phase), np.float64)
