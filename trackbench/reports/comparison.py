"""What papers print beside what was measured: ``report --paper`` and ``report --against paper``.

A row of a paper belongs to a stored run where ``reports/names.csv`` says so, else where both have the same name, apart
from case and signs: results that were imported as ``siamrpn++`` or ``SiamRPNpp`` are SiamRPN++.
"""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from trackbench.datasets.catalogue import open_dataset
from trackbench.definitions import DATASETS, content_folder
from trackbench.errors import TrackbenchError, UsageError, fold_name
from trackbench.metrics.table import DELTA
from trackbench.reports.papers import PaperValue, read_tables
from trackbench.scoring import Score, score_runs
from trackbench.scoring.stored import Runs, datasets_with_runs


class Name(NamedTuple):
    """Which of our trackers a row of a paper is."""

    paper: str
    tracker: str
    """As printed."""
    dataset: str
    """Where it is so; empty: on all data sets for which no other line names a tracker."""
    label: str


class Cell(NamedTuple):
    """A number of a paper, and what one of our runs has there."""

    printed: PaperValue
    measured: float | None
    """In the paper's unit; None where it was not measured."""

    @property
    def difference(self) -> float | None:
        """Measured minus printed, in the paper's unit."""
        if self.measured is None or self.printed.number is None:
            return None
        return self.measured - self.printed.number

    @property
    def digits(self) -> int:
        """Digits after the point that the paper prints."""
        return len(self.printed.value.partition(".")[2])


@dataclass(frozen=True)
class Row:
    """A row of a paper's table, as one of our runs has it."""

    tracker: str
    """As printed."""
    label: str | None
    """The run; None where no run is that tracker."""
    cells: dict[tuple[str, str], Cell]
    """(data set, metric) -> numbers."""


@dataclass(frozen=True)
class Comparison:
    """A paper's table beside our numbers."""

    spec: str
    """``siamattn:1``."""
    columns: list[tuple[str, str]]
    """(data set, metric)."""
    rows: list[Row]

    def document(self) -> list[dict[str, Any]]:
        """Return a record a number: what ``--json`` prints and the CSV file holds."""
        return [
            {
                "table": self.spec,
                "tracker": row.tracker,
                "label": row.label,
                "dataset": dataset,
                "metric": metric,
                "meant": cell.printed.key,
                "paper": cell.printed.value if cell.printed.number is None else cell.printed.number,
                "measured": cell.measured,
                "difference": cell.difference,
                "note": cell.printed.note,
            }
            for row in self.rows
            for (dataset, metric), cell in row.cells.items()
        ]


def compare(spec: str, values: Sequence[PaperValue], scores: Mapping[str, Sequence[Score]]) -> Comparison:
    """Put a table's numbers beside those of the runs.

    Args:
        spec: the table's name.
        values: its numbers.
        scores: data set -> scores of the runs on it.
    """
    columns = list(dict.fromkeys((value.dataset, value.metric) for value in values))
    found = {(name, score.tracker): score for name, group in scores.items() for score in group}
    labels = list(dict.fromkeys(label for _, label in found))
    rows = []
    for tracker in dict.fromkeys(value.tracker for value in values):
        printed = [value for value in values if value.tracker == tracker]
        mine = [label for label in labels if any(_is(v, label) and (v.dataset, label) in found for v in printed)]
        chosen: list[str | None] = [*mine] or [None]
        for label in chosen:
            cells = {}
            for value in printed:
                score = found.get((value.dataset, label)) if label is not None and _is(value, label) else None
                cells[value.dataset, value.metric] = Cell(value, None if score is None else _measured(score, value))
            rows.append(Row(tracker, label, cells))
    return Comparison(spec, columns, rows)


