"""VOT's plots: accuracy against robustness, the curve of expected average overlap, and its ranking."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from trackbench.metrics.table import EXPECTED_OVERLAP
from trackbench.reports.plots import Draw, name
from trackbench.reports.style import Look
from trackbench.scoring import Score


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

    def draw(axes: Axes) -> None:
        for score in scores:
            robustness, accuracy = score.metrics.get(key), score.metrics.get("accuracy")
            if robustness is not None and accuracy is not None:
                _point(axes, score, look, robustness, accuracy)
        axes.set_title("Accuracy and robustness")
        axes.set_xlabel("Robustness, exp(-30·F)" if reset_based else "Robustness")
        axes.set_ylabel("Accuracy")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)

    return draw


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
    """Return what draws the EAO ranking: trackers from the right, the best first, with their bootstrap intervals."""
    drawn = sorted((score for score in scores if score.metrics.get("eao") is not None), key=_rank)

    def draw(axes: Axes) -> None:
        for place, score in enumerate(drawn, 1):
            low, high = score.intervals.get("eao", (math.nan, math.nan))
            axes.plot([place, place], [low, high], "-", color=look[score.tracker].colour, linewidth=1)
            _point(axes, score, look, place, score.metrics["eao"] or 0.0)
        axes.set_title("Expected average overlap")
        axes.set_xlabel("Rank")
        axes.set_ylabel("EAO")
        axes.set_xlim(len(drawn) + 0.5, 0.5)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.margins(y=0.15)
        axes.set_ylim(bottom=0)

    return draw


def _point(axes: Axes, score: Score, look: dict[str, Look], x: float, y: float) -> None:
    _, _, marker = drawn = look[score.tracker]
    axes.plot([x], [y], marker, color=drawn.colour, markersize=5, label=name(score))


def _rank(score: Score) -> tuple[bool, float]:
    eao = score.metrics.get("eao")
    return not score.is_complete, -eao if eao is not None and not math.isnan(eao) else math.inf
