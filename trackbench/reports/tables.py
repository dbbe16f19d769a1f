"""Tables of scores: terminal, CSV, Markdown, LaTeX.

CSV and JSON hold fractions in full precision; what people read is as the papers print it: percentages, but for VOT.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import pandas as pd
from rich.table import Table as RichTable
from rich.text import Text

from trackbench.quoting import NAME, printable
from trackbench.scores import Score


@dataclass(frozen=True)
class Column:
    """A metric as tables show it."""

    key: str
    title: str
    scale: float = 100
    """By what the number is multiplied; VOT's papers print fractions."""
    digits: int = 1
    higher_is_better: bool | None = True
    """None: the metric says nothing of quality."""
    signed: bool = False
    """Numbers above 0 have a plus."""


_MEASURED = (
    Column("eao", "EAO", 1, 3),
    Column("accuracy", "A", 1, 3),
    Column("failures_per_100", "R", 1, 3, higher_is_better=False),
    Column("robustness", "R", 1, 3),
    Column("failures", "failures", 1, 1, higher_is_better=False),
    Column("success_auc", "AUC"),
    Column("ao", "AO"),
    Column("success", "Success"),
    Column("precision", "P"),
    Column("norm_precision", "P_norm"),
    Column("precision_auc", "Precision"),
    Column("norm_precision_auc", "Norm. precision"),
    Column("coverage", "Coverage"),
    Column("mean_overlap", "mean IoU"),
    Column("sr50", "SR_0.5"),
    Column("sr75", "SR_0.75"),
    Column("mao", "mAO"),
    Column("fps", "fps", 1, higher_is_better=None),
)

#: How the keys of differences from papers' values end; each follows what it is a difference of.
DELTA = "_minus_paper"

COLUMNS = tuple(
    column
    for measured in _MEASURED
    for column in (
        measured,
        replace(measured, key=f"{measured.key}{DELTA}", title="Δ", higher_is_better=None, signed=True),
    )
)

#: What the bounds of bootstrap intervals are called in CSV files.
ENDS = ("low", "high")

#: Best, second and third in LaTeX.
LATEX_TYPE = {1: "\\textbf{", 2: "\\underline{", 3: "\\textit{"}
LATEX_COLOURS = {1: "\\textcolor{red}{", 2: "\\textcolor{blue}{", 3: "\\textcolor{green!55!black}{"}


def ranked(scores: Sequence[Score]) -> list[Score]:
    """Return the scores, best first by the main metric; undefined ones last."""
    return sorted(scores, key=lambda score: (-_sortable(score.metrics.get(main_metric(scores).key)), score.tracker))


def main_metric(scores: Sequence[Score]) -> Column:
    """Return the metric by which trackers are ranked: the first that the scores have."""
    return next(iter(used_columns(scores)), COLUMNS[0])


def places(scores: Sequence[Score], column: Column) -> dict[int, int]:
    """Return for one metric: index of a score -> its place (1, 2 or 3), with equal values sharing a place.

    Speed has no places, and neither has a table of one.
    """
    if column.higher_is_better is None or len(scores) < 2:
        return {}
    values = [score.metrics.get(column.key) for score in scores]
    known = {value for value in values if value is not None and not math.isnan(value)}
    order = sorted(known, reverse=column.higher_is_better)
    rank = {value: place for place, value in enumerate(order[:3], 1)}
    return {index: rank[value] for index, value in enumerate(values) if value in rank}


def terminal_table(scores: Sequence[Score], title: str) -> RichTable:
    """Return the main table for a terminal: best bold green, second blue, third yellow."""
    columns = used_columns(scores)
    table = RichTable("tracker", title=Text(printable(title)), caption=caption(scores))
    for column in columns:
        table.add_column(column.title, justify="right")
    table.add_column("sequences", justify="right")
    styles = {1: "bold green", 2: "blue", 3: "yellow"}
    marks = {column.key: places(scores, column) for column in columns}
    for index, score in enumerate(scores):
        cells = [
            Text(_number(score, column), style=styles.get(marks[column.key].get(index, 0), "")) for column in columns
        ]
        table.add_row(Text(score.title), *cells, f"{score.sequences} of {score.of}")
    return table


