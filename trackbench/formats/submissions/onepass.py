"""Packages of one-pass results: GOT-10k's and TrackingNet's servers, LaSOT's evaluation toolkit.

================  ===========================================================================================
``got10k``        ``<sequence>/<sequence>_001.txt`` (to ``_003``) and ``<sequence>_time.txt``, a column a run
``trackingnet``   ``<sequence>.txt``
``lasot``         ``<tracker>_tracking_result/<sequence>.txt``
================  ===========================================================================================

Commas separate; a line a frame, the first included. TrackingNet's scorer takes a missing or doubled file for zeros
without a word, GOT-10k's server refuses for days later, so all that can be checked is checked before.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.definitions import DATASETS, DatasetDefinition
from trackbench.errors import DataError, UsageError, reason
from trackbench.files import folder_name
from trackbench.formats.alignment import expected_length
from trackbench.formats.submissions.package import Package
from trackbench.formats.writers import Content, SequenceResult, got10k_tree, one_folder_a_run, one_list_a_run
from trackbench.results.store import RunFolder

Boxes = NDArray[np.float64]

#: Pixels by which the first line may differ from the box that the benchmark gives.
TOLERANCE = 1.0


@dataclass(frozen=True)
class Server:
    """Who scores, and what is expected."""

    usual: str
    """The data set that is packed where none is named; any whose record names the server can be."""
    files: Callable[[list[SequenceResult]], Content]
    """Paths in the archive, and contents, of all runs over one sequence."""
    runs: int = 1
    """The most repetitions that are taken."""
    times: bool = False
    """Times are part of the package."""
    finite: bool = True
    """Every number has to be finite."""
    smallest: float | None = None
    """Widths and heights have to be above it; None: any."""

    def unfit(self, boxes: Boxes) -> NDArray[np.bool_]:
        """Return for boxes (N, 4) which the server does not take."""
        unfit = np.zeros(len(boxes), bool)
        if self.finite:
            unfit |= ~np.isfinite(boxes).all(axis=1)
        if self.smallest is not None:
            unfit |= (boxes[:, 2:] <= self.smallest).any(axis=1)
        return unfit


def _got10k(trials: list[SequenceResult]) -> Content:
    return _below(got10k_tree(trials, None, 8), 2)


def _trackingnet(trials: list[SequenceResult]) -> Content:
    return _below(one_folder_a_run(trials), 1)


def _below(content: Content, folders: int) -> Content:
    """Leave out the first folders of all paths."""
    for path, data in content:
        yield path.split("/", folders)[-1], data


SERVERS = {
    "got10k": Server("got10k-test", _got10k, runs=3, times=True, smallest=0.0),
    "trackingnet": Server("trackingnet", _trackingnet),
    "lasot": Server("lasot", one_list_a_run, finite=False),
}


def pack_one_pass(
    server: str,
    run: RunFolder,
    dataset: Dataset,
    *,
    repetition: int | None = None,
    repeat_last: bool = False,
    times: bool = True,
) -> Package:
    """Check a stored run and make its package.

    Args:
        server: one of ``SERVERS``.
        run: what is stored.
        dataset: its annotations have to be there; images are needed only to count them where nothing else does.
        repetition: take this one only, from 1.
        repeat_last: where the server would not take a box, write the one before.
        times: leave them out if false, where the server has them.

    Raises:
        UsageError: the server does not score this data set, or no such repetition is stored.
    """
    judge = SERVERS[server]
    if dataset.definition.server != server:
        scored = [resolved.name for resolved in DATASETS.readable() if resolved.value.server == server]
        raise UsageError(f"pack {server}: scores {' or '.join(scored)}, not {dataset.name}")
    packer = _Packer(judge, run, dataset.definition, repeat_last, times and judge.times)
    package = Package(server, run.key.tracker, dataset.name, dataset.of)
    stored = set().union(*(run.sequences(number) for number in range(1, run.repetitions() + 1)))
    failures = run.failures()
    numbers = range(1, run.repetitions() + 1) if repetition is None else [repetition]
    if repetition is not None and repetition > max(1, run.repetitions()):
        raise UsageError(
            f"--repetition {repetition}: {run.repetitions()} of {run.key.tracker} are stored in {run.path}"
        )
    if len(numbers) > judge.runs:
        takes = f"takes {judge.runs}" if judge.runs > 1 else "takes one"
        package.add_problem(run.path, f"{len(numbers)} repetitions; the server {takes}, --repetition N chooses one")
    counted = True
    for sequence in dataset.sequences:
        present = [number for number in numbers if run.has(sequence.name, number)]
        if not present:
            failure = failures.get(sequence.name, {}).get("reason")
            package.add_problem(sequence.name, f"could not be run: {failure}" if failure else "is missing")
            continue
        # Fewer at the end are taken, a gap is not: the first file has to be there, and times are a column a run.
        for number in sorted(set(numbers[: max(present)]) - set(present)) if repetition is None else ():
            path = run.file(sequence.name, ".txt", number)
            package.add_problem(path, f"is missing; repetition {max(present)} is there")
        counted &= packer.add(package, sequence, present)
    for name in dataset.missing:
        known = "its annotation is not on disk" if name in stored else "is missing, and so is its annotation on disk"
        package.add_problem(name, known)
    if not dataset.missing and len(dataset.sequences) < dataset.of:
        count = f"{len(dataset.sequences)} of {dataset.of}"
        package.add_problem(dataset.root, f"has {count} sequences; all have to be there")
    known_names = {sequence.name for sequence in dataset.sequences} | set(dataset.missing)
    for name in sorted(stored - known_names):
        package.add_problem(run.file(name), f"'{name}' is no sequence of {dataset.name}")
    frames = dataset.definition.frames
    if not counted and not package.problems and frames is not None and package.frames != frames:
        package.add_problem(run.path, f"{package.frames} lines in all; {dataset.title} has {frames} frames")
    if server == "trackingnet":
        _check_names(package)
    return package


class _Packer:
    def __init__(
        self, server: Server, run: RunFolder, record: DatasetDefinition, repeat_last: bool, times: bool
    ) -> None:
        self.server, self.run, self.record = server, run, record
        self.repeat_last, self.times = repeat_last, times

    def add(self, package: Package, sequence: VideoSequence, numbers: list[int]) -> bool:
        """Add the files of a sequence, or its problems; returns whether the number of its frames is known."""
        before = len(package.problems)
        name, trials, expected = sequence.name, [], None
        try:
            expected = expected_length(sequence)
            given = sequence.ground_truth.boxes[0]
        except DataError as error:
            package.add_problem(name, str(error))
            return True
        for number in numbers:
            path = self.run.file(name, ".txt", number)
            try:
                boxes = self.run.boxes(name, number)
                seconds = self.run.seconds(name, number) if self.times else None
            except DataError as error:
                package.add_problem(path, reason(error, path))
                continue
            if expected is not None and len(boxes) != expected:
                package.add_problem(path, f"{len(boxes)} lines; the sequence has {expected} frames")
            boxes = self._boxes(package, path, boxes)
            if len(boxes) and not (np.abs(boxes[0] - given) <= TOLERANCE).all():
                package.add_problem(path, f"line 1: {_line(boxes[0])}; expected the given box {_line(given)}")
            if self.times:
                self._check_times(package, self.run.file(name, ".time", number), seconds, len(boxes))
            trials.append(self._trial(name, number, len(numbers), boxes, seconds))
        if len(package.problems) == before:
            package.contents |= dict(self.server.files(trials))
            package.sequences += 1
            package.frames += len(trials[0].boxes)
            package.runs["one-pass"] = max(len(numbers), package.runs.get("one-pass", 0))
        return expected is not None

    def _trial(self, name: str, number: int, runs: int, boxes: Boxes, seconds: Boxes | None) -> SequenceResult:
        key = self.run.key
        return SequenceResult(
            tracker=folder_name(key.tracker),
            dataset=key.dataset,
            record=self.record,
            sequence=name,
            run=number if runs > 1 else 1,
            runs=runs,
            boxes=boxes,
            seconds=seconds,
            scores=[],
            start=1,
            whole_numbers=False,
        )

    def _boxes(self, package: Package, path: object, boxes: Boxes) -> Boxes:
        unfit = self.server.unfit(boxes)
        if self.repeat_last and len(boxes):
            last = np.maximum.accumulate(np.where(unfit, 0, np.arange(len(boxes))))
            boxes = boxes[last]
            unfit = self.server.unfit(boxes)
        if unfit.any():
            index = int(unfit.argmax())
            wanted = "finite numbers" if self.server.smallest is None else "finite numbers, width and height above 0"
            others = f" (and {int(unfit.sum()) - 1} more lines)" if unfit.sum() > 1 else ""
            hint = "" if self.repeat_last else "; --repeat-last writes the box before"
            package.add_problem(path, f"line {index + 1}: {_line(boxes[index])}{others}; expected {wanted}{hint}")
        return boxes

    @staticmethod
    def _check_times(package: Package, path: object, seconds: Boxes | None, length: int) -> None:
        if seconds is None:
            package.add_problem(path, "is missing: the server shows the speed; --without-times leaves all times out")
        elif len(seconds) != length:
            package.add_problem(path, f"{len(seconds)} times for {length} boxes; expected as many")
        elif not (np.isfinite(seconds) & (seconds >= 0)).all():
            index = int((~(np.isfinite(seconds) & (seconds >= 0))).argmax())
            package.add_problem(path, f"line {index + 1}: {seconds[index]}; expected seconds")


def _check_names(package: Package) -> None:
    """TrackingNet's scorer looks for a sequence's name anywhere in a path, and takes two finds for none."""
    stems = [path.removesuffix(".txt") for path in package.contents]
    for stem in stems:
        hits = [path for path in package.contents if stem in path]
        if len(hits) > 1:
            others = ", ".join(path for path in hits if path != f"{stem}.txt")
            package.add_problem(stem, f"its name is a part of {others}: the scorer would count neither")


def _line(box: Boxes) -> str:
    return ",".join(f"{value:g}" for value in box.tolist())
