"""Accuracy, failures and expected average overlap of the reset-based experiment, VOT2013 to VOT2019."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.metrics.vot.conventions import VotConvention
from trackbench.metrics.vot.fragments import cut, expected_overlaps, mean_of_interval, sequence_sums
from trackbench.metrics.vot.packed import PackedRegions
from trackbench.metrics.vot.tracks import RepeatedTrack, VotSequence, make_tracks
from trackbench.regions import Code, Region

#: Name of the frames without any tag.
EMPTY = "empty"


class SequencePart(NamedTuple):
    """The scores of one sequence or one tag."""

    accuracy: float
    """NaN where no frame counts."""
    failures: float
    """Mean over repetitions."""
    frames: int
    valid: int
    """Frames that count for the accuracy in at least one repetition."""


class Averages(NamedTuple):
    """One quantity, averaged in four ways."""

    frames: float
    """Mean over all frames (for failures: their number)."""
    sequences: float
    """Mean over sequences, weighted by their lengths."""
    unweighted: float
    """Unweighted mean over sequences."""
    tags: float
    """Mean over tags and the frames without one, weighted by their numbers of frames."""


@dataclass(frozen=True, eq=False)
class SupervisedScores:
    """What a tracker scored in the reset-based experiment; :class:`VotConvention` says which numbers are printed."""

    accuracy: float
    robustness: float
    eao: float
    accuracies: Averages
    failures: Averages
    failures_per_100: float
    """100 · failures / frames: R of the papers' VOT2016 to VOT2019 tables."""
    reliability: float
    """exp(-S · failures / frames): the horizontal axis of the accuracy-robustness plot."""
    frames: int
    interval: tuple[int, int]
    curve: NDArray[np.float64]
    """Expected average overlap by length; index 0 is the initialisation."""
    sequences: Mapping[str, SequencePart]
    tags: Mapping[str, SequencePart]
    """Tag -> its part; the frames without any are last, as ``empty``."""
    tag_eao: Mapping[str, float]
    tag_curves: Mapping[str, NDArray[np.float64]]
    eao_parts: tuple[NDArray[np.float64], NDArray[np.float64]]
    """(S, L) each: what every sequence adds to the numerators and to the denominators of the curve's points, for the L
    lengths of the interval that the curve has."""


def supervised_scores(
    sequences: Sequence[VotSequence],
    runs: Sequence[Sequence[Iterable[Region] | PackedRegions]],
    convention: VotConvention,
    interval: tuple[int, int],
    truncate: bool = False,
    given: Sequence[Sequence[int]] | None = None,
) -> SupervisedScores:
    """Score the repetitions of a tracker on each sequence.

    Args:
        sequences: the sequences of the benchmark.
        runs: for each sequence its repetitions, each with a region a frame and VOT's codes.
        convention: the rules; :data:`~trackbench.metrics.vot.conventions.CONVENTIONS` has those of the toolkits.
        interval: first and last length over which EAO averages (a benchmark's are in its
            record, ``eao_lengths``).
        truncate: cut ground truth and answers to the shorter of both instead of refusing them.
        given: for each sequence how many answers each repetition has itself, where the rest was filled up with code 0;
            None: none was.

    Raises:
        DataError: a sequence without repetitions, of another length than its ground truth, or with a misplaced code.
    """
    if len(sequences) != len(runs) or not sequences:
        raise DataError(f"runs of {len(runs)} sequences; expected {len(sequences)}, at least 1")
    tracks = make_tracks(sequences, runs, convention, truncate, given)
    tags = sorted({tag for track in tracks for tag in track.sequence.tags})
    by_sequence, by_tag, overall = _parts(tracks, tags, convention)
    accuracies = _averages(overall, by_sequence, by_tag, "accuracy")
    failures = _averages(overall, by_sequence, by_tag, "failures")
    rate = overall.failures / overall.frames
    # vot-toolkit divides the average by the mean length.
    rate_of_plot = failures.sequences * len(tracks) / overall.frames if convention.average == "sequences" else rate
    curves, eao_parts = _curves(tracks, tags, convention)
    first, last = interval[0] - 1 + convention.shift, interval[1] + convention.shift
    return SupervisedScores(
        accuracy=getattr(accuracies, convention.average),
        robustness=100 * rate if convention.robustness == "per-100" else getattr(failures, convention.average),
        eao=mean_of_interval(curves[0], interval, convention.shift),
        accuracies=accuracies,
        failures=failures,
        failures_per_100=100 * rate,
        reliability=math.exp(-convention.sensitivity * rate_of_plot),
        frames=overall.frames,
        interval=interval,
        curve=curves[0],
        sequences=by_sequence,
        tags=by_tag,
        tag_eao={tag: mean_of_interval(c, interval, convention.shift) for tag, c in zip(tags, curves[1:], strict=True)},
        tag_curves=dict(zip(tags, curves[1:], strict=True)),
        eao_parts=(eao_parts[0][:, first:last], eao_parts[1][:, first:last]),
    )


