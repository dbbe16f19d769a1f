"""``trackbench status``."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trackbench.cli.shared import Debug, Json, messages, output, print_error, print_json

if TYPE_CHECKING:
    from rich.console import Group


def status(
    runs: Annotated[Path, typer.Argument(envvar="TRACKBENCH_RUNS", help="Folder of stored results.")] = Path("runs"),
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Show it again every two seconds until Ctrl-C.")] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show who is working on the runs of a folder, what is left, and what limits the speed.

    It reads files alone, so it works from any terminal and any host that sees the folder.

    [bold]Examples[/bold]

    trackbench status

    trackbench status /shared/runs --watch
    """
    from trackbench.engine.status import read_status
    from trackbench.errors import UsageError

    if not runs.is_dir():
        raise UsageError(f"{runs}: there is no such folder; name the folder of `run --runs`")
    if watch and json:
        raise UsageError("--watch is for people; --json prints one document")
    if not watch:
        state = read_status(runs)
        if json:
            print_json(state)
        else:
            output().print(_view(state))
        unreadable = [run["why_not"] for run in state["runs"] if run["why_not"]]
        for reason in unreadable:
            print_error(reason)
        if unreadable:
            raise typer.Exit(1)
        return
    from rich.live import Live

    with Live(_view(read_status(runs, patience=0)), console=messages(), transient=False) as live:
        while True:
            time.sleep(2)
            live.update(_view(read_status(runs, patience=0)))


def _view(state: dict[str, Any]) -> Group:
    from rich.console import Group
    from rich.table import Table
    from rich.text import Text

    from trackbench.cli.progress import duration, share_list

    workers = Table("host", "device", "process", "state", "sequence", "done", "frames/s", title="Workers")
    for worker in state["workers"]:
        names = worker["sequences"]
        shown = ", ".join(names[:2]) + (f" and {len(names) - 2} more" if len(names) > 2 else "")
        row = (worker["host"], worker["device"], worker["process"], worker["state"], shown, worker["done"])
        workers.add_row(*map(str, row), f"{worker['fps']:.1f}")
    runs = Table("tracker", "data set", "protocol", "stored", "left", "failed", title="Runs")
    for run in state["runs"]:
        left = "-" if run["left"] is None else str(run["left"])
        names = (run["tracker"], run["dataset"], run["protocol"])
        runs.add_row(*names, str(run["stored"]), left, "?" if run["why_not"] else str(run["failed"]))
    jobs = Table("job", "state", "logs", title="Jobs of SLURM")
    for job in state["jobs"]:
        jobs.add_row(job["job"], job["state"] or "ended", job["logs"])
    parts: list[Any] = [workers if state["workers"] else Text("nobody is working"), runs]
    if state["jobs"]:
        parts.append(jobs)
    if state["seconds_left"] is not None:
        left = duration(state["seconds_left"])
        parts.append(
            Text(f"{state['fps']:.1f} frames/s, {left} left; the time goes into {share_list(state['limits'])}")
        )
    return Group(*parts)
