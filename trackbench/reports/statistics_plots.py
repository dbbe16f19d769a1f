"""Figures of statistics: the critical-difference diagram, and the forest plot of differences by attribute."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from trackbench.reports.plots import literal, settings, shortened
from trackbench.reports.style import Look, Style
from trackbench.statistics.attributes import AttributeDifference
from trackbench.statistics.matrix import ScoreMatrix
from trackbench.statistics.ranks import CriticalDifference

_NAME = 24
#: Width of a character of six points, in inches.
_CHARACTER = 0.05


def critical_difference_figure(
    ranks: CriticalDifference, matrix: ScoreMatrix, look: dict[str, Look], width: float = Style().one_column
) -> Figure:
    """Return a critical-difference diagram (Demsar, JMLR 7, 2006, Figure 1): average ranks on an axis, the best left.

    A bar joins trackers that no test tells apart.

    Args:
        ranks: average ranks and groups.
        matrix: names the trackers.
        look: from :func:`trackbench.reports.style.looks`.
        width: of the figure in inches.
    """
    # NaN, the rank of an incomplete run, comes last.
    trackers = int(np.isfinite(ranks.ranks).sum())
    order = np.argsort(ranks.ranks, kind="stable").tolist()[:trackers]
    half = (trackers + 1) // 2
    bars = 0.14 * (len(ranks.groups) + 1)
    line = 0.17
    height = 0.4 + bars + line * half + 0.1
    with mpl.rc_context({**settings(), "font.size": 7}):
        figure = Figure(figsize=(width, height))
        axes = figure.add_axes((0.0, 0.0, 1.0, 1.0))
        axes.set_axis_off()
        axes.set_xlim(0, width)
        axes.set_ylim(height, 0)
        # A name and the rank behind it, which is seven characters long, stand in the margin.
        margin = min(0.36 * width, 0.14 + _CHARACTER * (7 + max(map(len, matrix.titles))))
        most = int((margin - 0.14) / _CHARACTER) - 7
        top = 0.32

        def place(rank: float) -> float:
            return margin + (rank - 1) / max(1, trackers - 1) * (width - 2 * margin)

        axes.plot([place(1), place(trackers)], [top, top], color="black", linewidth=0.8)
        for rank in range(1, trackers + 1):
            axes.plot([place(rank)] * 2, [top - 0.05, top], color="black", linewidth=0.8)
            axes.text(place(rank), top - 0.07, str(rank), ha="center", va="bottom")
        for row, group in enumerate(ranks.groups):
            ends = [ranks.ranks[k] for k in group]
            y = top + 0.14 * (row + 1)
            axes.plot(
                [place(min(ends)) - 0.03, place(max(ends)) + 0.03], [y, y], color="black", linewidth=2.5, alpha=0.75
            )
        for position, index in enumerate(order):
            left = position < half
            y = top + bars + line * ((position if left else trackers - 1 - position) + 0.5)
            x, end = place(ranks.ranks[index]), margin - 0.06 if left else width - margin + 0.06
            colour = look[matrix.labels[index]].colour
            axes.plot([x, x, end], [top, y, y], color=colour, linewidth=0.9)
            axes.text(
                end - 0.04 if left else end + 0.04,
                y,
                literal(f"{shortened(matrix.titles[index], most)} ({ranks.ranks[index]:.2f})"),
                ha="right" if left else "left",
                va="center",
                fontsize=6,
            )
    return figure


def forest_figure(
    rows: Sequence[AttributeDifference],
    matrix: ScoreMatrix,
    first: int,
    second: int,
    rope: float,
    width: float = Style().one_column,
) -> Figure:
    """Return a forest plot: the difference of two trackers by attribute with its interval, the region of practical
    equivalence shaded.

    Args:
        rows: the differences, all sequences first.
        matrix: names the trackers and the metric.
        first: column of the tracker whose advantage lies to the right where higher is better.
        second: column of the other.
        rope: half-width of the region, in the unit in which people read the metric.
        width: of the figure in inches.
    """
    metric = matrix.metric
    scale = metric.scale
    with mpl.rc_context({**settings(), "font.size": 7, "axes.grid": False}):
        figure = Figure(figsize=(width, 0.75 + 0.17 * len(rows)), layout="constrained")
        axes = figure.subplots()
        axes.axvspan(-rope, rope, color="#dddddd", linewidth=0)
        axes.axvline(0, color="#888888", linewidth=0.6)
        for y, row in enumerate(rows):
            colour = "black" if y == 0 else "#1f77b4"
            if not math.isnan(row.low):
                axes.plot([scale * row.low, scale * row.high], [y, y], color=colour, linewidth=1.2)
            axes.plot(scale * row.difference, y, "D" if y == 0 else "s", color=colour, markersize=3.5)
        axes.set_yticks(range(len(rows)), [literal(f"{row.attribute} ({row.sequences})") for row in rows])
        axes.set_ylim(len(rows) - 0.5, -0.5)
        names = (shortened(matrix.titles[k], _NAME) for k in (first, second))
        axes.set_xlabel(literal(f"{metric.title}: {' minus '.join(names)}"))
    return figure
