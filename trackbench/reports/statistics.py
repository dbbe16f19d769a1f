"""Statistics as people and programs read them: terminal, CSV, LaTeX, JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Group, RenderableType
from rich.table import Table as RichTable
from rich.text import Text

from trackbench.quoting import NAME, listed, printable
from trackbench.reports import latex
from trackbench.reports.tables import by_tracker, csv_lines
from trackbench.statistics.attributes import AttributeDifference, attribute_differences
from trackbench.statistics.failures import FailureSummary
from trackbench.statistics.matrix import ScoreMatrix
from trackbench.statistics.pairs import Pair, compare_pairs
from trackbench.statistics.ranks import CriticalDifference, critical_difference
from trackbench.statistics.resampling import Floats, clustered_intervals, rank_distribution

#: Half-width of the region of practical equivalence where nobody says, in the unit in which people read a metric.
ROPE = 0.5
#: Characters that the tables of pairs and failures take side by side.
WIDE = 150


@dataclass(frozen=True)
class Statistics:
    """Everything that is said about the trackers of one data set."""

    dataset: str
    matrix: ScoreMatrix
    rope: float
    """In the unit in which people read the metric."""
    means: list[float]
    intervals: Floats
    """(T, 2)."""
    ranks: Floats
    """(T, T): share of resamples in which a tracker (row) has a rank (column); NaN for one that is not ranked."""
    critical: CriticalDifference
    pairs: list[Pair]
    attributes: dict[tuple[int, int], list[AttributeDifference]]
    failures: dict[str, FailureSummary]
    """Label -> its failures."""

    def document(self) -> dict[str, Any]:
        """Return what ``--json`` prints; numbers are in the metric's own unit, fractions for percentages."""
        labels = self.matrix.labels
        return {
            "dataset": self.dataset,
            "metric": self.matrix.metric.key,
            "rope": self.rope / self.matrix.metric.scale,
            "sequences": len(self.matrix.sequences),
            "common_sequences": int(self.matrix.common.sum()),
            "clusters": len(set(self.matrix.clusters.tolist())),
            "friedman": self.critical.friedman,
            "groups": [[labels[k] for k in group] for group in self.critical.groups],
            "trackers": self.tracker_rows(),
            "pairs": self.pair_rows(),
            "attributes": self.attribute_rows(),
            "failures": self.failure_rows(),
        }

    def tracker_rows(self) -> list[dict[str, Any]]:
        """Return a row a tracker: mean, interval, average rank, share of resamples with each rank."""
        rows = []
        for index, label in enumerate(self.matrix.labels):
            sequences, of = self.matrix.coverage[index]
            shares = {f"rank_{rank + 1}": share for rank, share in enumerate(self.ranks[index].tolist())}
            low, high = self.intervals[index].tolist()
            rank = self.critical.ranks[index]
            rows.append(
                {
                    "tracker": label,
                    "sequences": sequences,
                    "of": of,
                    "mean": self.means[index],
                    "low": low,
                    "high": high,
                    "average_rank": rank,
                    **shares,
                }
            )
        return rows

    def pair_rows(self) -> list[dict[str, Any]]:
        """Return a row a pair of trackers."""
        labels = self.matrix.labels
        return [
            {
                "tracker": labels[pair.first],
                "against": labels[pair.second],
                "sequences": pair.sequences,
                "difference": pair.difference,
                "difference_low": pair.low,
                "difference_high": pair.high,
                "p_better": pair.better,
                "p_better_low": pair.better_low,
                "p_better_high": pair.better_high,
                "posterior_better": pair.equivalence.first,
                "posterior_equal": pair.equivalence.equal,
                "posterior_worse": pair.equivalence.second,
                "p_wilcoxon_holm": pair.wilcoxon,
            }
            for pair in self.pairs
        ]

    def attribute_rows(self) -> list[dict[str, Any]]:
        """Return a row a pair of trackers and attribute."""
        labels = self.matrix.labels
        return [
            {"tracker": labels[first], "against": labels[second], **row._asdict()}
            for (first, second), rows in self.attributes.items()
            for row in rows
        ]

    def failure_rows(self) -> list[dict[str, Any]]:
        """Return a row a tracker; a median survival that is not reached is None."""
        return [
            {
                "tracker": label,
                **{key: None if value == math.inf else value for key, value in summary._asdict().items()},
            }
            for label, summary in self.failures.items()
        ]


