"""OTB's robustness evaluations, TRE and SRE: many runs over each sequence, judged as one-pass runs are.

The toolkit adds up the successes of all runs over a sequence and divides by all their frames, so that a long segment
counts for more than a short one; sequences then count the same. A run's first box is the annotation's, in SRE too.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.errors import DataError
from trackbench.metrics import ope
from trackbench.metrics.conventions import convention, resolve_name
from trackbench.protocols.robustness import segment_names, segment_starts, shift_names
from trackbench.regions import region_to_box
from trackbench.results.store import RunFolder
from trackbench.scoring.evaluation import Scorer
from trackbench.scoring.one_pass import OnePass, add_up, bad_boxes
from trackbench.scoring.score import BadAnswers
from trackbench.scoring.stored import StoredRun
from trackbench.scoring.traces import TracedSequence

Starts = Callable[[VideoSequence, int], Mapping[str, int]]
"""Gives the names of the runs over a sequence and the frames on which they start; its annotation's origin is known."""


@dataclass(frozen=True)
class Robustness(OnePass):
    """Scores the runs of TRE or SRE.

    Args:
        rules: the convention.
        further: not used.
        starts: which runs there are.
        origin: of the annotation.
        omitted: sequence -> the frames on which no run starts.
    """

    starts: Starts = segment_names
    origin: int = 0
    omitted: Mapping[str, tuple[range, ...]] = field(default_factory=dict)

    def cache_key(self) -> str:
        """Return the rules and which runs there are."""
        return repr((self.rules, self.starts.__name__, self.origin, self.omitted))

    def read(self, folder: RunFolder, dataset: Dataset) -> StoredRun:
        """Return the stored boxes of every run; a sequence without all of its runs is a problem."""
        run = StoredRun(folder, folder.repetitions())
        for repetition in range(1, run.repetitions + 1):
            stored = folder.sequences(repetition)
            for sequence in dataset.sequences:
                if sequence.name in run.problems or not any(_of(name, sequence.name) for name in stored):
                    continue
                try:
                    boxes = self._runs(folder, sequence, stored, repetition)
                except DataError as error:
                    run.drop(sequence.name, str(error))
                    continue
                run.sequences[sequence.name] = sequence
                run.answers.setdefault(sequence.name, []).append(boxes)
        return run

    def results(self, run: StoredRun) -> list[ope.OpeResult]:
        """Return the result of each repetition, the runs over a sequence added up."""
        results = []
        for repetition in range(run.repetitions):
            names = [name for name, kept in run.answers.items() if len(kept) > repetition]
            if names:
                results.append(self._pooled(run, names, repetition))
        return results

    def fps(self, run: StoredRun) -> float | None:
        """Return frames per second of all runs."""
        return run.fps([name for sequence in run.sequences.values() for name in self.starts(sequence, self.origin)])

    def bad_answers(self, run: StoredRun) -> dict[str, BadAnswers]:
        """Count the suspicious answers of all runs over each sequence, by kind."""
        counted = []
        for name, repetitions in run.answers.items():
            sequence = run.sequences[name]
            starts = self.starts(sequence, self.origin)
            counted.append([bad_boxes(sequence, runs[one], starts[one]) for runs in repetitions for one in runs])
        return add_up(counted)

    def trace(self, sequence: VideoSequence, folders: Sequence[RunFolder]) -> Iterator[TracedSequence]:
        """Yield nothing: 20 runs over the same frames are no line of a diagram."""
        return iter(())

    def _runs(
        self, folder: RunFolder, sequence: VideoSequence, stored: set[str], repetition: int
    ) -> dict[str, NDArray[np.float64]]:
        runs = self.starts(sequence, self.origin)
        missing = [name for name in runs if name not in stored]
        if missing:
            raise DataError(f"{sequence.name}: {len(missing)} of {len(runs)} runs are missing, first {missing[0]}")
        boxes = {}
        for name, start in runs.items():
            regions = folder.regions(name, repetition)
            answers = np.array([region_to_box(region).numbers() for region in regions], np.float64)
            if len(answers) != len(sequence) - start:
                path = folder.file(name, ".txt", repetition)
                raise DataError(
                    f"{path}: holds {len(answers)} frames, expected {len(sequence) - start} from {start + 1}"
                )
            answers[0] = sequence.ground_truth.boxes[start]
            boxes[name] = answers
        return boxes

    def _pooled(self, run: StoredRun, names: list[str], repetition: int) -> ope.OpeResult:
        truths, boxes, places = [], [], []
        for place, name in enumerate(names):
            sequence = run.sequences[name]
            for one, start in self.starts(sequence, self.origin).items():
                truths.append(segment(sequence, one, start))
                boxes.append(run.answers[name][repetition][one])
                places.append(place)
        each = ope.evaluate(truths, boxes, self.rules)
        frames = np.array([len(truth.boxes) for truth in truths], np.float64)
        return replace(
            each,
            names=tuple(names),
            curves=ope.OpeCurves(*(_weighted(curve, frames, np.array(places)) for curve in each.curves)),
            mean_overlaps=_weighted(each.mean_overlaps[:, None], frames, np.array(places))[:, 0],
        )


def segment(sequence: VideoSequence, name: str, start: int) -> ope.SequenceGroundTruth:
    """Return the annotation from frame ``start`` on."""
    truth = sequence.ground_truth
    return ope.SequenceGroundTruth(name, truth.boxes[start:], None if truth.absent is None else truth.absent[start:])


def make_temporal(dataset: Dataset, convention_name: str | None) -> Scorer:
    """Return the scorer of TRE.

    Raises:
        UsageError: there is no such convention.
    """
    return _make(dataset, convention_name, segment_names)


def make_spatial(dataset: Dataset, convention_name: str | None) -> Scorer:
    """Return the scorer of SRE, whose runs all start where TRE's first does.

    Raises:
        UsageError: there is no such convention.
    """
    return _make(dataset, convention_name, spatial_starts)


def spatial_starts(sequence: VideoSequence, origin: int) -> dict[str, int]:
    """Return the names of the runs of SRE, and the frame on which all start."""
    return dict.fromkeys(shift_names(sequence), segment_starts(sequence, origin)[0])


def _make(dataset: Dataset, name: str | None, starts: Starts) -> Robustness:
    family = dataset.definition.family
    rules = convention(resolve_name(name or dataset.convention, family), family)
    omitted = {sequence.name: frames for sequence in dataset.sequences if (frames := sequence.omitted_starts)}
    return Robustness(rules, starts=starts, origin=dataset.definition.origin, omitted=omitted)


def _weighted(rows: NDArray[np.float64], frames: NDArray[np.float64], places: NDArray[np.intp]) -> NDArray[np.float64]:
    """Return means of rows (R, C) by place, (P, C), weighted by frames (R,); rows of NaN have none."""
    known = ~np.isnan(rows)
    sums, weights = np.zeros((places.max() + 1, rows.shape[1])), np.zeros((places.max() + 1, rows.shape[1]))
    np.add.at(sums, places, np.where(known, rows, 0) * frames[:, None])
    np.add.at(weights, places, known * frames[:, None])
    return np.divide(sums, weights, out=np.full_like(sums, np.nan), where=weights > 0)


def _of(name: str, sequence: str) -> bool:
    head, _, number = name.rpartition("_")
    return head == sequence and number.isdecimal()
