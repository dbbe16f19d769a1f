"""Accuracy, robustness and expected average overlap of the anchor-based experiment, VOT2020 to VOT2022.

Overlaps are vot-toolkit's, within the image.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.metrics.vot.packed import BOX, MASK, SPECIAL, PackedRegions
from trackbench.metrics.vot.raster import raster_overlaps
from trackbench.metrics.vot.tracks import VotSequence
from trackbench.regions import Code, Region

#: The target is lost when the overlap is at most this for as many frames in a row.
THRESHOLD, GRACE = 0.1, 10


class MultistartPart(NamedTuple):
    """The scores of one sequence."""

    accuracy: float
    """Mean overlap until the target is lost, over the tracked frames of all runs."""
    robustness: float
    """Share of the runs' frames before the target is lost; higher is better."""
    tracked: int
    """Frames before the target is lost, of all runs."""
    frames: int
    """Length of the sequence."""


@dataclass(frozen=True, eq=False)
class MultistartScores:
    """What a tracker scored in the multi-start experiment."""

    accuracy: float
    """Mean overlap over the tracked frames of all sequences."""
    robustness: float
    """Mean of the sequences' robustness, weighted by their lengths."""
    eao: float
    interval: tuple[int, int]
    curve: NDArray[np.float64]
    """Expected average overlap by length, as many points as the interval's end; 0 where no run counts."""
    sequences: Mapping[str, MultistartPart]
    eao_parts: tuple[NDArray[np.float64], NDArray[np.float64]]
    """(S, L) each: what every sequence adds to the numerators and to the denominators of the curve's points, for the L
    lengths of the interval."""


class _Run(NamedTuple):
    overlaps: NDArray[np.float64]
    progress: int


def multistart_scores(
    sequences: Sequence[VotSequence],
    anchors: Sequence[NDArray[np.float64]],
    runs: Sequence[Mapping[int, Iterable[Region] | PackedRegions]],
    interval: tuple[int, int],
) -> MultistartScores:
    """Score the runs from all anchors.

    Args:
        sequences: the sequences of the benchmark.
        anchors: for each sequence (N,): above 0 where a run forward starts, below 0 where a run backward starts.
        runs: for each sequence the answers by anchor frame (0-based), in the order in which they were asked for.
        interval: first and last length over which EAO averages (a benchmark's are in its
            record, ``eao_lengths``).

    Raises:
        DataError: the run of an anchor is missing, has another length than the frames from there on, or codes where
            none can be; a run starts where no anchor is.
    """
    if not len(sequences) == len(anchors) == len(runs) or not sequences:
        raise DataError(f"runs of {len(runs)} sequences; expected {len(sequences)}, at least 1")
    parts: dict[str, MultistartPart] = {}
    sums, counts = np.zeros((len(sequences), interval[1])), np.zeros((len(sequences), interval[1]))
    for row, (sequence, values, answers) in enumerate(zip(sequences, anchors, runs, strict=True)):
        of_sequence = _runs(sequence, values, answers)
        tracked = sum(run.progress for run in of_sequence)
        overlap = sum(float(run.overlaps[: run.progress].sum()) for run in of_sequence)
        asked = sum(len(run.overlaps) for run in of_sequence)
        parts[sequence.name] = MultistartPart(
            overlap / tracked if tracked else 0.0, tracked / asked, tracked, len(sequence.ground_truth)
        )
        _accumulate(of_sequence, sums[row], counts[row])
    tracked = sum(part.tracked for part in parts.values())
    frames = sum(part.frames for part in parts.values())
    total = counts.sum(axis=0)
    curve = np.divide(sums.sum(axis=0), total, out=np.zeros(interval[1]), where=total > 0)
    return MultistartScores(
        accuracy=sum(part.accuracy * part.tracked for part in parts.values()) / tracked if tracked else 0.0,
        robustness=sum(part.robustness * part.frames for part in parts.values()) / frames,
        eao=float(curve[interval[0] :].mean()),
        interval=interval,
        curve=curve,
        sequences=parts,
        eao_parts=(sums[:, interval[0] :], counts[:, interval[0] :]),
    )


