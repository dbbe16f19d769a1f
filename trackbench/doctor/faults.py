"""Name the fault behind readings that differ from the record.

A fault in how the network's input is made is named by what undoes it: the clip, or the library that cuts it, is changed
in one way after the other until the input is that of the record. Faults behind the input show in the size and the form
of what differs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Literal
from unittest import mock

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from trackbench.doctor.clip import TestClip
from trackbench.doctor.readings import CORNER, START, STEP, Floats, Readings, sampled
from trackbench.nn.crops.warp import warp_affine
from trackbench.regions import Box

Name = Literal[
    "BGR for RGB",
    "another resize kernel",
    "mean or standard deviation",
    "OpenCV 5's warp",
    "TF32",
    "half precision",
    "dropped keys",
    "settings of another data set",
    "stale state",
    "crop padding",
    "origin off by a pixel",
    "channels-last mistake",
    "crop",
    "activations",
    "boxes",
]

#: Relative deviations (of norms) that are no fault. Inputs come from whole numbers; activations differ between devices
#: by the order of sums, while ten bits of mantissa (TF32, float16) move the median by several times the limit.
SAME_INPUT, SAME_ACTIVATION = 1e-5, 5e-5
#: Above this no precision explains a deviation.
ANY_PRECISION = 0.3
#: Pixels by which boxes may differ between devices.
SAME_BOX = 0.1
SAME_AGAIN = 0.01

#: OpenCV's own, whatever takes its place later.
_RESIZE, _LINEAR = cv2.resize, cv2.INTER_LINEAR

_EXPLAINS = {
    "BGR for RGB": "red and blue are exchanged before the network sees them",
    "another resize kernel": "crops are not resampled bilinearly; with cv2.INTER_LINEAR they are the record's",
    "OpenCV 5's warp": "crops are cut by cv2.warpAffine of OpenCV 5, which rounds otherwise than OpenCV 4",
    "channels-last mistake": "images (height, width, channels) are read as (channels, height, width), or transposed",
    "crop padding": "only crops that reach out of the frame differ: what they see there is wrong",
    "stale state": "a second run gives other boxes: something is kept from the target before",
}


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong."""

    name: Name
    text: str


Take = Callable[[TestClip], Readings]


def find_faults(readings: Readings, record: Readings, clip: TestClip, take: Take) -> list[Fault]:
    """Return what is wrong with a tracker; nothing where its readings are those of the record.

    Args:
        readings: its readings.
        record: those of the record; inputs are sampled.
        clip: on which they were taken.
        take: takes those of the inputs again on another clip.
    """
    faults = list(_weights(readings))
    faults += _inputs(readings, record, clip, take)
    if not faults:
        faults += _behind(readings, record)
    if _apart(readings.again, readings.boxes[: len(readings.again)]) > SAME_AGAIN:
        faults.append(Fault("stale state", _EXPLAINS["stale state"]))
    if not faults and (apart := _apart(readings.boxes, record.boxes)) > SAME_BOX:
        faults.append(_boxes(readings.boxes, record.boxes, apart))
    return faults


def _weights(readings: Readings) -> Iterator[Fault]:
    if readings.unlike:
        named = ", ".join(readings.unlike[:3]) + (" …" if len(readings.unlike) > 3 else "")
        yield Fault("dropped keys", f"{len(readings.unlike)} parameters are not those of the weights: {named}")


def _inputs(readings: Readings, record: Readings, clip: TestClip, take: Take) -> Iterator[Fault]:
    """Compare what enters the network; name the first change that makes it the record's."""
    wrong = [phase for phase in record.inputs if not _same(readings, record, phase)]
    if not wrong:
        return
    if wrong == [CORNER]:
        yield Fault("crop padding", _EXPLAINS["crop padding"])
        return
    # The search region follows from the template's box; where only it is wrong, it alone has to be mended.
    phases = [phase for phase in (START, STEP) if phase in wrong] or wrong
    if (why := _normalised(readings, record, phases)) is not None:
        yield Fault("mean or standard deviation", why)
        return
    if all(_misread(readings.inputs[phase], record.inputs[phase]) for phase in phases):
        yield Fault("channels-last mistake", _EXPLAINS["channels-last mistake"])
        return
    for name, changed, patch in _cures(clip):
        with patch:
            mended = take(changed)
        if all(_same(mended, record, phase) for phase in phases):
            explained = _EXPLAINS.get(name) or "boxes are counted from another first pixel, or centred otherwise"
            yield Fault(name, explained)
            return
    if any(_halved(readings.inputs[phase]) for phase in phases):
        yield Fault("half precision", "the network's input is rounded to half precision")
        return
    phase = phases[0]
    if _sampled(readings, phase).shape != record.inputs[phase].shape or readings.inputs.get(phase) is None:
        yield Fault("crop", f"the network sees no {phase}")
        return
    apart = _distance(_sampled(readings, phase), record.inputs[phase])
    yield Fault("crop", f"the {phase} differs from the record by {apart:.1%}, by no change that is known here")


