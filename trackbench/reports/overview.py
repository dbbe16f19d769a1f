"""One table over several data sets: a row a tracker, the columns of each data set beside each other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from rich.table import Table as RichTable
from rich.text import Text

from trackbench.datasets.sequence import Dataset
from trackbench.metrics.table import Metric
from trackbench.reports import latex, tables
from trackbench.scoring import Score


@dataclass(frozen=True)
class Column:
    """A metric on a data set."""

    dataset: Dataset
    metric: Metric
    scores: dict[str, Score]
    """Label of a tracker -> its score."""
    places: dict[str, int]
    """Label -> 1, 2 or 3."""

    def cell(self, label: str) -> str:
        """Return the number of a tracker, with n/N behind it where the run is incomplete."""
        score = self.scores.get(label)
        if score is None:
            return "-"
        text = tables.number(score, self.metric)
        return text if score.is_complete else f"{text} ({score.sequences}/{score.of})"


@dataclass(frozen=True)
class Overview:
    """All trackers on all data sets."""

    columns: list[Column]
    titles: dict[str, str]
    """Label -> the tracker as tables print it, in the order of the rows."""
    caption: str

    @classmethod
    def of(cls, parts: Sequence[tuple[Dataset, Sequence[Score], Sequence[str] | None]]) -> Overview:
        """Join data sets.

        Args:
            parts: each data set with its scores, in the order of tables, and the columns that are wanted of it; None:
                the metric by which it ranks.
        """
        columns = []
        for dataset, scores, metrics in parts:
            chosen = tables.used_columns(scores, metrics) if metrics is not None else [tables.main_metric(scores)]
            for metric in chosen:
                places = {scores[index].tracker: place for index, place in tables.places(scores, metric).items()}
                columns.append(Column(dataset, metric, {score.tracker: score for score in scores}, places))
        every = [score for _, scores, _ in parts for score in scores]
        titles = {score.tracker: score.marked_title for score in every}
        return cls(columns, titles, _caption(parts, [column.metric for column in columns]))

    @property
    def is_marked(self) -> bool:
        """Whether the best are marked anywhere."""
        return any(column.places for column in self.columns)


def _caption(parts: Sequence[tuple[Dataset, Sequence[Score], Sequence[str] | None]], metrics: Sequence[Metric]) -> str:
    """Return what the numbers are; data sets of one convention stand together."""
    every = [score for _, scores, _ in parts for score in scores]
    conventions: dict[str, list[str]] = {}
    for dataset, scores, _ in parts:
        for score in scores[:1]:
            conventions.setdefault(score.convention, []).append(dataset.title)
    if len(conventions) == 1:
        texts = [f"Convention: {next(iter(conventions))}."]
    else:
        names = (f"{convention} ({', '.join(titles)})" for convention, titles in conventions.items())
        texts = [f"Conventions: {', '.join(names)}."]
    texts += tables.explanations(every, list(dict.fromkeys(metrics)))
    if any(not score.is_complete for score in every):
        texts.append("(n/N): incomplete, over n of N sequences, and not ranked.")
    return " ".join([*texts, *tables.tuned_notes(every)])


def terminal_table(overview: Overview) -> RichTable:
    """Return the table for a terminal: best bold green, second blue, third yellow."""
    table = RichTable("tracker", title="All data sets", caption=Text(overview.caption))
    for column in overview.columns:
        table.add_column(f"{column.dataset.title}\n{column.metric.title}", justify="right")
    for label, title in overview.titles.items():
        cells = [Text(c.cell(label), style=tables.TERMINAL.get(c.places.get(label, 0), "")) for c in overview.columns]
        table.add_row(Text(title), *cells)
    return table


def csv(overview: Overview) -> str:
    """Return a line for each tracker, in full precision; beside each data set how many sequences there are."""
    rows = []
    for label in overview.titles:
        row: dict[str, object] = {"tracker": label}
        for column in overview.columns:
            score = column.scores.get(label)
            row[f"{column.dataset.name} {column.metric.key}"] = score and score.metrics.get(column.metric.key)
            row[f"{column.dataset.name} sequences"] = score and f"{score.sequences}/{score.of}"
        rows.append(row)
    return tables.csv_lines(rows)


def markdown_table(overview: Overview) -> str:
    """Return the table as Markdown: best bold, second italic, third marked ³."""
    heads = [f"{tables.markdown(c.dataset.title)} {tables.markdown(c.metric.title)}" for c in overview.columns]
    lines = [f"| tracker | {' | '.join(heads)} |", "| --- |" + " ---: |" * len(heads)]
    for label, title in overview.titles.items():
        cells = [tables.marked(column.cell(label), column.places.get(label)) for column in overview.columns]
        lines.append(f"| {tables.markdown(title)} | {' | '.join(cells)} |")
    caption = f"{overview.caption} {tables.MARKDOWN}" if overview.is_marked else overview.caption
    return "\n".join([*lines, "", caption, ""])


def latex_table(overview: Overview, *, colours: bool = False) -> str:
    """Return the table as LaTeX."""
    above, rules = latex.grouped([latex.escaped(column.dataset.title) for column in overview.columns])
    below = rules + " & ".join(["Tracker", *(latex.title(column.metric.title) for column in overview.columns)])
    rows = [
        [
            latex.escaped(title),
            *(latex.number(c.cell(label), c.places.get(label), colours=colours) for c in overview.columns),
        ]
        for label, title in overview.titles.items()
    ]
    caption = latex.escaped(overview.caption) + (f" {latex.MARKS[colours]}" if overview.is_marked else "")
    return latex.table([above, below], rows, caption, "overview", colours=colours)
