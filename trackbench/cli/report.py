"""``trackbench report``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trackbench.cli import completion
from trackbench.cli.shared import (
    Convention,
    Debug,
    Json,
    Protocol,
    Quiet,
    Root,
    messages,
    output,
    print_error,
    print_json,
)

if TYPE_CHECKING:
    from rich.table import Table

    from trackbench.referee import Verdict
    from trackbench.reports import Report


def report(
    trackers: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TRACKER]...", help="Default: all that are stored.", autocompletion=completion.stored),
    ] = None,
    *,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            "--dataset",
            "-d",
            help="Data set: a name of `trackbench list datasets`, or a folder. Repeatable.",
            autocompletion=completion.datasets,
        ),
    ] = None,
    root: Root = None,
    runs: Annotated[
        list[Path] | None,
        typer.Option(envvar="TRACKBENCH_RUNS", help="Folder of stored results. Default: runs. Repeatable."),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for files and plots. Default: RUNS/report.")] = None,
    protocol: Protocol = None,
    convention: Convention = None,
    interval: Annotated[
        str | None, typer.Option(metavar="LOW:HIGH", help="Lengths over which EAO averages. Default: the data set's.")
    ] = None,
    metrics: Annotated[
        str | None,
        typer.Option(metavar="KEY,KEY", help="Columns of the tables, as success_auc,fps. Default: all there are."),
    ] = None,
    common: Annotated[
        bool, typer.Option("--common", help="Score all runs on the sequences that all of them have.")
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse incomplete runs.")] = False,
    attributes: Annotated[bool, typer.Option("--attributes", help="Also by attribute.")] = False,
    per_sequence: Annotated[bool, typer.Option("--per-sequence", help="Also by sequence, with paired tests.")] = False,
    curves: Annotated[bool, typer.Option("--curves", help="Also the curves, as CSV.")] = False,
    no_plots: Annotated[bool, typer.Option("--no-plots", help="Draw no plots.")] = False,
    html: Annotated[
        bool, typer.Option("--html", help="Also a page for all data sets, offline: report.html, or report_RULES.html.")
    ] = False,
    frames: Annotated[int, typer.Option(min=0, help="With --html: images a sequence, from the first to the last.")] = 0,
    page_limit: Annotated[
        float, typer.Option(min=0, help="With --html: most megabytes for regions and images of sequences.")
    ] = 50,
    frame: Annotated[
        list[str] | None,
        typer.Option(metavar="SEQUENCE[:NUMBER]", help="Also a picture of a frame: predictions, masks, ground truth."),
    ] = None,
    paper: Annotated[
        str | None,
        typer.Option(
            metavar="PAPER:TABLE",
            help="A paper's table with our numbers in it, as siamattn:1. Needs no -d.",
            autocompletion=completion.tables,
        ),
    ] = None,
    against: Annotated[
        Literal["paper"] | None, typer.Option(help="paper: also the differences from what papers print.")
    ] = None,
    referee: Annotated[
        bool,
        typer.Option("--referee", help="Let the got10k toolkit or vot-toolkit score the same runs, and compare."),
    ] = False,
    style: Annotated[Path | None, typer.Option(help="TOML file of colours, names and order.")] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Score stored runs: table, CSV, Markdown, LaTeX, success and precision plots. Opens no image without being asked.

    [bold]Examples[/bold]

    trackbench report -d otb100 --root ~/data/OTB

    trackbench report dcf opencv:mil -d otb100 --attributes --out paper/

    trackbench report siamattn -d vot2018 --frame bag:20

    trackbench report -d otb100 -d uav123 --html --frames 20 --style mine.toml

    trackbench report -d lasot -d tnl2k -d uav123 --metrics AUC,P --no-plots

    trackbench report -d otb100 --referee

    trackbench report --paper siamattn:1
    """
    from trackbench.cli.scoring_progress import ScoringProgress
    from trackbench.quoting import grouped
    from trackbench.reports import ReportOptions
    from trackbench.reports import report as make_report

    options = ReportOptions(
        root=root,
        out=out,
        protocol=protocol,
        convention=convention,
        lengths=_lengths(interval),
        metrics=metrics,
        strict=strict,
        common=common,
        attributes=attributes,
        per_sequence=per_sequence,
        curves=curves,
        # Plots are left out where only the numbers were asked for.
        plots=not (no_plots or (json and quiet)),
        html=html,
        frames=frames,
        page_limit=page_limit,
        frame=frame or (),
        paper=paper,
        against=against,
        style=style,
        referee=referee,
    )
    with ScoringProgress(messages(quiet)) as shown:
        made = make_report(
            dataset or (), trackers, runs=runs or [Path("runs")], options=options, say=shown.say, watch=shown.watch
        )
    if json:
        print_json(made.document())
    for verdict in made.verdicts:
        for opinion in verdict.opinions:
            if not opinion.agrees:
                print_error(
                    f"{verdict.tracker} on {verdict.dataset}: {verdict.tool} says {opinion.metric} {opinion.theirs}, "
                    f"trackbench by its rules {opinion.ours}: no named rule explains the difference"
                )
    unscored = [part.dataset.name for part in made.datasets if not any(score.sequences for score in part.scores)]
    for name in unscored:
        print_error(f"{name}: nothing could be scored")
    refused = [line for part in made.datasets for line in grouped(part.refused)]
    for reason in refused:
        print_error(f"left out: {reason}")
    if not (json or quiet):
        _show(made, attributes, per_sequence)
    if unscored or refused:
        raise typer.Exit(1)


