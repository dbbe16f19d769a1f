"""``trackbench run --paper``: what a paper's table needs, as plans, and what of it is not run."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from trackbench.cli.shared import messages, output, print_json
from trackbench.errors import UsageError

if TYPE_CHECKING:
    from trackbench.engine.plan import Plan
    from trackbench.reports.paper_runs import PaperRuns


def refuse_with_paper(
    trackers: object,
    dataset: object,
    options: object,
    refine: object,
    weights: object,
    random_weights: object,
    protocol: object,
    repetitions: object,
    shard: object,
) -> None:
    """Refuse what a table decides itself.

    Raises:
        UsageError: one of these was given.
    """
    given = {
        "TRACKER": trackers,
        "-d": dataset,
        "--set": options,
        "--refine": refine,
        "--weights": weights,
        "--random-weights": random_weights,
        "--protocol": protocol,
        "--repetitions": repetitions,
        "--shard": shard,
    }
    for name, value in given.items():
        if value:
            raise UsageError(f"run --paper: the table says what runs; leave {name} out")


def paper_groups(
    spec: str,
    runs: Path,
    root: Path | None,
    sequences: list[str] | None,
    limit: int | None,
    seed: int,
    *,
    restart: bool,
    dry: bool,
    json: bool,
    quiet: bool,
) -> list[list[Plan]]:
    """Return the plans of a table and say what is not run; of a dry run, show all.

    Raises:
        UsageError: there is no such table, or nothing of it can be run.
    """
    from trackbench.reports.paper_runs import plan_table

    say = messages(quiet).print
    planned = plan_table(
        spec, runs, root=root, sequences=sequences, limit=limit, seed=seed, restart=restart, dry=dry, say=say
    )
    if dry and json:
        print_json(_document(spec, planned))
    elif dry and planned.groups:
        _show(planned)
    if not json or not dry:
        for label, parts in _together((label, row, dataset) for row, dataset, label in planned.stored).items():
            say(f"stored: {parts}: {label}")
        for reason, parts in _together((part.reason, part.row, part.dataset) for part in planned.not_run).items():
            say(f"not run: {parts}: {reason}")
    if not dry and not planned.groups and not planned.stored:
        raise UsageError(f"--paper {spec}: nothing of it can be run, for the reasons above")
    return planned.groups


def _together(cells: Iterable[tuple[str, str, str]]) -> dict[str, str]:
    """Return text -> the rows and data sets that it is said of: one line a text."""
    from trackbench.quoting import listed

    groups: dict[str, tuple[dict[str, None], dict[str, None]]] = {}
    for text, row, dataset in cells:
        rows, datasets = groups.setdefault(text, ({}, {}))
        rows[row] = None
        datasets[dataset] = None
    return {
        text: listed(list(rows), 3) + (f" on {', '.join(datasets)}" if all(datasets) else "")
        for text, (rows, datasets) in groups.items()
    }


def _rows(planned: PaperRuns) -> list[dict[str, Any]]:
    return [
        {
            "rows": planned.rows[str(plan.folder.path)],
            "tracker": plan.spec.label,
            "dataset": plan.dataset.name,
            "protocol": plan.folder.key.protocol,
            "folder": str(plan.folder.path),
            "stored": len(plan.tasks) - len(plan.missing),
            "to_run": [task.run.name for task in plan.missing],
        }
        for plans in planned.groups
        for plan in plans
    ]


def _document(spec: str, planned: PaperRuns) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "paper": spec,
        "runs": _rows(planned),
        "stored": [{"row": row, "dataset": dataset, "tracker": label} for row, dataset, label in planned.stored],
        "not_run": [asdict(part) for part in planned.not_run],
    }


def _show(planned: PaperRuns) -> None:
    from rich.table import Table
    from rich.text import Text

    table = Table("row", "tracker", "data set", "stored", "to run")
    for row in _rows(planned):
        names = "\n".join(dict.fromkeys(row["rows"]))
        table.add_row(Text(names), Text(row["tracker"]), row["dataset"], str(row["stored"]), str(len(row["to_run"])))
    output().print(table)
