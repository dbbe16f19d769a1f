"""What papers print beside what was measured: ``report --paper`` and ``report --against paper``.

Which run a row of a paper is, its rules say (`trackbench.reports.paper_rules`). What belongs to no data set, such as
parameters, operations and speed, comes from ``trackbench profile``.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

from trackbench.datasets.catalogue import open_for_reports
from trackbench.definitions import DATASETS
from trackbench.errors import TrackbenchError, UsageError
from trackbench.metrics.table import DELTA
from trackbench.reports.paper_rules import PaperRows
from trackbench.reports.papers import PaperValue, papers, read_tables
from trackbench.reports.profiles import stored_profiles
from trackbench.scoring import Score, score_runs
from trackbench.scoring.stored import Runs, datasets_with_runs

#: Table of the numbers that an official README states of its released checkpoint.
README = "readme"


class PaperCell(NamedTuple):
    """A number of a paper, and what one of our runs has there."""

    printed: PaperValue
    measured: float | None
    """In the paper's unit; None where it was not measured."""
    score: Score | None = None
    """Where the measured number is from: of which run, over how many sequences, by which convention."""

    @property
    def difference(self) -> float | None:
        """Measured minus printed, in the paper's unit; None where it is not over all that the paper's number is of."""
        if self.measured is None or self.printed.number is None:
            return None
        if self.score is not None and not _is_whole(self.score):
            return None
        return self.measured - self.printed.number

    @property
    def digits(self) -> int:
        """Digits after the point that the paper prints."""
        return len(self.printed.value.partition(".")[2])


@dataclass(frozen=True)
class PaperRow:
    """A row of a paper's table, as our runs have it."""

    tracker: str
    """As printed."""
    labels: tuple[str, ...]
    """The runs, which the rules of the row name together; none where no run is that tracker."""
    cells: dict[tuple[str, str], PaperCell]
    """(data set, metric) -> numbers."""

    @property
    def label(self) -> str | None:
        """The runs in one text; None where there is none."""
        return ", ".join(self.labels) or None


@dataclass(frozen=True)
class PaperComparison:
    """A paper's table beside our numbers."""

    spec: str
    """``siamattn:1``."""
    columns: list[tuple[str, str]]
    """(data set, metric)."""
    rows: list[PaperRow]
    conventions: dict[str, str] = field(default_factory=dict)
    """Data set -> whose rules scored our numbers on it."""

    def document(self) -> list[dict[str, Any]]:
        """Return a record a number: what ``--json`` prints and the CSV file holds."""
        return [
            {
                "table": self.spec,
                "tracker": row.tracker,
                "label": row.label if cell.score is None else cell.score.tracker,
                "dataset": dataset,
                "metric": metric,
                "meant": cell.printed.key,
                "paper": cell.printed.value if cell.printed.number is None else cell.printed.number,
                "measured": cell.measured,
                "difference": cell.difference,
                "sequences": cell.score.sequences if cell.score else None,
                "of": cell.score.of if cell.score else None,
                "convention": cell.score.convention if cell.score else None,
                "weights_sha256": cell.score.run.get("weights_sha256") if cell.score else None,
                "note": cell.printed.note,
            }
            for row in self.rows
            for (dataset, metric), cell in row.cells.items()
        ]


def compare(spec: str, values: Sequence[PaperValue], scores: Mapping[str, Sequence[Score]]) -> PaperComparison:
    """Put a table's numbers beside those of the runs.

    Args:
        spec: the table's name.
        values: its numbers.
        scores: data set -> scores of the runs on it; under the empty name the profiles.

    Raises:
        UsageError: the paper's rules are not as they should be.
    """
    columns = list(dict.fromkeys((value.dataset, value.metric) for value in values))
    paper_rows = PaperRows(values[0].paper)
    rows: list[PaperRow] = []
    for tracker in dict.fromkeys(value.tracker for value in values):
        printed = [value for value in values if value.tracker == tracker]
        lines = _lines(printed, scores, paper_rows)
        for line in lines or [{}]:
            cells = {
                (v.dataset, v.metric): PaperCell(v, _measured(line[v.dataset], v), line[v.dataset])
                if v.dataset in line
                else PaperCell(v, None)
                for v in printed
            }
            labels = dict.fromkeys(score.tracker for score in line.values())
            rows.append(PaperRow(tracker, tuple(labels), cells))
    used = {score.dataset: score.convention for row in rows for cell in row.cells.values() if (score := cell.score)}
    return PaperComparison(spec, columns, rows, {dataset: name for dataset, name in used.items() if dataset})


