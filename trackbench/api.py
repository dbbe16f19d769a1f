"""The public functions: what the commands do, for scripts and notebooks.

Paths may be strings, boxes tuples ``(x, y, w, h)`` in pixels. The commands of the same names are thin skins over these.
Nothing heavy is imported before a function is called.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from trackbench.datasets.sequence import Dataset
    from trackbench.formats.exporting import Export
    from trackbench.formats.incoming import Imported
    from trackbench.reports import Report
    from trackbench.scoring.explain import Explanation
    from trackbench.scoring.frame import ScoreTable
    from trackbench.trackers.base import Tracker

AnyPath: TypeAlias = str | PathLike[str]


def load(
    name: str,
    *,
    device: str = "auto",
    weights: AnyPath | None = None,
    random_weights: bool = False,
    **options: object,
) -> Tracker:
    """Return the tracker called ``name``, ready for ``init`` and ``track``.

    Args:
        name: a name of ``trackbench list trackers``, or ``opencv:NAME``, ``got10k:MODULE:CLASS``.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        weights: an official checkpoint to use instead of the one kept by ``trackbench weights add``.
        random_weights: use random weights, for tests of speed and plumbing.
        options: options of the tracker's definition, as after ``--set``.

    Raises:
        trackbench.errors.UsageError: unknown name or option.
        trackbench.errors.TrackerError: the tracker has no weights.

    Example:
        >>> import numpy as np, trackbench
        >>> tracker = trackbench.load("static")
        >>> frame = np.zeros((48, 64, 3), np.uint8)
        >>> tracker.init(frame, (4, 5, 6, 7))
        >>> tracker.track(frame).region
        Box(x=4.0, y=5.0, w=6.0, h=7.0)
    """
    from trackbench.trackers.base import Tracker
    from trackbench.trackers.registry import load_model

    model = load_model(name, device=device, options=options, weights=_path(weights), random_weights=random_weights)
    return Tracker(model)


def run(
    trackers: str | Sequence[str],
    datasets: str | Dataset | Sequence[str | Dataset],
    *,
    runs: AnyPath = "runs",
    root: AnyPath | None = None,
    sequences: Sequence[str] | None = None,
    limit: int | None = None,
    protocol: str | None = None,
    repetitions: int | None = None,
    convention: str | None = None,
    speed: float | None = None,
    device: str = "auto",
    batch: int | None = 1,
    threads: int = 2,
    workers: int | None = 1,
    options: Mapping[str, object] | None = None,
    weights: AnyPath | None = None,
    random_weights: bool = False,
    seed: int = 0,
    label: str | None = None,
    restart: bool = False,
    say: Callable[[str], object] = lambda _: None,
) -> list[dict[str, Any]]:
    """Run trackers over benchmarks, as ``trackbench run`` does; what is stored is not run again.

    Args:
        trackers: one name of ``trackbench list trackers``, or several.
        datasets: names, folders or open data sets.
        runs: the folder of all runs.
        root: the folder that holds the data sets; None: where they are known to be.
        sequences: only these (names or globs).
        limit: only the first so many.
        protocol: default: each data set's.
        repetitions: default: the protocol's.
        convention: whose overlap decides on failures of reset-based runs: ``pysot``, ``matlab`` or ``vot``.
        speed: for real time: frames per second to assume instead of measuring.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        batch: sequences at once; times are latency only at 1. None: as many as fit into memory.
        threads: threads that decode images.
        workers: processes; None: one a device. A script that asks for several needs Python's ``__main__`` guard.
        options: dotted option name -> value, as after ``--set``; of one tracker with its name before it.
        weights: a checkpoint to use instead of the cached one.
        random_weights: run without a checkpoint.
        seed: for trackers that draw at random.
        label: what stands behind the trackers' names in the labels; default: weights and options.
        restart: throw away stored results of these runs first.
        say: takes a line of what else there is to know.

    Returns:
        What ``run --json`` prints of each run: ``tracker``, ``dataset``, ``folder``, ``fps``, ``failed`` and so on.

    Raises:
        trackbench.errors.UsageError: a name or option is wrong, or results of other settings are stored there.
        trackbench.errors.TrackerError: a tracker has no weights.
    """
    from trackbench.engine.campaign import TrackerChoice, carry_out, prepare
    from trackbench.engine.queue import Rules

    choice = TrackerChoice(
        [trackers] if isinstance(trackers, str) else list(trackers),
        dict(options or {}),
        _path(weights),
        random_weights,
        seed=seed,
        label=label,
    )
    groups = prepare(
        choice,
        _several(datasets),
        Path(runs),
        root=_path(root),
        sequences=sequences,
        limit=limit,
        protocol=protocol,
        repetitions=repetitions,
        convention=convention,
        speed=speed,
        restart=restart,
        say=say,
    )
    carry_out(groups, Rules(batch, threads), device=device, workers=workers)
    return [plan.summary() for plans in groups for plan in plans]


def scores(
    dataset: str | Dataset,
    trackers: Sequence[str] | None = None,
    *,
    runs: AnyPath | Sequence[AnyPath] = "runs",
    root: AnyPath | None = None,
    protocol: str | None = None,
    convention: str | None = None,
) -> ScoreTable:
    """Score stored runs: a pandas DataFrame of trackers by metrics.

    Args:
        dataset: a name of ``trackbench list datasets``, a folder, or an open data set.
        trackers: labels, or names of trackers; None: all that are stored.
        runs: the folder of all runs, or several.
        root: the folder that holds the data set; None: where it is known to be.
        protocol: default: the data set's.
        convention: whose scoring rules; default: the data set's.

    Numbers are fractions, NaN where they are not defined. ``per_sequence()``, ``attributes()`` and ``curves()`` of the
    result give the parts.

    Raises:
        trackbench.errors.UsageError: nothing is stored, or a name is unknown.
    """
    from trackbench.scoring import score_runs
    from trackbench.scoring.frame import ScoreTable

    table = score_runs(_open(dataset, root), _folders(runs), trackers, protocol=protocol, rules=convention)
    return ScoreTable.of(table)


def report(
    datasets: str | Dataset | Sequence[str | Dataset],
    trackers: Sequence[str] | None = None,
    *,
    runs: AnyPath | Sequence[AnyPath] = "runs",
    say: Callable[[str], object] = lambda _: None,
    **options: Any,
) -> Report:
    """Write tables, plots and pages of stored runs, as ``trackbench report`` does.

    Args:
        datasets: names, folders or open data sets.
        trackers: labels, or names of trackers; None: all that are stored.
        runs: the folder of all runs, or several.
        say: takes a line of what else there is to know.
        options: fields of `trackbench.reports.ReportOptions`: ``out="paper"``, ``html=True``, ``convention="got10k"``.

    Raises:
        trackbench.errors.UsageError: something asked for is not there, or options do not go together.
    """
    from trackbench.reports import ReportOptions
    from trackbench.reports import report as make_report

    for key in ("root", "out", "style"):
        options[key] = _path(options.get(key))
    return make_report(_several(datasets), trackers, runs=_folders(runs), options=ReportOptions(**options), say=say)


def explain(
    tracker: str,
    dataset: str | Dataset,
    first: str,
    second: str,
    *,
    runs: AnyPath = "runs",
    root: AnyPath | None = None,
) -> Explanation:
    """Say which rules make two conventions give a tracker different scores, and in which sequences.

    Args:
        tracker: a stored tracker.
        dataset: a name, a folder or an open data set.
        first: a convention.
        second: another.
        runs: the folder of all runs.
        root: the folder that holds the data set; None: where it is known to be.

    Raises:
        trackbench.errors.UsageError: a name is unknown, or means several runs.
        trackbench.errors.DataError: the run was made on other data.
    """
    from trackbench.errors import UsageError
    from trackbench.scoring import resolve_evaluation
    from trackbench.scoring.explain import curves_convention
    from trackbench.scoring.explain import explain as compare
    from trackbench.scoring.scoring import check_data
    from trackbench.scoring.stored import read_run

    opened = _open(dataset, root)
    conventions = [curves_convention(opened, name) for name in (first, second)]
    folders = resolve_evaluation(opened, "one-pass").find(Path(runs), [tracker])
    if len(folders) > 1:
        labels = ", ".join(folder.key.tracker for folder in folders)
        raise UsageError(f"'{tracker}' means several runs on {opened.name}: {labels}; name one of them")
    run = read_run(folders[0], opened)
    check_data(folders[0], opened, run.sequences)
    return compare(run, *conventions)


def import_results(
    path: AnyPath,
    name: str,
    dataset: str | Dataset,
    *,
    tool: str | None = None,
    only: str | None = None,
    protocol: str | None = None,
    boxes: Literal["xywh", "xyxy", "cxcywh", "yxhw", "yxyx", "yxwh", "xyhw"] = "xywh",
    offset: float = 0.0,
    pad_missing: bool = False,
    first_missing: bool = False,
    fractions: bool = False,
    skip_faulty: bool = False,
    restart: bool = False,
    runs: AnyPath = "runs",
    root: AnyPath | None = None,
) -> Imported:
    """Bring results of another tool into the store, as ``trackbench import`` does.

    Args:
        path: a file, folder or archive.
        name: what the tracker is called here.
        dataset: a name, a folder or an open data set.
        tool: whose layout it is; None: recognised.
        only: which tracker, where ``path`` holds several.
        protocol: of vot-toolkit's results.
        boxes: what four columns mean.
        offset: added to every x and y, in pixels.
        pad_missing: fill up short files with frames without an answer.
        first_missing: files that are one line short lack the first frame, and get the given box.
        fractions: the numbers are fractions of the images' width and height.
        skip_faulty: store what fits although something does not.
        restart: replace what is stored under this name.
        runs: the folder of all runs.
        root: the folder that holds the data set; None: where it is known to be.

    Returns:
        The plan, with faults file by file, and the folder; no folder where nothing was stored.

    Raises:
        trackbench.errors.UsageError: an option does not fit the tool.
        trackbench.errors.DataError: nothing there can be read.
    """
    from trackbench.formats.incoming import import_run

    return import_run(
        Path(path),
        name,
        _open(dataset, root),
        Path(runs),
        tool=tool,
        only=only,
        protocol=protocol,
        boxes=boxes,
        offset=offset,
        pad_missing=pad_missing,
        first_missing=first_missing,
        fractions=fractions,
        skip_faulty=skip_faulty,
        restart=restart,
    )


def export(
    tracker: str,
    dataset: str,
    to: str,
    out: AnyPath,
    *,
    runs: AnyPath = "runs",
    whole_numbers: bool = False,
    repeat_last: bool = False,
    protocol: str | None = None,
    experiment: str | None = None,
    binary: bool = False,
) -> Export:
    """Write a stored run in the layout of another tool, as ``trackbench export`` does.

    Args:
        tracker: a stored tracker.
        dataset: the name of its data set, or a folder.
        to: whose layout: ``pytracking``, ``ostrack``, ``pysot``, ``got10k``, ``lasot``, ``otb-mat``, ``trackingnet`` or
            ``vot``.
        out: the tool's folder of results.
        runs: the folder of all runs.
        whole_numbers: write boxes as integers.
        repeat_last: write the box before where the tool cannot read the answer.
        protocol: ``vot``: which run, where several are stored; ``otb-mat``: ``tre`` or ``sre``, for which annotations
            have to be there.
        experiment: ``vot``: the experiment's name in the stack.
        binary: ``vot``: write ``.bin`` files, of float32.

    Raises:
        trackbench.errors.UsageError: a name is unknown, an option does not fit, or a file exists already.
    """
    from trackbench.datasets.catalogue import find_record
    from trackbench.errors import UsageError
    from trackbench.formats.exporting import export_run, find_run
    from trackbench.formats.robustness import EVALUATIONS, export_robustness
    from trackbench.formats.vot import EXPERIMENTS, export_vot

    if to == "vot":
        if whole_numbers or repeat_last:
            raise UsageError("--to vot writes results as they are, without --round and --repeat-last")
        stored = find_run(Path(runs), tracker, dataset, list(EXPERIMENTS) if protocol is None else [protocol])
        return export_vot(stored, Path(out), experiment=experiment, binary=binary)
    if experiment is not None or binary:
        raise UsageError(f"--experiment and --binary are for --to vot, not for '{to}'")
    if protocol in EVALUATIONS and to == "otb-mat":
        stored, there = find_run(Path(runs), tracker, dataset, [protocol]), _open(dataset, None)
        return export_robustness(stored, there, Path(out), whole_numbers=whole_numbers, repeat_last=repeat_last)
    if protocol not in (None, "one-pass"):
        raise UsageError(f"--protocol {protocol}: '{to}' takes one-pass results; otb-mat also tre and sre, vot its own")
    stored = find_run(Path(runs), tracker, dataset)
    record = find_record(dataset)
    return export_run(stored, to, Path(out), record=record, whole_numbers=whole_numbers, repeat_last=repeat_last)


def _path(path: AnyPath | None) -> Path | None:
    return None if path is None else Path(path)


def _several(datasets: str | Dataset | Sequence[str | Dataset]) -> list[str | Dataset]:
    return [datasets] if isinstance(datasets, str) or not isinstance(datasets, Sequence) else list(datasets)


def _folders(runs: AnyPath | Sequence[AnyPath]) -> list[Path]:
    return [Path(runs)] if isinstance(runs, (str, PathLike)) else [Path(folder) for folder in runs]


def _open(dataset: str | Dataset, root: AnyPath | None) -> Dataset:
    from trackbench.datasets.catalogue import open_dataset

    return open_dataset(dataset, _path(root)) if isinstance(dataset, str) else dataset
