"""The folder of files that a report leaves for one data set."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from matplotlib.figure import Figure

from trackbench.datasets.sequence import Dataset
from trackbench.errors import UsageError
from trackbench.files import write_text
from trackbench.reports import plots, tables, vot_plots
from trackbench.reports.significance import significance_csv
from trackbench.reports.style import Look, Style, looks
from trackbench.scores import Score


def write_report(
    scores: Sequence[Score],
    dataset: Dataset,
    folder: Path,
    look: dict[str, Look] | None = None,
    style: Style | None = None,
    *,
    attributes: bool = False,
    per_sequence: bool = False,
    curves: bool = False,
) -> list[Path]:
    """Write tables and plots; returns the files written.

    Args:
        scores: of one data set, in the order of the tables.
        dataset: what they are about.
        folder: where to write.
        look: how trackers are drawn, the same in all data sets of a report; default: by their order here.
        style: widths of plots, and how places are marked.
        attributes: also ``attributes.csv``, and a radar plot where there are three attributes.
        per_sequence: also ``per_sequence.csv``, and ``significance.csv`` where there are several trackers.
        curves: also ``curves.csv``.

    Raises:
        UsageError: the folder cannot be written.
    """
    style = style or Style()
    look = look or looks(score.tracker for score in scores)
    texts = {
        "scores.csv": tables.csv_table(scores),
        "scores.md": tables.markdown_table(scores),
        "scores.json": json.dumps({"schema": 1, "rows": [score.document() for score in scores]}, indent=1) + "\n",
        "scores.tex": tables.latex_table(scores, dataset.title, colours=style.places == "colours"),
    }
    if attributes:
        texts["attributes.csv"] = tables.attribute_csv(scores)
    if per_sequence:
        texts["per_sequence.csv"] = tables.sequence_csv(scores)
        if len(scores) > 1:
            texts["significance.csv"] = significance_csv(scores)
    if curves:
        texts["curves.csv"] = tables.curve_csv(scores)
    written = []
    for name, text in texts.items():
        write_text(folder / name, text)
        written.append(folder / name)
    try:
        for stem, figure in _figures(scores, dataset, look, style, attributes=attributes):
            written += plots.save(figure, folder / stem)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror}") from None
    return written


def _figures(
    scores: Sequence[Score], dataset: Dataset, look: dict[str, Look], style: Style, *, attributes: bool
) -> Iterator[tuple[str, Figure]]:
    """Yield file names and figures: each plot as wide as a column, all curves side by side as wide as two."""
    panels: list[tuple[str, plots.Draw, plots.Place]] = [
        (plot.curve, plots.curve_panel(scores, plot, look), plot.legend)
        for plot in plots.CURVES
        if any(plot.curve in score.curves for score in scores)
    ]
    if any("eao" in score.curves for score in scores):
        panels += [
            ("accuracy_robustness", vot_plots.accuracy_robustness(scores, look), "lower left"),
            ("expected_overlap", vot_plots.overlap_curves(scores, look), "upper right"),
            ("ranking", vot_plots.ranking(scores, look), "lower left"),
        ]
    for stem, panel, legend in panels:
        yield stem, plots.panel(panel, dataset.title, style.one_column, legend)
    if len(panels) > 1:
        yield "plots", plots.row([(panel, legend) for _, panel, legend in panels], style.two_columns)
    # A radar needs three axes to enclose anything.
    if attributes and any(len(score.attributes) >= 3 for score in scores):
        column = tables.main_metric(scores)
        title = f"{column.title} by attribute – {dataset.title}"
        yield "attributes", plots.attribute_figure(scores, column.key, title, look, style.one_column)