def _show(made: Report, attributes: bool, per_sequence: bool) -> None:
    """Print the tables of a report."""
    from trackbench.reports import tables

    console = output()
    if made.paper:
        from trackbench.reports import paper_tables

        console.print(paper_tables.terminal(made.paper))
    for part in made.datasets:
        console.print(tables.terminal_table(part.scores, part.dataset.title, part.metrics, width=console.width))
        if attributes:
            console.print(tables.attribute_table(part.scores, part.metrics, width=console.width))
        if per_sequence:
            console.print(tables.sequence_table(part.scores, part.metrics, width=console.width))
    if made.verdicts:
        console.print(_verdict_table(made.verdicts))
    if len(made.datasets) > 1:
        from trackbench.reports import overview

        parts = [(part.dataset, part.scores, part.metrics) for part in made.datasets]
        console.print(overview.terminal_table(overview.Overview.of(parts)))


def _verdict_table(verdicts: Sequence[Verdict]) -> Table:
    """Return the numbers of other toolkits beside ours."""
    from rich.table import Table

    columns = ("tracker", "data set", "metric", "reported", "by its rules", "toolkit", "difference", "sequences")
    table = Table(*columns, title=", ".join(dict.fromkeys(verdict.tool for verdict in verdicts)))
    for verdict in verdicts:
        explained = "" if verdict.rule == verdict.convention else f" ({verdict.convention})"
        for opinion in verdict.opinions:
            numbers = [
                "-" if number is None else f"{number:.6f}"
                for number in (opinion.reported, opinion.ours, opinion.theirs)
            ]
            difference = "-" if opinion.difference is None else f"{opinion.difference:+.1e}"
            table.add_row(
                verdict.tracker,
                verdict.dataset,
                opinion.metric,
                numbers[0] + explained,
                *numbers[1:],
                difference if opinion.agrees else f"[bold red]{difference}[/bold red]",
                f"{verdict.sequences} of {verdict.of}",
            )
    return table


def _lengths(text: str | None) -> tuple[int, int] | None:
    """Return the lengths of ``--interval LOW:HIGH``."""
    from trackbench.errors import UsageError
    from trackbench.quoting import shown

    if text is None:
        return None
    low, colon, high = text.partition(":")
    if not colon or not all(end.strip().isdecimal() and len(end) < 20 for end in (low, high)):
        raise UsageError(f"--interval {shown(text)}: expected LOW:HIGH, two lengths in frames, as in 100:356")
    return int(low), int(high)
