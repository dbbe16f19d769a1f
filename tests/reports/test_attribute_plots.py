"""Plots that people read: attributes without underscores, scores in every legend, points named without overprinting."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.figure import Figure

from trackbench.errors import UsageError
from trackbench.metrics.table import SUCCESS
from trackbench.reports import plots, vot_plots
from trackbench.reports.attribute_plots import INNERMOST, attribute_curves, attribute_figure
from trackbench.reports.style import Style, looks, read_style
from trackbench.scoring import Curve, Score

VALUES = {"camera_motion": (0.4, 0.6), "LR": (0.2, 0.5), "SV": (0.5, 0.5)}


def scores() -> list[Score]:
    made = []
    for index, label in enumerate("ab"):
        curves = {key: {"success": Curve([0.0, 1.0], [1.0, values[index]])} for key, values in VALUES.items()}
        attributes: dict[str, dict[str, float | None]] = {
            key: {"sequences": 4, "success_auc": values[index]} for key, values in VALUES.items()
        }
        made.append(
            Score(
                label, label.upper(), "x", "one-pass", "matlab", 4, 4, 1, {}, {"success_auc": 0.55},
                attributes=attributes, attribute_curves=curves,
            )
        )  # fmt: skip
    return made


def test_a_radar_names_attributes_counts_and_scores() -> None:
    drawn = scores()
    (axes,) = attribute_figure(drawn, "success_auc", "AUC", looks("ab")).axes
    labels = [label.get_text() for label in axes.get_xticklabels()]
    assert labels == ["camera motion\n(4)", "LR\n(4)", "SV\n(4)"]
    assert axes.get_legend_handles_labels()[1] == ["[0.550] A", "[0.550] B"]


def test_a_normalised_radar_prints_and_fills_the_range_of_each_axis() -> None:
    (axes,) = attribute_figure(scores(), "success_auc", "AUC", looks("ab"), normalised=True).axes
    assert axes.get_xticklabels()[0].get_text() == "camera motion\n(0.400, 0.600)"
    worst, best = (np.asarray(line.get_ydata()) for line in axes.lines)
    assert worst[:3] == pytest.approx([INNERMOST, INNERMOST, 1.0])  # equal on the last: both at the rim
    assert best[:3] == pytest.approx([1.0, 1.0, 1.0])


def test_each_attribute_has_its_curves() -> None:
    panels = attribute_curves(scores(), SUCCESS, "success_auc", looks("ab"))
    figure = plots.row(panels, 7.0, across=2)
    assert [axes.get_title() for axes in figure.axes] == ["camera motion (4)", "LR (4)", "SV (4)"]
    assert figure.axes[0].get_legend_handles_labels()[1] == ["[0.600] B", "[0.400] A"]


def vot(label: str, accuracy: float, reliability: float, title: str = "") -> Score:
    metrics: dict[str, float | None] = {"accuracy": accuracy, "reliability": reliability, "eao": 0.4}
    return Score(label, title or label, "x", "supervised", "vot", 4, 4, 1, {}, metrics)


def test_accuracy_and_robustness_are_zoomed_and_named() -> None:
    points = [vot("one", 0.61, 0.80), vot("two", 0.62, 0.801), vot("three", 0.60, 0.70), vot("four", 0.605, 0.802)]
    look = looks([point.tracker for point in points])
    figure = plots.panel(vot_plots.accuracy_robustness(points, look), "VOT", legend="below")
    (axes,) = figure.axes
    low, high = axes.get_xlim()
    assert 0.6 < low < 0.70
    assert 0.802 < high < 0.9
    assert figure.legends[0].get_texts()[0].get_text() == "[0.400] one"
    assert {text.get_text() for text in axes.texts} <= {"one", "two", "three", "four"}
    assert overlaps(figure) == []


def test_incomplete_runs_have_no_rank_and_one_legend_serves_all_panels() -> None:
    runs = [vot("one", 0.61, 0.80), vot("two", 0.62, 0.81), replace(vot("part", 0.7, 0.9), sequences=1)]
    look = looks([run.tracker for run in runs])
    panels = [vot_plots.ranking(runs, look), vot_plots.accuracy_robustness(runs, look)]
    figure = plots.row([(panel, "below") for panel in panels], one_score=True)
    assert figure.axes[0].get_legend_handles_labels()[1] == ["[0.400] one", "[0.400] two"]
    assert [axes.get_legend() for axes in figure.axes] == [None, None]
    (legend,) = figure.legends
    assert [text.get_text() for text in legend.get_texts()] == ["[0.400] one", "[0.400] two", "[0.400] part (1/4)"]
    alone = plots.panel(vot_plots.ranking(runs[2:], look), "VOT", legend="below")
    assert alone.axes[0].get_legend_handles_labels()[1] == ["[0.400] part (1/4)"]


def test_a_radar_leaves_out_who_has_no_attribute() -> None:
    without = replace(scores()[0], tracker="c", title="C", attributes={"LR": {"sequences": 0, "success_auc": None}})
    (axes,) = attribute_figure([*scores(), without], "success_auc", "AUC", looks("abc")).axes
    assert axes.get_legend_handles_labels()[1] == ["[0.550] A", "[0.550] B"]


def overlaps(figure: Figure) -> list[tuple[str, str]]:
    """Return the pairs of names in a figure's panel that cover each other."""
    figure.draw_without_rendering()
    boxes = [(text.get_text(), text.get_window_extent()) for text in figure.axes[0].texts]
    assert boxes
    return [
        (one, other)
        for index, (one, first) in enumerate(boxes)
        for other, second in boxes[index + 1 :]
        if first.overlaps(second)
    ]


def test_a_style_sets_font_sizes_and_lines(tmp_path: Path) -> None:
    path = tmp_path / "style.toml"
    path.write_text('font = "DejaVu Serif"\nfont_size = 12\nline_width = 2.5\n')
    style = read_style(path)
    assert plots.settings()["font.size"] == 8
    with plots.drawing_in(style):
        assert plots.settings()["font.size"] == 12
        assert plots.settings()["legend.fontsize"] == pytest.approx(6.5 * 1.5)
        panel = plots.row(attribute_curves(scores(), SUCCESS, "success_auc", looks("ab")))
        assert panel.axes[0].lines[0].get_linewidth() == pytest.approx(2.5 / 1.3)
        assert panel.axes[0].xaxis.label.get_fontfamily()[0] == "DejaVu Serif"
        assert panel.axes[0].xaxis.label.get_fontsize() == pytest.approx(10.5)
    assert plots.settings()["font.size"] == 8
    assert Style().font is None
    path.write_text("font_size = 0\n")
    with pytest.raises(UsageError, match="font_size"):
        read_style(path)