def csv_table(scores: Sequence[Score]) -> str:
    """Return the main table as CSV, fractions in full precision."""
    rows = [
        {
            "tracker": score.tracker,
            "dataset": score.dataset,
            "protocol": score.protocol,
            "convention": score.convention,
            "sequences": score.sequences,
            "of": score.of,
            "repetitions": score.repetitions,
            **score.metrics,
            **{f"{key}_spread": value for key, value in score.spread.items()},
            **{f"{key}_{end}": bounds[k] for key, bounds in score.intervals.items() for k, end in enumerate(ENDS)},
        }
        for score in scores
    ]
    return csv_lines(rows)


def attribute_csv(scores: Sequence[Score]) -> str:
    """Return a line for each tracker and attribute."""
    return csv_lines(
        [
            {"tracker": score.tracker, "dataset": score.dataset, "attribute": attribute, **values}
            for score in scores
            for attribute, values in score.attributes.items()
        ]
    )


def sequence_csv(scores: Sequence[Score]) -> str:
    """Return a line for each tracker and sequence."""
    return csv_lines(
        [
            {"tracker": score.tracker, "dataset": score.dataset, "sequence": sequence, **values}
            for score in scores
            for sequence, values in score.per_sequence.items()
        ]
    )


def curve_csv(scores: Sequence[Score]) -> str:
    """Return a line for each tracker, curve and threshold."""
    return csv_lines(
        [
            {"tracker": score.tracker, "curve": name, "threshold": threshold, "value": value}
            for score in scores
            for name, curve in score.curves.items()
            for threshold, value in zip(curve.thresholds, curve.values, strict=True)
        ]
    )


def markdown_table(scores: Sequence[Score]) -> str:
    """Return the main table as Markdown: best bold, second italic, third marked ³."""
    columns = used_columns(scores)
    lines = [
        "| tracker | " + " | ".join(column.title for column in columns) + " | sequences |",
        "| --- |" + " ---: |" * (len(columns) + 1),
    ]
    marks = {column.key: places(scores, column) for column in columns}
    for index, score in enumerate(scores):
        cells = []
        for column in columns:
            place = marks[column.key].get(index, 0)
            wrap, end = {1: ("**", ""), 2: ("*", ""), 3: ("", " ³")}.get(place, ("", ""))
            cells.append(f"{wrap}{_number(score, column)}{wrap}{end}")
        lines.append(f"| {markdown(score.title)} | " + " | ".join(cells) + f" | {score.sequences} of {score.of} |")
    return "\n".join([*lines, "", caption(scores), ""])


def latex_table(scores: Sequence[Score], title: str, *, colours: bool = False) -> str:
    """Return the main table as LaTeX.

    Args:
        scores: in the order of the table.
        title: what the caption begins with.
        colours: best, second and third in red, blue and green (package xcolor); else bold, underlined and in italics.
    """
    columns = used_columns(scores)
    head = " & ".join(["Tracker", *(latex_title(column.title) for column in columns)])
    lines = [
        "% needs \\usepackage{booktabs}" + (" \\usepackage{xcolor}" if colours else ""),
        "\\begin{table}",
        "  \\centering",
        f"  \\caption{{{latex(title)}. {latex(caption(scores))}}}",
        f"  \\begin{{tabular}}{{l{'r' * len(columns)}}}",
        "    \\toprule",
        f"    {head} \\\\",
        "    \\midrule",
    ]
    marks = {column.key: places(scores, column) for column in columns}
    for index, score in enumerate(scores):
        cells = []
        for column in columns:
            command = (LATEX_COLOURS if colours else LATEX_TYPE).get(marks[column.key].get(index, 0))
            number = _number(score, column).replace("-", "--").replace("±", "$\\pm$")
            cells.append(f"{command}{number}}}" if command else number)
        lines.append("    " + " & ".join([latex(score.title), *cells]) + " \\\\")
    return "\n".join([*lines, "    \\bottomrule", "  \\end{tabular}", "\\end{table}", ""])


def attribute_table(scores: Sequence[Score]) -> RichTable:
    """Return the main metric by attribute for a terminal, a column for each tracker."""
    column = main_metric(scores)
    table = RichTable("attribute", "sequences", title=f"{column.title} by attribute")
    for score in scores:
        table.add_column(Text(score.title), justify="right")
    for attribute in dict.fromkeys(name for score in scores for name in score.attributes):
        values = [score.attributes.get(attribute, {}) for score in scores]
        count = max(int(value.get("sequences") or 0) for value in values)
        table.add_row(
            Text(printable(attribute, NAME)),
            str(count or "-"),
            *(_scaled(value.get(column.key), column) for value in values),
        )
    return table


