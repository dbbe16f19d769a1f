"""``trackbench reproduce``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trackbench.cli import completion
from trackbench.cli.shared import Debug, Json, Quiet, Root, Runs, messages, output, print_json

if TYPE_CHECKING:
    from trackbench.results.store import RunFolder
    from trackbench.statistics.reproduction import Reproduction


def reproduce(
    run: Annotated[
        str,
        typer.Argument(metavar="RUN", help="Folder of a stored run, or its label.", autocompletion=completion.stored),
    ],
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            "-d",
            help="Data set: where a label is stored on several, or a folder.",
            autocompletion=completion.datasets,
        ),
    ] = None,
    root: Root = None,
    runs: Runs = Path("runs"),
    out: Annotated[Path, typer.Option(help="Folder of the new results.")] = Path("reproduced"),
    sequence: Annotated[
        list[str] | None, typer.Option("--sequence", "-s", help="Only this sequence (name or glob). Repeatable.")
    ] = None,
    weights: Annotated[Path | None, typer.Option(help="The checkpoint, where the kept one is another.")] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, max=1, help="Overlap from which two answers are the same but for rounding.")
    ] = 0.99,
    anyway: Annotated[bool, typer.Option("--anyway", help="Run although something is not as it was.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Run a stored run anew from its manifest, elsewhere, and say whether the answers are the same.

    The exit code is 1 where they are not, or where something is missing.

    [bold]Example[/bold]

    trackbench reproduce runs/dcf/otb100/one-pass --root ~/data/OTB
    """
    from trackbench.datasets.catalogue import open_dataset, select
    from trackbench.errors import UsageError
    from trackbench.statistics.reproduction import (
        Reproduction,
        compare_runs,
        find_spec,
        require,
        run_anew,
        stored_sequences,
    )

    say = messages(quiet).print
    folder = _folder(run, dataset, runs)
    manifest = folder.manifest() or {}
    if manifest.get("imported"):
        raise UsageError(f"{folder.path}: holds imported results; only runs that trackbench has made can be run again")
    opened = open_dataset(dataset or folder.key.dataset, root)
    spec = find_spec(manifest.get("identity", {}), opened, weights)
    result = Reproduction(require(folder, opened, spec))
    for requirement in result.requirements:
        say(
            f"{'✗' if requirement.problem else '✓'} {requirement.what}"
            + f": {requirement.problem}" * bool(requirement.problem)
        )
    if result.missing and not anyway:
        if json:
            print_json(_document(folder, result, tolerance))
        else:
            say("not run; --anyway runs it all the same")
        raise typer.Exit(1)
    chosen = select(opened, stored_sequences(folder, opened))
    if sequence:
        chosen = select(chosen, sequence)
    plan = run_anew(folder, chosen, spec, out, device=device)
    result.failed.update(plan.failed)
    result.comparisons = compare_runs(folder, plan.folder, sorted({task.run.name for task in plan.tasks}))
    if json:
        print_json(_document(folder, result, tolerance))
    elif not quiet:
        _show(result, tolerance)
    if not result.within(tolerance):
        raise typer.Exit(1)


def _folder(text: str, dataset: str | None, runs: Path) -> RunFolder:
    """Return the one stored run that a path or a label means."""
    from trackbench.errors import UsageError, suggestion
    from trackbench.results.store import stored_runs

    place = Path(text)
    if (place / "manifest.json").is_file():
        here = [folder for folder in stored_runs(place.resolve().parents[2]) if folder.path == place.resolve()]
        if here:
            return here[0]
    wanted = None if dataset is None else Path(dataset).resolve().name
    stored = [folder for folder in stored_runs(runs) if dataset is None or folder.key.dataset in (dataset, wanted)]
    hits = [folder for folder in stored if folder.key.tracker == text]
    if len(hits) == 1:
        return hits[0]
    if not hits:
        labels = [folder.key.tracker for folder in stored]
        raise UsageError(f"no run '{text}' in {runs}{suggestion(text, labels)}; expected a run's folder or label")
    listed = ", ".join(str(folder.path) for folder in hits)
    raise UsageError(f"'{text}' means several runs: {listed}; name one of these folders")


def _document(folder: RunFolder, result: Reproduction, tolerance: float) -> dict[str, object]:
    from dataclasses import asdict

    return {
        "run": folder.path,
        "requirements": [asdict(requirement) for requirement in result.requirements],
        "results": [
            {**asdict(one), "differs": None if one.differs is None else one.differs + 1} for one in result.comparisons
        ],
        "failed": result.failed,
        "tolerance": tolerance,
        "reproduced": result.within(tolerance),
    }


def _show(result: Reproduction, tolerance: float) -> None:
    from rich.table import Table
    from rich.text import Text

    from trackbench.quoting import NAME, printable

    out = output()
    same = sum(one.identical for one in result.comparisons)
    out.print(f"{same} of {len(result.comparisons)} results are the same, byte for byte")
    other = [one for one in result.comparisons if not one.identical]
    if other:
        table = Table("sequence", "repetition", "first differing frame", "lowest overlap", f"within {tolerance:g}")
        for one in other:
            table.add_row(
                Text(printable(one.name, NAME)),
                str(one.repetition),
                "-" if one.differs is None else str(one.differs + 1),
                f"{one.lowest:.4f}",
                "yes" if one.lowest >= tolerance else "no",
            )
        out.print(table)
    for name, reason in result.failed.items():
        out.print(Text(printable(f"{name}: {reason}"), style="red"))
