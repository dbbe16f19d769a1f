"""Success, precision and attribute plots as the field's papers draw them, readable in grey; no screen is needed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure

from trackbench.scores import Score

#: Dark to light and back, so that neighbours differ in grey too; line styles repeat at another period.
COLOURS = ("#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2", "#7f7f7f", "#111111")
DASHES: tuple[Any, ...] = ("-", "--", "-.", ":", (0, (8, 2)), (0, (5, 1, 1, 1, 1, 1)), (0, (3, 3)))

#: A longer legend stands beside the plot.
MOST_INSIDE = 10


@dataclass(frozen=True)
class CurvePlot:
    """How one kind of curve is drawn."""

    curve: str
    metrics: tuple[str, ...]
    """The score in the legend: the first of these that a tracker has."""
    title: str
    x: str
    y: str
    legend: Literal["lower left", "lower right"]

    def value(self, score: Score) -> float:
        """Return the score in the legend; NaN where the tracker has none."""
        values = (score.metrics.get(metric) for metric in self.metrics)
        return next((value for value in values if value is not None), float("nan"))


CURVES = (
    CurvePlot("success", ("success_auc", "ao"), "Success plot", "Overlap threshold", "Success rate", "lower left"),
    CurvePlot(
        "precision", ("precision",), "Precision plot", "Location error threshold [px]", "Precision", "lower right"
    ),
    CurvePlot(
        "norm_precision",
        ("norm_precision",),
        "Normalised precision plot",
        "Normalised location error threshold",
        "Precision",
        "lower right",
    ),
)

STYLE: Any = {
    "font.size": 9,
    "axes.titlesize": 10,
    "legend.fontsize": 7.5,
    "axes.grid": True,
    "grid.linestyle": ":",
    "grid.color": "#bbbbbb",
    "axes.axisbelow": True,
    "pdf.fonttype": 42,  # TrueType, which publishers ask for
    "savefig.bbox": "tight",
}


def styles(trackers: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Return a colour and a line style for each tracker, the same in every plot of a report."""
    return {
        tracker: {"color": COLOURS[i % len(COLOURS)], "linestyle": DASHES[i % len(DASHES)]}
        for i, tracker in enumerate(trackers)
    }


def curve_figure(scores: Sequence[Score], plot: CurvePlot, title: str, look: dict[str, dict[str, Any]]) -> Figure:
    """Return a plot of one kind of curve; the legend is sorted by score, with the score in brackets.

    Args:
        scores: of one data set; those without this curve are left out.
        plot: what to draw.
        title: name of the data set.
        look: from :func:`styles`.
    """
    valued = [(plot.value(score), score) for score in scores if plot.curve in score.curves]
    drawn = [pair for pair in valued if not math.isnan(pair[0])]
    drawn.sort(key=lambda pair: (-pair[0], pair[1].tracker))
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.2, 3.4))
        axes = figure.subplots()
        for value, score in drawn:
            curve = score.curves[plot.curve]
            label = f"[{value:.3f}] {score.title}".replace("$", r"\$")
            axes.plot(curve.thresholds, curve.values, linewidth=1.8, label=label, **look[score.tracker])
        axes.set_title(f"{plot.title} of OPE – {title}")
        axes.set_xlabel(plot.x)
        axes.set_ylabel(plot.y)
        if drawn:
            thresholds = drawn[0][1].curves[plot.curve].thresholds
            axes.set_xlim(thresholds[0], thresholds[-1])
            if len(drawn) > MOST_INSIDE:
                axes.legend(loc="upper left", bbox_to_anchor=(1.02, 1), borderaxespad=0, handlelength=3)
            else:
                axes.legend(loc=plot.legend, framealpha=0.9, handlelength=3)
        axes.set_ylim(0, 1)
    return figure


def attribute_figure(scores: Sequence[Score], metric: str, title: str, look: dict[str, dict[str, Any]]) -> Figure:
    """Return a radar plot of one metric by attribute, an axis for each attribute with its number of sequences.

    Args:
        scores: of one data set, best first; those without attributes are left out.
        metric: key of the metric.
        title: what stands above it.
        look: from :func:`styles`.
    """
    drawn = [score for score in scores if score.attributes]
    known = (name for score in drawn for name, row in score.attributes.items() if row.get(metric) is not None)
    attributes = list(dict.fromkeys(known))
    angles = np.linspace(0, 2 * np.pi, len(attributes), endpoint=False)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(4.6, 4.2))
        axes = figure.add_subplot(projection="polar")
        for score in drawn:
            found = [score.attributes.get(name, {}).get(metric) for name in attributes]
            values = np.array([math.nan if value is None else value for value in found])
            closed = np.append(values, values[:1])
            axes.plot(np.append(angles, angles[:1]), closed, linewidth=1.5, label=score.title, **look[score.tracker])
        counts = [max(int(s.attributes.get(name, {}).get("sequences") or 0) for s in drawn) for name in attributes]
        axes.set_xticks(angles, [f"{name} ({count})" for name, count in zip(attributes, counts, strict=True)])
        axes.tick_params(axis="x", pad=10)
        axes.set_ylim(bottom=0)
        axes.set_title(title, pad=18)
        axes.legend(loc="upper left", bbox_to_anchor=(1.12, 1.05), borderaxespad=0, handlelength=3)
    return figure


def save(figure: Figure, path: Path) -> list[Path]:
    """Write the figure as PNG and PDF beside each other (``path`` without suffix); returns the two paths.

    The same figure gives the same bytes.
    """
    png, pdf = path.with_suffix(".png"), path.with_suffix(".pdf")
    with mpl.rc_context(STYLE):
        figure.savefig(png, dpi=200, metadata={"Software": None})
        figure.savefig(pdf, metadata={"CreationDate": None, "Producer": None})
    return [png, pdf]
