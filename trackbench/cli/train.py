"""``trackbench train``."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from trackbench.cli.shared import Debug, Json, Quiet, messages, output, print_json

if TYPE_CHECKING:
    from trackbench.training.loop import Trainer, TrainingProgress, TrainingSettings
    from trackbench.training.recipe import Recipe
    from trackbench.training.session import Session


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe: siamattn, sbt-base, sparsett, simtrack-b16, aiatrack, ...")],
    out: Annotated[Path, typer.Option(help="Folder of the training: its state, weights and logs.")],
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="Change a value of the recipe. Repeatable.")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Continue the training in --out.")] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print what would be trained on, and for how long; write nothing.")
    ] = False,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    devices: Annotated[int, typer.Option(min=1, help="Number of GPUs, or of CPU processes.")] = 1,
    workers: Annotated[int, typer.Option(min=0, help="Processes that make samples, for each device.")] = min(
        8, max((os.cpu_count() or 2) - 1, 1)
    ),
    log_every: Annotated[int, typer.Option(min=1, help="Steps between rows of log.csv.")] = 50,
    save_every: Annotated[float, typer.Option(min=0, help="Minutes between saved states.")] = 10.0,
    minutes: Annotated[
        float | None, typer.Option(min=0, help="End after so many minutes; --resume continues. Default: no limit.")
    ] = None,
    tensorboard: Annotated[bool, typer.Option("--tensorboard", help="Also write TensorBoard's events.")] = False,
    export: Annotated[
        Path | None,
        typer.Option(
            help="Do not train: write the weights of --out to this .pth in the official form, or .safetensors as int8."
        ),
    ] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train a tracker by a recipe: the papers' own, or one in `trackers/recipes/`.

    The folder then holds `weights.safetensors`, which `trackbench weights add` and `run --weights` take.

    [bold]Examples[/bold]

    trackbench train sbt-light --out train/sbt --dry-run

    trackbench train simtrack-b16 --out train/sim --set options.backbone_file=ViT-B-16.pt --set batch=64 --device cuda

    trackbench train simtrack-b16 --out train/sim --resume
    """
    from trackbench.errors import UsageError
    from trackbench.trackers.settings import parse_setting
    from trackbench.training.recipe import load_recipe
    from trackbench.training.session import open_session

    loaded = load_recipe(recipe, dict(parse_setting(text) for text in set_ or []))
    if export is not None:
        _export(loaded, out, export, json)
        return
    session = open_session(recipe, loaded)
    accelerator = _accelerator(device, devices)
    if dry_run:
        _show_plan(session, accelerator, workers, json)
        return
    try:
        import lightning_fabric  # noqa: F401
    except ImportError:
        raise UsageError("train needs Lightning Fabric: pip install 'trackbench[train]'") from None
    from trackbench.training.loop import TrainingSettings

    kind: Literal["cpu", "cuda"] = "cuda" if accelerator == "cuda" else "cpu"
    settings = TrainingSettings(out, resume, kind, devices, workers, log_every, save_every, minutes, tensorboard)
    _train(session, settings, json, quiet)


def _accelerator(device: str, devices: int) -> str:
    from trackbench.errors import UsageError
    from trackbench.trackers.devices import resolve_device

    kind = resolve_device(device).partition(":")[0]
    if kind == "cuda":
        import torch

        if devices > torch.cuda.device_count():
            raise UsageError(f"--devices {devices}: this machine has {torch.cuda.device_count()} CUDA devices")
    return kind


