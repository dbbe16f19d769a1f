"""``trackbench list``: what exists, what is ready, how to make the rest ready."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import typer

from trackbench.cli.shared import Debug, Json, Runs, guarded, output, print_json

list_app = typer.Typer(help="Show what exists, what is ready, and how to make the rest ready.", no_args_is_help=True)


@list_app.command("trackers")
@guarded
def trackers(json: Json = False, debug: Debug = False) -> None:
    """List the trackers."""
    from trackbench.trackers.status import list_trackers

    rows = list_trackers()
    if json:
        print_json({"trackers": rows})
        return
    _show(rows, ["name", "title"])


@list_app.command("datasets")
@guarded
def datasets(json: Json = False, debug: Debug = False) -> None:
    """List the data sets."""
    from dataclasses import asdict

    from trackbench.datasets.catalogue import readiness
    from trackbench.definitions import DATASETS

    rows = [asdict(readiness(name)) for name in DATASETS.names()]
    if json:
        print_json({"datasets": rows})
        return
    _show([{**row, "sequences": f"{row['sequences']} of {row['of']}"} for row in rows], ["name", "title", "sequences"])


@list_app.command("runs")
@guarded
def runs(runs: Runs = Path("runs"), json: Json = False, debug: Debug = False) -> None:
    """List the stored runs."""
    from trackbench.results.store import sequences_of, stored_runs

    rows: list[dict[str, Any]] = []
    for run in stored_runs(runs):
        failures = run.failures()
        rows.append(
            {
                "name": f"{run.key.tracker}/{run.key.dataset}/{run.key.protocol}",
                "tracker": run.key.tracker,
                "dataset": run.key.dataset,
                "protocol": run.key.protocol,
                "sequences": len(sequences_of(run)),
                "repetitions": run.repetitions(),
                "folder": str(run.path),
                "ready": not failures,
                "why_not": f"{len(failures)} sequences failed" if failures else None,
            }
        )
    if json:
        print_json({"runs": rows})
        return
    _show(rows, ["tracker", "dataset", "protocol", "sequences", "repetitions", "folder"])


def _show(rows: list[dict[str, Any]], columns: list[str]) -> None:
    from rich.markup import escape
    from rich.table import Table

    from trackbench.quoting import printable

    table = Table(*columns, "ready", "how to make it ready")
    for row in rows:
        ready = "[green]yes[/green]" if row["ready"] else "[yellow]no[/yellow]"
        table.add_row(
            *(escape(printable(str(row[column]))) for column in columns), ready, escape(printable(row["why_not"] or ""))
        )
    output().print(table)
