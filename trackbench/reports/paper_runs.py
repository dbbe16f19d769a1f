"""The runs that a paper's table needs: ``run --paper aiatrack:3``.

Each row that is one of our trackers gives a run on each of the table's data sets, with the settings of its rule and as
the official code wrote its results. What cannot be run, such as other papers' trackers, ablations without weights and
data sets that are not here, is named with the reason.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from trackbench.datasets.catalogue import open_dataset, select
from trackbench.datasets.sequence import Dataset
from trackbench.definitions import DATASETS, DatasetDefinition
from trackbench.engine.plan import Plan, make_plan
from trackbench.errors import TrackbenchError
from trackbench.quoting import listed
from trackbench.reports.paper_rules import PaperRows, Rule
from trackbench.reports.papers import PaperValue, paper_table
from trackbench.reports.profiles import columns
from trackbench.results.store import stored_runs
from trackbench.trackers.registry import TrackerSpec, find_tracker


@dataclass(frozen=True)
class NotRun:
    """What of a table is not run."""

    row: str
    """As printed; several in one text."""
    dataset: str
    """Empty for all."""
    reason: str


@dataclass(frozen=True)
class PaperRuns:
    """What a table needs."""

    groups: list[list[Plan]]
    """Plans, those on one data set together; a plan that is wholly stored has nothing missing."""
    rows: dict[str, list[str]]
    """Folder of a plan -> the rows that it fills."""
    stored: list[tuple[str, str, str]]
    """Row, data set and label of what is complete by another way of writing results."""
    not_run: list[NotRun]


def plan_table(
    spec: str,
    runs: Path,
    *,
    root: Path | None = None,
    sequences: Sequence[str] | None = None,
    limit: int | None = None,
    seed: int = 0,
    restart: bool = False,
    dry: bool = False,
    say: Callable[[str], object] = lambda _: None,
) -> PaperRuns:
    """Return what a table needs, and what of it cannot be run.

    Args:
        spec: ``PAPER:TABLE``.
        runs: the folder of all runs.
        root: the folder that holds the data sets; None: where they are known to be.
        sequences: only these (names or globs).
        limit: only the first so many.
        seed: for trackers that draw at random.
        restart: throw away what is stored.
        dry: change nothing on disk.
        say: takes a line of what else there is to know.

    Raises:
        UsageError: there is no such table.
        DataError: a stored result does not fit its sequence, or was made on other data.
    """
    values = paper_table(spec)
    paper_rows = PaperRows(values[0].paper)
    cells = {(value.tracker, value.dataset): value for value in values if value.dataset in DATASETS.names()}
    opened: dict[str, Dataset | TrackbenchError] = {}
    groups: dict[str, dict[Path, Plan]] = {}
    rows: dict[str, list[str]] = {}
    stored: list[tuple[str, str, str]] = []
    not_run: list[NotRun] = []
    foreign = dict.fromkeys(value.tracker for value in cells.values() if not _trackers(paper_rows, value))
    for (row, name), value in cells.items():
        if row in foreign:
            continue
        if name not in opened:
            opened[name] = _open(name, root, say)
        dataset = opened[name]
        chosen = _choose(paper_rows, value, DATASETS.get(name).value, seed)
        if isinstance(dataset, TrackbenchError):
            not_run.append(NotRun(row, name, str(dataset)))
            if isinstance(chosen, str):
                not_run.append(NotRun(row, name, chosen))
            continue
        if not restart and (label := _complete(paper_rows, value, runs, dataset)):
            stored.append((row, name, label))
            continue
        if isinstance(chosen, str):
            not_run.append(NotRun(row, name, chosen))
            continue
        part = select(dataset, list(sequences) if sequences else None, limit)
        plan = make_plan(chosen, part, runs, seed=seed, restart=restart, dry=dry)
        groups.setdefault(name, {}).setdefault(plan.folder.path, plan)
        rows.setdefault(str(plan.folder.path), []).append(row)
    if foreign:
        not_run.append(
            NotRun(
                listed(list(foreign), 6), "", "no tracker of trackbench; `trackbench import` brings in their results"
            )
        )
    not_run += _measurements(values, paper_rows)
    for name in groups:
        if (server := DATASETS.get(name).value.server) and DATASETS.get(name).value.truth == "initial":
            say(f"{name}: its server scores; `trackbench pack {server}`, then `trackbench import-scores`")
    return PaperRuns([list(plans.values()) for plans in groups.values()], rows, stored, not_run)


def _measurements(values: Sequence[PaperValue], rows: PaperRows) -> list[NotRun]:
    """Return what of a table belongs to no data set: sizes and speeds, which another command measures."""
    kinds = columns({})
    return [
        NotRun(
            row, "", f"sizes and speeds: `{_command('profile', rule, rule.settings)} --random-weights` measures them"
        )
        for row, rule in {
            value.tracker: rule
            for value in reversed(values)
            if not value.dataset and value.key in kinds
            for rule in _trackers(rows, value)[:1]
        }.items()
    ][::-1]


def _open(name: str, root: Path | None, say: Callable[[str], object]) -> Dataset | TrackbenchError:
    try:
        dataset = open_dataset(name, root)
    except TrackbenchError as error:
        return error
    if dataset.shortfall:
        say(dataset.shortfall)
    return dataset


def _trackers(rows: PaperRows, value: PaperValue) -> list[Rule]:
    return [rule for rule in rows.of(value) if rule.tracker is not None]


def _complete(rows: PaperRows, value: PaperValue, runs: Path, dataset: Dataset) -> str | None:
    """Return the label of a stored run that fills a cell already."""
    names = {sequence.name for sequence in dataset.sequences}
    for folder in stored_runs(runs, dataset.name):
        manifest = folder.manifest() or {}
        if (
            folder.key.protocol == dataset.protocol
            and "class" in manifest.get("identity", {})
            and rows.rule(value, folder.key.tracker, manifest)
            and names <= folder.sequences()
        ):
            return folder.key.tracker
    return None


def _choose(rows: PaperRows, value: PaperValue, record: DatasetDefinition, seed: int) -> TrackerSpec | str:
    """Return the first tracker of a cell's rules that can be run, or why none can be."""
    reasons = []
    for rule in _trackers(rows, value):
        if rule.own_weights:
            command = _command("run", rule, _options(rows, rule, record)) + " -d DATASET --weights FILE"
            reasons.append(f"needs weights that were trained so: `{command}`")
            continue
        try:
            return find_tracker(rule.name, record, _options(rows, rule, record), seed=seed)
        except TrackbenchError as error:
            reasons.append(str(error))
    return reasons[0]


def _command(verb: str, rule: Rule, options: Mapping[str, Any]) -> str:
    """Return the command for a rule's tracker with these options, ready to be copied."""
    settings = {key: value if isinstance(value, str) else json.dumps(value) for key, value in options.items()}
    words = ["trackbench", verb, rule.name]
    for key, value in settings.items():
        words += ["--set", f"{key}={value}"]
    return shlex.join(words)


def _options(rows: PaperRows, rule: Rule, record: DatasetDefinition) -> Mapping[str, Any]:
    """Return the options with which a rule's tracker is run: as the paper's official code wrote results, too."""
    written = rows.as_published if rule.as_published is None else rule.as_published
    spec = find_tracker(rule.name, record, rule.settings, random_weights=True)
    own = {key: value for key, value in written.items() if key in type(spec.options).model_fields}
    return {**rule.settings, **own}
