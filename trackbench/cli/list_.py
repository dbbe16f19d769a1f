"""``trackbench list``: what exists, what is ready, how to make the rest ready."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import typer

from trackbench.cli.shared import Debug, Json, Runs, guarded, output, print_json
from trackbench.quoting import listed, printable

Ready = Annotated[bool, typer.Option("--ready", help="Only those that are ready.")]
#: Names of one reason that are printed.
NAMED = 4

list_app = typer.Typer(help="Show what exists, what is ready, and how to make the rest ready.", no_args_is_help=True)


@list_app.command("trackers")
@guarded
def trackers(ready: Ready = False, json: Json = False, debug: Debug = False) -> None:
    """List the trackers."""
    from trackbench.trackers.status import list_trackers

    rows = _chosen(list_trackers(), ready)
    if json:
        print_json({"trackers": rows})
        return
    _show(rows, ["name", "title"])


@list_app.command("datasets")
@guarded
def datasets(ready: Ready = False, json: Json = False, debug: Debug = False) -> None:
    """List the data sets."""
    from dataclasses import asdict

    from trackbench.datasets.catalogue import readiness
    from trackbench.definitions import DATASETS

    rows = _chosen([asdict(readiness(name)) for name in DATASETS.names()], ready)
    if json:
        print_json({"datasets": rows})
        return
    _show([{**row, "sequences": f"{row['sequences']} of {row['of']}"} for row in rows], ["name", "title", "sequences"])


@list_app.command("runs")
@guarded
def runs(runs: Runs = Path("runs"), ready: Ready = False, json: Json = False, debug: Debug = False) -> None:
    """List the stored runs."""
    from trackbench.errors import DataError
    from trackbench.results.store import sequences_of, stored_runs

    rows: list[dict[str, Any]] = []
    unreadable = False
    for run in stored_runs(runs):
        try:
            run.manifest()
            failures = len(run.failures())
            why_not = f"{failures} sequences failed" if failures else None
        except DataError as error:
            why_not, unreadable = str(error), True
        rows.append(
            {
                "name": f"{run.key.tracker}/{run.key.dataset}/{run.key.protocol}",
                "tracker": run.key.tracker,
                "dataset": run.key.dataset,
                "protocol": run.key.protocol,
                "sequences": len(sequences_of(run)),
                "repetitions": run.repetitions(),
                "folder": str(run.path),
                "ready": why_not is None,
                "why_not": why_not,
            }
        )
    rows = _chosen(rows, ready)
    if json:
        print_json({"runs": rows})
    else:
        _show(rows, ["tracker", "dataset", "protocol", "sequences", "repetitions"])
        for row in rows:
            output().print(row["folder"], soft_wrap=True, markup=False)
    if unreadable:
        raise typer.Exit(1)


def _chosen(rows: list[dict[str, Any]], ready: bool) -> list[dict[str, Any]]:
    return [row for row in rows if row["ready"] or not ready]


def _show(rows: list[dict[str, Any]], columns: list[str]) -> None:
    """Print a table, and below it how to make the rest ready: lines that can be copied, equal ones once."""
    from rich.markup import escape
    from rich.table import Table

    table = Table()
    for column in (*columns, "ready"):
        table.add_column(column, overflow="fold")
    for row in rows:
        ready = "[green]yes[/green]" if row["ready"] else "[yellow]no[/yellow]"
        table.add_row(*(escape(printable(str(row[column]))) for column in columns), ready)
    console = output()
    console.print(table)
    wanting = [row for row in rows if row["why_not"]]
    reasons = {row["name"]: row["why_not"].removesuffix(f" ({row.get('how_to_get')})") for row in wanting}
    sources = {row["name"]: row["how_to_get"] for row in wanting if not row["ready"] and row.get("how_to_get")}
    for line in (*_grouped(reasons), *_grouped(sources)):
        console.print(printable(line), soft_wrap=True, markup=False)


def _grouped(reasons: dict[str, str]) -> Iterator[str]:
    """Yield names with their reasons; those whose reasons differ by the name alone stand in one line."""
    alike: dict[str, list[str]] = {}
    for name, reason in reasons.items():
        alike.setdefault(reason.replace(name, "NAME"), []).append(name)
    for reason, names in alike.items():
        yield f"{listed(names, NAMED)}: {reason if len(names) > 1 else reasons[names[0]]}"
