"""``trackbench data``: remember where data sets lie."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trackbench.cli.shared import Debug, Json, guarded, print_json, print_line

data_app = typer.Typer(help="Remember where data sets lie.", no_args_is_help=True)


@data_app.command("add")
@guarded
def add(
    dataset: Annotated[str, typer.Argument(help="A name of `trackbench list datasets`.")],
    folder: Annotated[Path, typer.Argument(help="The folder that holds its sequences.")],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write into the user's configuration that DATASET lies in FOLDER.

    [bold]Example[/bold]

    trackbench data add otb100 ~/data/OTB
    """
    from trackbench.datasets.catalogue import open_dataset
    from trackbench.datasets.roots import remember
    from trackbench.definitions import DATASETS

    name = DATASETS.get(dataset).name
    found = open_dataset(name, folder)
    path = remember(name, found.root)
    if json:
        print_json({"dataset": name, "root": str(found.root.resolve()), "sequences": len(found.sequences)})
        return
    print_line(f"{name}: {len(found.sequences)} of {found.of} sequences in {found.root.resolve()}, written to {path}")
