"""``trackbench run``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trackbench.cli.shared import (
    Datasets,
    Debug,
    Json,
    Quiet,
    RandomWeights,
    Root,
    Runs,
    Set,
    Weights,
    messages,
    output,
    print_error,
    print_json,
)

if TYPE_CHECKING:
    from trackbench.cli.progress import RunProgress
    from trackbench.definitions import DatasetDefinition
    from trackbench.engine.plan import Plan
    from trackbench.trackers.registry import TrackerSpec


def run(
    trackers: Annotated[list[str], typer.Argument(metavar="TRACKER...", help="Names of `trackbench list trackers`.")],
    dataset: Datasets,
    root: Root = None,
    sequence: Annotated[
        list[str] | None, typer.Option("--sequence", "-s", help="Only this sequence (name or glob). Repeatable.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N sequences.")] = None,
    protocol: Annotated[
        str | None,
        typer.Option(help="one-pass, supervised, multistart, unsupervised or realtime. Default: the data set's."),
    ] = None,
    repetitions: Annotated[
        int | None,
        typer.Option(min=1, help="Runs over each sequence, seeded one after the other. Default: the protocol's."),
    ] = None,
    convention: Annotated[
        str | None, typer.Option(help="Whose overlap decides on failures of reset-based runs: pysot, matlab or vot.")
    ] = None,
    speed: Annotated[
        float | None, typer.Option(help="For realtime: frames per second to assume instead of measuring.")
    ] = None,
    runs: Runs = Path("runs"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    batch: Annotated[int, typer.Option(min=1, help="Sequences at once; 1 for honest latency.")] = 1,
    threads: Annotated[int, typer.Option(min=1, help="Threads that decode images.")] = min(4, os.cpu_count() or 1),
    refine: Annotated[
        str | None, typer.Option(metavar="REFINER", help="Refine the boxes of all trackers to masks: alpharefine.")
    ] = None,
    weights: Weights = None,
    trust_checkpoint: Annotated[
        bool, typer.Option("--trust-checkpoint", help="Let a foreign tracker's checkpoint execute code as it loads.")
    ] = False,
    random_weights: RandomWeights = False,
    set_: Set = None,
    seed: Annotated[int, typer.Option(min=0, help="For trackers that draw at random.")] = 0,
    restart: Annotated[bool, typer.Option("--restart", help="Throw away stored results of these runs first.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would be done.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Run trackers over benchmarks. What is stored is not run again.

    [bold]Examples[/bold]

    trackbench run dcf opencv:mil -d otb100 --root ~/data/OTB

    trackbench run dcf -d ./my_sequences --set learning_rate=0.02 --batch 8
    """
    from trackbench.datasets.catalogue import open_dataset, select
    from trackbench.engine.execution import execute
    from trackbench.engine.plan import make_plan
    from trackbench.errors import UsageError
    from trackbench.trackers.registry import find_tracker
    from trackbench.trackers.settings import parse_setting

    options = dict(parse_setting(text) for text in set_ or [])
    if refine is not None:
        trackers = [f"{tracker}+{refine}" for tracker in trackers]
    say = messages(quiet).print

    def find(tracker: str, record: DatasetDefinition | None = None) -> TrackerSpec:
        return find_tracker(
            tracker,
            record,
            options,
            protocol=protocol,
            weights=weights,
            random_weights=random_weights,
            seed=seed,
            trust_checkpoint=trust_checkpoint,
        )

    specs = [find(tracker) for tracker in trackers]  # faults are said before any data set is looked for
    if random_weights:
        drawn = [spec.name for spec in specs if spec.has_network]
        if not drawn:
            raise UsageError(f"--random-weights: {', '.join(trackers)} takes no checkpoint")
        say(f"{', '.join(drawn)}: random weights; the numbers say nothing about the tracker")
    campaigns = []
    for name in dict.fromkeys(dataset):
        found = open_dataset(name, root)
        chosen = select(found, sequence, limit)
        if len(found.sequences) < found.of:
            say(f"{found.name}: {len(found.sequences)} of {found.of} sequences are in {found.root}")
        plans = [
            make_plan(
                find(tracker, found.definition),
                chosen,
                runs,
                protocol=protocol,
                repetitions=repetitions,
                convention=convention,
                speed=speed,
                seed=seed,
                restart=restart,
                dry=dry_run,
            )
            for tracker in dict.fromkeys(trackers)
        ]
        campaigns.append(plans)
    if dry_run:
        _show_plans([plan for plans in campaigns for plan in plans], json)
        return
    for plans in campaigns:
        with _progress(plans, quiet) as progress:
            execute(plans, device=device, batch=batch, threads=threads, progress=progress)
    done = [plan for plans in campaigns for plan in plans]
    if json:
        print_json({"runs": [plan.summary() for plan in done]})
    elif not quiet:
        _show_results(done)
    failed = [(plan, name, reason) for plan in done for name, reason in plan.failed.items()]
    for plan, name, reason in failed:
        print_error(f"{plan.spec.label}: {name}: {reason}")
    if failed:
        print_error(f"{len(failed)} failed, everything else is stored; the same command tries them again")
        raise typer.Exit(1)


def _progress(plans: list[Plan], quiet: bool) -> RunProgress:
    from trackbench.cli.progress import RunProgress
    from trackbench.engine.plan import expected_frames

    return RunProgress(messages(quiet), expected_frames(plans))


def _show_plans(plans: list[Plan], json: bool) -> None:
    rows: list[dict[str, Any]] = [
        {
            "tracker": plan.spec.label,
            "dataset": plan.dataset.name,
            "protocol": plan.folder.key.protocol,
            "folder": str(plan.folder.path),
            "stored": len(plan.tasks) - len(plan.missing),
            "to_run": [task.run.name for task in plan.missing],
        }
        for plan in plans
    ]
    if json:
        print_json({"runs": rows})
        return
    from rich.table import Table

    table = Table("tracker", "data set", "protocol", "stored", "to run", "folder")
    for row in rows:
        count = str(len(row["to_run"]))
        table.add_row(row["tracker"], row["dataset"], row["protocol"], str(row["stored"]), count, row["folder"])
    output().print(table)


def _show_results(plans: list[Plan]) -> None:
    from rich.table import Table

    table = Table("tracker", "data set", "sequences", "frames", "fps", "folder", title="Stored")
    for plan in plans:
        row = plan.summary()
        fps = "-" if row["fps"] is None else f"{row['fps']:.1f}"
        sequences = f"{row['sequences']} of {row['of']}"
        table.add_row(row["tracker"], row["dataset"], sequences, str(row["frames"]), fps, row["folder"])
    output().print(table)