def _cures(clip: TestClip) -> Iterator[tuple[Name, TestClip, AbstractContextManager[Any]]]:
    """Yield what undoes a fault: its name, the clip to take, and what to change in the library meanwhile."""
    swapped = [np.ascontiguousarray(frame[..., ::-1]) for frame in clip.frames]
    yield "BGR for RGB", clip._replace(frames=swapped), nullcontext()
    for shift in (-1.0, 1.0, -0.5, 0.5):
        target, corner = (Box(box.x + shift, box.y + shift, box.w, box.h) for box in (clip.target, clip.corner))
        yield "origin off by a pixel", clip._replace(target=target, corner=corner), nullcontext()

    def bilinear(image: Any, size: Any, *_: Any, dst: Any = None, **__: Any) -> Any:
        return _RESIZE(image, size, dst=dst, interpolation=_LINEAR)

    yield "another resize kernel", clip, mock.patch.object(cv2, "resize", bilinear)

    def exact(image: Any, matrix: Any, size: Any, *_: Any, flags: int = 1, borderValue: Any = 0, **__: Any) -> Any:
        border = [int(value) for value in np.ravel(borderValue)[: image.shape[2]]]
        border = border * image.shape[2] if len(border) == 1 else border
        return warp_affine(image, matrix, size, border, inverse=bool(flags & cv2.WARP_INVERSE_MAP))

    yield "OpenCV 5's warp", clip, mock.patch.object(cv2, "warpAffine", exact)


def _same(readings: Readings, record: Readings, phase: str) -> bool:
    ours = _sampled(readings, phase)
    return ours.shape == record.inputs[phase].shape and _distance(ours, record.inputs[phase]) < SAME_INPUT


def _sampled(readings: Readings, phase: str) -> Floats:
    image = readings.inputs.get(phase)
    return np.empty(0, np.float32) if image is None else sampled(image)


def _normalised(readings: Readings, record: Readings, phases: list[str]) -> str | None:
    """Return the factors and shifts that make each channel that of the record, or None where there are none."""
    parts = []
    for phase in phases:
        ours, theirs = _sampled(readings, phase), record.inputs[phase]
        if ours.shape != theirs.shape:
            return None
        for x, y in zip(ours.reshape(3, -1).astype(float), theirs.reshape(3, -1).astype(float), strict=True):
            if np.ptp(x) == 0:
                return None
            slope, shift = np.polyfit(x, y, 1)
            if _distance(slope * x + shift, y) > 10 * SAME_INPUT:
                return None
            parts.append(f"{slope:.4g} x {shift:+.4g}")
    return f"the network's input becomes that of the record by {', '.join(parts[:3])} in the three channels"


def _misread(image: Floats, record: Floats) -> bool:
    """Whether an image, read in another order of its axes, is that of the record, up to each channel's range."""
    channels, height, width = image.shape
    if height != width:
        return False
    # What was (H, W, 3) and was read as (3, H, W) was normalised by thirds: the top one as if it were red.
    flat = image.reshape(height, width, channels).transpose(2, 0, 1)
    return _alike(sampled(image.transpose(0, 2, 1)), record, 1) or _alike(sampled(flat), record, 3)


def _alike(ours: Floats, record: Floats, parts: int) -> bool:
    """Whether each channel, in each of some bands from top to bottom, is that of the record but for its range."""
    for mine, theirs in zip(ours, record, strict=True):
        for x, y in zip(np.array_split(mine, parts), np.array_split(theirs, parts), strict=True):
            if not (np.ptp(x) > 0 and np.ptp(y) > 0 and np.corrcoef(x.ravel(), y.ravel())[0, 1] > 0.98):
                return False
    return True


def _behind(readings: Readings, record: Readings) -> Iterator[Fault]:
    """Compare activations of a network whose inputs are right."""
    known = {(each.phase, each.module): each for each in record.activations}
    pairs = [
        (each, known[each.phase, each.module]) for each in readings.activations if (each.phase, each.module) in known
    ]
    far = [(ours, _distance(ours.values, theirs.values)) for ours, theirs in pairs]
    wrong = [(ours, apart) for ours, apart in far if not apart < SAME_ACTIVATION]
    if not wrong:
        return
    first, apart = wrong[0]
    where = f"{first.phase}, module '{first.module}', {apart:.1e} of its size"
    median = float(np.median([apart for _, apart in far]))
    halves = [ours for ours, _ in far if ours.dtype in ("float16", "bfloat16") or _halved(ours.values)]
    if len(halves) > len(far) / 4:
        yield Fault("half precision", f"activations are rounded to half precision from {where}")
    elif SAME_ACTIVATION < median < ANY_PRECISION and apart < 0.01:
        yield Fault("TF32", f"products keep about ten bits, as TF32 does, from {where}")
    else:
        yield Fault("activations", f"inputs and weights are right, activations differ from {where}")


def _boxes(boxes: NDArray[np.float64], record: NDArray[np.float64], apart: float) -> Fault:
    shifts = (boxes - record)[:, :2].ravel()
    for shift in (-1.0, 1.0, -0.5, 0.5):
        if np.abs(shifts - shift).max() < 0.01 and _apart(boxes[:, 2:], record[:, 2:]) < 0.01:
            return Fault("origin off by a pixel", f"all boxes are off by {shift:+g} pixels in x and y")
    return Fault("boxes", f"activations are right, boxes differ by up to {apart:.3g} pixels")


def _halved(values: Floats) -> bool:
    """Whether all of many different numbers are numbers of float16 or bfloat16."""
    flat = np.unique(values[np.isfinite(values)])
    if len(flat) < 8:
        return False
    tensor = torch.from_numpy(flat)
    return any(bool((tensor.to(kind).float() == tensor).all()) for kind in (torch.float16, torch.bfloat16))


def _distance(ours: NDArray[Any], theirs: NDArray[Any]) -> float:
    """Return the norm of the difference over that of ``theirs``."""
    size = float(np.linalg.norm(theirs.astype(np.float64)))
    apart = float(np.linalg.norm(ours.astype(np.float64) - theirs.astype(np.float64)))
    return apart / size if size else apart


def _apart(ours: NDArray[np.float64], theirs: NDArray[np.float64]) -> float:
    return float(np.abs(ours - theirs).max(initial=0.0))
