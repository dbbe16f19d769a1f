"""``trackbench data``: remember where data sets lie."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from trackbench.cli import completion
from trackbench.cli.shared import Debug, Json, Quiet, guarded, messages, print_json, print_line

data_app = typer.Typer(help="Remember where data sets are, and fetch those that need no form.", no_args_is_help=True)

Name = Annotated[str, typer.Argument(help="A name of `trackbench list datasets`.", autocompletion=completion.datasets)]


@data_app.command("add")
@guarded
def add(
    dataset: Name,
    folder: Annotated[Path, typer.Argument(help="The folder that holds its sequences.")],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write into the user's configuration that DATASET is in FOLDER.

    [bold]Example[/bold]

    trackbench data add otb100 ~/data/OTB
    """
    from trackbench.datasets.catalogue import open_dataset
    from trackbench.datasets.roots import remember
    from trackbench.definitions import DATASETS

    name = DATASETS.get(dataset).name
    opened = open_dataset(name, folder)
    path = remember(name, opened.root)
    if json:
        print_json({"dataset": name, "root": str(opened.root.resolve()), "sequences": len(opened.sequences)})
        return
    print_line(
        f"{name}: {len(opened.sequences)} of {opened.of} sequences in {opened.root.resolve()}, written to {path}"
    )


@data_app.command("list")
@guarded
def list_data(json: Json = False, debug: Debug = False) -> None:
    """List where data sets are known to lie, and how many of their sequences are there."""
    from trackbench.datasets.catalogue import readiness
    from trackbench.datasets.roots import remembered
    from trackbench.definitions import DATASETS

    rows = []
    for name, folder in sorted(remembered().items()):
        known = name in DATASETS
        state = readiness(name) if known else None
        why_not = f"unknown data set '{name}'" if state is None else state.why_not
        rows.append(
            {
                "name": name,
                "folder": str(folder),
                "sequences": state.sequences if state else 0,
                "of": state.of if state else None,
                "ready": bool(state and state.ready),
                "why_not": why_not,
            }
        )
    if json:
        print_json({"datasets": rows})
        return
    if not rows:
        print_line("no data set is remembered; `trackbench data add NAME DIR` adds one")
    for row in rows:
        missing = "" if row["ready"] and not row["why_not"] else f" ({row['why_not']})"
        print_line(f"{row['name']}: {row['sequences']} of {row['of']} sequences in {row['folder']}{missing}")


@data_app.command("download")
@guarded
def download(
    dataset: Name,
    folder: Annotated[Path, typer.Argument(help="Folder for its sequences; it is made.")],
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Fetch DATASET into FOLDER, where it may be had without a form, and remember it. A stopped download goes on.

    [bold]Example[/bold]

    trackbench data download vot2018 ~/data/VOT2018
    """
    from rich.progress import BarColumn, DownloadColumn, Progress, TextColumn, TimeRemainingColumn, TransferSpeedColumn

    from trackbench.datasets.catalogue import open_dataset
    from trackbench.datasets.download import fetch_dataset
    from trackbench.datasets.roots import remember
    from trackbench.definitions import DATASETS

    definition = DATASETS.get(dataset).value
    console = messages(quiet)
    columns = (
        TextColumn("{task.description}"),
        BarColumn(bar_width=16),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("asking", total=None)
        fetched = fetch_dataset(
            definition,
            folder,
            lambda name, there, of: progress.update(task, description=name[-24:], completed=there, total=of),
        )
    opened = open_dataset(definition.name, folder)
    path = remember(definition.name, opened.root)
    if json:
        print_json(
            {
                "dataset": definition.name,
                "root": str(opened.root.resolve()),
                "sequences": len(opened.sequences),
                "of": opened.of,
                "fetched": fetched,
            }
        )
        return
    print_line(
        f"{definition.name}: {len(opened.sequences)} of {opened.of} sequences in {opened.root.resolve()} "
        f"({fetched} archives fetched), written to {path}"
    )