def sequence_table(scores: Sequence[Score]) -> RichTable:
    """Return the main metric by sequence for a terminal, a column for each tracker."""
    keys = {key for score in scores for values in score.per_sequence.values() for key in values}
    column = next((c for c in used_columns(scores) if c.key in keys), main_metric(scores))
    table = RichTable("sequence", title=f"{column.title} by sequence")
    for score in scores:
        table.add_column(Text(score.title), justify="right")
    for sequence in dict.fromkeys(name for score in scores for name in score.per_sequence):
        values = (score.per_sequence.get(sequence, {}).get(column.key) for score in scores)
        table.add_row(Text(printable(sequence, NAME)), *(_scaled(value, column) for value in values))
    return table


def used_columns(scores: Sequence[Score]) -> list[Column]:
    """Return the metrics that the scores have, in the order of tables."""
    used = [column for column in COLUMNS if any(score.metrics.get(column.key) is not None for score in scores)]
    keys = {column.key for column in used}
    # Where failures are counted, the papers' R is their rate.
    return [column for column in used if column.key != "robustness" or "failures_per_100" not in keys]


def caption(scores: Sequence[Score]) -> str:
    """Return what the numbers of a table are: convention, unit, what stands behind ±."""
    conventions = ", ".join(dict.fromkeys(score.convention for score in scores))
    keys = {column.key for column in used_columns(scores)}
    unit = "R: failures per 100 frames." if "failures_per_100" in keys else "Percent, except fps."
    if "eao" in keys:
        intervals = ", ".join(dict.fromkeys(f"{s.interval[0]}-{s.interval[1]}" for s in scores if s.interval))
        unit = f"EAO over lengths {intervals}." + (f" {unit}" if "failures_per_100" in keys else "")
    spread = " ± standard deviation over runs." if any(score.spread for score in scores) else ""
    delta = " Δ: minus the paper's value." if any(key.endswith(DELTA) for key in keys) else ""
    return f"Convention: {conventions}. {unit}{spread}{delta}"


def _number(score: Score, column: Column) -> str:
    """Return a metric as people read it, with its standard deviation where there are several runs."""
    value = score.metrics.get(column.key)
    if value is None or math.isnan(value):
        return "-"
    spread = score.spread.get(column.key)
    more = "" if spread is None else f" ± {_scaled(spread, column)}"
    return f"{_scaled(value, column)}{more}"


def _scaled(value: float | None, column: Column) -> str:
    if value is None or math.isnan(value):
        return "-"
    return f"{column.scale * value:{'+z' if column.signed else ''}.{column.digits}f}"


def _sortable(value: float | None) -> float:
    return -math.inf if value is None or math.isnan(value) else value


def csv_lines(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows as CSV, with a column for each key."""
    rows = [{key: printable(v) if isinstance(v, str) else v for key, v in row.items()} for row in rows]
    return str(pd.DataFrame(rows).to_csv(index=False, lineterminator="\n"))


def latex(text: str) -> str:
    """Return a text with what LaTeX would take for commands, or print as something else, escaped."""
    return printable(text).translate(_LATEX)


#: Brackets and stars are in groups because after the end of a row they are arguments of it.
_LATEX = str.maketrans(
    {
        **{character: f"\\{character}" for character in "&%$#_{}"},
        **{character: f"{{{character}}}" for character in "[]*"},
        "\\": "\\textbackslash{}",
        "~": "\\textasciitilde{}",
        "^": "\\textasciicircum{}",
        "<": "\\textless{}",
        ">": "\\textgreater{}",
        "|": "\\textbar{}",
        "Δ": "$\\Delta$",
        "±": "$\\pm$",
    }
)


def markdown(text: str) -> str:
    """Return a text with what Markdown would take for markup escaped; underscores within words are none."""
    return re.sub(r"[\\`*\[\]<|]|&(?=#?\w+;)|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", printable(text))


def latex_title(title: str) -> str:
    """Return a column's title with its index below the line."""
    name, underscore, index = title.partition("_")
    return f"${name}_{{\\mathrm{{{index}}}}}$" if underscore else latex(name)
