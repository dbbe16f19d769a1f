"""What the numbers of result files mean, judged by the annotation: corners, centres, fractions, x and y exchanged.

Nothing is read otherwise than it was asked for: what the whole of the files says is told, with the option that reads
them.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trackbench.datasets.sequence import VideoSequence
from trackbench.frames import read_frame
from trackbench.quoting import listed

Boxes: TypeAlias = NDArray[np.float64]
#: What four columns mean: top-left corner and size, two corners, centre and size; with y first: size and place, two
#: corners, the place alone, the size alone.
Form: TypeAlias = Literal["xywh", "xyxy", "cxcywh", "yxhw", "yxyx", "yxwh", "xyhw"]

NAMES: dict[Form, str] = {
    "xywh": "x, y, width, height",
    "xyxy": "corners x1, y1, x2, y2",
    "cxcywh": "centres, width, height",
    "yxhw": "y, x, height, width",
    "yxyx": "corners y1, x1, y2, x2",
    "yxwh": "y, x, width, height",
    "xyhw": "x, y, height, width",
}
#: Pixels by which the first box, which is given, may differ, and by how much another meaning has to overlap more.
NEAR, BETTER = 2.0, 0.1
#: Overlap that boxes of another meaning have to have where the first box speaks against it.
CLEAR = 0.4
#: By how much boxes one frame later or earlier have to overlap more, in most files, to be called shifted.
SHIFTED = 0.02


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
        case "yxyx":
            return to_boxes(numbers[:, [1, 0, 3, 2]], "xyxy")
        case "yxwh":
            return numbers[:, [1, 0, 2, 3]]
        case "xyhw":
            return numbers[:, [0, 1, 3, 2]]


def keeps_first(numbers: Boxes, boxes: Boxes, truth: Boxes) -> bool:
    """Whether the first line of a file in another form is the given box as x, y, width, height all the same.

    Args:
        numbers: as they stand in the file, float64 (N, 4).
        boxes: what they are in the form.
        truth: the annotation.
    """
    if not (len(numbers) and len(truth)):
        return False
    return bool((np.abs(numbers[0] - truth[0]) <= NEAR).all() and not (np.abs(boxes[0] - truth[0]) <= NEAR).all())


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
        fractions: they are read as fractions of the images' sides.
    """

    def __init__(self, form: Form, fractions: bool = False) -> None:
        self._form, self._as_fractions = form, fractions
        self._overlaps: dict[Form, list[float]] = {each: [] for each in NAMES}
        self._later: dict[Form, list[float]] = {each: [] for each in NAMES}
        """The same without the first frame, whose box many tools write as it was given."""
        self._near: dict[Form, list[str]] = {each: [] for each in NAMES}
        self._names: list[str] = []
        self._foreign = 0
        """Files whose first box does not overlap the given one by half."""
        self._fractions = 0
        self._gains: dict[int, list[float]] = {-1: [], 1: []}
        """What overlaps gain, file by file, if the boxes were this many frames earlier."""

    def look_at(self, numbers: Boxes, truth: Boxes, size: tuple[int, int] | None = None, name: str = "") -> None:
        """Look at one file.

        Args:
            numbers: as they stand in it, float64 (N, 4).
            truth: the annotation, (M, 4).
            size: the images' width and height, where the numbers are fractions of them.
            name: the sequence's name.
        """
        count = min(len(numbers), len(truth))
        numbers, truth = numbers[:count], truth[:count]
        known = np.isfinite(numbers).all(1) & np.isfinite(truth).all(1) & (truth[:, 2:] > 0).all(1)
        if not known.any():
            return
        self._names.append(name)
        inside = (
            (np.abs(numbers[known]) <= 1.5).all() and np.abs(numbers[known]).any() and float(truth[known].max()) > 10
        )
        self._fractions += bool(inside)
        if size is not None:
            numbers = numbers * [*size, *size]
        for form, overlaps in self._overlaps.items():
            boxes = to_boxes(numbers[known], form)
            shares = _overlap(boxes, truth[known])
            overlaps.append(float(shares.mean()))
            self._later[form].append(float(shares[1:].mean()) if len(shares) > 1 else 0.0)
            if (np.abs(boxes[0] - truth[known][0]) <= NEAR).all():
                self._near[form].append(name)
            if form == self._form:
                self._foreign += bool(shares[0] < 0.5 and not keeps_first(numbers[known], boxes, truth[known]))
        self._compare_shifted(to_boxes(numbers, self._form), truth, np.asarray(known))

    def _compare_shifted(self, boxes: Boxes, truth: Boxes, known: NDArray[np.bool_]) -> None:
        if len(boxes) < 5:
            return
        boxes, truth = np.where(known[:, None], boxes, 0), np.where(known[:, None], truth, 0)
        inner = slice(2, -1)  # the first box is given, and may be put right alone
        here = _overlap(boxes[inner], truth[inner])
        for lag, gains in self._gains.items():
            there = _overlap(boxes[2 + lag : len(boxes) - 1 + lag], truth[inner])
            valid = known[inner] & known[2 + lag : len(boxes) - 1 + lag]
            gains.append(float((there - here)[valid].mean()) if valid.any() else 0.0)

    def verdict(self) -> str | None:
        """Return what the files say against how they are read, or None."""
        count = len(self._names)
        if not count:
            return None
        if 2 * self._fractions > count and not self._as_fractions:
            return (
                f"{self._fractions} of {count} files hold numbers between 0 and 1 only (fractions of the image? then "
                "--fractions)"
            )
        mean = {form: float(np.mean(overlaps)) for form, overlaps in self._overlaps.items()}
        best = max(mean, key=lambda form: (len(self._near[form]), mean[form]))
        near = len(self._near[self._form])
        if 2 * near <= count < 2 * len(self._near[best]) and mean[best] >= mean[self._form] + BETTER:
            return (
                f"{count - near} of {count} first boxes are not the given ones; read as {NAMES[best]} "
                f"{len(self._near[best])} are, and the overlap with the ground truth is {mean[best]:.2f} instead of "
                f"{mean[self._form]:.2f}: --boxes {best} reads them so"
            )
        if 2 * self._foreign > count:
            return (
                f"{self._foreign} of {count} first boxes are far from the given ones, and no other meaning of the "
                "columns makes them fit; are these results of these sequences, at the size of these images?"
            )
        return self._few_others() or self._all_but_the_first() or self._shift()

    def _all_but_the_first(self) -> str | None:
        """Return what the boxes after the first are, where that alone is as it was given."""
        later = {form: np.array(overlaps) for form, overlaps in self._later.items()}
        best, own = max(later, key=lambda form: float(later[form].mean())), later[self._form]
        better = int((later[best] >= own + BETTER).sum())
        if 2 * better <= len(self._names) or later[best].mean() < CLEAR:
            return None
        return (
            f"after their first box, which is the given one, {better} of {len(self._names)} files fit as "
            f"{NAMES[best]}: there the overlap with the ground truth is {later[best].mean():.2f} instead of "
            f"{own.mean():.2f}: --boxes {best} reads them so, and leaves the first as it is"
        )

    def _few_others(self) -> str | None:
        """Return which files are of another form than most."""
        for form, names in self._near.items():
            others = [name for name in names if name not in self._near[self._form]]
            at = [self._names.index(name) for name in others]
            if at and all(self._overlaps[form][i] >= self._overlaps[self._form][i] + BETTER for i in at):
                return (
                    f"the first box is not the given one, but is read as {NAMES[form]}, in {len(others)} of "
                    f"{len(self._names)} files, unlike the rest: {listed(others)}"
                )
        return None

    def _shift(self) -> str | None:
        for lag, gains in self._gains.items():
            better = sum(gain > SHIFTED for gain in gains)
            if 2 * better > len(self._names) and float(np.mean(gains)) > SHIFTED:
                late = "one frame late" if lag == 1 else "one frame early"
                lines = "a line too many at the start" if lag == 1 else "without the first frame"
                return (
                    f"the boxes of {better} of {len(self._names)} files seem {late} ({lines}?): shifted, they overlap "
                    f"the ground truth by {float(np.mean(gains)):.2f} more"
                )
        return None


def _overlap(boxes: Boxes, truth: Boxes) -> Boxes:
    """Return the intersection over union of boxes (N, 4), float64 (N,); 0 for sizes that are none."""
    low = np.maximum(boxes[:, :2], truth[:, :2])
    high = np.minimum(boxes[:, :2] + boxes[:, 2:], truth[:, :2] + truth[:, 2:])
    shared = np.clip(high - low, 0, None).prod(1)
    areas = np.clip(boxes[:, 2:], 0, None).prod(1) + truth[:, 2:].prod(1)
    return np.asarray(shared / np.maximum(areas - shared, 1e-9))
