"""How each tool writes results: names, separators and formats of numbers.

The tools' own writers are followed but for one thing: the pytracking family cuts its boxes to integers, which costs up
to 0.5 points of success; here integers are written only on demand.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from trackbench.definitions import DatasetDefinition
from trackbench.formats.matlab import mat_file
from trackbench.formats.names import written_name
from trackbench.formats.reading import ParsedResult
from trackbench.registry import Registry

#: The parameter file's place in the pytracking family's folders; the name that most of its trackers use.
PARAMETER = "default"


@dataclass(frozen=True)
class SequenceResult:
    """One run over one sequence of N frames, ready to be written."""

    tracker: str
    """The tracker's name as a folder's."""
    dataset: str
    """Under which name the run is stored."""
    record: DatasetDefinition
    sequence: str
    """Our name of it."""
    run: int
    """The repetition, counted from 1."""
    runs: int
    """How many runs the tracker has."""
    boxes: NDArray[np.float64]
    """(N, 4): x, y, w, h in pixels."""
    seconds: NDArray[np.float64] | None
    """(N,), or None."""
    scores: list[float | None]
    """N confidences, or none at all."""
    start: int
    """Number of the image on which the evaluation starts."""
    whole_numbers: bool
    """Write the boxes as integers."""

    def lines(self, separator: str, form: str | None = None) -> bytes:
        """Return the boxes as text; without ``form`` with as many digits as it takes to read them back unchanged."""
        if self.whole_numbers:
            form = "%d"
        rows = self.boxes.tolist()
        if form is None:
            return _text(separator.join(map(repr, row)) for row in rows)
        return _text(separator.join(form % value for value in row) for row in rows)

    @property
    def single(self) -> str:
        """The tracker's name for tools that know one run a tracker: its runs become several trackers."""
        return single_name(self.tracker, self.run, self.runs)

    def name_in(self, tool: str) -> str:
        """The sequence's name as ``tool`` writes it."""
        return written_name(self.sequence, tool, self.record)

    def folder_in(self, tool: str) -> str:
        """The folder in which ``tool`` keeps results on the data set, with its slash; empty where it has none."""
        folder = self.record.names_in(tool).folder
        return f"{self.dataset if folder is None else folder}/".removeprefix("/")


Content = Iterator[tuple[str, bytes]]
"""Paths below the output folder, and what is in the files."""


@dataclass(frozen=True)
class ResultFormat:
    """How a tool keeps results: another package adds one by an entry point in the group ``trackbench.formats``."""

    files: Callable[[list[SequenceResult]], Content] | None = None
    """Writes all runs over one sequence; None: results cannot be written for the tool."""
    reads_nan: bool = True
    """Whether the tool takes a box with NaN, as no answer."""
    reads_negative: bool = True
    """Whether it takes a box with a width or height below 0."""
    shapes: tuple[str, ...] = ("flat",)
    """In which trees of files it keeps results, see `trackbench.formats.discovery`; none: they cannot be read."""
    suffix: str = ".txt"
    """How its trajectory files end."""
    read: Callable[[bytes, str], ParsedResult] | None = None
    """Reads a trajectory file from its bytes and what messages call it, and raises DataError; None: a box a line."""


def _pytracking(trials: list[SequenceResult], tool: str = "pytracking", below: str = "") -> Content:
    for trial in trials:
        run = f"_{trial.run - 1:03d}" if trial.runs > 1 else ""
        stem = f"{trial.tracker}/{PARAMETER}{run}/{below}{trial.name_in(tool)}"
        yield f"{stem}.txt", trial.lines("\t")
        if trial.seconds is not None:
            yield f"{stem}_time.txt", _text(f"{value:f}" for value in trial.seconds)
        if trial.scores:
            # The tools give the frame on which a tracker starts the confidence 1.
            scores = [1.0 if trial.scores[0] is None else trial.scores[0], *trial.scores[1:]]
            suffix, digits = ("_all_scores", 2) if tool == "ostrack" else ("_object_presence_scores", 6)
            yield f"{stem}{suffix}.txt", _text("nan" if v is None else f"{v:.{digits}f}" for v in scores)


