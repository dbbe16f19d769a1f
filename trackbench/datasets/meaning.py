"""What the numbers of an annotation mean, told by the numbers alone: corners that stand where sizes should."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.errors import DataError

#: Least frames of a sequence that says anything.
FRAMES = 5
#: Least share of sequences in which columns 3 and 4 are above 1 and 2. So are sizes in 0 to 5 % of the sequences of
#: OTB100, UAV123, DTB70, TC128, LaSOT, GOT-10k and TNL2K; corners in all.
ABOVE = 0.9
#: Least correlation of columns 3 and 1, and of 4 and 2, and in what share of sequences. It is met together with the
#: former by 1 in 1,600 of those sequences, and by half of them or more written as corners.
CORRELATION, TOGETHER = 0.5, 0.2


class _Columns(NamedTuple):
    """How columns 3 and 4 of a sequence lie to 1 and 2."""

    above: bool
    """They are larger in every frame."""
    correlated: bool
    """They move with them."""


def suspected_corners(sequences: Sequence[VideoSequence]) -> str | None:
    """Return why the annotations look like corners x1, y1, x2, y2, or None."""
    judged = [columns for sequence in sequences if (columns := _columns(sequence)) is not None]
    above = [columns for columns in judged if columns.above]
    together = sum(columns.correlated for columns in above)
    if not judged or len(above) < ABOVE * len(judged) or together < max(TOGETHER * len(judged), 1):
        return None
    return (
        f"columns 3 and 4 are larger than 1 and 2 throughout {len(above)} of {len(judged)} sequences, and move with "
        f"them in {together} (corners x1, y1, x2, y2?)"
    )


def corner_warning(dataset: Dataset) -> str | None:
    """Return a line for people who run or score on a data set of their own whose annotation looks like corners."""
    found = None if dataset.builtin else suspected_corners(dataset.sequences)
    if found is None:
        return None
    return (
        f"WARNING: annotation of {dataset.name}: {found}; expected x, y, width, height: no score means anything if so "
        '(a definition whose files say boxes = "xyxy" reads corners)'
    )


def _columns(sequence: VideoSequence) -> _Columns | None:
    try:
        boxes = sequence.ground_truth.boxes
    except DataError:  # whoever uses the sequence says so
        return None
    boxes = boxes[np.isfinite(boxes).all(1) & (boxes[:, 2:] > 0).all(1)]
    if sequence.ground_truth.regions is not None or len(boxes) < FRAMES:
        return None
    with np.errstate(over="ignore", invalid="ignore"):  # whatever numbers a file holds
        centred = boxes - boxes.mean(0)
        shared, lengths = (centred[:, 2:] * centred[:, :2]).sum(0), np.linalg.norm(centred, axis=0)
        least = CORRELATION * np.maximum(lengths[2:] * lengths[:2], 1e-9)
    return _Columns(bool((boxes[:, 2:] > boxes[:, :2]).all()), bool((shared > least).all()))
