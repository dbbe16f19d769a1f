"""``trackbench import-scores``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trackbench.cli import completion
from trackbench.cli.shared import Debug, Json, Quiet, Runs, messages, print_json


def import_scores(
    path: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="What the server returned: JSON, CSV or a saved page.")
    ] = None,
    *,
    name: Annotated[
        str | None, typer.Option("--as", help="The stored run that the scores are of, or what the tracker is called.")
    ] = None,
    dataset: Annotated[
        str,
        typer.Option(
            "--dataset",
            "-d",
            help="A data set that a server scores: got10k-test or trackingnet.",
            autocompletion=completion.datasets,
        ),
    ],
    value: Annotated[
        list[str] | None,
        typer.Option(metavar="METRIC=NUMBER", help="A score, typed in instead of read from FILE. Repeatable."),
    ] = None,
    only: Annotated[str | None, typer.Option(help="Which tracker, where FILE holds several.")] = None,
    every: Annotated[
        bool, typer.Option("--all", help="Every tracker in FILE, each under its own name (with --as: that before it).")
    ] = False,
    runs: Runs = Path("runs"),
    restart: Annotated[
        bool, typer.Option("--restart", help="Replace the scores that are stored; answers stay.")
    ] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Bring in what the servers of GOT-10k and TrackingNet say of a run, for tables and papers.

    The numbers are marked as a server's, or as typed in. They are not taken for those of answers stored later.

    [bold]Examples[/bold]

    trackbench import-scores report.json --as aiatrack-got10k -d got10k-test

    trackbench import-scores --value success=82.7 --value norm_precision_auc=87.8 --as aiatrack -d trackingnet

    trackbench import-scores leaderboard.html --all -d got10k-test
    """
    from trackbench.errors import UsageError
    from trackbench.formats.server_scores import choose_entry, read_entries, typed_metrics
    from trackbench.formats.serving import keep_server_scores, server_family, source_of

    family = server_family(dataset)
    if (path is None) == (not value):
        raise UsageError("import-scores: expected either FILE or --value METRIC=NUMBER")
    if not every and name is None:
        raise UsageError("import-scores: --as says which run the scores are of, or --all takes every tracker in FILE")
    if path is None:
        if every or only:
            raise UsageError("--all and --only are about the trackers in FILE, and there is none")
        wanted = [(name or "", typed_metrics(value or [], family), {"values": list(value or [])})]
        origin = "typed"
    else:
        entries = read_entries(path, family)
        origin = "server"
        if every:
            if unnamed := sum(not entry.name for entry in entries):
                raise UsageError(f"--all: {path}: {unnamed} trackers have no name there; --as with --only takes one")
            chosen = [((name or "") + entry.name, entry) for entry in entries]
        else:
            chosen = [(name or "", choose_entry(entries, only, path))]
        wanted = [(called, entry.metrics, source_of(path, entry.name)) for called, entry in chosen]
    rows = []
    for called, metrics, source in wanted:
        folder = keep_server_scores(
            runs, called, dataset, metrics, "typed" if origin == "typed" else "server", source, restart=restart
        )
        rows.append(
            {"tracker": called, "dataset": folder.key.dataset, "folder": folder.path, "origin": origin}
            | {"metrics": metrics}
        )
        listed = ", ".join(f"{key} {number:.4g}" for key, number in metrics.items())
        messages(quiet).print(f"{called}: {listed} ({'typed in' if origin == 'typed' else origin}) in {folder.path}")
    if json:
        print_json({"runs": rows})