def _runs(
    sequence: VotSequence, values: NDArray[np.float64], answers: Mapping[int, Iterable[Region] | PackedRegions]
) -> list[_Run]:
    name, total = sequence.name, len(sequence.ground_truth)
    if len(values) != total:
        raise DataError(f"{name}: {len(values)} values of anchors; the ground truth has {total} frames")
    anchors = np.flatnonzero(values).tolist()
    if not anchors:
        raise DataError(f"{name}: no anchors; expected at least one frame with a value other than 0")
    for frame in anchors:
        if frame not in answers:
            raise DataError(f"{name}: the run from anchor {frame} is missing")
    for frame in answers:
        if frame not in anchors:
            raise DataError(f"{name}: a run starts at frame {frame}, which is no anchor")
    frames = [np.arange(frame, total) if values[frame] > 0 else np.arange(frame, -1, -1) for frame in anchors]
    runs = [PackedRegions.of(answers[frame]) for frame in anchors]
    for anchor, asked, run in zip(anchors, frames, runs, strict=True):
        if len(run) != len(asked):
            raise DataError(f"{name}: the run from anchor {anchor} has {len(run)} answers; expected {len(asked)}")
        if run.codes[0] != Code.STARTED:
            raise DataError(f"{name}: the run from anchor {anchor} does not begin with code 1 (initialisation)")
        if (run.codes[1:] > 0).any():
            at = 1 + int(np.argmax(run.codes[1:] > 0))
            raise DataError(
                f"{name}: the run from anchor {anchor} has code {run.codes[at]} as answer {at + 1}; expected only 0"
            )
    order = np.concatenate(frames)
    overlaps = raster_overlaps(PackedRegions.concatenate(runs), sequence.ground_truth.take(order), "vot", sequence.size)
    bad = (overlaps <= THRESHOLD) & ~_is_empty(sequence.ground_truth)[order]
    ends = np.cumsum([len(run) for run in runs])[:-1]
    return [_Run(o, _progress(b)) for o, b in zip(np.split(overlaps, ends), np.split(bad, ends), strict=True)]


def _is_empty(ground_truth: PackedRegions) -> NDArray[np.bool_]:
    """Return where vot-toolkit takes the target to be absent, (N,).

    So it does, too, where a mask is one pixel wide or high.
    """
    out: NDArray[np.bool_] = ground_truth.kinds == SPECIAL
    for frame in np.flatnonzero(~out):
        numbers = ground_truth.numbers[ground_truth.starts[frame] : ground_truth.starts[frame + 1]]
        if ground_truth.kinds[frame] == MASK:
            out[frame] = (numbers[2:] <= 1).any()
        elif ground_truth.kinds[frame] == BOX:
            out[frame] = (numbers[2:] <= 0).any()
        else:
            out[frame] = (np.ptp(numbers.reshape(-1, 2), axis=0) == 0).any()
    return out


def _progress(bad: NDArray[np.bool_]) -> int:
    """Return the frame from which on the target is lost, the length if it is not."""
    if len(bad) < GRACE:
        return len(bad)
    lost = np.lib.stride_tricks.sliding_window_view(bad, GRACE).all(1)
    return int(np.argmax(lost)) if lost.any() else len(bad)


def _accumulate(runs: Iterable[_Run], sums: NDArray[np.float64], counts: NDArray[np.float64]) -> None:
    """Add to ``sums`` the mean overlap of frames 1 to j of every run that reaches j, and to ``counts`` their number.

    A run that lost its target goes on as zeros after its end, where its sum is divided by j - 1, as in vot-toolkit.
    """
    length = len(sums)
    j = np.arange(length)
    for overlaps, progress in runs:
        total = len(overlaps)
        kept = np.where(np.arange(total) < progress, overlaps, 0.0)
        kept[0] = 0.0
        run = np.cumsum(kept)
        inside = min(total, length)
        sums[1:inside] += run[1:inside] / j[1:inside]
        counts[1:inside] += 1
        if progress < total < length:
            sums[total:] += run[-1] / (j[total:] - 1)
            counts[total:] += 1
