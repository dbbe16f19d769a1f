"""``trackbench export``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trackbench.cli import completion
from trackbench.cli.shared import Debug, Json, Quiet, Runs, messages, print_json


def export(
    tracker: Annotated[
        str, typer.Argument(help="A tracker of `trackbench list runs`.", autocompletion=completion.stored)
    ],
    *,
    dataset: Annotated[
        str,
        typer.Option(
            "--dataset",
            "-d",
            help="A name of `trackbench list datasets`, or a folder.",
            autocompletion=completion.datasets,
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            help="Whose layout to write: pytracking, ostrack, pysot, got10k, lasot, otb-mat, trackingnet, or vot."
        ),
    ],
    out: Annotated[Path, typer.Option(help="The tool's folder of results.")],
    runs: Runs = Path("runs"),
    whole_numbers: Annotated[bool, typer.Option("--round", help="Write boxes as integers.")] = False,
    repeat_last: Annotated[
        bool, typer.Option("--repeat-last", help="Write the box before where the tool cannot read the answer.")
    ] = False,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="vot: which run, where several are stored; otb-mat: tre or sre.", autocompletion=completion.protocols
        ),
    ] = None,
    experiment: Annotated[str | None, typer.Option(help="vot: the experiment's name in the stack.")] = None,
    binary: Annotated[bool, typer.Option("--binary", help="vot: write .bin files, of float32.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a stored run in the layout of another tool. Needs neither images nor annotations.

    [bold]Examples[/bold]

    trackbench export dcf -d otb100 --to got10k --out ~/got10k/results

    trackbench export dcf -d lasot --to pytracking --out ~/pytracking/results --repeat-last

    trackbench export dcf -d vot2018 --to vot --out workspace/results
    """
    import trackbench

    done = trackbench.export(
        tracker,
        dataset,
        to,
        out,
        runs=runs,
        whole_numbers=whole_numbers,
        repeat_last=repeat_last,
        protocol=protocol,
        experiment=experiment,
        binary=binary,
    )
    if json:
        print_json({"export": done.document()})
    say = messages(quiet).print
    for line in done.warnings:
        say(line)
    say(f"{done.run.key.tracker}: {done.files} files of {len(done.sequences)} sequences in {out} ({to})")
