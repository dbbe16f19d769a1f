"""Parsed annotations beside the runs, so that the text of a data set is read once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from trackbench.datasets.sequence import Sequence, Truth
from trackbench.errors import DataError
from trackbench.results.cache import Boxes, load, store


def read_truths(sequences: Iterable[Sequence], stamps: Mapping[str, str], path: Path) -> None:
    """Give sequences their annotations, from the cache while their files are unchanged.

    Annotations that are more than boxes and flags of absence, or without a stamp, are left to be read as always, as are
    those with an error.

    Args:
        sequences: those whose annotation will be asked for.
        stamps: sequence -> what changes with its files, of `trackbench.scores.cache.truth_stamps`.
        path: the cache.
    """
    unread = [sequence for sequence in sequences if sequence.name in stamps and "truth" not in vars(sequence)]
    if not unread:
        return
    known = load(path, 5)
    fresh: dict[str, tuple[str, Boxes]] = {}
    for sequence in unread:
        try:
            key = stamps[sequence.name]
            kept_key, rows = known.get(sequence.name, ("", None))
            if rows is not None and kept_key == key:
                sequence.truth = Truth(rows[:, :4], absent=None if np.isnan(rows[0, 4]) else rows[:, 4] > 0)
                continue
            truth = sequence.truth
        except DataError:  # who asks for it gets the reason
            continue
        if len(truth) and truth.regions is None and not truth.tags and not truth.values:
            absent = np.full(len(truth), np.nan) if truth.absent is None else truth.absent
            fresh[sequence.name] = (key, np.column_stack([truth.boxes, absent]))
    if fresh:
        store(path, known | fresh)
