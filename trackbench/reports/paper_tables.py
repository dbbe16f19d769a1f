"""A paper's table with our numbers in it: terminal, CSV, Markdown, LaTeX."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
from rich.table import Table as RichTable
from rich.text import Text

from trackbench.definitions import DATASETS
from trackbench.metrics.table import metric as known_metric
from trackbench.quoting import listed
from trackbench.reports import latex
from trackbench.reports.comparison import PaperCell, PaperComparison
from trackbench.reports.tables import markdown as markdown_text

#: What the three lines of a tracker are called.
PAPER, DIFFERENCE = "paper", "Δ"


def terminal(comparison: PaperComparison) -> RichTable:
    """Return the table for a terminal: a line as printed, below it the run's and the difference."""
    table = RichTable("tracker", "", title=comparison.spec, caption=caption(comparison))
    for dataset, metric in comparison.columns:
        table.add_column("\n".join(filter(None, (dataset, _title(metric)))), justify="right")
    for name, what, cells in _lines(comparison):
        style = {PAPER: "", DIFFERENCE: "blue"}.get(what, "bold")
        table.add_row(Text(name), Text(what, style=style), *(Text(cell, style=style) for cell in cells))
    return table


def csv(comparison: PaperComparison) -> str:
    """Return a line a number."""
    return str(pd.DataFrame(comparison.document()).to_csv(index=False, lineterminator="\n"))


def markdown(comparison: PaperComparison) -> str:
    """Return the table as Markdown."""
    heads = [f"{dataset} {_title(metric)}".strip() for dataset, metric in comparison.columns]
    lines = [f"| tracker | | {' | '.join(heads)} |", "| --- | --- |" + " ---: |" * len(heads)]
    for name, what, cells in _lines(comparison):
        lines.append(f"| {markdown_text(name)} | {markdown_text(what)} | {' | '.join(map(markdown_text, cells))} |")
    return "\n".join([*lines, "", f"{comparison.spec}. {markdown_text(caption(comparison))}", ""])


def latex_table(comparison: PaperComparison) -> str:
    """Return the table as LaTeX."""
    above = [
        latex.escaped(DATASETS.get(dataset).value.title) if dataset in DATASETS.names() else latex.escaped(dataset)
        for dataset, _ in comparison.columns
    ]
    first, rules = latex.grouped(above, texts=2)
    heads = [
        first,
        f"{rules}Tracker & & {' & '.join(latex.title(_title(metric)) for _, metric in comparison.columns)}",
    ]
    rows = [
        [latex.escaped(name), latex.escaped(what), *(latex.number(latex.escaped(cell)) for cell in cells)]
        for name, what, cells in _lines(comparison)
    ]
    text = f"{latex.escaped(comparison.spec)}. {latex.escaped(caption(comparison))}"
    return latex.table(heads, rows, text, comparison.spec, texts=2)


def caption(comparison: PaperComparison) -> str:
    """Return what the numbers are: whose rules scored ours, by which weights, on which machine, and what marks mean."""
    scores = {
        (score.dataset, score.tracker): score
        for row in comparison.rows
        for cell in row.cells.values()
        if (score := cell.score) is not None
    }
    parts = [
        "Numbers as the paper prints them, below them those of our runs in its unit, and the difference; "
        "-: not printed, not measured."
    ]
    rules = [f"{dataset} {name}" for dataset, name in comparison.conventions.items() if name not in MARKS]
    if rules:
        parts.append(f"Conventions: {', '.join(rules)}.")
    parts += [text for origin, text in MARKS.items() if any(score.convention == origin for score in scores.values())]
    if any(not score.is_complete for score in scores.values()):
        parts.append("(n/N): over n of the benchmark's N sequences, without a difference.")
    machines = dict.fromkeys(score.convention for (dataset, _), score in scores.items() if not dataset)
    if machines:
        parts.append(f"Speed measured on {', '.join(machines)}; FLOPs are multiply-adds of template and search image.")
    parts += _notes(comparison)
    weights = {
        score.tracker: sha256[:8]
        for score in scores.values()
        if (sha256 := score.run.get("weights_sha256")) is not None
    }
    if weights:
        parts.append(f"Weights: {', '.join(f'{label} {mark}' for label, mark in weights.items())}.")
    return " ".join(parts)


def _notes(comparison: PaperComparison) -> list[str]:
    """Return what is special about printed numbers that ours are compared with, those of one text together."""
    places: dict[str, dict[str, None]] = {}
    for row in comparison.rows:
        for (_, metric), cell in row.cells.items():
            if cell.printed.note and cell.measured is not None:
                places.setdefault(cell.printed.note, {})[f"{row.tracker}'s {_title(metric)}"] = None
    return [f"{listed(names, 2)}: {note}." for note, names in places.items()]


#: How numbers of a benchmark's server are told, by the convention of their score.
MARKS = {"server": "*: from the benchmark's server.", "typed": "**: typed in, as the benchmark's server gave it."}


def _lines(comparison: PaperComparison) -> Iterator[tuple[str, str, list[str]]]:
    """Yield name, kind and numbers of each line; a tracker that was not measured has one line."""
    last = None
    for row in comparison.rows:
        cells = [row.cells.get(column) for column in comparison.columns]
        if row.tracker != last:
            yield row.tracker, PAPER, [cell.printed.value if cell else "-" for cell in cells]
        last = row.tracker
        if row.label is not None:
            yield "", row.label, [_number(cell) for cell in cells]
            yield "", DIFFERENCE, [_number(cell, difference=True) for cell in cells]


def _number(cell: PaperCell | None, *, difference: bool = False) -> str:
    value = None if cell is None else cell.difference if difference else cell.measured
    if cell is None or value is None or value != value:
        return "-"
    number = f"{value:{'+z' if difference else ''}.{cell.digits}f}"
    if difference or cell.score is None:
        return number
    mark = {"server": "*", "typed": "**"}.get(cell.score.convention, "")
    coverage = "" if cell.score.is_complete else f" ({cell.score.sequences}/{cell.score.of})"
    return f"{number}{mark}{coverage}"


def _title(metric: str) -> str:
    key, colon, attribute = metric.partition(":")
    return f"{known_metric(key).title}{colon and ' '}{attribute}"