def _parts(
    tracks: Sequence[RepeatedTrack], tags: Sequence[str], convention: VotConvention
) -> tuple[dict[str, SequencePart], dict[str, SequencePart], SequencePart]:
    """Score each sequence, each tag with its frames, and everything."""
    means = [track.frame_means(convention) for track in tracks]
    failures = [(track.codes == Code.FAILED).mean(0) for track in tracks]
    by_sequence = {
        track.sequence.name: _part(overlaps, failed, convention)
        for track, overlaps, failed in zip(tracks, means, failures, strict=True)
    }
    if convention.average_repetitions_first:
        for track in tracks:
            accuracy = float(track.repetition_means(convention).mean())
            by_sequence[track.sequence.name] = by_sequence[track.sequence.name]._replace(accuracy=accuracy)
    flags = [_flags(track.sequence, tags) for track in tracks]
    overlaps, failed = np.concatenate(means), np.concatenate(failures)
    by_tag: dict[str, SequencePart] = {}
    for row, tag in enumerate([*tags, EMPTY]):
        chosen = np.concatenate([of_sequence[row] for of_sequence in flags])
        tagged = overlaps[chosen]
        if convention.tags_first:
            tagged = np.concatenate([t.frame_means(convention, f[row]) for t, f in zip(tracks, flags, strict=True)])
        by_tag[tag] = _part(tagged, failed[chosen], convention)
    return by_sequence, by_tag, _part(overlaps, failed, convention)


def _flags(sequence: VotSequence, tags: Sequence[str]) -> NDArray[np.bool_]:
    """Return which frames have each tag, with the frames without any tag last: (tags + 1, N)."""
    out = np.zeros((len(tags) + 1, len(sequence.ground_truth)), bool)
    for row, tag in enumerate(tags):
        out[row] = sequence.tags.get(tag, False)
    out[-1] = ~out.any(0)
    return out


def _part(overlaps: NDArray[np.float64], failed: NDArray[np.float64], convention: VotConvention) -> SequencePart:
    """Score frames by their mean overlaps, NaN where they do not count, and by the share of failures."""
    values = overlaps[~np.isnan(overlaps)]
    accuracy = float(values.mean()) if len(values) else convention.empty_accuracy
    return SequencePart(accuracy, float(failed.sum()), len(overlaps), len(values))


def _averages(
    overall: SequencePart, by_sequence: Mapping[str, SequencePart], by_tag: Mapping[str, SequencePart], field: str
) -> Averages:
    sequences = [(getattr(part, field), part.frames) for part in by_sequence.values()]
    tags = [(getattr(part, field), part.frames) for part in by_tag.values()]
    unweighted = _mean([(value, 1) for value, _ in sequences])
    return Averages(getattr(overall, field), _mean(sequences), unweighted, _mean(tags))


def _mean(pairs: Sequence[tuple[float, int]]) -> float:
    """Return the mean of the values that are numbers, with their weights; NaN without any."""
    known = [(value, weight) for value, weight in pairs if weight and not math.isnan(value)]
    return sum(value * weight for value, weight in known) / sum(weight for _, weight in known) if known else math.nan


def _curves(
    tracks: Sequence[RepeatedTrack], tags: Sequence[str], convention: VotConvention
) -> tuple[NDArray[np.float64], tuple[NDArray[np.float64], NDArray[np.float64]]]:
    """Return the curve of all fragments and one for each tag, by which the fragments are weighted.

    Also the parts of the first: each sequence's sums and weights, (S, longest).
    """
    starts, lengths, failed, owners = [], [], [], []
    weights: list[NDArray[np.float64]] = []
    begin = 0
    for owner, track in enumerate(tracks):
        # How many frames there are before each, all of them and those with each tag.
        counts = np.zeros((len(tags) + 1, len(track.sequence.ground_truth) + 1), np.int64)
        counts[0] = np.arange(counts.shape[1])
        counts[1:, 1:] = np.cumsum(_flags(track.sequence, tags)[:-1], axis=1)
        base = 1 / len(track.codes) if convention.repetition_weights else 1.0
        for codes, given in zip(track.codes, track.given, strict=True):
            for fragment in cut(codes, convention, given):
                starts.append(begin + fragment.first)
                lengths.append(fragment.stop - fragment.first)
                failed.append(fragment.failed)
                owners.append(owner)
                weights.append(base * (counts[:, fragment.tagged_stop] - counts[:, fragment.first]) / fragment.length)
            begin += len(codes)
    longest = (
        max(lengths) if convention.curve_spans_fragments else max(len(track.sequence.ground_truth) for track in tracks)
    )
    flat = np.concatenate([track.eao_overlaps.ravel() for track in tracks])
    fragments = np.array(starts), np.array(lengths), np.array(failed)
    sets = np.array(weights).T.copy()
    curves = expected_overlaps(flat, *fragments, sets, longest)
    parts = sequence_sums(flat, *fragments, sets[0], np.array(owners), len(tracks), longest)
    if not convention.curve_spans_fragments:
        curves[:, 0] = 1.0
    return curves, parts
