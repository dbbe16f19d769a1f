"""All frames of all sequences in one row of arrays, with predictions brought to the length of their ground truth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.metrics.conventions import Convention

Floats = NDArray[np.float64]
Flags = NDArray[np.bool_]


class SequenceGroundTruth(NamedTuple):
    """The annotation of a sequence of N frames."""

    name: str
    boxes: Floats
    """(N, 4): x, y, w, h in pixels; NaN where the data set says so."""
    absent: Flags | None = None
    """(N,): the target is absent."""


class StackedFrames(NamedTuple):
    """The F frames of S sequences, each sequence's after those of the one before it."""

    ground_truth: Floats
    """(F, 4): x, y, w, h in pixels, each column contiguous."""
    prediction: Floats
    """(F, 4), likewise."""
    absent: Flags
    """(F,): the target is absent."""
    lengths: NDArray[np.int64]
    """(S,): frames of each sequence, at least one."""

    @property
    def starts(self) -> NDArray[np.int64]:
        """(S,): the first frame of each sequence."""
        return np.cumsum(self.lengths) - self.lengths

    @property
    def sequences(self) -> NDArray[np.int64]:
        """(F,): the sequence of each frame."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)


def stack(
    ground_truths: Sequence[SequenceGroundTruth], predictions: Sequence[Floats], convention: Convention
) -> StackedFrames:
    """Join the frames of all sequences by the convention's rules for lengths, bad predictions and first frames.

    Args:
        ground_truths: the annotations of S >= 1 sequences.
        predictions: for each sequence (M, 4), the first frame's included.
        convention: the rules.

    Raises:
        DataError: predictions do not fit their ground truth, or hold what the convention refuses.
    """
    if not ground_truths or len(ground_truths) != len(predictions):
        raise ValueError(
            f"{len(predictions)} predictions for {len(ground_truths)} sequences; expected as many, at least one"
        )
    lengths = np.empty(len(ground_truths), np.int64)
    parts: list[Floats] = []
    padding: list[NDArray[np.int64]] = []
    for index, (ground_truth, boxes) in enumerate(zip(ground_truths, predictions, strict=True)):
        _check(ground_truth, boxes)
        lengths[index] = length = _length(ground_truth, boxes, convention)
        parts.append(boxes[:length])
        if len(boxes) < length:
            parts.append(np.zeros((length - len(boxes), 4)))
            padding.append(lengths[:index].sum() + np.arange(len(boxes), length))
    absent = [
        np.zeros(n, bool) if t.absent is None else t.absent[:n] for t, n in zip(ground_truths, lengths, strict=True)
    ]
    frames = StackedFrames(
        ground_truth=_columns(
            [ground_truth.boxes[:length] for ground_truth, length in zip(ground_truths, lengths, strict=True)]
        ),
        prediction=_columns(parts),
        absent=np.concatenate(absent),
        lengths=lengths,
    )
    _replace_invalid(frames, padding, [ground_truth.name for ground_truth in ground_truths], convention)
    if convention.first_frame == "truth":
        frames.prediction[frames.starts] = frames.ground_truth[frames.starts]
    return frames


def any_nan(boxes: Floats) -> Flags:
    """Return for boxes (F, 4) whether each holds a NaN."""
    return np.asarray(np.isnan(boxes.T).any(axis=0))


def _check(ground_truth: SequenceGroundTruth, boxes: Floats) -> None:
    for what, array in (("annotation", ground_truth.boxes), ("prediction", boxes)):
        if array.ndim != 2 or array.shape[1] != 4 or not len(array):
            raise DataError(
                f"{ground_truth.name}: {what} of shape {array.shape}; expected (frames, 4), at least one frame"
            )
    if ground_truth.absent is not None and len(ground_truth.absent) != len(ground_truth.boxes):
        raise DataError(
            f"{ground_truth.name}: {len(ground_truth.absent)} absent flags for {len(ground_truth.boxes)} annotated "
            "frames; expected as many"
        )


def _length(ground_truth: SequenceGroundTruth, boxes: Floats, convention: Convention) -> int:
    """Return how many frames of the sequence are judged."""
    length, expected = len(boxes), len(ground_truth.boxes)
    rule = convention.longer if length > expected else convention.shorter
    if length != expected and rule == "error":
        raise DataError(
            f"{ground_truth.name}: {length} predicted boxes for {expected} annotated frames; "
            f"convention '{convention.name}' expects as many"
        )
    return length if length < expected and rule == "cut-truth" else expected


def _columns(parts: Iterable[Floats]) -> Floats:
    parts = list(parts)
    whole: Floats = np.empty((sum(map(len, parts)), 4), order="F")
    return np.concatenate(parts, out=whole)


def _replace_invalid(
    frames: StackedFrames, padding: list[NDArray[np.int64]], names: list[str], convention: Convention
) -> None:
    """Replace bad predictions by the last good one before them, as the toolkits do before the first frame is set.

    A bad prediction where the ground truth has a NaN stays; frames after it copy it if they are bad themselves. Boxes
    that were appended to a short file stay as well.
    """
    if convention.bad_prediction == "keep":
        return
    _, _, w, h = frames.prediction.T
    if convention.bad_prediction == "copy":
        bad = any_nan(frames.prediction) | (w <= 0) | (h <= 0)
    else:
        refused = any_nan(frames.prediction) | (w < 0) | (h < 0)
        if convention.first_frame == "truth":
            refused[frames.starts] &= ~np.isnan(frames.prediction[frames.starts]).all(axis=1)  # VOT's code, no box
        if refused.any():
            frame = int(refused.argmax())
            sequence = int(frames.sequences[frame])
            raise DataError(
                f"{names[sequence]}: predicted box {frame - frames.starts[sequence] + 1} is "
                f"{frames.prediction[frame].tolist()}; convention '{convention.name}' takes no NaN and no negative size"
            )
        bad = (w == 0) | (h == 0)
    if not bad.any():
        return
    bad &= ~any_nan(frames.ground_truth)
    bad[frames.starts] = False
    for rows in padding:
        bad[rows] = False
    rows = np.maximum.accumulate(np.where(bad, 0, np.arange(len(bad))))
    frames.prediction[bad] = frames.prediction[rows[bad]]
