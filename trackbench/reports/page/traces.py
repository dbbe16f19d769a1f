"""Regions, overlaps and images of the sequence pages, packed to a bounded size."""

from __future__ import annotations

import base64
import json
import zlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.frames import read_frame
from trackbench.scoring.traces import Contours, TracedSequence

#: Stored units a pixel.
_SCALE = 10
#: Marks the border of two rings of a mask.
_SEPARATOR = -1_000_000_000
_LARGEST = 100_000_000
_UNDEFINED = 65535

#: Longer side of an embedded image in pixels, and its JPEG quality.
IMAGE_SIDE, IMAGE_QUALITY = 400, 72


@dataclass
class Packed:
    """What a data set's sequence pages are made of."""

    index: list[dict[str, Any]] = field(default_factory=list)
    """For each sequence: name, number of frames, size, trackers and the frames that have an image."""
    payloads: list[str] = field(default_factory=list)
    """For each sequence its regions and overlaps, base64 text; see :func:`_encode`."""
    images: list[str] = field(default_factory=list)
    """For each sequence its images, base64 texts of JPEG files in a JSON list."""
    left_out: int = 0
    """Sequences that did not fit in."""
    without_images: int = 0
    """Sequences whose images did not fit in, or could not be read."""

    @property
    def size(self) -> int:
        """Bytes in the page."""
        return sum(map(len, self.payloads)) + sum(map(len, self.images))

    def sort(self, names: Sequence[str]) -> None:
        """Bring the sequences into the order of ``names``."""
        place = {name: index for index, name in enumerate(names)}
        order = sorted(range(len(self.index)), key=lambda number: place[self.index[number]["sequence"]])
        self.index = [self.index[number] for number in order]
        self.payloads = [self.payloads[number] for number in order]
        self.images = [self.images[number] for number in order]


def pack(traced: Iterable[TracedSequence], limit: float, frames: int) -> Packed:
    """Pack sequences until the limit is reached.

    Args:
        traced: the sequences, the more important ones first.
        limit: bytes in the page.
        frames: how many images a sequence gets, see :func:`telling_frames`.
    """
    packed, used = Packed(), 0
    for entry in traced:
        payload = base64.b64encode(zlib.compress(_encode(entry))).decode()
        if used + len(payload) > limit:
            packed.left_out += 1
            continue
        used += len(payload)
        chosen, images, size = _images(entry, frames)
        texts = json.dumps(images)
        if frames and (not images or used + len(texts) > limit):
            packed.without_images += 1
            chosen, texts = [], "[]"
        used += len(texts)
        packed.payloads.append(payload)
        packed.images.append(texts)
        packed.index.append(
            {
                "name": entry.name,
                "sequence": entry.sequence.name,
                "frames": len(entry.ground_truth.counts),
                "size": size or entry.sequence.size or _extent(entry.ground_truth),
                "trackers": list(entry.traces),
                "images": chosen,
            }
        )
    return packed


def _encode(entry: TracedSequence) -> bytes:
    """Return the bytes of a sequence, little-endian, N frames.

    The ground truth's shapes; then, for each tracker, its shapes, uint16 (N,) overlaps in parts of 10,000 with 65535
    for none, and uint8 (N,) failures. Shapes are int32 (N,) counts, int32 their sum, and int32 numbers in tenths of a
    pixel, each less the same number of the frame before where that has as many.
    """
    parts = [_shapes(entry.ground_truth)]
    for trace in entry.traces.values():
        known = ~np.isnan(trace.overlaps)
        scaled = np.where(known, np.round(np.nan_to_num(trace.overlaps) * 10_000), _UNDEFINED)
        parts += [_shapes(trace.outlines), scaled.astype("<u2").tobytes(), trace.failed.astype(np.uint8).tobytes()]
    return b"".join(parts)


