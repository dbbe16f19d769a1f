"""``trackbench run``."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from trackbench.cli import completion
from trackbench.cli.shared import (
    DATASETS_OPTION,
    Debug,
    Json,
    Quiet,
    RandomWeights,
    Root,
    Runs,
    SetEach,
    Weights,
    end_on_sigterm,
    messages,
    output,
    print_detail,
    print_error,
    print_json,
)
from trackbench.errors import TrackbenchError, UsageError

if TYPE_CHECKING:
    from trackbench.cli.progress import RunProgress
    from trackbench.engine.plan import Plan
    from trackbench.engine.queue import Rules


def run(
    trackers: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="TRACKER...",
            help="Names of `trackbench list trackers`, or one campaign file (NAME.toml).",
            autocompletion=completion.trackers,
        ),
    ] = None,
    dataset: Annotated[list[str] | None, DATASETS_OPTION] = None,
    paper: Annotated[
        str | None,
        typer.Option(
            metavar="PAPER:TABLE",
            help="All that a paper's table needs, as aiatrack:3; needs no TRACKER, -d.",
            autocompletion=completion.tables,
        ),
    ] = None,
    root: Root = None,
    sequence: Annotated[
        list[str] | None, typer.Option("--sequence", "-s", help="Only this sequence (name or glob). Repeatable.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first N sequences.")] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="one-pass, tre, sre, supervised, multistart, unsupervised, realtime. Default: the set's.",
            autocompletion=completion.protocols,
        ),
    ] = None,
    repetitions: Annotated[
        int | None,
        typer.Option(min=1, help="Runs over each sequence, seeded one after the other. Default: the protocol's."),
    ] = None,
    convention: Annotated[
        str | None,
        typer.Option(
            help="Whose overlap decides on failures of reset-based runs: pysot, matlab or vot.",
            autocompletion=completion.conventions,
        ),
    ] = None,
    speed: Annotated[
        float | None, typer.Option(help="For realtime: frames per second to assume instead of measuring.")
    ] = None,
    runs: Runs = Path("runs"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    batch: Annotated[
        str,
        typer.Option(help="Sequences at once, or auto for as many as fit. Times are per-frame latencies only at 1."),
    ] = "1",
    threads: Annotated[int, typer.Option(min=1, help="Threads that decode images.")] = min(4, os.cpu_count() or 1),
    decoder: Annotated[
        Literal["simplejpeg", "opencv"],
        typer.Option(
            help="Library that decodes JPEG files. Both give the same pixels; opencv is slower, and verdicts on "
            "damaged files depend on its version."
        ),
    ] = "simplejpeg",
    workers: Annotated[
        str | None,
        typer.Option(
            help="Worker processes: a number, or auto for one a GPU, or one a core without any. Default: one."
        ),
    ] = None,
    devices: Annotated[str | None, typer.Option(help="Devices of the workers: cuda:0,cuda:1 or cpu.")] = None,
    isolate: Annotated[
        bool, typer.Option("--isolate", help="Run in a process of its own, whose death costs one sequence a try.")
    ] = False,
    retries: Annotated[int, typer.Option(min=0, help="Further tries of a sequence whose worker has died.")] = 2,
    timeout: Annotated[
        float | None, typer.Option(min=0.1, help="End a worker that needs more seconds for a frame (with --workers).")
    ] = None,
    exact: Annotated[
        bool, typer.Option("--exact", help="With --batch: the numbers of --batch 1, to the last bit; slower.")
    ] = False,
    together: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Trackers in memory at once. Default: all.")
    ] = None,
    shard: Annotated[
        str | None, typer.Option(metavar="I/N", help="Share I of N, for machines without a common folder; see merge.")
    ] = None,
    slurm: Annotated[
        str | None, typer.Option(metavar="KEY=VALUE,...", help="Submit jobs to SLURM: partition=gpu,gpus=8,time=4h.")
    ] = None,
    ray: Annotated[
        str | None, typer.Option(metavar="ADDRESS", help="Work on a cluster of Ray: its address, or auto or local.")
    ] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="Go on when the first sequences all fail alike.")
    ] = False,
    refine: Annotated[
        str | None, typer.Option(metavar="REFINER", help="Refine the boxes of all trackers to masks: alpharefine.")
    ] = None,
    weights: Weights = None,
    trust_checkpoint: Annotated[
        bool, typer.Option("--trust-checkpoint", help="Let a foreign tracker's checkpoint execute code as it loads.")
    ] = False,
    random_weights: RandomWeights = False,
    set_: SetEach = None,
    label: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="Store the runs as TRACKER@TEXT. Default: after weights and options."),
    ] = None,
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

    trackbench run siamattn -d lasot --workers auto        (again on another node with the same folder: it helps)

    trackbench run dcf dcfnet -d otb100 --set dcf.learning_rate=0.02 --label slow

    trackbench run campaign.toml --dry-run

    trackbench run --paper aiatrack:3 --dry-run
    """
    from trackbench.engine.campaign import TrackerChoice, carry_out, prepare
    from trackbench.engine.queue import Rules
    from trackbench.trackers.settings import parse_setting

    say = messages(quiet).print
    given = {
        "root": root,
        "sequences": sequence,
        "limit": limit,
        "shard": shard,
        "protocol": protocol,
        "repetitions": repetitions,
        "convention": convention,
        "speed": speed,
    }
    if paper is not None:
        from trackbench.cli.paper_run import paper_groups, refuse_with_paper

        refuse_with_paper(trackers, dataset, set_, refine, weights, random_weights, protocol, repetitions, shard)
        groups = paper_groups(
            paper, runs, root, sequence, limit, seed, restart=restart, dry=dry_run, json=json, quiet=quiet
        )
        if dry_run:
            return
    elif trackers and len(trackers) == 1 and _is_campaign(trackers[0]):
        from trackbench.engine.campaign_file import prepare_campaign

        said = {"-d": dataset, "--weights": weights, "--set": set_, "--label": label, "--refine": refine}
        if twice := [option for option, value in said.items() if value is not None]:
            raise UsageError(f"{', '.join(twice)}: what is evaluated stands in the campaign file {trackers[0]}")
        groups = prepare_campaign(Path(trackers[0]), runs, given, restart=restart, dry=dry_run, say=say)
    else:
        if not trackers or not dataset:
            lacks = "-d says on which data set, or folder of sequences" if trackers else "which tracker?"
            raise UsageError(f"run: {lacks} (`trackbench list {'datasets' if trackers else 'trackers'}`)")
        options = dict(parse_setting(text) for text in set_ or [])
        names = trackers if refine is None else [f"{tracker}+{refine}" for tracker in trackers]
        choice = TrackerChoice(names, options, weights, random_weights, trust_checkpoint, seed, label)
        groups = prepare(choice, dataset, runs, **given, restart=restart, dry=dry_run, say=say)  # type: ignore[arg-type]
    if dry_run:
        _show_plans([plan for group in groups for plan in group], json)
        return
    plans = [plan for group in groups for plan in group]
    rules = Rules(
        _count("batch", batch),
        threads,
        exact=exact,
        decoder=decoder,
        retries=retries,
        keep_going=keep_going,
    )
    if slurm is not None:
        _submit(groups, rules, slurm, together, timeout, messages(quiet).print)
        return
    end_on_sigterm()
    is_automatic = device == "auto" and devices is None and ray is None and any(plan.missing for plan in plans)
    if is_automatic:
        _tell_device(quiet)
    given_up: TrackbenchError | None = None
    try:
        carry_out(
            groups,
            rules,
            device=device,
            devices=devices,
            workers=_count("workers", workers or "1") if workers or ray is None else None,
            ray=ray,
            isolate=isolate,
            timeout=timeout,
            together=together,
            progress=lambda plans: _progress(plans, quiet),
        )
    except TrackbenchError as error:
        if not any(plan.failed for plan in plans):  # nothing has begun
            raise
        given_up = error
    _conclude(plans, root, paper, runs, json=json, quiet=quiet, debug=debug, is_automatic=is_automatic)
    if given_up is not None:
        raise given_up
    if failed := sum(len(plan.failed) for plan in plans):
        print_error(f"{failed} failed, everything else is stored; the same command tries them again")
        raise typer.Exit(1)


