"""Mean overlap of runs without resets: the experiment ``unsupervised`` of VOT2017 to VOT2022."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.metrics.vot.packed import SPECIAL, PackedRegions
from trackbench.metrics.vot.raster import OverlapRule, raster_overlaps
from trackbench.metrics.vot.tracks import VotSequence
from trackbench.regions import Region

Runs = Sequence[Iterable[Region] | PackedRegions]


def average_accuracy(sequences: Sequence[VotSequence], runs: Runs, burn_in: int = 1) -> tuple[float, dict[str, float]]:
    """Return vot-toolkit's mean overlap of all sequences and that of each.

    The first ``burn_in`` frames do not count, nor do frames for which there is no answer (code 0) or no ground truth.
    Sequences weigh by their lengths.

    Raises:
        DataError: a run has another number of frames than the ground truth.
    """
    means: dict[str, float] = {}
    for sequence, answers, overlaps in _overlaps(sequences, runs, "vot"):
        counted = (answers.codes != 0) & (sequence.ground_truth.kinds != SPECIAL)
        counted[:burn_in] = False
        means[sequence.name] = float(overlaps[counted].mean()) if counted.any() else 0.0
    lengths = [len(sequence.ground_truth) for sequence in sequences]
    return float(np.average(list(means.values()), weights=lengths)), means


def average_overlap(sequences: Sequence[VotSequence], runs: Runs) -> tuple[float, dict[str, float]]:
    """Return the average overlap (AO) of the MATLAB toolkit's reports, and that of each sequence.

    It is the mean over all frames of all sequences. Frames without an overlap count as 0: the one of the initialisation
    and those with any other code on either side (toolkit 7.0, ``analyze_overlap``, tag ``all``).

    Raises:
        DataError: a run has another number of frames than the ground truth.
    """
    frames = {
        sequence.name: np.nan_to_num(overlaps, nan=0.0)
        for sequence, _, overlaps in _overlaps(sequences, runs, "matlab")
    }
    return float(np.concatenate(list(frames.values())).mean()), {
        n: float(values.mean()) for n, values in frames.items()
    }


def _overlaps(
    sequences: Sequence[VotSequence], runs: Runs, rule: OverlapRule
) -> Iterator[tuple[VotSequence, PackedRegions, NDArray[np.float64]]]:
    """Yield each sequence with its answers and their overlaps within the image."""
    for sequence, run in zip(sequences, runs, strict=True):
        answers = PackedRegions.of(run)
        if len(answers) != len(sequence.ground_truth):
            raise DataError(
                f"{sequence.name}: {len(answers)} answers; the ground truth has {len(sequence.ground_truth)} frames"
            )
        yield sequence, answers, raster_overlaps(answers, sequence.ground_truth, rule, sequence.size)
