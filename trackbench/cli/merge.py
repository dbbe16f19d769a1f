"""``trackbench merge``."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trackbench.cli.shared import Debug, Json, output, print_json


def merge(
    folders: Annotated[list[Path], typer.Argument(metavar="DIR...", help="Folders of runs, as of `run --shard`.")],
    into: Annotated[Path, typer.Option(help="The folder that gets all results.")],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Put the runs of several machines into one folder.

    Runs of the same name have to be of the same settings; results of the same sequence have to be equal.

    [bold]Example[/bold]

    trackbench merge node1/runs node2/runs --into runs
    """
    from trackbench.results.merging import merge_runs

    rows = [
        {
            "tracker": run.key.tracker,
            "dataset": run.key.dataset,
            "protocol": run.key.protocol,
            "folder": str(run.path),
            "new": new,
            "stored": len(run.sequences()),
        }
        for run, new in merge_runs(folders, into)
    ]
    if json:
        print_json({"runs": rows})
        return
    from rich.table import Table

    table = Table("tracker", "data set", "protocol", "new", "stored", "folder", title="Merged")
    for row in rows:
        table.add_row(*(str(row[key]) for key in ("tracker", "dataset", "protocol", "new", "stored", "folder")))
    output().print(table)
