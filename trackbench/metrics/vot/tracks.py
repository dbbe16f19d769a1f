"""The repetitions of a tracker on one sequence, checked and laid beside the ground truth."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.metrics.vot.conventions import VotConvention
from trackbench.metrics.vot.packed import PackedRegions
from trackbench.metrics.vot.raster import raster_overlaps
from trackbench.regions import Code, Region


@dataclass(frozen=True, eq=False)
class VotSequence:
    """What a sequence's answers are compared with."""

    name: str
    ground_truth: PackedRegions
    size: tuple[int, int]
    """Width and height of its frames in pixels."""
    tags: Mapping[str, NDArray[np.bool_]]
    """Attributes of single frames, each (N,)."""

    @classmethod
    def of(
        cls,
        name: str,
        ground_truth: Iterable[Region] | PackedRegions,
        size: tuple[int, int],
        tags: Mapping[str, NDArray[np.bool_]] | None = None,
    ) -> VotSequence:
        """Pack a sequence's ground truth.

        Raises:
            DataError: a tag has another number of frames than the ground truth.
        """
        regions = PackedRegions.of(ground_truth)
        for tag, flags in (tags or {}).items():
            if len(flags) != len(regions):
                expected = f"{len(regions)}, as the ground truth"
                raise DataError(f"{name}: tag '{tag}' has {len(flags)} frames; expected {expected}")
        return cls(name, regions, size, tags or {})

    def head(self, count: int) -> VotSequence:
        """Return its first ``count`` frames."""
        tags = {tag: flags[:count] for tag, flags in self.tags.items()}
        return VotSequence(self.name, self.ground_truth.head(count), self.size, tags)


@dataclass(frozen=True, eq=False)
class RepeatedTrack:
    """The answers of R repetitions on the N frames of a sequence."""

    sequence: VotSequence
    codes: NDArray[np.int64]
    """(R, N): the code instead of an answer, -1 where there is one."""
    overlaps: NDArray[np.float64]
    """(R, N): with the ground truth, within the image; NaN as the convention's rule has it."""
    eao_overlaps: NDArray[np.float64]
    """(R, N): within the bounds of EAO; what a code is worth is settled."""
    given: Sequence[int]
    """(R,): how many answers each repetition has itself; those after them were filled up."""

    def frame_means(self, convention: VotConvention, chosen: NDArray[np.bool_] | None = None) -> NDArray[np.float64]:
        """Return the mean overlap of each frame over the repetitions in which it counts, NaN where it does in none.

        Only ``chosen`` frames (N,) are there if they are given; the burn-in is counted among them.
        """
        valid, overlaps = self._valid(convention, chosen)
        counts = valid.sum(0)
        sums = np.where(valid, overlaps, 0.0).sum(0)
        means = np.full(len(sums), np.nan)
        np.divide(sums, counts, out=means, where=counts > 0)
        return means

    def repetition_means(self, convention: VotConvention) -> NDArray[np.float64]:
        """Return the mean overlap of each repetition, (R,)."""
        valid, overlaps = self._valid(convention, None)
        return np.array(
            [o[v].mean() if v.any() else convention.empty_accuracy for o, v in zip(overlaps, valid, strict=True)]
        )

    def _valid(
        self, convention: VotConvention, chosen: NDArray[np.bool_] | None
    ) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        """Return which answers count for the accuracy, and the overlaps, both (R, chosen frames)."""
        codes, overlaps = self.codes, self.overlaps
        if chosen is not None:
            codes, overlaps = codes[:, chosen], overlaps[:, chosen]
        valid = (codes < 0) & ~np.isnan(overlaps)
        for repetition, frame in np.argwhere(codes == Code.STARTED).tolist():
            valid[repetition, frame : frame + convention.burn_in] = False
        return valid, overlaps


