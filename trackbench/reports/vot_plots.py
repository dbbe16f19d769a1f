"""VOT's plots: accuracy against robustness, the curve of expected average overlap, and its ranking."""

from __future__ import annotations

import math
from collections.abc import Sequence

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import MaxNLocator

from trackbench.metrics.table import EXPECTED_OVERLAP
from trackbench.reports.plots import Draw, literal, name, shortened
from trackbench.reports.style import Look
from trackbench.scoring import Score

#: With more points only the legend names them.
MOST_LABELS = 12


def accuracy_robustness(scores: Sequence[Score], look: dict[str, Look]) -> Draw:
    """Return what draws the A-R plot: robustness to the right, accuracy up, the best tracker at the top right.

    Robustness is exp(-S·F) of the reset-based experiment (F failures a frame, S = 30), else the share of frames before
    the target is lost.

    Args:
        scores: of one data set, best first.
        look: from :func:`trackbench.reports.style.looks`.
    """
    reset_based = any(score.metrics.get("reliability") is not None for score in scores)
    key = "reliability" if reset_based else "robustness"

    points = [
        (score, robustness, accuracy)
        for score in scores
        if (robustness := score.metrics.get(key)) is not None
        and (accuracy := score.metrics.get("accuracy")) is not None
    ]

    def draw(axes: Axes) -> None:
        for score, robustness, accuracy in points:
            eao = score.metrics.get("eao")
            _point(axes, score, look, robustness, accuracy, "" if eao is None else f"[{eao:.3f}] ")
        axes.set_title("Accuracy and robustness")
        axes.set_xlabel("Robustness, exp(-30·F)" if reset_based else "Robustness")
        axes.set_ylabel("Accuracy")
        axes.set_xlim(*_around([robustness for _, robustness, _ in points]))
        axes.set_ylim(*_around([accuracy for _, _, accuracy in points]))
        if 1 < len(points) <= MOST_LABELS:
            label_points(axes, [(score.heading, x, y) for score, x, y in points])

    return draw


def _around(values: Sequence[float]) -> tuple[float, float]:
    """Return limits of an axis: the values with room around them, at least a tenth, inside of 0 to 1."""
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    room = max(0.15 * (high - low), (0.1 - (high - low)) / 2, 0.02)
    return max(low - room, -0.02), min(high + room, 1.02)


def label_points(axes: Axes, points: Sequence[tuple[str, float, float]]) -> None:
    """Write names beside points so that no name covers another or a point; one without room is left to the legend.

    Args:
        axes: with its limits set.
        points: name, x and y of each.
    """
    size = FontProperties(size=mpl.rcParams["legend.fontsize"]).get_size_in_points()
    pixels = axes.figure.dpi / 72
    places = axes.transData.transform([(x, y) for _, x, y in points]) / pixels
    inside = [edge / pixels for edge in axes.get_window_extent().extents]
    taken = [(x - 3, y - 3, x + 3, y + 3) for x, y in places]
    for (text, x, y), (left, bottom) in zip(points, places, strict=True):
        shown = shortened(text, 18)
        width, height = 0.62 * size * len(shown), 1.1 * size
        for dx, dy in ((5, -height / 2), (-5 - width, -height / 2), (-width / 2, 5), (-width / 2, -5 - height)):
            box = (left + dx, bottom + dy, left + dx + width, bottom + dy + height)
            free = all(box[2] < a or c < box[0] or box[3] < b or d < box[1] for a, b, c, d in taken)
            if free and box[0] > inside[0] and box[1] > inside[1] and box[2] < inside[2] and box[3] < inside[3]:
                axes.annotate(literal(shown), (x, y), (dx, dy), textcoords="offset points", fontsize=size)
                taken.append(box)
                break


def overlap_curves(scores: Sequence[Score], look: dict[str, Look]) -> Draw:
    """Return what draws the curves of expected average overlap; the interval of their average is shaded."""
    drawn = sorted((score for score in scores if "eao" in score.curves), key=_rank)

    def draw(axes: Axes) -> None:
        for score in drawn:
            curve = score.curves["eao"]
            label = name(score, f"[{score.metrics['eao']:.3f}] ")
            axes.plot(curve.thresholds, curve.values, label=label, **look[score.tracker].matplotlib())
        for low, high in {score.interval for score in drawn if score.interval}:
            axes.axvspan(low, high, color="#000000", alpha=0.08, linewidth=0)
        axes.set_title(EXPECTED_OVERLAP.title)
        axes.set_xlabel(EXPECTED_OVERLAP.x)
        axes.set_ylabel(EXPECTED_OVERLAP.y)
        axes.set_xlim(left=1)
        axes.set_ylim(0, 1)

    return draw


def ranking(scores: Sequence[Score], look: dict[str, Look]) -> Draw:
    """Return what draws the EAO ranking: trackers from the right, the best first, with their bootstrap intervals.

    Incomplete runs have no rank; where no run is complete, all are drawn.
    """
    known = sorted((score for score in scores if score.metrics.get("eao") is not None), key=_rank)
    drawn = [score for score in known if score.is_complete] or known

    def draw(axes: Axes) -> None:
        for place, score in enumerate(drawn, 1):
            low, high = score.intervals.get("eao", (math.nan, math.nan))
            axes.plot([place, place], [low, high], "-", color=look[score.tracker].colour, linewidth=1)
            eao = score.metrics["eao"] or 0.0
            _point(axes, score, look, place, eao, f"[{eao:.3f}] ")
        axes.set_title("Expected average overlap")
        axes.set_xlabel("Rank")
        axes.set_ylabel("EAO")
        axes.set_xlim(len(drawn) + 0.5, 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.margins(y=0.15)
        axes.set_ylim(bottom=0)

    return draw


def _point(axes: Axes, score: Score, look: dict[str, Look], x: float, y: float, before: str = "") -> None:
    _, _, marker = drawn = look[score.tracker]
    axes.plot([x], [y], marker, color=drawn.colour, markersize=5, label=name(score, before))


def _rank(score: Score) -> tuple[bool, float]:
    eao = score.metrics.get("eao")
    return not score.is_complete, -eao if eao is not None and not math.isnan(eao) else math.inf