def _train(session: Session, settings: TrainingSettings, json: bool, quiet: bool) -> None:
    from trackbench.errors import UsageError
    from trackbench.training.evaluation import Validation
    from trackbench.training.loop import Trainer, check_folder
    from trackbench.training.state import STATE, WEIGHTS

    out, devices = settings.out, settings.devices
    if not settings.resume and (out / STATE).exists():
        raise UsageError(f"--out {out}: holds a training; --resume continues it, or name another folder")
    if session.recipe.batch % devices:
        raise UsageError(f"--devices {devices}: the batch of {session.recipe.batch} is no multiple of it")
    check_folder(out)
    options = session.recipe.validation
    settings.evaluate = Validation(session, options, settings.accelerator) if options.every else None
    with _Display(quiet) as display:
        trainer = Trainer(session, settings, display.show)
        _interrupt_by_signals(trainer)
        trainer.run()
    if trainer.interrupted:
        raise KeyboardInterrupt
    if not trainer.fabric.is_global_zero:
        return  # the first process speaks for all
    document = {
        "recipe": session.name,
        "steps": trainer.step,
        "samples": trainer.step * session.recipe.batch,
        "weights": out / WEIGHTS,
        "log": out / "log.csv",
    }
    if json:
        print_json(document)
    elif not quiet:
        name = session.settings.name
        left = trainer.steps - trainer.step
        typer.echo(
            f"{session.name}: {trainer.step} steps; weights in {out / WEIGHTS}\n"
            + (f"{left} steps are left: --resume continues\n" if left else "")
            + f"`trackbench run {name} --weights {out / WEIGHTS} ...` tracks with them"
        )


def _interrupt_by_signals(trainer: Trainer) -> None:
    """Let Ctrl-C and SIGTERM end a training after its step, and at once if they come again."""
    if threading.current_thread() is not threading.main_thread():
        return

    def heed(number: int, frame: object) -> None:
        if trainer.interrupted:
            raise KeyboardInterrupt
        trainer.interrupted = True

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, heed)


class _Display:
    """Loss, IoU, samples a second and the time left, on a terminal."""

    def __init__(self, quiet: bool) -> None:
        from rich.progress import (
            BarColumn,
            MofNCompleteColumn,
            Progress,
            TextColumn,
            TimeElapsedColumn,
            TimeRemainingColumn,
        )

        console = messages(quiet)
        self._bar = Progress(
            TextColumn("step"),
            MofNCompleteColumn(),
            BarColumn(),
            TextColumn("{task.fields[numbers]}"),
            TimeElapsedColumn(),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("training", total=None, numbers="")

    def __enter__(self) -> _Display:
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def show(self, progress: TrainingProgress) -> None:
        """Show what a row of the log says."""
        numbers = f"loss {progress.loss:.3g}  IoU {progress.iou:.3f}  {progress.samples_per_second:.1f} samples/s"
        self._bar.update(self._task, completed=progress.step, total=progress.steps, numbers=numbers)


def _show_plan(session: Session, accelerator: str, workers: int, json: bool) -> None:
    from rich.table import Table

    from trackbench.training.plan import make_plan

    plan = make_plan(session, accelerator)
    if json:
        print_json(plan)
        return
    table = Table("set", "split", "targets", "frames", "share", "folder", title=f"{session.recipe.title}: data")
    for row in plan["data"]:
        frames = "-" if row["frames"] is None else str(row["frames"])
        share = f"{row['share']:.3f}"
        table.add_row(row["set"], row["split"] or "-", str(row["targets"]), frames, share, row["root"])
    output().print(table)
    groups = Table("numbers", "learning rate", title="Trained in the first epoch")
    for row in plan["groups"]:
        groups.add_row(f"{row['numbers']:,}", f"{row['lr']:g}" if row["lr"] else "frozen")
    output().print(groups)
    typer.echo(
        f"{plan['epochs']} epochs of {plan['steps_per_epoch']} steps of {plan['batch']} samples: "
        f"{plan['samples']:,} samples, {plan['steps']:,} steps\n"
        f"here ({accelerator}): {plan['samples_per_second']:.2f} samples/s, about {_duration(plan['seconds'])}"
    )


def _duration(seconds: float) -> str:
    for unit, length in (("days", 86400.0), ("hours", 3600.0), ("minutes", 60.0)):
        if seconds >= 2 * length:
            return f"{seconds / length:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def _export(recipe: Recipe, out: Path, path: Path, json: bool) -> None:
    from trackbench.training.state import export_official, export_small

    small = path.suffix == ".safetensors"
    made: dict[str, Any] = export_small(out, path) if small else export_official(recipe, out, path)
    if json:
        print_json(made)
    elif small:
        typer.echo(f"{made['file']}: {made['tensors']} tensors, {path.stat().st_size / 1e6:.1f} MB")
    else:
        typer.echo(f"{made['file']}: {made['tensors']} tensors under '{made['key']}'")