def make_tracks(
    sequences: Sequence[VotSequence],
    runs: Sequence[Sequence[Iterable[Region] | PackedRegions]],
    convention: VotConvention,
    truncate: bool,
    given: Sequence[Sequence[int]] | None = None,
) -> list[RepeatedTrack]:
    """Check the runs and compute all their overlaps at once.

    Args as of :func:`~trackbench.metrics.vot.supervised.supervised_scores`.

    Raises:
        DataError: a sequence without repetitions, of another length than its ground truth, or with a misplaced code.
    """
    matched = [_match(s, r, convention, truncate) for s, r in zip(sequences, runs, strict=True)]
    answers = PackedRegions.concatenate([run for _, repetitions in matched for run in repetitions])
    ground_truths = PackedRegions.concatenate(
        [sequence.ground_truth for sequence, repetitions in matched for _ in repetitions]
    )
    sizes = np.concatenate([np.tile(s.size, (len(s.ground_truth) * len(r), 1)) for s, r in matched])
    overlaps = raster_overlaps(answers, ground_truths, convention.overlap, sizes)
    eao_overlaps = overlaps
    if convention.eao_margin:
        eao_overlaps = raster_overlaps(answers, ground_truths, convention.overlap, sizes - convention.eao_margin)
    tracks, begin = [], 0
    for number, (sequence, repetitions) in enumerate(matched):
        shape = len(repetitions), len(sequence.ground_truth)
        here = slice(begin, begin + shape[0] * shape[1])
        codes = answers.codes[here].reshape(shape)
        converged_sequences = eao_overlaps[here].reshape(shape).copy()
        missed = (codes == Code.FAILED).any(1) | convention.unknown_is_miss
        converged_sequences[missed] = np.nan_to_num(converged_sequences[missed], nan=0.0)
        lengths = given[number][: shape[0]] if given else [shape[1]] * shape[0]
        if len(lengths) != shape[0] or not all(0 < length <= shape[1] for length in lengths):
            raise DataError(f"{sequence.name}: given is {lengths}; expected {shape[0]} numbers from 1 to {shape[1]}")
        tracks.append(RepeatedTrack(sequence, codes, overlaps[here].reshape(shape), converged_sequences, lengths))
        begin = here.stop
    return tracks


def _match(
    sequence: VotSequence, runs: Sequence[Iterable[Region] | PackedRegions], convention: VotConvention, truncate: bool
) -> tuple[VotSequence, list[PackedRegions]]:
    if not runs:
        raise DataError(f"{sequence.name}: no repetition; expected at least one")
    if convention.required_repetitions not in (None, len(runs)):
        runs = runs[:1]
    repetitions = [PackedRegions.of(run) for run in runs]
    total = len(sequence.ground_truth)
    for number, run in enumerate(repetitions, 1):
        if len(run) != total and not truncate:
            raise DataError(
                f"{sequence.name}: repetition {number} has {len(run)} answers; the ground truth has {total} frames"
            )
    shortest = min(total, *(len(run) for run in repetitions))
    if shortest == 0:
        raise DataError(f"{sequence.name}: a repetition has no answers; the ground truth has {total} frames")
    for number, run in enumerate(repetitions, 1):
        fault = _fault(run.codes[:shortest], convention.takes_late_answers)
        if fault is not None:
            raise DataError(f"{sequence.name}: repetition {number}: {fault}")
    return sequence.head(shortest), [run.head(shortest) for run in repetitions]


def _fault(codes: NDArray[np.int64], takes_late_answers: bool) -> str | None:
    """Return what is wrong with the codes of a reset-based run, None if nothing is."""
    frames = np.flatnonzero(codes > 0)
    expected = np.where(np.arange(len(frames)) % 2 == 0, Code.STARTED, Code.FAILED)
    wrong = np.flatnonzero(codes[frames] != expected)
    if codes[0] != Code.STARTED:
        return f"frame 1 has {_name(int(codes[0]))}; expected {_name(Code.STARTED)}"
    if len(wrong):
        code, wanted = int(codes[frames[wrong[0]]]), int(expected[wrong[0]])
        return f"frame {frames[wrong[0]] + 1} has {_name(code)}; expected {_name(wanted)} next"
    if takes_late_answers:
        return None
    answered = codes < 0
    for failure, restart in zip(frames[1::2], [*frames[2::2], len(codes)], strict=False):
        if answered[failure:restart].any():
            frame = failure + int(np.argmax(answered[failure:restart]))
            return (
                f"frame {frame + 1} has a region between the failure at frame {failure + 1} and the next initialisation"
            )
    return None


def _name(code: int) -> str:
    names = {-1: "a region", Code.STARTED: "code 1 (initialisation)", Code.FAILED: "code 2 (failure)"}
    return names.get(code, f"code {code}")