def measure(dataset: str, matrix: ScoreMatrix, failures: dict[str, FailureSummary], rope: float) -> Statistics:
    """Compute all statistics of one data set.

    Ranks are those of complete runs, over the sequences that they have; where no run is complete, those of all runs
    over the sequences that all have. Means and pairs are over the sequences that one or two have.

    Args:
        dataset: its title.
        matrix: the scores by sequence.
        failures: label -> its failures.
        rope: half-width of the region of practical equivalence, in the unit in which people read the metric.
    """
    common, ranked = matrix.common, matrix.ranked
    better = matrix.better()[common][:, ranked]
    pairs = compare_pairs(matrix, rope)
    place = {column: index for index, column in enumerate(ranked)}
    tested = [
        pair._replace(first=place[pair.first], second=place[pair.second])
        for pair in pairs
        if pair.first in place and pair.second in place
    ]
    critical = critical_difference(better, tested)
    ranks = np.full(len(matrix.labels), np.nan)
    ranks[ranked] = critical.ranks
    shares = np.full((len(ranks), len(ranks)), np.nan)
    shares[np.ix_(ranked, range(len(ranked)))] = rank_distribution(better, matrix.clusters[common])
    shares[ranked, len(ranked) :] = 0.0
    known = ~np.isnan(matrix.values)
    counts = known.sum(axis=0)
    sums = np.where(known, matrix.values, 0.0).sum(axis=0)
    return Statistics(
        dataset,
        matrix,
        rope,
        [total / count if count else math.nan for total, count in zip(sums.tolist(), counts.tolist(), strict=True)],
        clustered_intervals(matrix.values, matrix.clusters),
        shares,
        CriticalDifference(
            ranks.tolist(), [tuple(ranked[k] for k in group) for group in critical.groups], critical.friedman
        ),
        pairs,
        {(pair.first, pair.second): attribute_differences(matrix, pair.first, pair.second) for pair in pairs}
        if matrix.attributes
        else {},
        failures,
    )


def csv_files(statistics: Statistics) -> dict[str, str]:
    """Return file name -> CSV, numbers in full precision."""
    texts = {"statistics.csv": csv_lines(statistics.tracker_rows())}
    if statistics.pairs:
        texts["pairs.csv"] = csv_lines(statistics.pair_rows())
    if statistics.attributes:
        texts["attribute_differences.csv"] = csv_lines(statistics.attribute_rows())
    if statistics.failures:
        texts["failures.csv"] = csv_lines(statistics.failure_rows())
    return texts


def terminal(statistics: Statistics, *, width: int = WIDE) -> Group:
    """Return the tables for a terminal; in one of fewer than `WIDE` characters intervals stand below their numbers.

    Args:
        statistics: what they are of.
        width: characters of the terminal.
    """
    matrix, metric = statistics.matrix, statistics.matrix.metric
    first = RichTable(
        "tracker", title=Text(printable(f"{metric.title} on {statistics.dataset}")), caption=_caption(statistics)
    )
    for title in (metric.title, "95 % interval", "average rank", "first in", "rank in 95 % of resamples"):
        first.add_column(title, justify="right")
    for index, label in enumerate(matrix.titles):
        low, high = statistics.intervals[index].tolist()
        first.add_row(
            Text(printable(label, NAME)),
            _number(statistics.means[index], statistics),
            _interval(low, high, statistics),
            _plain(statistics.critical.ranks[index], ".2f"),
            _percent(statistics.ranks[index, 0]),
            _rank_range(statistics.ranks[index]),
        )
    parts: list[RenderableType] = [first]
    if statistics.pairs:
        parts.append(_pair_table(statistics, is_narrow=width < WIDE))
    if statistics.failures:
        parts.append(_failure_table(statistics, width))
    return Group(*parts)


def _pair_table(statistics: Statistics, *, is_narrow: bool) -> RichTable:
    unit = f"{statistics.rope:g} {statistics.matrix.metric.title}"
    table = RichTable(title="Pairs", caption=f"practically equal: within {unit}", collapse_padding=is_narrow)
    names = ("tracker\nagainst",) if is_narrow else ("tracker", "against")
    ranges = (
        ("difference\n95 % interval", "better on\na new one")
        if is_narrow
        else ("difference", "95 % interval", "better on a new one")
    )
    for name in names:
        table.add_column(name, overflow="fold")
    for title in ("n" if is_narrow else "sequences", *ranges, "better", "equal", "worse", "p (Holm)"):
        table.add_column(title, justify="right", no_wrap=True)
    for pair in statistics.pairs:
        titles = [printable(statistics.matrix.titles[column], NAME) for column in (pair.first, pair.second)]
        difference = _number(pair.difference, statistics, signed=True)
        interval = _interval(pair.low, pair.high, statistics)
        better, around = _percent(pair.better), f"({_percent(pair.better_low)} to {_percent(pair.better_high)})"
        if math.isnan(pair.better):
            around = ""
        cells = [f"{difference}\n{interval}", f"{better}\n{around}"] if is_narrow else [
            difference, interval, f"{better} {around}".strip(),
        ]  # fmt: skip
        table.add_row(
            *map(Text, ["\n".join(titles)] if is_narrow else titles),
            str(pair.sequences),
            *cells,
            *(_percent(share) for share in pair.equivalence),
            "-" if math.isnan(pair.wilcoxon) else f"{pair.wilcoxon:.2g}",
        )
    return table


