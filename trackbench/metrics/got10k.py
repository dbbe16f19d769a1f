"""GOT-10k's own metric: average overlap (AO) and success rates (SR), over frames.

The rules are those of the GOT-10k toolkit (ExperimentGOT10k.report, utils/metrics.py rect_iou): the first frame and
frames whose target is not visible (cover 0) are left out, both boxes are clipped to the image, and all remaining frames
of all sequences and repetitions are pooled. The class-balanced mAO and mSR are the paper's (Huang et al., PAMI 2021,
section 4). Pooled, per-sequence and class-balanced means differ by points: never mix them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.metrics.curves import count_above
from trackbench.regions import box_iou

Floats = NDArray[np.float64]

THRESHOLDS: Floats = np.linspace(0, 1, 101)


class Got10kTruth(NamedTuple):
    """The annotation of a sequence of N frames."""

    name: str
    boxes: Floats
    """(N, 4): x, y, w, h in pixels."""
    cover: NDArray[np.int64]
    """(N,): visible eighths of the target, 0 .. 8 (``cover.label``)."""
    size: tuple[int, int]
    """Width and height of the image in pixels (``resolution`` of ``meta_info.ini``)."""
    object_class: str = ""
    """``object_class`` of ``meta_info.ini``."""


class Got10kScores(NamedTuple):
    """Scores as fractions."""

    ao: float
    """Mean IoU of the pooled frames: what the toolkit and the server print as AO."""
    sr50: float
    """Share of the pooled frames with IoU > 0.5."""
    sr75: float
    """The same at 0.75 (the server; the toolkit has it as a point of its curve)."""
    mao: float
    """Mean over object classes of the mean AO of each class's sequences."""
    msr50: float
    msr75: float
    sequence_ao: float
    """Mean of the sequences' AO."""


@dataclass(frozen=True, eq=False)
class Got10kResult:
    """Scores of S sequences; repetitions of a sequence are one sample of its frames."""

    names: tuple[str, ...]
    scores: Got10kScores
    success: Floats
    """(101,): success over `THRESHOLDS` of the pooled frames."""
    per_sequence: Floats
    """(S, 3): AO, SR at 0.5 and SR at 0.75 of each sequence; NaN where no frame counts."""
    frames: NDArray[np.int64]
    """(S,): how many frames of each sequence count, over its repetitions."""


def evaluate(ground_truths: Sequence[Got10kTruth], repetitions: Sequence[Sequence[Floats]]) -> Got10kResult:
    """Judge a tracker on S sequences.

    Args:
        ground_truths: the annotations.
        repetitions: for each sequence the predictions of R >= 1 runs, each float64 (N, 4) with the first frame's. A
            sequence of three runs weighs three times one of a single run in the pooled scores, as in the toolkit.

    Raises:
        DataError: predictions do not fit their annotation, or no frame counts at all.

    Example:
        >>> boxes = np.array([[0.0, 0, 10, 10], [0.0, 0, 10, 10]])
        >>> truth = Got10kTruth("two", boxes, np.array([8, 8]), (100, 100))
        >>> evaluate([truth], [[boxes + [5, 0, 0, 0]]]).scores.ao.__round__(4)
        0.3333
    """
    if len(ground_truths) != len(repetitions):
        raise ValueError(
            f"predictions for {len(repetitions)} sequences, {len(ground_truths)} annotations; expected as many"
        )
    rows = [_counted_frames(ground_truth, runs) for ground_truth, runs in zip(ground_truths, repetitions, strict=True)]
    lengths = np.array([len(ground_truth) for ground_truth, _, _ in rows])
    if not lengths.sum():
        raise DataError("no frame to judge: in every sequence the target is visible in the first frame alone")
    sizes = np.repeat(np.array([size for _, _, size in rows], float), lengths, axis=0)
    groups = np.repeat(np.arange(len(rows)), lengths)
    overlaps = box_iou(
        clip_boxes(np.concatenate([boxes for _, boxes, _ in rows]), sizes),
        clip_boxes(np.concatenate([boxes for boxes, _, _ in rows]), sizes),
    )
    # Clipping leaves boxes outside the image without area; the toolkit's epsilon makes 0 / 0 an overlap of 0.
    overlaps[~(overlaps > 0)] = 0
    np.minimum(overlaps, 1, out=overlaps)

    counts = count_above(overlaps, THRESHOLDS, lengths)
    sums = np.bincount(groups, overlaps, minlength=len(rows))
    with np.errstate(invalid="ignore"):
        per_sequence = np.column_stack([sums, counts[:, 50], counts[:, 75]]) / lengths[:, None]
    success = counts.sum(axis=0) / lengths.sum()
    balanced = _class_means(per_sequence, [ground_truth.object_class for ground_truth in ground_truths])
    scores = Got10kScores(
        ao=float(overlaps.mean()),
        sr50=float(success[50]),
        sr75=float(success[75]),
        mao=float(balanced[0]),
        msr50=float(balanced[1]),
        msr75=float(balanced[2]),
        sequence_ao=float(np.nanmean(per_sequence[:, 0])),
    )
    return Got10kResult(
        tuple(ground_truth.name for ground_truth in ground_truths), scores, success, per_sequence, lengths
    )


