"""Suspicious answers of VOT's experiments: those among the stored regions, and those for which a code stands.

A reset-based run stores the code of a failure instead of a box that is not finite or has no area, and all of VOT's runs
store the code of no answer instead of one that is not finite; what these were, the sessions of the run say. Failures
themselves are counted apart.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from trackbench.datasets.anchors import anchored_name
from trackbench.metrics.answers import KINDS, AnswerCounts, count_bad_answers, moves
from trackbench.metrics.vot.packed import BOX, MASK, POLYGON, SPECIAL, PackedRegions
from trackbench.metrics.vot.tracks import VotSequence
from trackbench.regions import Code
from trackbench.results.store import FAULTS, failure_key
from trackbench.scoring.score import BadAnswers
from trackbench.scoring.stored import StoredRun


def bad_regions(run: StoredRun) -> dict[str, BadAnswers]:
    """Count the suspicious answers of a run whose answers are regions, by kind."""
    told: dict[str, Mapping[str, int]] = {}
    for session in (run.folder.manifest() or {}).get("sessions", []):
        told |= session.get(FAULTS, {})
    totals: dict[str, BadAnswers] = {}
    for name, sequence in run.packed.items():
        found = dict.fromkeys(KINDS, 0)
        for key, answers in _results(run, name):
            for kind, count in told.get(key, {}).items():
                found[kind] = found.get(kind, 0) + count
            for kind, count in count_regions(answers, sequence)._asdict().items():
                found[kind] += count
        for kind, count in found.items():
            if count and kind in KINDS:
                before = totals.get(kind, BadAnswers(0, 0))
                totals[kind] = BadAnswers(before.frames + count, before.sequences + 1)
    return {kind: totals[kind] for kind in KINDS if kind in totals}


def _results(run: StoredRun, name: str) -> Iterator[tuple[str, PackedRegions]]:
    """Yield the results on a sequence, each with what sessions call it."""
    answers = run.answers[name]
    if isinstance(answers, Mapping):
        yield from ((anchored_name(name, anchor), regions) for anchor, regions in answers.items())
    else:
        yield from ((failure_key(name, number), regions) for number, regions in enumerate(answers, 1))


def count_regions(answers: PackedRegions, sequence: VotSequence) -> AnswerCounts:
    """Count the suspicious regions of one result on a sequence; codes are none."""
    extents, is_empty = _extents(answers)
    given = answers.kinds != SPECIAL
    boxes = extents[given]
    if not len(boxes):
        return AnswerCounts(0, 0, 0, 0, 0)
    # The first box of what is counted is the one that the tracker was given, and not an answer.
    counts = count_bad_answers(np.concatenate([[[0.0, 0.0, 1.0, 1.0]], boxes]), boxes, sequence.size)
    no_area = int((is_empty[given] | (boxes[:, 2:] <= 0).any(axis=1)).sum())
    constant = len(boxes) if _is_constant(answers, given) and moves(_extents(sequence.ground_truth)[0]) else 0
    return counts._replace(no_area=no_area, constant=constant)


def _is_constant(answers: PackedRegions, given: NDArray[np.bool_]) -> bool:
    """Whether a tracker gave one region throughout each of its starts, two or more times in one of them."""
    first = int(np.argmax(given))
    if len(given) > first + 1 and given[first + 1]:  # the first two settle nearly all
        numbers = answers.numbers[answers.starts[first] : answers.starts[first + 2]].tolist()
        if numbers[: len(numbers) // 2] != numbers[len(numbers) // 2 :]:
            return False
    starts = np.cumsum(answers.codes == Code.STARTED)
    repeated = False
    for start in np.unique(starts[given]):
        places = np.flatnonzero(given & (starts == start))
        same = answers.take(places)
        counts = np.diff(same.starts)
        if (counts != counts[0]).any() or (same.kinds != same.kinds[0]).any():
            return False
        rows = same.numbers.reshape(len(places), -1)
        if (rows != rows[0]).any() or (same.kinds[0] == MASK and not _same_pixels(same)):
            return False
        repeated |= len(places) > 1
    return repeated


def _same_pixels(masks: PackedRegions) -> bool:
    """Whether masks of one window have the same pixels."""
    height = int(masks.numbers[3])
    spans = [
        masks.spans[masks.row_starts[first] : masks.row_starts[first + height]] for first in masks.first_rows.tolist()
    ]
    return all(np.array_equal(spans[0], each) for each in spans[1:])


def _extents(regions: PackedRegions) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Return the boxes around N regions, (N, 4), NaN for codes, and which polygons and masks have no area, (N,)."""
    boxes = np.full((len(regions), 4), np.nan)
    is_empty = np.zeros(len(regions), bool)
    firsts = regions.starts[:-1]
    plain = (regions.kinds == BOX) | (regions.kinds == MASK)
    boxes[plain] = regions.numbers[firsts[plain][:, None] + np.arange(4)]
    masks = np.flatnonzero(regions.kinds == MASK)
    if len(masks):
        rows = regions.first_rows[masks]
        is_empty[masks] = regions.row_starts[rows] == regions.row_starts[rows + boxes[masks, 3].astype(np.int64)]
    polygons = np.flatnonzero(regions.kinds == POLYGON)
    counts = np.diff(regions.starts)[polygons]
    for count in np.unique(counts).tolist():  # nearly all have four corners
        chosen = polygons[counts == count]
        points = regions.numbers[firsts[chosen][:, None] + np.arange(count)].reshape(len(chosen), -1, 2)
        low, high = points.min(axis=1), points.max(axis=1)
        boxes[chosen] = np.concatenate([low, high - low], axis=1)
        x, y = points[..., 0], points[..., 1]
        is_empty[chosen] = np.sum(x * np.roll(y, -1, 1) - y * np.roll(x, -1, 1), axis=1) == 0
    return boxes, is_empty
