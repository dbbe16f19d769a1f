"""Parsed annotations beside the runs, so that the text of a data set is read once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from trackbench.cache import Rows, load_rows, store_rows
from trackbench.datasets.sequence import GroundTruth, VideoSequence
from trackbench.errors import DataError


def read_ground_truths(sequences: Iterable[VideoSequence], stamps: Mapping[str, str], path: Path) -> None:
    """Give sequences their annotations, from the cache while their files are unchanged.

    Annotations that are more than boxes and flags of absence, or without a stamp, are left to be read as always, as are
    those with an error.

    Args:
        sequences: those whose annotation will be asked for.
        stamps: sequence -> what changes with its files, of `trackbench.scoring.cache.ground_truth_stamps`.
        path: the cache.
    """
    unread = [sequence for sequence in sequences if sequence.name in stamps and "ground_truth" not in vars(sequence)]
    if not unread:
        return
    known = load_rows(path, 5)
    fresh: dict[str, tuple[str, Rows]] = {}
    for sequence in unread:
        try:
            key = stamps[sequence.name]
            kept_key, rows = known.get(sequence.name, ("", None))
            if rows is not None and kept_key == key:
                sequence.ground_truth = GroundTruth(
                    rows[:, :4], absent=None if np.isnan(rows[0, 4]) else rows[:, 4] > 0
                )
                continue
            ground_truth = sequence.ground_truth
        except DataError:  # who asks for it gets the reason
            continue
        if len(ground_truth) and ground_truth.regions is None and not ground_truth.tags and not ground_truth.values:
            absent = np.full(len(ground_truth), np.nan) if ground_truth.absent is None else ground_truth.absent
            fresh[sequence.name] = (key, np.column_stack([ground_truth.boxes, absent]))
    if fresh:
        store_rows(path, known | fresh)