def score_table(
    values: Sequence[PaperValue],
    runs: Runs,
    root: Path | None,
    say: Callable[[str], object],
    trackers: Sequence[str] | None = None,
    *,
    protocol: str | None = None,
    rules: str | None = None,
) -> dict[str, list[Score]]:
    """Score the stored runs on the data sets of a table.

    Args:
        values: the table's numbers.
        runs: the folder of all runs, or several of them.
        root: where the data sets are; None: where they are known to be.
        say: takes a line about a data set that cannot be scored, whose numbers are then not measured.
        trackers: labels, or names of trackers; None means all.
        protocol: default: each data set's.
        rules: the convention; default: each data set's.

    Returns:
        Data set -> scores; data sets without any runs are left out.

    Raises:
        UsageError: nothing is stored of a tracker that is asked for.
    """
    scores: dict[str, list[Score]] = {}
    measured: set[str] = set()
    choices = [[tracker] for tracker in trackers] if trackers else [None]
    stored = datasets_with_runs(runs)
    for name in dict.fromkeys(value.dataset for value in values):
        if name not in DATASETS.names() or name not in stored:
            continue
        group: dict[str, Score] = {}
        for chosen in choices:
            try:
                found = score_runs(open_dataset(name, root), runs, chosen, protocol=protocol, rules=rules)
            except TrackbenchError as error:
                say(f"{name}: not measured: {error}")
                continue
            group |= {score.tracker: score for score in found}
            measured.update(chosen or [])
        if group:
            scores[name] = list(group.values())
    places = runs if isinstance(runs, Path) else ", ".join(map(str, runs))
    for wanted in trackers or []:
        if wanted not in measured:
            raise UsageError(f"'{wanted}' has no run in {places} that can be scored on a data set of the table")
    return scores


def against_papers(scores: Sequence[Score]) -> tuple[list[Score], dict[str, str]]:
    """Add to the metrics of each score their differences from the papers' values, as further metrics.

    Of several papers that print a number, that of the tracker's own paper counts, else the first by name.

    Returns:
        The scores, and label -> the tables that the values are from, as in ``siamattn:1``.
    """
    changed, sources = [], {}
    for score in scores:
        values = [value for value in _own_first(score.tracker) if value.dataset == score.dataset]
        printed: dict[str, PaperValue] = {}
        for value in values:
            if score.metrics.get(value.key) is not None and value.score is not None:
                printed.setdefault(value.key, value)
        deltas = {f"{key}{DELTA}": (score.metrics[key] or 0.0) - (v.score or 0.0) for key, v in printed.items()}
        changed.append(replace(score, metrics={**score.metrics, **deltas}))
        if printed:
            sources[score.tracker] = ", ".join(dict.fromkeys(f"{v.paper}:{v.table}" for v in printed.values()))
    return changed, sources


def _own_first(label: str) -> list[PaperValue]:
    """Return what the papers print of a run's tracker: its own paper, then rows of the same name, then all others."""
    values = [value for value in read_tables() if _is(value, label)]
    return sorted(values, key=lambda v: (not label.startswith(v.paper), _fold(v.tracker) != _fold(label)))


def _is(value: PaperValue, label: str) -> bool:
    """Whether a paper's number is about the tracker of a run; a run with settings of its own is no paper's."""
    lines = [name for name in _names() if (name.paper, name.tracker) == (value.paper, value.tracker)]
    here = [name for name in lines if name.dataset == value.dataset] or [name for name in lines if not name.dataset]
    return _fold(label) in map(_fold, [name.label for name in here] or [value.tracker])


def _fold(name: str) -> str:
    return fold_name(name).replace("+", "p")


def _measured(score: Score, value: PaperValue) -> float | None:
    key, _, attribute = value.key.partition(":")
    number = score.attributes.get(attribute, {}).get(key) if attribute else score.metrics.get(key)
    if number is None or value.number is None or value.score is None:
        return None
    return number * 100 if value.score != value.number else number


@cache
def _names() -> tuple[Name, ...]:
    with (content_folder("reports") / "names.csv").open(encoding="utf-8", newline="") as file:
        return tuple(Name(**row) for row in csv.DictReader(file))
