"""``trackbench report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trackbench.cli.shared import Datasets, Debug, Json, Quiet, Root, Runs, messages, output, print_json

if TYPE_CHECKING:
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
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Score stored runs: table, CSV, Markdown, LaTeX, success and precision plots. Opens no image.

    [bold]Examples[/bold]

    trackbench report -d otb100 --root ~/data/OTB

    trackbench report dcf opencv:mil -d otb100 --attributes --out paper/
    """
    from trackbench.datasets.catalogue import open_dataset
    from trackbench.errors import TrackbenchError
    from trackbench.reports import tables
    from trackbench.reports.folder import write_report
    from trackbench.scores import score_runs

    say = messages(quiet).print
    folder = out or runs / "report"
    everything: list[Score] = []
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
        scores = tables.ranked(scores)
        written = write_report(
            scores, found, folder / found.name, attributes=attributes, per_sequence=per_sequence, curves=curves
        )
        everything += scores
        if json or quiet:
            continue
        console = output()
        console.print(tables.terminal_table(scores, found.title))
        if attributes:
            console.print(tables.attribute_table(scores))
        if per_sequence:
            console.print(tables.sequence_table(scores))
        say(f"{len(written)} files in {folder / found.name}")
    if json:
        print_json({"rows": [score.document() for score in everything]})