def _tell_device(quiet: bool, *, only_warn: bool = False) -> None:
    """Say what ``--device auto`` has become, and loudly where that leaves a GPU unused."""
    from trackbench.trackers.devices import describe_device, resolve_device, unused_gpu

    chosen = resolve_device("auto")
    if not only_warn:
        messages(quiet).print(f"device: {describe_device(chosen)}")
    if (warning := unused_gpu(chosen)) is not None:
        messages(quiet).print(f"WARNING: {warning}", style="bold yellow")


def _conclude(
    plans: list[Plan],
    root: Path | None,
    paper: str | None,
    runs: Path,
    *,
    json: bool,
    quiet: bool,
    debug: bool,
    is_automatic: bool,
) -> None:
    """Say what came of the plans, and what failed."""
    from trackbench.cli.run_summary import RunSummary

    if json:
        print_json({"runs": [plan.summary() for plan in plans]})
    elif not quiet:
        RunSummary(plans, root, paper, runs).show(output(), messages().print)
        if is_automatic:
            _tell_device(quiet, only_warn=True)
    _print_failures(plans, debug)


def _print_failures(plans: list[Plan], debug: bool) -> None:
    from trackbench.cli.run_summary import failure_lines

    for plan in plans:
        for line in failure_lines(plan, debug):
            (print_detail if line.startswith("    ") else print_error)(line)


def _submit(
    groups: list[list[Plan]],
    rules: Rules,
    options: str,
    together: int | None,
    timeout: float | None,
    say: Callable[[str], object],
) -> None:
    from trackbench.engine.cluster import submit

    for plans in groups:
        if any(plan.missing for plan in plans):
            jobs = submit(plans, rules, options, together=together, timeout=timeout)
            numbers = ", ".join(str(job.job_id) for job in jobs)
            say(f"submitted {len(jobs)} jobs: {numbers}")
            say(f"trackbench status {plans[0].folder.runs} --watch shows them")
        else:
            say(f"{plans[0].dataset.name}: everything is stored")


def _count(option: str, text: str) -> int | None:
    """Return a number that an option gives; None for ``auto``."""
    if text == "auto":
        return None
    if not text.isdecimal() or int(text) < 1:
        raise UsageError(f"--{option} '{text}': expected a number above 0, or auto")
    return int(text)


def _progress(plans: list[Plan], quiet: bool) -> RunProgress:
    from trackbench.cli.progress import RunProgress

    return RunProgress(messages(quiet), plans)


def _is_campaign(name: str) -> bool:
    """Whether what is to be run is a campaign file, and no tracker that a file declares: ``onnx:my.toml``."""
    from trackbench.definitions import TRACKERS

    return name.endswith(".toml") and name.partition(":")[0] not in TRACKERS.names()


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

    table = Table("tracker", "data set", "protocol", "stored", "to run")
    for row in rows:
        count = str(len(row["to_run"]))
        table.add_row(row["tracker"], row["dataset"], row["protocol"], str(row["stored"]), count)
    output().print(table)
    for row in rows:
        output().print(row["folder"], soft_wrap=True, markup=False)
