"""``trackbench import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from trackbench.cli.shared import Debug, Json, Quiet, Root, Runs, messages, print_error, print_json

if TYPE_CHECKING:
    from trackbench.formats.importing import ImportPlan


def import_results(
    path: Annotated[Path, typer.Argument(help="Folder, zip archive or single file with one tracker's results.")],
    *,
    name: Annotated[str, typer.Option("--as", help="What the tracker is called here.")],
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="A name of `trackbench list datasets`, or a folder.")],
    root: Root = None,
    runs: Runs = Path("runs"),
    tool: Annotated[
        str | None,
        typer.Option(
            "--from",
            help="Whose layout it is, where it is not recognised: pytracking, ostrack, pysot, got10k, lasot, otb-mat, "
            "trackingnet, vot or trackbench.",
        ),
    ] = None,
    only: Annotated[str | None, typer.Option(help="Which tracker, where PATH holds several.")] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="Of vot-toolkit's results: supervised, multistart, unsupervised or realtime. Default: the data set's."
        ),
    ] = None,
    boxes: Annotated[
        Literal["xywh", "xyxy"], typer.Option(help="What four columns mean; corners are never guessed.")
    ] = "xywh",
    offset: Annotated[float, typer.Option(help="Added to every x and y, in pixels.")] = 0.0,
    pad_missing: Annotated[
        bool,
        typer.Option(
            "--pad-missing", help="Fill up a short file with frames without an answer, which count as failures."
        ),
    ] = False,
    skip_faulty: Annotated[
        bool, typer.Option("--skip-faulty", help="Store what fits although something does not.")
    ] = False,
    restart: Annotated[bool, typer.Option("--restart", help="Replace what is stored under this name.")] = False,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Bring in results of another tool: pytracking, OSTrack, pysot, got10k, LaSOT, OTB MATLAB, TrackingNet, VOT.

    [bold]Examples[/bold]

    trackbench import results/UAV123/ARCF --as arcf -d uav123

    trackbench import otb100_results.zip --only MDNet --as mdnet -d otb100 --pad-missing

    trackbench import workspace/results/CSRDCF --as csrdcf -d vot2018
    """
    import trackbench
    from trackbench.datasets.catalogue import open_dataset
    from trackbench.quoting import listed

    found = open_dataset(dataset, root)
    plan, folder = trackbench.import_results(
        path,
        name,
        found,
        tool=tool,
        only=only,
        protocol=protocol,
        boxes=boxes,
        offset=offset,
        pad_missing=pad_missing,
        skip_faulty=skip_faulty,
        restart=restart,
        runs=runs,
    )
    refused = folder is None
    row = _summary(plan, folder)
    if json:
        print_json({"run": row})
    say = messages(quiet).print
    for line in plan.warnings:
        say(line)
    for fault in plan.faults:
        print_error(f"{fault.file}: {fault.reason}")
    if folder is not None:
        runs_of_each = f", {row['repetitions']} runs" if row["repetitions"] > 1 else ""
        say(f"{name}: {row['sequences']} of {row['of']} sequences{runs_of_each} in {folder} ({plan.source['tool']})")
        if plan.missing:
            say(f"missing: {listed(plan.missing)}")
    if plan.faults:
        outcome = "nothing is stored" if refused else "the rest is stored"
        hint = "; --skip-faulty stores the rest" if refused and plan.results else ""
        print_error(
            f"{len(plan.faults)} {'file does' if len(plan.faults) == 1 else 'files do'} not fit, {outcome}{hint}"
        )
    elif refused:
        print_error(f"{path}: no result is of a sequence in {found.root}; nothing is stored")
    if plan.faults or refused:
        raise typer.Exit(1)


def _summary(plan: ImportPlan, folder: Path | None) -> dict[str, Any]:
    return {
        "tracker": plan.name,
        "dataset": plan.dataset.name,
        "protocol": plan.dataset.protocol,
        "folder": folder,
        "sequences": len(plan.sequences) if folder is not None else 0,
        "of": plan.dataset.of,
        "repetitions": max((repetition for _, repetition in plan.results), default=0),
        "missing": plan.missing,
        "warnings": plan.warnings,
        "faults": [{"file": fault.file, "reason": fault.reason} for fault in plan.faults],
        "source": plan.source,
    }
