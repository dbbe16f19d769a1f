"""What the numbers of result files mean, judged by the annotation: corners, centres, fractions, x and y exchanged.

Nothing is read otherwise than it was asked for: what the whole of the files says is told, with the option that reads
them.
"""

from __future__ import annotations

from collections import Counter
from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trackbench.datasets.sequence import VideoSequence
from trackbench.frames import read_frame

Boxes: TypeAlias = NDArray[np.float64]
#: What four columns mean: top-left corner and size, two corners, centre and size, or size and place with y first.
Form: TypeAlias = Literal["xywh", "xyxy", "cxcywh", "yxhw"]

NAMES: dict[Form, str] = {
    "xywh": "x, y, width, height",
    "xyxy": "corners x1, y1, x2, y2",
    "cxcywh": "centres, width, height",
    "yxhw": "y, x, height, width",
}
#: Pixels by which the first box, which is given, may differ, and by how much another meaning has to overlap more.
NEAR, BETTER = 2.0, 0.1


def to_boxes(numbers: Boxes, form: Form) -> Boxes:
    """Return x, y, w, h, float64 (N, 4), of boxes in another form."""
    first, second = numbers[:, :2], numbers[:, 2:]
    match form:
        case "xywh":
            return numbers.copy()
        case "xyxy":
            return np.hstack([first, second - first])
        case "cxcywh":
            return np.hstack([first - second / 2, second])
        case "yxhw":
            return numbers[:, [1, 0, 3, 2]]


def frame_size(sequence: VideoSequence) -> tuple[int, int]:
    """Return the (width, height) of a sequence's first image.

    Raises:
        DataError: it is not there.
    """
    height, width = read_frame(sequence.frames[0]).shape[:2]
    return width, height


def lacks_first(boxes: Boxes, truth: Boxes) -> bool:
    """Whether the first line of a file fits the second frame of the annotation better than the first."""
    if len(truth) < 2 or not len(boxes):
        return False
    distances = np.abs(truth[:2] - boxes[0]).max(1)
    return bool(np.isfinite(distances).all() and distances[1] < distances[0])


class Judge:
    """Compares all files of a tracker with the annotation.

    Args:
        form: what the numbers are read as.
    """

    def __init__(self, form: Form) -> None:
        self._form = form
        self._overlaps: dict[Form, list[float]] = {each: [] for each in NAMES}
        self._near: Counter[Form] = Counter()
        self._fractions = 0

    def look_at(self, numbers: Boxes, truth: Boxes) -> None:
        """Look at one file, as it stands, float64 (N, 4), and at the annotation, (M, 4)."""
        count = min(len(numbers), len(truth))
        numbers, truth = numbers[:count], truth[:count]
        known = np.isfinite(numbers).all(1) & np.isfinite(truth).all(1) & (truth[:, 2:] > 0).all(1)
        if not known.any():
            return
        numbers, truth = numbers[known], truth[known]
        inside = (np.abs(numbers) <= 1.5).all() and float(truth.max()) > 10
        self._fractions += bool(inside)
        for form, overlaps in self._overlaps.items():
            boxes = to_boxes(numbers, form)
            overlaps.append(float(_overlap(boxes, truth).mean()))
            self._near[form] += bool((np.abs(boxes[0] - truth[0]) <= NEAR).all())

    def verdict(self) -> str | None:
        """Return what the files say against how they are read, or None."""
        count = len(self._overlaps[self._form])
        if not count:
            return None
        if 2 * self._fractions > count:
            return (
                f"{self._fractions} of {count} files hold numbers between 0 and 1 only (fractions of the image? then "
                "--fractions)"
            )
        mean = {form: float(np.mean(overlaps)) for form, overlaps in self._overlaps.items()}
        best = max(mean, key=lambda form: (self._near[form], mean[form]))
        if 2 * self._near[self._form] > count or 2 * self._near[best] <= count:
            return None
        if mean[best] < mean[self._form] + BETTER:
            return None
        return (
            f"{count - self._near[self._form]} of {count} first boxes are not the given ones; read as {NAMES[best]} "
            f"{self._near[best]} are, and the overlap with the ground truth is {mean[best]:.2f} instead of "
            f"{mean[self._form]:.2f}: --boxes {best} reads them so"
        )


def _overlap(boxes: Boxes, truth: Boxes) -> Boxes:
    """Return the intersection over union of boxes (N, 4), float64 (N,); 0 for sizes that are none."""
    low = np.maximum(boxes[:, :2], truth[:, :2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], truth[:, :2] + truth[:, 2:])
    shared = np.clip(high - low, 0, None).prod(1)
    areas = np.clip(boxes[:, 2:], 0, None).prod(1) + truth[:, 2:].prod(1)
    return np.asarray(shared / np.maximum(areas - shared, 1e-9))