def _shapes(outlines: Contours) -> bytes:
    counts, numbers = outlines.counts.astype(np.int64), outlines.numbers
    rings = np.isnan(numbers)
    whole = np.clip(np.round(np.nan_to_num(numbers) * _SCALE), -_LARGEST, _LARGEST).astype(np.int64)
    whole[rings] = _SEPARATOR
    alike = np.concatenate([[False], counts[1:] == counts[:-1]])[: len(counts)]
    before = np.arange(len(whole)) - np.repeat(counts, counts)
    deltas: NDArray[np.int64] = whole - np.where(np.repeat(alike, counts), whole[before], 0)
    return b"".join(array.astype("<i4").tobytes() for array in (counts, np.array([len(whole)]), deltas))


def _images(entry: TracedSequence, count: int) -> tuple[list[int], list[str], tuple[int, int] | None]:
    """Return frames (from 0), their images, and the size of the originals; nothing where images cannot be read."""
    if not count:
        return [], [], None
    chosen = telling_frames(entry, count)
    images = []
    size = None
    try:
        paths = entry.sequence.frames
        for frame in chosen:
            image = read_frame(paths[frame])
            height, width = image.shape[:2]
            size = (width, height)
            scale = min(1.0, IMAGE_SIDE / max(height, width))
            small = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) if scale < 1 else image
            _, data = cv2.imencode(
                ".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, IMAGE_QUALITY]
            )
            images.append(base64.b64encode(data.tobytes()).decode())
    except DataError:  # the images are not there, or not all: the page then shows regions alone, with a note
        return [], [], None
    return chosen, images, size


def telling_frames(entry: TracedSequence, count: int) -> list[int]:
    """Return the frames (from 0) that tell most, ``count`` of them at most, in their order.

    The first and the last come first, then those in which a tracker loses the target, those in which the trackers'
    overlaps differ most, and then others, evenly spread. Of disagreements, no two are nearer to each other than a
    tenth of the even distance, so that they are not all of one moment.
    """
    total = len(entry.ground_truth.counts)
    count = min(count, total)
    chosen = dict.fromkeys([0, total - 1][:count])
    failed = sorted({int(frame) for trace in entry.traces.values() for frame in np.flatnonzero(trace.failed)})
    for frame in _spread(failed, count - len(chosen)):
        chosen[frame] = None
    if len(entry.traces) > 1:
        overlaps = np.stack([np.nan_to_num(trace.overlaps, nan=0.0) for trace in entry.traces.values()])
        apart = overlaps.max(0) - overlaps.min(0)
        # Half of what is left shows disagreements, the other half what lies between.
        most, gap = len(chosen) + (count - len(chosen)) // 2, max(1, total // (10 * count))
        for frame in np.argsort(-apart, kind="stable").tolist():
            if len(chosen) >= most or apart[frame] <= 0:
                break
            if all(abs(frame - other) >= gap for other in chosen):
                chosen[frame] = None
    for places in range(count, total + count):  # ever denser until there are enough
        if len(chosen) >= count:
            break
        for place in np.linspace(0, total - 1, places).tolist():
            if len(chosen) < count:
                chosen[round(place)] = None
    return sorted(chosen)


def _spread(frames: Sequence[int], count: int) -> list[int]:
    """Return at most ``count`` of the frames, evenly spread."""
    if len(frames) <= count:
        return list(frames)
    return [frames[round(place)] for place in np.linspace(0, len(frames) - 1, count).tolist()] if count > 0 else []


def _extent(ground_truth: Contours) -> tuple[int, int]:
    """Return a size that holds the ground truth where nothing says how large the frames are."""
    boxes = ground_truth.numbers[np.repeat(ground_truth.counts, ground_truth.counts) == 4].reshape(-1, 4)
    outlines = ground_truth.numbers[np.repeat(ground_truth.counts, ground_truth.counts) > 4].reshape(-1, 2)
    corners = np.concatenate([boxes[:, :2] + boxes[:, 2:], outlines, [[1.0, 1.0]]])
    width, height = np.nanmax(corners, axis=0).tolist()
    return int(width * 1.1) + 1, int(height * 1.1) + 1
