"""``trackbench report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trackbench.cli.shared import Datasets, Debug, Json, Quiet, Root, Runs, messages, output, print_json

if TYPE_CHECKING:
    from trackbench.datasets.sequence import Dataset
    from trackbench.scores import Score


def report(
    trackers: Annotated[
        list[str] | None, typer.Argument(metavar="[TRACKER]...", help="Default: all that are stored.")
    ] = None,
    *,
    dataset: Datasets,
    root: Root = None,
    runs: Runs = Path("runs"),
    out: Annotated[Path | None, typer.Option(help="Folder for files and plots. Default: RUNS/report.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Default: the data set's.")] = None,
    convention: Annotated[str | None, typer.Option(help="Whose scoring rules. Default: the data set's.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse incomplete runs.")] = False,
    attributes: Annotated[bool, typer.Option("--attributes", help="Also by attribute.")] = False,
    per_sequence: Annotated[bool, typer.Option("--per-sequence", help="Also by sequence.")] = False,
    curves: Annotated[bool, typer.Option("--curves", help="Also the curves, as CSV.")] = False,
    html: Annotated[
        bool, typer.Option("--html", help="Also report.html: one page for all data sets, offline.")
    ] = False,
    frames: Annotated[int, typer.Option(min=0, help="With --html: images a sequence, from the first to the last.")] = 0,
    page_limit: Annotated[
        float, typer.Option(min=0, help="With --html: most megabytes for regions and images of sequences.")
    ] = 50,
    frame: Annotated[
        list[str] | None,
        typer.Option(metavar="SEQUENCE[:NUMBER]", help="Also a picture of a frame: answers, masks, truth. Repeatable."),
    ] = None,
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
    """
    from trackbench.datasets.catalogue import open_dataset
    from trackbench.errors import TrackbenchError, UsageError
    from trackbench.reports import tables
    from trackbench.reports.folder import write_report
    from trackbench.reports.frame_plot import write_frames
    from trackbench.reports.page import Page
    from trackbench.reports.style import check_labels, looks, read_style, styled
    from trackbench.scores import score_runs
    from trackbench.scores.traces import read_traces

    say = messages(quiet).print
    folder = out or runs / "report"
    look_file = read_style(style)
    if frames and not html:
        raise UsageError("--frames puts images into the page; it needs --html")
    reported: list[tuple[Dataset, list[Score]]] = []
    for name in dict.fromkeys(dataset):
        found = open_dataset(name, root)
        scores = score_runs(found, runs, trackers or None, protocol=protocol, rules=convention)
        for score in scores:
            for line in score.problems:
                say(f"{score.tracker}: {line}")
        incomplete = [score for score in scores if score.sequences < score.of]
        if strict and incomplete:
            listed = ", ".join(f"{score.tracker} ({score.sequences} of {score.of})" for score in incomplete)
            raise TrackbenchError(f"--strict: incomplete on {found.name}: {listed}")
        reported.append((found, styled(scores, look_file)))
    labels = list(dict.fromkeys(score.tracker for _, scores in reported for score in scores))
    for line in check_labels(look_file, labels):
        say(line)
    look = looks((*look_file.order, *labels), look_file)
    page = Page(int(page_limit * 1_000_000), frames) if html else None
    for found, scores in reported:
        written = write_report(
            scores,
            found,
            folder / found.name,
            look,
            look_file,
            attributes=attributes,
            per_sequence=per_sequence,
            curves=curves,
        )
        if frame:
            written += write_frames(frame, found, runs, scores, folder / found.name, look, look_file.two_columns)
        if page:
            page.add(found, scores, read_traces(found, runs, scores))
        if json or quiet:
            continue
        console = output()
        console.print(tables.terminal_table(scores, found.title))
        if attributes:
            console.print(tables.attribute_table(scores))
        if per_sequence:
            console.print(tables.sequence_table(scores))
        say(f"{len(written)} files in {folder / found.name}")
    if page:
        size = page.write(folder / "report.html", {label: look[label] for label in labels})
        say(f"{folder / 'report.html'}: {size / 1e6:.1f} MB")
    if json:
        print_json({"rows": [score.document() for _, scores in reported for score in scores]})
