"""VOT's plots: accuracy against robustness, the curve of expected average overlap, and its ranking."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from trackbench.reports.plots import STYLE
from trackbench.scores import Score

#: So that trackers can be told apart in grey, too.
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">")


def accuracy_robustness_figure(scores: Sequence[Score], title: str, look: dict[str, dict[str, Any]]) -> Figure:
    """Return the A-R plot: robustness to the right, accuracy up, so that the best tracker is at the top right.

    Robustness is exp(-S·F) of the reset-based experiment (F failures a frame, S = 30), else the share of frames before
    the target is lost.

    Args:
        scores: of one data set, best first.
        title: name of the data set.
        look: from :func:`trackbench.reports.plots.styles`.
    """
    reset_based = any(score.metrics.get("reliability") is not None for score in scores)
    key = "reliability" if reset_based else "robustness"
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.2, 3.4))
        axes = figure.subplots()
        for index, score in enumerate(scores):
            robustness, accuracy = score.metrics.get(key), score.metrics.get("accuracy")
            if robustness is None or accuracy is None:
                continue
            marker, colour = MARKERS[index % len(MARKERS)], look[score.tracker]["color"]
            axes.plot([robustness], [accuracy], marker, color=colour, markersize=7, label=score.title)
        axes.set_title(f"Accuracy and robustness – {title}")
        axes.set_xlabel("Robustness, exp(-30·F)" if reset_based else "Robustness")
        axes.set_ylabel("Accuracy")
        axes.set_xlim(0, 1)
        axes.set_ylim(0, 1)
        axes.legend(loc="lower left", framealpha=0.9)
    return figure


def overlap_curve_figure(scores: Sequence[Score], title: str, look: dict[str, dict[str, Any]]) -> Figure:
    """Return the curves of expected average overlap; the interval over which they are averaged is shaded."""
    drawn = sorted((score for score in scores if "eao" in score.curves), key=_rank)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.2, 3.4))
        axes = figure.subplots()
        for score in drawn:
            curve = score.curves["eao"]
            label = f"[{score.metrics['eao']:.3f}] {score.title}".replace("$", r"\$")
            axes.plot(curve.thresholds, curve.values, linewidth=1.6, label=label, **look[score.tracker])
        for low, high in {score.interval for score in drawn if score.interval}:
            axes.axvspan(low, high, color="#000000", alpha=0.08, linewidth=0)
        axes.set_title(f"Expected overlap curves – {title}")
        axes.set_xlabel("Sequence length [frames]")
        axes.set_ylabel("Expected overlap")
        axes.set_xlim(left=1)
        axes.set_ylim(0, 1)
        if drawn:
            axes.legend(loc="upper right", framealpha=0.9, handlelength=3)
    return figure


def ranking_figure(scores: Sequence[Score], title: str, look: dict[str, dict[str, Any]]) -> Figure:
    """Return the EAO ranking: trackers from the right, the best first."""
    drawn = sorted((score for score in scores if score.metrics.get("eao") is not None), key=_rank)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.2, 3.4))
        axes = figure.subplots()
        for place, score in enumerate(drawn, 1):
            marker, colour = MARKERS[(place - 1) % len(MARKERS)], look[score.tracker]["color"]
            axes.plot([place], [score.metrics["eao"] or 0.0], marker, color=colour, markersize=7, label=score.title)
        axes.set_title(f"Expected average overlap – {title}")
        axes.set_xlabel("Rank")
        axes.set_ylabel("EAO")
        axes.set_xlim(len(drawn) + 0.5, 0.5)
        axes.set_xticks(range(1, len(drawn) + 1))
        axes.margins(y=0.15)
        axes.set_ylim(bottom=0)
        axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0)
    return figure


def _rank(score: Score) -> tuple[float, str]:
    eao = score.metrics.get("eao")
    return (-eao if eao is not None and not math.isnan(eao) else math.inf, score.tracker)
