"""Tables of scores: terminal, CSV, Markdown, LaTeX.

CSV and JSON hold fractions in full precision; what people read is as the papers print it: percentages, but for VOT.
Only complete runs, those over all sequences of the benchmark, are ranked and marked; the others stand below them.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

import pandas as pd
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from trackbench.errors import UsageError, fold_name, suggestion
from trackbench.metrics.answers import KINDS
from trackbench.metrics.table import DELTA, METRICS, Metric, metric, ordered, shown
from trackbench.quoting import NAME, listed, printable
from trackbench.reports import latex
from trackbench.scoring import BadAnswers, Score

#: What the bounds of bootstrap intervals are called in CSV files.
ENDS = ("low", "high")

#: "Convention" of numbers that trackbench has not computed -> what is said of them.
SERVERS = {
    "server": "From the benchmark's server",
    "typed": "Typed in, as the benchmark's server gave them",
}
#: Characters from which on a terminal is wide.
WIDE = 100
#: Characters to which the name of a tracker above a column is folded where there are many.
NARROW = 12
#: Best, second and third in a terminal.
TERMINAL = {1: "bold green", 2: "blue", 3: "yellow"}
#: What is said of them below a table in Markdown.
MARKDOWN = "Best, second and third: **bold**, *italic*, ³."


def ranked(scores: Sequence[Score]) -> list[Score]:
    """Return the scores, best first by the main metric; undefined ones and then incomplete runs come last."""
    main = main_metric(scores)
    sign = -1 if main.higher_is_better is False else 1

    def order(score: Score) -> tuple[bool, float, str]:
        value = score.metrics.get(main.key)
        undefined = value is None or math.isnan(value)
        return not score.is_complete, math.inf if value is None or undefined else -sign * value, score.tracker

    return sorted(scores, key=order)


def main_metric(scores: Sequence[Score]) -> Metric:
    """Return the metric by which trackers are ranked: the first that the scores have and that tells better from worse.

    Where they have none, it is the one that their evaluation would have had.
    """
    columns = used_columns(scores)
    keys = [key for score in scores for key in score.metrics]
    ranking = [column for column in columns if column.higher_is_better is not None]
    return next(iter([*ranking, *columns, *shown(keys)]), metric("success_auc"))


def places(scores: Sequence[Score], column: Metric) -> dict[int, int]:
    """Return for one metric: index of a score -> its place (1, 2 or 3), with equal values sharing a place.

    Speed has no places, and neither have incomplete runs and a table of one complete run.
    """
    complete = [index for index, score in enumerate(scores) if score.is_complete]
    if column.higher_is_better is None or len(complete) < 2:
        return {}
    values = {index: scores[index].metrics.get(column.key) for index in complete}
    known = {value for value in values.values() if value is not None and not math.isnan(value)}
    order = sorted(known, reverse=column.higher_is_better)
    rank = {value: place for place, value in enumerate(order[:3], 1)}
    return {index: rank[value] for index, value in values.items() if value in rank}


def terminal_table(
    scores: Sequence[Score], title: str, metrics: Sequence[str] | None = None, *, width: int = WIDE
) -> RichTable:
    """Return the main table for a terminal: best bold green, second blue, third yellow.

    Args:
        scores: in the order of the table.
        title: what stands above.
        metrics: the columns, by key; None: all.
        width: characters of the terminal; in a narrow one columns stand closer, names are folded, and no number is cut.
    """
    close = width < WIDE
    columns = used_columns(scores, metrics)
    text = caption(scores, metrics)
    table = RichTable(title=Text(printable(title)), caption=text, collapse_padding=close, pad_edge=not close)
    table.add_column("tracker", overflow="fold")
    for column in columns:
        table.add_column(column.title, justify="right", no_wrap=True)
    table.add_column("sequences", justify="right", overflow="fold")
    marks = {column.key: places(scores, column) for column in columns}
    for index, score in enumerate(scores):
        cells = [
            Text(number(score, column), style=TERMINAL.get(marks[column.key].get(index, 0), "")) for column in columns
        ]
        table.add_row(Text(score.heading), *cells, f"{score.sequences} of {score.of}")
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
            "complete": score.is_complete,
            "tuned_on_test_set": score.is_tuned,
            **({} if score.common is None else {"common": score.common}),
            "repetitions": score.repetitions,
            **score.metrics,
            **{f"bad_{kind}": count.frames for kind, count in score.bad_answers.items()},
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


def markdown_table(scores: Sequence[Score], metrics: Sequence[str] | None = None) -> str:
    """Return the main table as Markdown: best bold, second italic, third marked ³."""
    columns = used_columns(scores, metrics)
    lines = [
        "| tracker | " + " | ".join(column.title for column in columns) + " | sequences |",
        "| --- |" + " ---: |" * (len(columns) + 1),
    ]
    marks = {column.key: places(scores, column) for column in columns}
    for index, score in enumerate(scores):
        cells = []
        for column in columns:
            cells.append(marked(number(score, column), marks[column.key].get(index)))
        lines.append(f"| {markdown(score.heading)} | " + " | ".join(cells) + f" | {score.sequences} of {score.of} |")
    text = f"{caption(scores, metrics)} {MARKDOWN}" if any(marks.values()) else caption(scores, metrics)
    return "\n".join([*lines, "", text, ""])


def latex_table(
    scores: Sequence[Score], title: str, metrics: Sequence[str] | None = None, *, colours: bool = False
) -> str:
    """Return the main table as LaTeX.

    Args:
        scores: in the order of the table.
        title: what the caption begins with.
        metrics: the columns, by key; None: all.
        colours: best, second and third in red, blue and green (package xcolor); else bold, underlined and in italics.
    """
    columns = used_columns(scores, metrics)
    head = " & ".join(["Tracker", *(latex.title(column.title) for column in columns)])
    marks = {column.key: places(scores, column) for column in columns}
    rows = [
        [
            latex.escaped(score.heading),
            *(latex.number(number(score, c), marks[c.key].get(index), colours=colours) for c in columns),
        ]
        for index, score in enumerate(scores)
    ]
    text = f"{latex.escaped(title)}. {latex.escaped(caption(scores, metrics))}"
    if any(marks.values()):
        text = f"{text} {latex.MARKS[colours]}"
    return latex.table([head], rows, text, title, colours=colours)


def marked(text: str, place: int | None) -> str:
    """Return a number as Markdown, marked by its place: best bold, second italic, third ³."""
    wrap, end = {1: ("**", ""), 2: ("*", ""), 3: ("", " ³")}.get(place or 0, ("", ""))
    return f"{wrap}{text}{wrap}{end}"


def attribute_table(
    scores: Sequence[Score], metrics: Sequence[str] | None = None, *, width: int = WIDE
) -> RenderableType:
    """Return the main metric by attribute for a terminal, a column for each tracker.

    A tracker that lacks some of an attribute's sequences has n/N behind its number.
    """
    column = next(iter(used_columns(scores, metrics)), main_metric(scores))
    rows = []
    for attribute in dict.fromkeys(name for score in scores for name in score.attributes):
        values = [score.attributes.get(attribute, {}) for score in scores]
        counts = [int(value.get("sequences") or 0) for value in values]
        of = max(counts)
        cells = [
            _scaled(value.get(column.key), column) + (f" ({count}/{of})" if 0 < count < of else "")
            for value, count in zip(values, counts, strict=True)
        ]
        rows.append(([printable(attribute, NAME), str(of or "-")], cells))
    headings = [score.heading for score in scores]
    return by_tracker(f"{column.title} by attribute", ["attribute", "sequences"], headings, rows, width)


def sequence_table(
    scores: Sequence[Score], metrics: Sequence[str] | None = None, *, width: int = WIDE
) -> RenderableType:
    """Return the main metric by sequence for a terminal, a column for each tracker."""
    keys = {key for score in scores for values in score.per_sequence.values() for key in values}
    column = next((c for c in used_columns(scores, metrics) if c.key in keys), main_metric(scores))
    rows = []
    for sequence in dict.fromkeys(name for score in scores for name in score.per_sequence):
        values = (score.per_sequence.get(sequence, {}).get(column.key) for score in scores)
        rows.append(([printable(sequence, NAME)], [_scaled(value, column) for value in values]))
    return by_tracker(f"{column.title} by sequence", ["sequence"], [score.heading for score in scores], rows, width)


def by_tracker(
    title: str, heads: Sequence[str], headings: Sequence[str], rows: Sequence[tuple[list[str], list[str]]], width: int
) -> RenderableType:
    """Return a table with a column for each tracker; as many tables below each other as the width asks for.

    Args:
        title: what stands above each.
        heads: of the columns before those of the trackers.
        headings: the trackers, in the order of the columns.
        rows: the cells of the columns before, and those of all trackers.
        width: characters of the terminal.
    """
    edge = 3  # of a cell: its border and a space on each side
    used = 1 + sum(
        edge + max(len(head), *(len(before[place]) for before, _ in rows), 0) for place, head in enumerate(heads)
    )
    groups: list[list[int]] = []
    room = 0
    for index, heading in enumerate(headings):
        need = edge + max(min(len(heading), NARROW), *(len(cells[index]) for _, cells in rows), 0)
        if not groups or need > room:
            groups.append([])
            room = width - used
        groups[-1].append(index)
        room -= need
    drawn = []
    for group in groups:
        table = RichTable(*heads, title=title)
        for index in group:
            table.add_column(Text(printable(headings[index])), justify="right", overflow="fold")
        for before, cells in rows:
            table.add_row(*map(Text, before), *(cells[index] for index in group))
        drawn.append(table)
    return Group(*drawn)


def used_columns(scores: Sequence[Score], metrics: Sequence[str] | None = None) -> list[Metric]:
    """Return the metrics that the scores have, in the order of tables, or those of ``metrics`` in theirs."""
    used = [key for score in scores for key, value in score.metrics.items() if value is not None]
    if metrics is None:
        return shown(used)
    return [column for wanted in metrics for column in ordered(used) if column.key.removesuffix(DELTA) == wanted]


def chosen_metrics(text: str | None, reports: Sequence[Sequence[Score]]) -> list[list[str] | None]:
    """Return the keys of ``--metrics KEY,KEY`` for each data set: keys or titles of metrics; None: all that there are.

    A data set that has none of them is shown by the metric that it is ranked by.

    Args:
        text: what was given.
        reports: the scores of each data set.

    Raises:
        UsageError: no score has such a metric; the message suggests the nearest.
    """
    if text is None:
        return [None for _ in reports]
    each = [ordered(key for score in scores for key in score.metrics if not key.endswith(DELTA)) for scores in reports]
    known = list(dict.fromkeys(column for columns in each for column in columns))
    chosen: list[list[str]] = [[] for _ in reports]
    for wanted in filter(None, map(str.strip, text.split(","))):
        # A metric of the working folder is asked for as module:NAME; a title may be that of several.
        meant = {METRICS.get(wanted).key} if ":" in wanted else _meant(wanted, known)
        if not meant:
            columns = ", ".join(column.key for column in known)
            names = [name for column in known for name in (column.title, column.key)]
            raise UsageError(f"--metrics: no score has '{wanted}'{suggestion(wanted, names)} (there are: {columns})")
        for keys, columns_here in zip(chosen, each, strict=True):
            keys += [column.key for column in columns_here if column.key in meant][:1]
    return [keys or [main_metric(scores).key] if scores else keys for keys, scores in zip(chosen, reports, strict=True)]


def _meant(wanted: str, known: Sequence[Metric]) -> set[str]:
    """Return the keys of the metrics that a word means: of the one with this key, else of all with this title."""
    name = fold_name(wanted)
    return {c.key for c in known if fold_name(c.key) == name} or {c.key for c in known if fold_name(c.title) == name}


def caption(scores: Sequence[Score], metrics: Sequence[str] | None = None) -> str:
    """Return what the numbers of a table are: convention, unit, what stands behind ±, which runs are incomplete."""
    conventions = dict.fromkeys(score.convention for score in scores if score.convention not in SERVERS)
    parts = [f"Convention: {', '.join(conventions)}."] if conventions else []
    for origin, words in SERVERS.items():
        if told := [score.title for score in scores if score.convention == origin]:
            parts.append(f"{words}: {listed(told)}.")
    parts += explanations(scores, used_columns(scores, metrics))
    incomplete = [f"{score.title} {score.sequences}/{score.of}" for score in scores if not score.is_complete]
    if incomplete:
        parts.append(f"Not ranked, because incomplete: {listed(incomplete)}.")
    if without := max((score.unannotated for score in scores), default=0):
        parts.append(f"Annotated frames only: {without} have no annotation.")
    parts += tuned_notes(scores)
    if scores and scores[0].common is not None:
        parts.append(f"Over the {scores[0].of} of {scores[0].common} sequences that all have.")
    return " ".join(parts)


def explanations(scores: Sequence[Score], columns: Sequence[Metric]) -> list[str]:
    """Return sentences on the numbers of columns: lengths, rates, unit, what stands behind ±, what Δ is."""
    keys = {column.key for column in columns}
    plain = [column for column in columns if column.scale != 100 and not column.key.endswith(DELTA)]
    parts = []
    if "eao" in keys:
        lengths = ", ".join(dict.fromkeys(f"{s.interval[0]}-{s.interval[1]}" for s in scores if s.interval))
        parts.append(f"EAO over lengths {lengths}.")
    if "failures_per_100" in keys:
        parts.append("R: failures per 100 frames.")
    if any(column.scale == 100 for column in columns):
        titles = ", ".join(dict.fromkeys(column.title for column in plain))
        parts.append(f"Percent, except {titles}." if plain else "Percent.")
    if any(score.spread for score in scores):
        parts.append("± standard deviation over runs.")
    if any(key.endswith(DELTA) for key in keys):
        parts.append("Δ: minus the paper's value.")
    return parts


def tuned_notes(scores: Sequence[Score]) -> list[str]:
    """Return the sentence on † where settings were searched on a test set, else none."""
    tuned = [score for score in scores if score.is_tuned]
    places = listed(dict.fromkeys(str(score.manifest["search"].get("dataset")) for score in tuned))
    return [f"† Settings searched on the test set {places}."] if tuned else []


def bad_answer_lines(counts: Mapping[str, BadAnswers]) -> list[str]:
    """Return what is to be said of suspicious answers, a line a kind."""
    return [
        f"{count.frames} answer{'s' * (count.frames != 1)} in {count.sequences} sequence"
        f"{'s' * (count.sequences != 1)}: {KINDS[kind]}"
        for kind, count in counts.items()
        if kind in KINDS
    ]


def number(score: Score, column: Metric) -> str:
    """Return a metric as people read it, with its standard deviation where there are several runs."""
    value = score.metrics.get(column.key)
    if value is None or math.isnan(value):
        return "-"
    spread = score.spread.get(column.key)
    more = "" if spread is None else f" ± {_scaled(spread, column)}"
    return f"{_scaled(value, column)}{more}"


def _scaled(value: float | None, column: Metric) -> str:
    if value is None or math.isnan(value):
        return "-"
    return f"{column.scale * value:{'+z' if column.signed else ''}.{column.digits}f}"


def csv_lines(rows: Sequence[Mapping[str, object]]) -> str:
    """Return rows as CSV, with a column for each key."""
    rows = [{key: printable(v) if isinstance(v, str) else v for key, v in row.items()} for row in rows]
    return str(pd.DataFrame(rows).to_csv(index=False, lineterminator="\n"))


def markdown(text: str) -> str:
    """Return a text with what Markdown would take for markup escaped; underscores within words are none."""
    return re.sub(r"[\\`*\[\]<|]|&(?=#?\w+;)|(?<![^\W_])_|_(?![^\W_])", r"\\\g<0>", printable(text))
