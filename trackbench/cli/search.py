"""``trackbench search``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trackbench.cli import completion
from trackbench.cli.shared import (
    Debug,
    Json,
    Protocol,
    Quiet,
    RandomWeights,
    Root,
    Runs,
    Weights,
    end_on_sigterm,
    messages,
    output,
    print_error,
    print_json,
)

if TYPE_CHECKING:
    from trackbench.engine.plan import Plan
    from trackbench.search.study import FinishedTrial, SearchResult, SearchTask


def search(
    tracker: Annotated[
        str, typer.Argument(metavar="TRACKER", help="As for `run`.", autocompletion=completion.trackers)
    ],
    *,
    dataset: Annotated[
        str, typer.Option("--dataset", "-d", help="Data set: a name or a folder.", autocompletion=completion.datasets)
    ],
    set_: Annotated[
        list[str],
        typer.Option(
            "--set",
            metavar="KEY=RANGE",
            help="LOW:HIGH, LOW:HIGH:STEP, LOW:HIGH:log, ONE,OTHER, or one VALUE that stays. Repeatable.",
        ),
    ],
    root: Root = None,
    sequence: Annotated[
        list[str] | None, typer.Option("--sequence", "-s", help="Only these (names or globs). Repeatable.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only the first so many sequences.")] = None,
    protocol: Protocol = None,
    metric: Annotated[str | None, typer.Option(help="Key of the metric. Default: the data set's main one.")] = None,
    trials: Annotated[int, typer.Option("--trials", "-n", min=1, help="Finished trials in all.")] = 100,
    sampler: Annotated[
        Literal["tpe", "random", "grid"], typer.Option(help="How settings are chosen; grid needs steps.")
    ] = "tpe",
    out: Annotated[Path | None, typer.Option(help="Folder of the search. Default: searches/TRACKER-DATASET.")] = None,
    runs: Runs = Path("runs"),
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    devices: Annotated[str | None, typer.Option(help="Those of several workers: cuda:0,cuda:1.")] = None,
    workers: Annotated[int, typer.Option(min=1, help="Processes for each trial.")] = 1,
    batch: Annotated[int, typer.Option(min=1, help="Sequences at once.")] = 1,
    threads: Annotated[int, typer.Option(min=0, help="Threads that decode images.")] = 2,
    weights: Weights = None,
    random_weights: RandomWeights = False,
    seed: Annotated[int, typer.Option(min=0, help="Of the search, and of trackers that draw at random.")] = 0,
    restart: Annotated[bool, typer.Option("--restart", help="Throw away what the folder holds first.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Search a tracker's settings on a data set with optuna, as the official hp_search scripts do.

    Each trial is an ordinary run, so an interrupted search goes on where it stopped, and several processes may share a
    folder. The best run is copied to --runs; where the data set is a test set, every table marks it with †.

    [bold]Examples[/bold]

    trackbench search siamattn -d got10k-val --set penalty_k=0.05:0.3 --set window_influence=0.2:0.5 --set lr=0.2:0.6

    trackbench search sparsett -d lasot --limit 40 --set penalty_k=0:0.2:0.02 --set test_lr=0.5:1:0.1 --sampler grid
    """
    from trackbench.datasets.catalogue import open_dataset, select
    from trackbench.engine.campaign import TrackerChoice, carry_out
    from trackbench.engine.queue import Rules
    from trackbench.files import folder_name
    from trackbench.search.space import parse_space
    from trackbench.search.study import SearchTask, is_test_set, metric_of
    from trackbench.search.study import search as conduct

    say = messages(quiet).print
    space = parse_space(set_)
    opened = select(open_dataset(dataset, root), sequence or None, limit)
    choice = TrackerChoice([tracker], space.fixed, weights, random_weights, seed=seed)
    choice.find(tracker, opened.definition, protocol)
    folder = out or Path("searches") / folder_name(f"{tracker}-{opened.name}")
    task = SearchTask(choice, space, opened, metric_of(opened, metric), folder, sampler, protocol)
    if is_test_set(opened):
        messages().print(
            f"{opened.name} is a test set: what is searched on it is no measure of the tracker on it. Tables will mark "
            "the run with †; search on a validation set (got10k-val, or a folder of your own) for numbers to publish"
        )
    end_on_sigterm()

    def run(groups: list[list[Plan]]) -> None:
        carry_out(groups, Rules(batch, threads), device=device, devices=devices, workers=workers)

    def report(one: FinishedTrial, best: FinishedTrial) -> None:
        settings = ", ".join(f"{key}={_short(value)}" for key, value in one.settings.items())
        say(f"trial {one.number + 1}: {task.metric} {one.value:.4f} ({settings}); best {best.value:.4f}")

    result = conduct(task, trials, runs, run, restart=restart, report=report)
    if json:
        print_json(_document(result, task))
    elif not quiet:
        _show(result, task)
    for number, reason in result.failed.items():
        print_error(f"trial {number + 1}: {reason}")
    if not result.trials and not result.running:
        raise typer.Exit(1)


def _document(outcome: SearchResult, task: SearchTask) -> dict[str, object]:
    trials = [
        {"number": one.number + 1, "value": one.value, "settings": dict(one.settings), "tracker": one.label}
        for one in outcome.trials
    ]
    return {
        "metric": task.metric,
        "folder": task.folder,
        "running": outcome.running,
        "kept": outcome.kept,
        "trials": trials,
    }


def _show(outcome: SearchResult, task: SearchTask) -> None:
    from rich.table import Table

    keys = [*task.space.varied]
    table = Table("trial", task.metric, *keys, title=f"{len(outcome.trials)} trials in {task.folder}")
    for one in outcome.trials[:10]:
        table.add_row(str(one.number + 1), f"{one.value:.4f}", *(_short(one.settings[key]) for key in keys))
    output().print(table)
    if outcome.running:
        output().print(f"{outcome.running} trials are still run by other processes; the last one keeps the best run")
    if outcome.kept is not None:
        settings = " ".join(f"--set {key}={value}" for key, value in outcome.trials[0].settings.items())
        output().print(f"best run: {outcome.kept}\nagain: trackbench run {task.tracker.names[0]} -d DATASET {settings}")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
