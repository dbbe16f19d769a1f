"""The folder of files that a report leaves for one data set."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from trackbench.datasets.sequence import Dataset
from trackbench.errors import DataError, UsageError
from trackbench.files import folder_name, read_json, write_text
from trackbench.metrics.table import EXPECTED_OVERLAP
from trackbench.reports import overview, tables
from trackbench.reports.drawn import digest_of, save_changed
from trackbench.reports.significance import significance_csv
from trackbench.reports.style import Look, Style, looks
from trackbench.scoring import Evaluation, Score, resolve_evaluation

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: Holds all numbers, and the names of the other files of the report.
DOCUMENT = "scores.json"


def write_report(
    scores: Sequence[Score],
    dataset: Dataset,
    folder: Path,
    look: dict[str, Look] | None = None,
    style: Style | None = None,
    *,
    metrics: Sequence[str] | None = None,
    attributes: bool = False,
    per_sequence: bool = False,
    curves: bool = False,
    plot: bool = True,
    more: Iterable[tuple[str, Figure]] = (),
) -> list[Path]:
    """Write tables and plots; returns the files written. Those of an earlier report that are not among them go.

    Args:
        scores: of one data set, in the order of the tables.
        dataset: what they are about.
        folder: where to write.
        look: how trackers are drawn, the same in all data sets of a report; default: by their order here.
        style: widths of plots, and how places are marked.
        metrics: the columns of tables, by key; None: all.
        attributes: also ``attributes.csv``, and a radar plot where there are three attributes.
        per_sequence: also ``per_sequence.csv``, and ``significance.csv`` where there are several trackers.
        curves: also ``curves.csv``.
        plot: whether there are plots.
        more: further figures by their file names.

    Raises:
        UsageError: the folder cannot be written.
    """
    style = style or Style()
    look = look or looks(score.tracker for score in scores)
    texts = {
        "scores.csv": tables.csv_table(scores),
        "scores.md": tables.markdown_table(scores, metrics),
        "scores.tex": tables.latex_table(scores, dataset.title, metrics, colours=style.places == "colours"),
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
        if plot:
            digest = digest_of([scores, dataset.title, attributes], look, style)
            drawn = _figures(scores, dataset, look, style, attributes=attributes)
            written += save_changed(drawn, folder, digest, style)
        for stem, figure in more:
            from trackbench.reports import plots  # here: what has not changed is not drawn, and needs no such library

            with plots.drawing_in(style):
                written += plots.save(figure, folder / stem)
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror}") from None
    _remove_others(folder, written)
    names = [path.name for path in written]
    document = {"schema": 1, "files": names, "rows": [score.document() for score in scores]}
    write_text(folder / DOCUMENT, json.dumps(document, indent=1) + "\n")
    return [*written, folder / DOCUMENT]


def rules_apart(evaluation: Evaluation, *, lengths: tuple[int, int] | None = None, common: bool = False) -> list[str]:
    """Return what sets an evaluation apart from the data set's own: protocol, convention, lengths of EAO, ``common``.

    Names of files and folders hold it, so that reports by other rules do not replace each other.

    Args:
        evaluation: what was evaluated, and how.
        lengths: over which EAO averages, where they were asked for.
        common: only the sequences that all runs have were scored.
    """
    own = resolve_evaluation(evaluation.dataset)
    marks = [evaluation.protocol] if evaluation.protocol != own.protocol else []
    marks += [evaluation.convention] if evaluation.convention != own.convention else []
    marks += [f"{lengths[0]}-{lengths[1]}"] if lengths else []
    return [*marks, "common"] if common else marks


def folder_for(evaluation: Evaluation, *, lengths: tuple[int, int] | None = None, common: bool = False) -> str:
    """Return the name of the folder of one data set within a report's; see :func:`rules_apart`."""
    return folder_name("_".join([evaluation.dataset.name, *rules_apart(evaluation, lengths=lengths, common=common)]))


def write_overview(
    parts: Sequence[tuple[Dataset, Sequence[Score], Sequence[str] | None]], folder: Path, style: Style, stem: str
) -> list[Path]:
    """Write the table of all trackers on all data sets; returns the files written.

    Args:
        parts: each data set with its scores and the columns that are wanted.
        folder: where to write.
        style: how places are marked.
        stem: what the files are called, without their endings.
    """
    table = overview.Overview.of(parts)
    texts = {
        f"{stem}.csv": overview.csv(table),
        f"{stem}.md": overview.markdown_table(table),
        f"{stem}.tex": overview.latex_table(table, colours=style.places == "colours"),
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def _remove_others(folder: Path, written: Sequence[Path]) -> None:
    """Remove the files of an earlier report that this one has not written again."""
    try:
        before = read_json(folder / DOCUMENT) or {}
    except DataError:  # no document of ours
        return
    files = before.get("files", []) if isinstance(before, dict) else []
    for name in files if isinstance(files, list) else []:
        path = folder / str(name)
        if path.name == name and path not in written:
            path.unlink(missing_ok=True)


def _figures(
    scores: Sequence[Score], dataset: Dataset, look: dict[str, Look], style: Style, *, attributes: bool
) -> Iterator[tuple[str, Figure]]:
    """Yield file names and figures: each plot as wide as a column, all curves side by side as wide as two."""
    from trackbench.reports import plots, vot_plots
    from trackbench.reports.attribute_plots import attribute_curves, attribute_figure

    panels: list[tuple[str, plots.Draw, plots.Place]] = [
        (curve.key, plots.curve_panel(scores, curve, look), curve.legend)
        for curve in plots.curves_of(scores)
        if curve != EXPECTED_OVERLAP
    ]
    if any(EXPECTED_OVERLAP.key in score.curves for score in scores):
        panels += [
            ("accuracy_robustness", vot_plots.accuracy_robustness(scores, look), "below"),
            ("expected_overlap", vot_plots.overlap_curves(scores, look), "below"),
            ("ranking", vot_plots.ranking(scores, look), "below"),
        ]
    for stem, panel, legend in panels:
        yield stem, plots.panel(panel, dataset.title, style.one_column, legend)
    if len(panels) > 1:
        drawn_together = [(panel, legend) for _, panel, legend in panels]
        yield "plots", plots.row(drawn_together, style.two_columns, one_score=any(s.interval for s in scores))
    if not attributes:
        return
    column = tables.main_metric(scores)
    # A radar needs three axes to enclose anything.
    if any(len(score.attributes) >= 3 for score in scores):
        title = f"{column.title} by attribute – {dataset.title}"
        for stem, normalised in (("attributes", False), ("attributes_normalised", True)):
            yield (
                stem,
                attribute_figure(scores, column.key, title, look, style.one_column, normalised=normalised),
            )
    drawn = attribute_curves(scores, column.curve, column.key, look) if column.curve else []
    if drawn:
        yield f"attributes_{column.key}", plots.row(drawn, style.two_columns, across=3)