def clip_boxes(boxes: Floats, sizes: Floats) -> Floats:
    """Clip boxes (F, 4) to images of (F, 2) width and height as the toolkit does.

    x is moved into [0, W], then w is limited to [0, W - x]: a box that begins left of the image is shifted rather
    than cropped.

    Example:
        >>> clip_boxes(np.array([[-5.0, 90, 20, 20]]), np.array([[100.0, 100]])).tolist()
        [[0.0, 90.0, 20.0, 10.0]]
    """
    corners = np.clip(boxes[:, :2], 0, sizes)
    return np.hstack([corners, np.clip(boxes[:, 2:], 0, sizes - corners)])


def frames_per_second(times: Sequence[Floats]) -> float | None:
    """Return the toolkit's speed: the mean over sequences of the mean of 1 / t over seconds t > 0; None without any."""
    usable = [t[t > 0] for t in times]
    speeds = [np.mean(1 / t) for t in usable if len(t)]
    return float(np.mean(speeds)) if speeds else None


def _counted_frames(ground_truth: Got10kTruth, runs: Sequence[Floats]) -> tuple[Floats, Floats, tuple[int, int]]:
    """Return ground truth and predictions of the frames that count, repeated for each run, and the image's size."""
    if len(ground_truth.cover) != len(ground_truth.boxes):
        raise DataError(
            f"{ground_truth.name}: {len(ground_truth.cover)} cover labels for {len(ground_truth.boxes)} "
            "annotated frames"
        )
    if not runs:
        raise DataError(f"{ground_truth.name}: no predictions; expected those of at least one repetition")
    for boxes in runs:
        if boxes.shape != ground_truth.boxes.shape:
            raise DataError(
                f"{ground_truth.name}: predictions of shape {boxes.shape}; expected {ground_truth.boxes.shape}"
            )
    counts = ground_truth.cover > 0
    counts[:1] = False
    return (
        np.tile(ground_truth.boxes[counts], (len(runs), 1)),
        np.concatenate([boxes[counts] for boxes in runs]),
        ground_truth.size,
    )


def _class_means(per_sequence: Floats, classes: list[str]) -> Floats:
    """Return the mean over classes of the means of their sequences, (3,); sequences without frames do not count."""
    judged = ~np.isnan(per_sequence[:, 0])
    _, members = np.unique(np.array(classes)[judged], return_inverse=True)
    sums = np.zeros((members.max() + 1, per_sequence.shape[1]))
    np.add.at(sums, members, per_sequence[judged])
    means: Floats = (sums / np.bincount(members)[:, None]).mean(axis=0)
    return means