def _lines(
    printed: Sequence[PaperValue], scores: Mapping[str, Sequence[Score]], rows: PaperRows
) -> list[dict[str, Score]]:
    """Return for one row of a table the lines of our numbers: data set -> the run that stands there.

    Runs that different rules name for different data sets share a line, as the paper's row does, and with them what was
    measured on no data set; several runs of one rule have a line each.
    """
    entries: dict[tuple[int, str], dict[str, Score]] = {}
    for value in {value.dataset: value for value in printed}.values():
        for score in scores.get(value.dataset, ()):
            rule = rows.rule(value, score.tracker, score.manifest)
            if rule is not None:
                entries.setdefault((rows.place(value, rule), score.tracker), {})[value.dataset] = score
    lines: list[tuple[set[int], dict[str, Score]]] = []
    for (place, _), cells in sorted(entries.items(), key=lambda entry: entry[0][0]):
        for places, line in lines:
            # A profile is of no data set, and of any run of its tracker.
            is_other = place not in places or {""} in (line.keys(), cells.keys())
            if is_other and not line.keys() & cells.keys():
                places.add(place)
                line.update(cells)
                break
        else:
            lines.append(({place}, dict(cells)))
    return [line for _, line in lines]


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
        rules: the convention; default: the paper's, else each data set's.

    Returns:
        Data set -> scores, under the empty name the profiles; data sets without any runs are left out.

    Raises:
        UsageError: nothing is stored of a tracker that is asked for.
    """
    scores: dict[str, list[Score]] = {}
    measured: set[str] = set()
    choices = [[tracker] for tracker in trackers] if trackers else [None]
    stored = datasets_with_runs(runs)
    conventions = PaperRows(values[0].paper).conventions
    for name in dict.fromkeys(value.dataset for value in values):
        if not name and (profiles := stored_profiles(runs, trackers)):
            scores[name] = profiles
        if name not in DATASETS.names() or name not in stored:
            continue
        group: dict[str, Score] = {}
        for chosen in choices:
            try:
                dataset = open_for_reports(name, root)
                table = score_runs(dataset, runs, chosen, protocol=protocol, rules=rules or conventions.get(name))
            except TrackbenchError as error:
                say(f"{name}: not measured: {error}")
                continue
            group |= {score.tracker: score for score in table}
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

    Of several papers that print a number, that of the tracker's own paper counts, else the first by name. A run of a
    released checkpoint is compared with what the README of the official code states of that file, where it does.

    A run that lacks sequences has no differences: its number is not of what the paper's is.

    Returns:
        The scores, and label -> the tables that the values are from, as in ``siamattn:1``.
    """
    changed, sources = [], {}
    rows = {paper: PaperRows(paper) for paper in papers()}
    for score in scores:
        if not _is_whole(score):
            changed.append(score)
            continue
        values = [value for value in _own_first(score, rows) if value.dataset == score.dataset]
        printed: dict[str, PaperValue] = {}
        for value in values:
            if score.metrics.get(value.key) is not None and value.score is not None:
                printed.setdefault(value.key, value)
        deltas = {f"{key}{DELTA}": (score.metrics[key] or 0.0) - (v.score or 0.0) for key, v in printed.items()}
        changed.append(replace(score, metrics={**score.metrics, **deltas}))
        if printed:
            sources[score.tracker] = ", ".join(dict.fromkeys(f"{v.paper}:{v.table}" for v in printed.values()))
    return changed, sources


def _is_whole(score: Score) -> bool:
    """Whether a score is over all sequences of the benchmark, and not over those alone that several runs share."""
    return score.sequences >= (score.common or score.of)


def _own_first(score: Score, rows: Mapping[str, PaperRows]) -> list[PaperValue]:
    """Return what the papers print of a run's tracker: its own paper, then rows of the same name, then all others."""
    label = score.tracker
    # A file that the user named is not the released one.
    released = "weights=" not in label
    values = [
        value
        for value in read_tables()
        if value.dataset == score.dataset
        and (released or value.table != README)
        and rows[value.paper].rule(value, label, score.manifest)
    ]
    own = rows[values[0].paper].fold(label) if values else ""
    return sorted(
        values,
        key=lambda v: (not own.startswith(v.paper), v.table != README, rows[v.paper].fold(v.tracker) != own),
    )


def _measured(score: Score, value: PaperValue) -> float | None:
    key, _, attribute = value.key.partition(":")
    number = score.attributes.get(attribute, {}).get(key) if attribute else score.metrics.get(key)
    if number is None or value.number is None or value.score is None:
        return None
    return number * 100 if value.score != value.number else number
