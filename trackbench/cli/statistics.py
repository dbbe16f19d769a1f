"""``trackbench statistics``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trackbench.cli import completion
from trackbench.cli.shared import (
    Convention,
    Datasets,
    Debug,
    Json,
    Protocol,
    Quiet,
    Root,
    Runs,
    exit_without,
    messages,
    output,
    print_json,
)

if TYPE_CHECKING:
    from trackbench.datasets.sequence import Dataset
    from trackbench.reports.statistics import Statistics
    from trackbench.scoring import Score
    from trackbench.statistics.failures import FailureSummary
    from trackbench.statistics.resampling import Floats


def statistics(
    trackers: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TRACKER]...", help="Default: all that are stored.", autocompletion=completion.stored),
    ] = None,
    *,
    dataset: Datasets,
    root: Root = None,
    runs: Runs = Path("runs"),
    out: Annotated[Path | None, typer.Option(help="Folder for files and figures. Default: RUNS/report.")] = None,
    protocol: Protocol = None,
    convention: Convention = None,
    metric: Annotated[str | None, typer.Option(help="Key of the metric. Default: the first by sequence.")] = None,
    rope: Annotated[
        float, typer.Option(min=0, help="Differences up to this are none in practice, in the unit of tables.")
    ] = 0.5,
    cluster: Annotated[
        Literal["auto", "none", "category"],
        typer.Option(help="category: draw whole classes of objects. auto: where there are classes of several."),
    ] = "auto",
    patience: Annotated[int, typer.Option(min=1, help="Frames without overlap that make a failure.")] = 10,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say how sure a ranking is: intervals, ranks over resamples, pairs, practical equivalence, failures.

    [bold]Examples[/bold]

    trackbench statistics -d lasot

    trackbench statistics dcf opencv:mil -d otb100 --rope 1 --out paper/
    """
    from trackbench.datasets.catalogue import open_dataset
    from trackbench.errors import DataError, all_of
    from trackbench.reports.folder import folder_for
    from trackbench.reports.statistics import measure, terminal
    from trackbench.reports.style import Style, styled
    from trackbench.scoring import resolve_evaluation
    from trackbench.scoring.scoring import evaluate_runs
    from trackbench.statistics.matrix import score_matrix

    say = messages(quiet).print
    documents, left_out = [], []
    for name in dict.fromkeys(dataset):
        opened = open_dataset(name, root)
        evaluation = resolve_evaluation(opened, protocol, convention)
        refused: dict[str, DataError] = {}
        scores = evaluate_runs(evaluation, runs, trackers or None, refuse=refused.__setitem__)
        if not scores:
            raise all_of(refused)
        left_out += [{"tracker": label, "dataset": opened.name, "reason": str(e)} for label, e in refused.items()]
        scores = styled(scores, Style())
        for score in scores:
            for line in score.problems:
                say(f"{score.tracker}: {line}")
        matrix = score_matrix(opened, scores, metric, cluster)
        if lacking := int((~matrix.common).sum()):
            say(
                f"{opened.name}: {lacking} of {len(matrix.sequences)} sequences lack a score and do not count for ranks"
            )
        result = measure(opened.title, matrix, _failures(opened, runs, scores, patience), rope)
        folder = (out or runs / "report") / folder_for(evaluation)
        written = _write(result, folder)
        documents.append(result.document())
        if not (json or quiet):
            console = output()
            console.print(terminal(result, width=console.width))
            say(f"{written} files in {folder}")
    if json:
        print_json({"statistics": documents} | ({"refused": left_out} if left_out else {}))
    exit_without({f"{entry['tracker']} on {entry['dataset']}": entry["reason"] for entry in left_out})


def _failures(dataset: Dataset, runs: Path, scores: list[Score], patience: int) -> dict[str, FailureSummary]:
    from trackbench.scoring.scoring import read_traces
    from trackbench.statistics.failures import summarise_failures

    overlaps: dict[str, list[Floats]] = {score.tracker: [] for score in scores}
    for traced in read_traces(dataset, runs, scores):
        for label, trace in traced.traces.items():
            overlaps[label].append(trace.overlaps)
    return {label: summarise_failures(curves, patience) for label, curves in overlaps.items() if curves}


def _write(result: Statistics, folder: Path) -> int:
    """Write tables and figures; returns how many files."""
    import json

    from trackbench.errors import UsageError
    from trackbench.files import write_text
    from trackbench.reports.plots import save
    from trackbench.reports.statistics import csv_files, latex_tables
    from trackbench.reports.statistics_plots import critical_difference_figure, forest_figure
    from trackbench.reports.style import looks

    texts = {**csv_files(result), "statistics.tex": latex_tables(result)}
    texts["statistics.json"] = json.dumps(_defined({"schema": 1, **result.document()}), indent=1) + "\n"
    for name, text in texts.items():
        write_text(folder / name, text)
    labels = result.matrix.labels
    written = len(texts)
    try:
        if len(result.matrix.ranked) > 1 and result.matrix.common.any():
            figure = critical_difference_figure(result.critical, result.matrix, looks(labels))
            written += len(save(figure, folder / "critical_difference"))
        for (first, second), rows in result.attributes.items():
            # Only the two best, else there would be a figure for every pair.
            if len(rows) > 1 and {first, second} == {0, 1}:
                figure = forest_figure(rows, result.matrix, first, second, result.rope)
                written += len(save(figure, folder / "attribute_differences"))
    except OSError as error:
        raise UsageError(f"{folder}: cannot be written: {error.strerror}") from None
    return written


def _defined(value: object) -> object:
    if isinstance(value, dict):
        return {key: _defined(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_defined(item) for item in value]
    return None if isinstance(value, float) and value != value else value
