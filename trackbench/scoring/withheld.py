"""Counts of answers that no tracker can mean, on benchmarks whose annotation is withheld: nothing else can be said."""

from __future__ import annotations

import contextlib

import numpy as np

from trackbench.datasets.sequence import Dataset
from trackbench.errors import DataError
from trackbench.frames import image_size
from trackbench.metrics.answers import AnswerCounts, count_bad_answers
from trackbench.results.store import RunFolder
from trackbench.scoring.one_pass import add_up
from trackbench.scoring.score import BadAnswers

#: In the place of an annotation: a target that moves, so that one box throughout is counted.
_MOVING = np.array([[0.0, 0.0, 1.0, 1.0], [1.0, 0.0, 1.0, 1.0]])


def bad_answers_unjudged(folder: RunFolder, dataset: Dataset) -> dict[str, BadAnswers]:
    """Count the suspicious answers of all repetitions, by kind; results that cannot be read are passed over.

    Args:
        folder: the run.
        dataset: what it ran on.
    """
    sequences = {sequence.name: sequence for sequence in dataset.sequences}
    counted: dict[str, list[AnswerCounts]] = {}
    for repetition in range(1, folder.repetitions() + 1):
        stored = folder.sequences(repetition) & sequences.keys()
        for name, boxes in folder.all_boxes(sorted(stored), repetition).items():
            if isinstance(boxes, DataError):
                continue
            size = sequences[name].size
            with contextlib.suppress(DataError, IndexError):
                size = size or image_size(sequences[name].frames[0])
            counted.setdefault(name, []).append(count_bad_answers(boxes, _MOVING, size))
    return add_up(counted.values())
