"""``trackbench check``: compare downloads with the official releases."""

from __future__ import annotations

from collections import Counter
from typing import Annotated, Any

import typer

from trackbench.cli import completion
from trackbench.cli.shared import Debug, Json, Quiet, Root, messages, output, print_json

#: Faults of one kind that the table shows.
SHOWN = 20


def check(
    datasets: Annotated[
        list[str],
        typer.Argument(
            metavar="DATASET...",
            help="Names of `trackbench list datasets`, or folders.",
            autocompletion=completion.datasets,
        ),
    ],
    root: Root = None,
    deep: Annotated[bool, typer.Option("--deep", help="Also decode every image.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say what is missing from a data set or differs from its official release. The exit code is then 1.

    [bold]Examples[/bold]

    trackbench check otb100 --root ~/data/OTB

    trackbench check lasot tnl2k --deep --json
    """
    checked = [_check(name, root, deep, quiet) for name in dict.fromkeys(datasets)]
    if json:
        print_json({"datasets": checked})
    else:
        for row in checked:
            _show(row, quiet)
    if not all(row["ok"] for row in checked):
        raise typer.Exit(1)


def _check(name: str, root: Root, deep: bool, quiet: bool) -> dict[str, Any]:
    from rich.progress import Progress

    from trackbench.datasets.catalogue import NotFoundError, find_definition, open_dataset
    from trackbench.datasets.check import check_dataset

    console = messages(quiet)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task(f"checking {name}", total=None)
        faults = check_dataset(name, root, deep, lambda done, of: progress.update(task, completed=done, total=of))
    resolved = find_definition(name)
    row: dict[str, Any] = {"name": resolved.name if resolved else name, "root": None, "sequences": 0, "of": None}
    try:
        dataset = open_dataset(name, root)
    except NotFoundError:  # is a fault already
        pass
    else:
        row |= {"root": str(dataset.root), "sequences": len(dataset.sequences), "of": dataset.of}
    return row | {
        "deep": deep,
        "ok": not faults,
        "faults": [vars(fault) for fault in faults],
        "home": resolved.value.home if resolved else "",
        "tree": resolved.value.tree.strip("\n") if resolved else "",
    }


def _show(row: dict[str, Any], quiet: bool) -> None:
    from rich.markup import escape
    from rich.table import Table

    from trackbench.quoting import printable

    console = output()
    if row["ok"]:
        if not quiet:
            images = ", every image decodes" if row["deep"] else ""
            place = f"sequences: {row['of']}, in {row['root']}"
            console.print(f"{escape(row['name'])}: [green]nothing is missing[/green] ({escape(place)}{images})")
        return
    table = Table(
        "sequence", "what", "found", "expected", title=escape(f"Faults of {row['name']}: {len(row['faults'])}")
    )
    kinds: Counter[str] = Counter()
    for fault in row["faults"]:
        kinds[fault["what"]] += 1
        if kinds[fault["what"]] <= SHOWN:
            table.add_row(*(escape(printable(fault[key] or "")) for key in ("sequence", "what", "found", "expected")))
    for what, count in kinds.items():
        if count > SHOWN:
            table.add_row("...", what, f"{count - SHOWN} more of this kind (--json lists all)", "")
    console.print(table)
    if row["home"]:
        console.print(f"Official source of {escape(row['name'])}: {escape(row['home'])}")
    if row["tree"]:
        console.print(f"Expected in --root, or in TRACKBENCH_DATA:\n{escape(row['tree'])}")