def _failure_table(statistics: Statistics, width: int) -> RenderableType:
    titles = dict(zip(statistics.matrix.labels, statistics.matrix.titles, strict=True))
    heads = (
        "sequences",
        "with failures",
        "failures",
        "in 1000 frames",
        "frames lost",
        "recovered",
        "frames until then",
        "first at",
        "median survival",
    )
    rows = [
        [
            str(summary.sequences),
            str(summary.failed_sequences),
            str(summary.failures),
            _plain(summary.per_thousand, ".2f"),
            _percent(summary.lost_share),
            _percent(summary.recovered),
            _plain(summary.median_length, ".0f"),
            _percent(summary.median_begin),
            "not reached" if summary.median_survival == math.inf else _plain(summary.median_survival, ".0f"),
        ]
        for summary in statistics.failures.values()
    ]
    names = [titles[label] for label in statistics.failures]
    if width < WIDE:
        turned = [([head], [row[place] for row in rows]) for place, head in enumerate(heads)]
        return by_tracker("Failures", [""], names, turned, width)
    table = RichTable("tracker", title="Failures")
    for head in heads:
        table.add_column(head, justify="right")
    for name, row in zip(names, rows, strict=True):
        table.add_row(Text(printable(name, NAME)), *row)
    return table


def latex_tables(statistics: Statistics) -> str:
    """Return the table of trackers, and that of pairs where there are any, as LaTeX."""
    metric = statistics.matrix.metric
    titles = statistics.matrix.titles
    heads = ["Tracker", latex.title(metric.title), "95\\,\\% interval", "Rank", "First in", "Ranks"]
    rows = [
        [
            latex.escaped(title),
            _number(statistics.means[k], statistics),
            _interval(float(statistics.intervals[k, 0]), float(statistics.intervals[k, 1]), statistics),
            _plain(statistics.critical.ranks[k], ".2f"),
            _percent(statistics.ranks[k, 0]),
            _rank_range(statistics.ranks[k]),
        ]
        for k, title in enumerate(titles)
    ]
    name = statistics.dataset
    text = _latex_table(
        heads, rows, f"{latex.escaped(name)}. {latex.escaped(_caption(statistics))}", f"statistics {name}"
    )
    if statistics.pairs:
        heads = ["Tracker", "Against", "Sequences", "$\\Delta$", "95\\,\\% interval", "Better", "Equal", "Worse", "$p$"]
        rows = [
            [
                latex.escaped(titles[pair.first]),
                latex.escaped(titles[pair.second]),
                str(pair.sequences),
                _number(pair.difference, statistics, signed=True),
                _interval(pair.low, pair.high, statistics),
                *(_percent(share) for share in pair.equivalence),
                "-" if math.isnan(pair.wilcoxon) else f"{pair.wilcoxon:.2g}",
            ]
            for pair in statistics.pairs
        ]
        caption = (
            f"Pairs on {latex.escaped(statistics.dataset)}. Better, equal, worse: posterior of the signed-rank test; "
            f"equal: within {statistics.rope:g} {latex.escaped(metric.title)}. $p$: Wilcoxon, Holm-corrected."
        )
        text += "\n" + _latex_table(heads, rows, caption, f"pairs {name}", left=2)
    return text


def _latex_table(heads: list[str], rows: list[list[str]], caption: str, label: str, left: int = 1) -> str:
    body = [[cell.replace(" %", "\\,\\%") for cell in row] for row in rows]
    return latex.table([" & ".join(heads)], body, caption, label, texts=left)


def _caption(statistics: Statistics) -> str:
    matrix = statistics.matrix
    common, clusters = int(matrix.common.sum()), len(set(matrix.clusters.tolist()))
    resampled = f"{clusters} classes of objects" if matrix.is_clustered else f"{clusters} sequences"
    friedman = "" if math.isnan(statistics.critical.friedman) else f" Friedman: p = {statistics.critical.friedman:.2g}."
    apart = [matrix.titles[column] for column in range(len(matrix.titles)) if column not in matrix.ranked]
    without = f" Not ranked, because incomplete: {listed(apart)}." if apart else ""
    return f"Mean over sequences; ranks over the {common} that all have.{without} Resampled: {resampled}.{friedman}"


def _rank_range(shares: Floats) -> str:
    """Return the narrowest central range of ranks in at least 95 % of resamples."""
    if math.isnan(shares[0]):
        return "-"
    below = shares.cumsum()
    low = int((below <= 0.025).sum()) + 1
    high = int((below < 0.975 - 1e-9).sum()) + 1
    return str(low) if low == high else f"{low} to {high}"


def _number(value: float, statistics: Statistics, *, signed: bool = False) -> str:
    metric = statistics.matrix.metric
    return "-" if math.isnan(value) else f"{value * metric.scale:{'+' if signed else ''}.{max(metric.digits, 1)}f}"


def _interval(low: float, high: float, statistics: Statistics) -> str:
    return "-" if math.isnan(low) else f"{_number(low, statistics)} to {_number(high, statistics)}"


def _percent(share: float) -> str:
    return "-" if math.isnan(share) else f"{100 * share:.0f} %"


def _plain(value: float, form: str) -> str:
    return "-" if math.isnan(value) else f"{value:{form}}"
