"""The folder of files that a report leaves for one data set."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from trackbench.datasets.sequence import Dataset
from trackbench.errors import UsageError
from trackbench.reports import plots, tables, vot_plots
from trackbench.results.store import write_text
from trackbench.scores import Score


def write_report(
    scores: Sequence[Score],
    dataset: Dataset,
    folder: Path,
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
        attributes: also ``attributes.csv``, and a radar plot where there are three attributes.
        per_sequence: also ``per_sequence.csv``.
        curves: also ``curves.csv``.

    Raises:
        UsageError: the folder cannot be written.
    """
    texts = {
        "scores.csv": tables.csv_table(scores),
        "scores.md": tables.markdown_table(scores),
        "scores.tex": tables.latex_table(scores, dataset.title),
    }
    if attributes:
        texts["attributes.csv"] = tables.attribute_csv(scores)
    if per_sequence:
        texts["per_sequence.csv"] = tables.sequence_csv(scores)
    if curves:
        texts["curves.csv"] = tables.curve_csv(scores)
    written = []
    for name, text in texts.items():
        write_text(folder / name, text)
        written.append(folder / name)
    look = plots.styles([score.tracker for score in scores])
    try:
        for plot in plots.CURVES:
            if any(plot.curve in score.curves for score in scores):
                figure = plots.curve_figure(scores, plot, dataset.title, look)
                written += plots.save(figure, folder / plot.curve)
        if any("eao" in score.curves for score in scores):
            for name, draw in (
                ("accuracy_robustness", vot_plots.accuracy_robustness_figure),
                ("expected_overlap", vot_plots.overlap_curve_figure),
                ("ranking", vot_plots.ranking_figure),
            ):
                written += plots.save(draw(scores, dataset.title, look), folder / name)
        # A radar needs three axes to enclose anything.
        if attributes and any(len(score.attributes) >= 3 for score in scores):
            column = tables.main_metric(scores)
            title = f"{column.title} by attribute – {dataset.title}"
            written += plots.save(plots.attribute_figure(scores, column.key, title, look), folder / "attributes")
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror}") from None
    return written
