"""Expected average overlap: what runs that are reset at failures would have scored as runs of one length.

A run falls into fragments, each from an initialisation to a failure or to the end (VOT2015 report, section 5.2).
"""

from __future__ import annotations

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.metrics.vot.conventions import VotConvention
from trackbench.regions import Code


class Fragment(NamedTuple):
    """Frames ``first`` to ``stop`` (exclusive) of a run."""

    first: int
    stop: int
    failed: bool
    """Whether it goes on as zeros."""
    length: int
    """Denominator of the weight of its tagged frames."""
    tagged_stop: int
    """Its tagged frames are counted up to here (exclusive)."""


def cut(codes: NDArray[np.int64], convention: VotConvention, given: int | None = None) -> list[Fragment]:
    """Return the fragments of a run with the codes (N,), -1 where a frame has a region.

    Args:
        codes: of all frames of the sequence.
        convention: the rules.
        given: how many of them the run has itself, if the others were filled up.
    """
    whole = total = len(codes)
    if convention.short_runs_end and given is not None:
        total, codes = given, codes[:given]
    failures = np.flatnonzero(codes == Code.FAILED).tolist()
    if convention.last_fragment == "failure":
        starts = np.flatnonzero(codes == Code.STARTED).tolist()
        if not failures:
            return [Fragment(0, total, False, total, total)]
        stops = [*failures, total][: len(starts)]
        ends = zip(starts, stops, strict=True)
        return [Fragment(a, b, i < len(failures), b - a, b) for i, (a, b) in enumerate(ends)]
    last = total if convention.last_fragment == "success-inside" else total - 1
    starts = [0, *(failure + convention.skip for failure in failures if failure + convention.skip <= last)]
    # A failed fragment holds the next initialisation too, whose overlap is none.
    closed = [Fragment(a, min(b + 1, total), True, b + 1 - a, min(b + 1, total)) for a, b in pairwise(starts)]
    if starts[-1] == total:
        return closed
    # The MATLAB toolkit divides by what the whole sequence has left, and counts its frames where no failure cut it.
    return [*closed, Fragment(starts[-1], total, False, whole - starts[-1], total if failures else whole)]


def mean_of_interval(curve: NDArray[np.float64], interval: tuple[int, int], shift: int) -> float:
    """Return the mean of a curve from the first to the last length, without NaN; 0 where the curve ends before."""
    low, high = interval
    points = curve[low - 1 + shift : high + shift]
    points = points[~np.isnan(points)]
    return float(points.mean()) if len(points) else 0.0


def expected_overlaps(
    overlaps: NDArray[np.float64],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    failed: NDArray[np.bool_],
    weights: NDArray[np.float64],
    longest: int,
) -> NDArray[np.float64]:
    """Return curves of expected average overlap, float64 (T, ``longest``).

    Point j averages the mean overlaps of frames 1 to j over the fragments that reach j; failed ones go on as zeros.
    It is 0 where there is none, and NaN after a NaN among the overlaps of a fragment that counts.

    Args:
        overlaps: flat, of all fragments.
        starts: (K,), where each fragment begins in ``overlaps``, its first frame an initialisation that is not used.
        lengths: (K,).
        failed: (K,).
        weights: (T, K), a set for each curve.
        longest: points of the curves.
    """
    sums, totals = np.zeros((len(weights), longest)), np.zeros((len(weights), longest))
    from trackbench.metrics.vot.fragment_kernel import accumulate  # loads a compiler

    accumulate(overlaps, starts, lengths, failed, weights, sums, totals)
    return np.divide(sums, totals, out=np.zeros_like(sums), where=totals > 0)


def sequence_sums(
    overlaps: NDArray[np.float64],
    starts: NDArray[np.int64],
    lengths: NDArray[np.int64],
    failed: NDArray[np.bool_],
    weights: NDArray[np.float64],
    owners: NDArray[np.int64],
    sequences: int,
    longest: int,
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return what each sequence adds to the numerators and denominators of a curve, (S, ``longest``) each.

    Args as in :func:`expected_overlaps`, with one set of weights (K,), and the sequence of each fragment (K,) in
    ``owners``.
    """
    sums, totals = np.zeros((sequences, longest)), np.zeros((sequences, longest))
    from trackbench.metrics.vot.fragment_kernel import accumulate

    for owner in range(sequences):
        own, one = owners == owner, slice(owner, owner + 1)
        accumulate(overlaps, starts[own], lengths[own], failed[own], weights[None, own], sums[one], totals[one])
    return sums, totals
