"""``trackbench list``: what exists, what is ready, how to make the rest ready."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trackbench.cli.shared import Debug, Json, Runs, guarded, messages, output, print_json
from trackbench.quoting import listed, printable

if TYPE_CHECKING:
    from trackbench.results.store import RunFolder

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
    from trackbench.results.store import stored_runs

    rows, readable = [], []
    for run in stored_runs(runs):
        row, is_readable = _run_row(run)
        rows.append(row)
        readable.append(is_readable)
    unreadable = not all(readable)
    rows = _chosen(rows, ready)
    if json:
        print_json({"runs": rows})
    else:
        counted = [{**row, "sequences": _share(row)} for row in rows]
        _show(counted, ["tracker", "dataset", "protocol", "sequences", "repetitions"], f"{runs}: no runs")
        for row in rows:
            output().print(row["folder"], soft_wrap=True, markup=False)
    if unreadable:
        raise typer.Exit(1)


def _run_row(run: RunFolder) -> tuple[dict[str, Any], bool]:
    """Return what is listed of a run, and whether its records can be read.

    It is ready where all sequences of its data set are stored and none has failed.
    """
    from trackbench.errors import DataError
    from trackbench.results.store import sequences_of

    stored, of, reasons, is_readable = len(sequences_of(run)), None, [], True
    try:
        sessions = (run.manifest() or {}).get("sessions", [])
        of = max((session.get("dataset_sequences") or 0 for session in sessions), default=0) or None
        if failures := run.failures():
            reasons.append(f"{len(failures)} sequences failed")
        if of and stored < of:
            reasons.append(f"{stored} of {of} sequences are stored")
    except DataError as error:
        reasons, is_readable = [str(error)], False
    row = {
        "name": f"{run.key.tracker}/{run.key.dataset}/{run.key.protocol}",
        "tracker": run.key.tracker,
        "dataset": run.key.dataset,
        "protocol": run.key.protocol,
        "sequences": stored,
        "of": of,
        "repetitions": run.repetitions(),
        "folder": str(run.path),
        "ready": not reasons,
        "why_not": ", ".join(reasons) or None,
    }
    return row, is_readable


def _share(row: dict[str, Any]) -> str:
    """Return ``n of N``, or ``n`` where nobody knows how many sequences there are."""
    return f"{row['sequences']} of {row['of']}" if row["of"] else str(row["sequences"])


def _chosen(rows: list[dict[str, Any]], ready: bool) -> list[dict[str, Any]]:
    return [row for row in rows if row["ready"] or not ready]


def _show(rows: list[dict[str, Any]], columns: list[str], none: str = "none is ready") -> None:
    """Print a table, and below it how to make the rest ready: lines that can be copied, equal ones once.

    Args:
        rows: what is listed.
        columns: their keys that are shown.
        none: what is said where there are no rows.
    """
    from rich.markup import escape
    from rich.table import Table

    if not rows:
        messages().print(none)
        return
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
