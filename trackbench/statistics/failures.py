"""When trackers lose their target, for how long, and whether they find it again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import stats

Floats = NDArray[np.float64]

PATIENCE = 10
"""Frames with an overlap of 0, one after the other, that make a failure. VOT waits as many frames for a recovery since
2020, below an overlap of 0.1 (Kristan et al., *The Eighth Visual Object Tracking VOT2020 Challenge Results*)."""


class Loss(NamedTuple):
    """One failure."""

    begin: int
    """Frame (0-based) of the first overlap of 0."""
    frames: int
    """Annotated frames until the target is found again, or until the end."""
    recovered: bool


class FailureSummary(NamedTuple):
    """Failures of one tracker over the sequences of a data set."""

    sequences: int
    failures: int
    """In all."""
    failed_sequences: int
    """Sequences with at least one."""
    per_thousand: float
    """Failures a thousand annotated frames."""
    lost_share: float
    """Share of annotated frames within failures."""
    recovered: float
    """Share of failures after which the target is found again; NaN without any."""
    median_length: float
    """Median frames of a failure that is recovered from; NaN without any."""
    median_begin: float
    """Median place of the first failure, as a share of the sequence; NaN without any."""
    median_survival: float
    """Annotated frames that half of the sequences are tracked for before the first failure, by Kaplan and Meier's
    estimate (1958), which knows that a sequence may end before; inf where fewer than half fail."""


def losses(overlaps: Floats, patience: int = PATIENCE) -> list[Loss]:
    """Return the failures in a sequence.

    Args:
        overlaps: (N,), NaN where the frame is not judged (no ground truth); those frames are passed over.
        patience: how many overlaps of 0 make a failure.

    Example:
        >>> losses(np.array([1, 0.5, 0, 0, 0, 0.3, 0.4, 0, 0]), patience=2)
        [Loss(begin=2, frames=3, recovered=True), Loss(begin=7, frames=2, recovered=False)]
    """
    known = np.flatnonzero(~np.isnan(overlaps))
    zero = np.concatenate([[False], overlaps[known] == 0, [False]])
    edges = np.flatnonzero(zero[1:] != zero[:-1])
    episodes = []
    for begin, end in zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True):
        if end - begin >= patience:
            episodes.append(Loss(int(known[begin]), end - begin, end < len(known)))
    return episodes


def summarise_failures(overlaps: Sequence[Floats], patience: int = PATIENCE) -> FailureSummary:
    """Return what the failures of one tracker have in common.

    Args:
        overlaps: of each sequence, (N,) with NaN where a frame is not judged.
        patience: how many overlaps of 0 make a failure.
    """
    episodes = [losses(one, patience) for one in overlaps]
    judged = [~np.isnan(one) for one in overlaps]
    frames = sum(int(flags.sum()) for flags in judged)
    every = [loss for sequence in episodes for loss in sequence]
    healed = [loss.frames for loss in every if loss.recovered]
    begins = [sequence[0].begin / len(one) for sequence, one in zip(episodes, overlaps, strict=True) if sequence]
    times = [int(f[: s[0].begin].sum()) if s else int(f.sum()) for s, f in zip(episodes, judged, strict=True)]
    return FailureSummary(
        sequences=len(overlaps),
        failures=len(every),
        failed_sequences=sum(bool(sequence) for sequence in episodes),
        per_thousand=1000 * len(every) / frames if frames else float("nan"),
        lost_share=sum(loss.frames for loss in every) / frames if frames else float("nan"),
        recovered=len(healed) / len(every) if every else float("nan"),
        median_length=float(np.median(healed)) if healed else float("nan"),
        median_begin=float(np.median(begins)) if begins else float("nan"),
        median_survival=_median_survival(times, [bool(sequence) for sequence in episodes]),
    )


def _median_survival(times: Sequence[int], failed: Sequence[bool]) -> float:
    if not times:
        return float("nan")
    if not any(failed):
        return float("inf")
    data = stats.CensoredData(
        uncensored=np.array([t for t, f in zip(times, failed, strict=True) if f], np.float64),
        right=np.array([t for t, f in zip(times, failed, strict=True) if not f], np.float64),
    )
    survival = stats.ecdf(data).sf
    below = survival.quantiles[survival.probabilities <= 0.5]
    return float(below[0]) if len(below) else float("inf")