def _ostrack(trials: list[SequenceResult]) -> Content:
    below = trials[0].record.names_in("ostrack").folder
    return _pytracking(trials, "ostrack", f"{below}/" if below else "")


def _pysot(trials: list[SequenceResult]) -> Content:
    if trials[0].record.family == "got10k":
        yield from got10k_tree(trials, None, 6)
        return
    for trial in trials:
        yield f"{trial.folder_in('pysot')}{trial.single}/{trial.name_in('pysot')}.txt", trial.lines(",")


def _got10k(trials: list[SequenceResult]) -> Content:
    if trials[0].record.family == "got10k":
        yield from got10k_tree(trials, "%.3f", 8)
        return
    for trial in trials:
        above, name = trial.folder_in("got10k"), trial.name_in("got10k")
        yield f"{above}{trial.single}/{name}.txt", trial.lines(",", "%.3f")
        if trial.seconds is not None:
            yield f"{above}{trial.single}/times/{name}_time.txt", _text(f"{value:.8f}" for value in trial.seconds)


def got10k_tree(trials: list[SequenceResult], form: str | None, digits: int) -> Content:
    """A folder a sequence, a file a run, the times of all runs side by side."""
    for trial in trials:
        stem = f"GOT-10k/{trial.tracker}/{trial.sequence}/{trial.sequence}"
        yield f"{stem}_{trial.run:03d}.txt", trial.lines(",", form)
    times = [trial.seconds for trial in trials if trial.seconds is not None]
    if len(times) == len(trials):
        rows = np.stack(times, 1).tolist()
        yield f"{stem}_time.txt", _text(",".join(f"{value:.{digits}f}" for value in row) for row in rows)


def one_list_a_run(trials: list[SequenceResult]) -> Content:
    """LaSOT's way: a folder ``NAME_tracking_result`` a run, a file a sequence."""
    for trial in trials:
        yield f"{trial.single}_tracking_result/{trial.sequence}.txt", trial.lines(",")


def _otb_mat(trials: list[SequenceResult]) -> Content:
    for trial in trials:
        name = trial.name_in("otb-mat")
        # The toolkit's annotation files start with the first image that is evaluated.
        fps = frames_per_second(trial.seconds)
        yield f"{name}_{trial.single}.mat", mat_file(trial.boxes, trial.start, trial.start, fps)


def single_name(tracker: str, run: int, runs: int) -> str:
    """Return a tracker's name for tools that know one run a tracker, of run number ``run`` of ``runs``."""
    return f"{tracker}_{run:03d}" if runs > 1 else tracker


def frames_per_second(seconds: NDArray[np.float64] | None) -> float | None:
    """Return the speed over the frames whose time is known, None where none is."""
    if seconds is None:
        return None
    known = seconds[np.isfinite(seconds)]
    return len(known) / float(known.sum()) if known.sum() > 0 else None


def one_folder_a_run(trials: list[SequenceResult]) -> Content:
    """TrackingNet's way: a folder a run, a file a sequence."""
    for trial in trials:
        yield f"{trial.single}/{trial.sequence}.txt", trial.lines(",")


def _text(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()


FORMATS: Registry[ResultFormat] = Registry(
    "result format",
    "trackbench.formats",
    ResultFormat,
    "a trackbench.formats.writers.ResultFormat",
    {
        "pytracking": ResultFormat(_pytracking, reads_nan=False, reads_negative=False),
        "ostrack": ResultFormat(_ostrack, reads_nan=False, reads_negative=False),
        "pysot": ResultFormat(_pysot, shapes=("flat", "nested")),
        "got10k": ResultFormat(_got10k, shapes=("flat", "nested")),
        "lasot": ResultFormat(one_list_a_run),
        "otb-mat": ResultFormat(_otb_mat, shapes=("mat",)),
        "trackingnet": ResultFormat(one_folder_a_run, reads_nan=False),
        "trackbench": ResultFormat(shapes=("own",)),
        "vot": ResultFormat(shapes=()),  # regions of experiments: see trackbench.formats.vot
    },
)
