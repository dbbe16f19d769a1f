"""Statistics as people and programs read them: terminal, CSV, LaTeX, JSON."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from rich.console import Group
from rich.table import Table as RichTable
from rich.text import Text

from trackbench.quoting import NAME, printable
from trackbench.reports import latex
from trackbench.reports.tables import csv_lines
from trackbench.statistics.attributes import AttributeDifference, attribute_differences
from trackbench.statistics.failures import FailureSummary
from trackbench.statistics.matrix import ScoreMatrix
from trackbench.statistics.pairs import Pair, compare_pairs
from trackbench.statistics.ranks import CriticalDifference, critical_difference
from trackbench.statistics.resampling import Floats, clustered_intervals, rank_distribution

#: Half-width of the region of practical equivalence where nobody says, in the unit in which people read a metric.
ROPE = 0.5


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
    """(T, T): share of resamples in which a tracker (row) has a rank (column)."""
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
            shares = {f"rank_{rank + 1}": share for rank, share in enumerate(self.ranks[index].tolist())}
            low, high = self.intervals[index].tolist()
            rank = self.critical.ranks[index]
            rows.append(
                {"tracker": label, "mean": self.means[index], "low": low, "high": high, "average_rank": rank, **shares}
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

    Ranks are over the sequences that all trackers have; means and pairs over those that one or two have.

    Args:
        dataset: its title.
        matrix: the scores by sequence.
        failures: label -> its failures.
        rope: half-width of the region of practical equivalence, in the unit in which people read the metric.
    """
    common = matrix.common
    better = matrix.better()[common]
    pairs = compare_pairs(matrix, rope)
    known = ~np.isnan(matrix.values)
    counts = known.sum(axis=0)
    sums = np.where(known, matrix.values, 0.0).sum(axis=0)
    return Statistics(
        dataset,
        matrix,
        rope,
        [total / count if count else math.nan for total, count in zip(sums.tolist(), counts.tolist(), strict=True)],
        clustered_intervals(matrix.values, matrix.clusters),
        rank_distribution(better, matrix.clusters[common]),
        critical_difference(better, pairs),
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


def terminal(statistics: Statistics) -> Group:
    """Return the tables for a terminal."""
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
            f"{statistics.critical.ranks[index]:.2f}",
            _percent(statistics.ranks[index, 0]),
            _rank_range(statistics.ranks[index]),
        )
    parts: list[RichTable] = [first]
    if statistics.pairs:
        parts.append(_pair_table(statistics))
    if statistics.failures:
        parts.append(_failure_table(statistics))
    return Group(*parts)


def _pair_table(statistics: Statistics) -> RichTable:
    unit = f"{statistics.rope:g} {statistics.matrix.metric.title}"
    table = RichTable("tracker", "against", title="Pairs", caption=f"practically equal: within {unit}")
    for title in ("difference", "95 % interval", "better on a new sequence", "better", "equal", "worse", "p (Holm)"):
        table.add_column(title, justify="right")
    for pair in statistics.pairs:
        table.add_row(
            Text(printable(statistics.matrix.titles[pair.first], NAME)),
            Text(printable(statistics.matrix.titles[pair.second], NAME)),
            _number(pair.difference, statistics, signed=True),
            _interval(pair.low, pair.high, statistics),
            f"{_percent(pair.better)} ({_percent(pair.better_low)} to {_percent(pair.better_high)})",
            *(_percent(share) for share in pair.equivalence),
            "-" if math.isnan(pair.wilcoxon) else f"{pair.wilcoxon:.2g}",
        )
    return table


def _failure_table(statistics: Statistics) -> RichTable:
    table = RichTable("tracker", title="Failures")
    for title in (
        "sequences",
        "with failures",
        "failures",
        "in 1000 frames",
        "frames lost",
        "recovered",
        "frames until then",
        "first at",
        "median survival",
    ):
        table.add_column(title, justify="right")
    titles = dict(zip(statistics.matrix.labels, statistics.matrix.titles, strict=True))
    for label, summary in statistics.failures.items():
        table.add_row(
            Text(printable(titles[label], NAME)),
            str(summary.sequences),
            str(summary.failed_sequences),
            str(summary.failures),
            _plain(summary.per_thousand, ".2f"),
            _percent(summary.lost_share),
            _percent(summary.recovered),
            _plain(summary.median_length, ".0f"),
            _percent(summary.median_begin),
            "not reached" if summary.median_survival == math.inf else _plain(summary.median_survival, ".0f"),
        )
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
            f"{statistics.critical.ranks[k]:.2f}",
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
        heads = ["Tracker", "Against", "$\\Delta$", "95\\,\\% interval", "Better", "Equal", "Worse", "$p$"]
        rows = [
            [
                latex.escaped(titles[pair.first]),
                latex.escaped(titles[pair.second]),
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
    return f"Mean over sequences; ranks over the {common} that all have. Resampled: {resampled}.{friedman}"


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
