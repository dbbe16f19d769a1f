"""Plots by attribute: radars, plain and with normalised axes, and success curves over each attribute's sequences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import cast

import matplotlib as mpl
import numpy as np
from matplotlib.figure import Figure
from matplotlib.projections.polar import PolarAxes
from matplotlib.ticker import MaxNLocator

from trackbench.metrics.table import CurveAxes
from trackbench.reports import plots
from trackbench.reports.plots import Draw, Place, literal, name, settings
from trackbench.reports.style import Look, Style
from trackbench.scoring import Score

#: Radius of the worst tracker on a normalised axis, as a part of the best one's.
INNERMOST = 0.25


def attribute_figure(
    scores: Sequence[Score],
    metric: str,
    title: str,
    look: dict[str, Look],
    width: float = Style().one_column,
    *,
    normalised: bool = False,
) -> Figure:
    """Return a radar plot of one metric by attribute, an axis for each attribute with its number of sequences.

    Args:
        scores: of one data set, best first; those that have the metric of no attribute are left out.
        metric: key of the metric.
        title: what stands above it.
        look: from :func:`trackbench.reports.style.looks`.
        width: of the figure in inches.
        normalised: stretch every axis from its lowest value, near the centre, to its highest, at the rim; print both
            instead of the number of sequences, as in AiATrack's Figure 5: differences between trackers are seen
            then, those between attributes are not.
    """
    drawn = [s for s in scores if any(row.get(metric) is not None for row in s.attributes.values())]
    known = (key for score in drawn for key, row in score.attributes.items() if row.get(metric) is not None)
    attributes = list(dict.fromkeys(known))
    values = np.array(
        [[_defined(score.attributes.get(key, {}).get(metric)) for key in attributes] for score in drawn]
    ).reshape(len(drawn), len(attributes))
    lowest, highest = np.nanmin(values, 0, initial=np.inf), np.nanmax(values, 0, initial=-np.inf)
    shown = _stretched(values, lowest, highest) if normalised else values
    angles = np.linspace(0, 2 * np.pi, len(attributes), endpoint=False)
    with mpl.rc_context(settings()):
        figure = Figure(figsize=(width, width), layout="constrained")
        axes = cast(PolarAxes, figure.add_subplot(projection="polar"))
        for score, row in zip(drawn, shown, strict=True):
            overall = score.metrics.get(metric)
            label = name(score, "" if overall is None else f"[{overall:.3f}] ")
            axes.plot(
                np.append(angles, angles[:1]), np.append(row, row[:1]), label=label, **look[score.tracker].matplotlib()
            )
        counts = [max(int(s.attributes.get(key, {}).get("sequences") or 0) for s in drawn) for key in attributes]
        marks = (
            [f"({low:.3f}, {high:.3f})" for low, high in zip(lowest, highest, strict=True)]
            if normalised
            else [f"({count})" for count in counts]
        )
        ticks = [literal(f"{readable(key)}\n{mark}") for key, mark in zip(attributes, marks, strict=True)]
        axes.set_xticks(angles, ticks)
        for text, angle in zip(axes.get_xticklabels(), angles, strict=True):
            # Away from the circle: a label beside it begins or ends there.
            side = math.cos(angle)
            text.set_horizontalalignment("left" if side > 0.2 else "right" if side < -0.2 else "center")
        axes.tick_params(axis="x", pad=1, labelsize=6)
        axes.tick_params(axis="y", labelsize=6)
        axes.set_ylim(bottom=0)
        if normalised:
            axes.set_ylim(top=1.02)
            axes.set_yticklabels([])
        else:
            axes.yaxis.set_major_locator(MaxNLocator(4))
            axes.set_rlabel_position(180 / max(1, len(attributes)))
        axes.set_title(literal(title + ("\neach axis from its lowest to its highest" if normalised else "")), pad=12)
        plots.legend_below(figure, *axes.get_legend_handles_labels())
    return figure


def attribute_curves(
    scores: Sequence[Score], curve: CurveAxes, metric: str, look: dict[str, Look]
) -> list[tuple[Draw, Place]]:
    """Return what draws a panel for each attribute: the mean curve over its sequences, with its score in the legend.

    Args:
        scores: of one data set, in the order of the tables.
        curve: what to draw.
        metric: key of the metric that the curve sums up.
        look: from :func:`trackbench.reports.style.looks`.
    """
    names = dict.fromkeys(
        key for score in scores for key, curves in score.attribute_curves.items() if curve.key in curves
    )
    return [(_attribute_panel(scores, curve, metric, key, look), curve.legend) for key in names]


def readable(attribute: str) -> str:
    """Return an attribute's name as people read it.

    Example:
        >>> readable("camera_motion")
        'camera motion'
    """
    return attribute.replace("_", " ")


def _attribute_panel(
    scores: Sequence[Score], curve: CurveAxes, metric: str, attribute: str, look: dict[str, Look]
) -> Draw:
    drawn = [score for score in scores if curve.key in score.attribute_curves.get(attribute, {})]
    drawn.sort(key=lambda score: (not score.is_complete, -_defined(score.attributes[attribute].get(metric), -math.inf)))
    count = max(int(score.attributes[attribute].get("sequences") or 0) for score in drawn)

    def draw(axes: mpl.axes.Axes) -> None:
        for score in drawn:
            curve_of = score.attribute_curves[attribute][curve.key]
            value = score.attributes[attribute].get(metric)
            label = name(score, "" if value is None else f"[{value:.3f}] ")
            axes.plot(curve_of.thresholds, curve_of.values, label=label, **look[score.tracker].matplotlib())
        thresholds = drawn[0].attribute_curves[attribute][curve.key].thresholds
        axes.set_title(literal(f"{readable(attribute)} ({count})"))
        axes.set_xlabel(curve.x)
        axes.set_ylabel(curve.y)
        axes.set_xlim(thresholds[0], thresholds[-1])
        axes.set_ylim(0, 1)

    return draw


def _stretched(values: np.ndarray, lowest: np.ndarray, highest: np.ndarray) -> np.ndarray:
    """Return values (T, A) as radii, `INNERMOST` for the lowest of an axis and 1 for its highest."""
    span = np.where(highest > lowest, highest - lowest, 1.0)
    parts = np.where(highest > lowest, (values - lowest) / span, 1.0)
    radii: np.ndarray = INNERMOST + (1 - INNERMOST) * parts
    return radii


def _defined(value: float | None, otherwise: float = math.nan) -> float:
    return otherwise if value is None or math.isnan(value) else value
