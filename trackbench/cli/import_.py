"""``trackbench import``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from trackbench.cli import completion
from trackbench.cli.shared import Debug, Json, Quiet, Root, Runs, messages, print_error, print_json

if TYPE_CHECKING:
    from trackbench.formats.importing import ImportPlan

#: Files of one fault that are named each in a line.
FEW = 3


def import_results(
    path: Annotated[Path, typer.Argument(help="Folder, zip archive or single file with one tracker's results.")],
    *,
    name: Annotated[
        str | None,
        typer.Option("--as", help="What the tracker is called here. With --all: what stands before each name."),
    ] = None,
    dataset: Annotated[
        str,
        typer.Option(
            "--dataset",
            "-d",
            help="A name of `trackbench list datasets`, or a folder.",
            autocompletion=completion.datasets,
        ),
    ],
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
    every: Annotated[
        bool, typer.Option("--all", help="Import every tracker in PATH, each under the name of its folder.")
    ] = False,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="Of vot-toolkit's results: supervised, multistart, unsupervised or realtime; of OTB's: tre or sre. "
            "Default: the data set's.",
            autocompletion=completion.protocols,
        ),
    ] = None,
    boxes: Annotated[
        Literal["xywh", "xyxy", "cxcywh", "yxhw", "yxyx", "yxwh", "xyhw"],
        typer.Option(
            help="What four columns mean: corner and size, two corners, centre and size; rest: y or height first. "
            "Never guessed."
        ),
    ] = "xywh",
    offset: Annotated[float, typer.Option(help="Added to every x and y, in pixels.")] = 0.0,
    pad_missing: Annotated[
        bool,
        typer.Option(
            "--pad-missing", help="Fill up a short file with frames without an answer, which count as failures."
        ),
    ] = False,
    first_missing: Annotated[
        bool,
        typer.Option(
            "--first-missing", help="Files that are one line short lack the first frame: put the given box there."
        ),
    ] = False,
    fractions: Annotated[
        bool, typer.Option("--fractions", help="The numbers are fractions of the images' width and height.")
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

    trackbench import SiamRPN_results/ --as siamrpn -d uav123 --boxes xyxy

    trackbench import published_results.zip --all -d lasot

    trackbench import workspace/results/CSRDCF --as csrdcf -d vot2018
    """
    from collections import Counter

    import trackbench
    from trackbench.datasets.catalogue import open_dataset
    from trackbench.errors import UsageError
    from trackbench.formats.importing import trackers_in

    opened = open_dataset(dataset, root)
    if every:
        if only is not None or protocol is not None or tool == "vot":
            raise UsageError("--all takes every tracker with one-pass results, without --only, --protocol, --from vot")
        wanted: list[tuple[str, str | None]] = [
            ((name or "") + label.rpartition("/")[2], label) for label in trackers_in(path, opened, tool)
        ]
    elif name is None:
        raise UsageError("import: --as says what the tracker is called here, or --all imports each under its own name")
    else:
        wanted = [(name, only)]
    if twice := [name for name, count in Counter(name for name, _ in wanted).items() if count > 1]:
        raise UsageError(f"{path}: holds several trackers called '{twice[0]}'; --only takes one of them")
    rows: list[dict[str, Any]] = []
    failed = False
    for called, which in wanted:
        plan, folder = trackbench.import_results(
            path,
            called,
            opened,
            tool=tool,
            only=which,
            protocol=protocol,
            boxes=boxes,
            offset=offset,
            pad_missing=pad_missing,
            first_missing=first_missing,
            fractions=fractions,
            skip_faulty=skip_faulty,
            restart=restart,
            runs=runs,
        )
        refused = folder is None
        rows.append(_summary(plan, folder))
        failed |= refused or bool(plan.faults)
        _tell(plan, rows[-1], path, refused, quiet)
    if json:
        print_json({"runs": rows} if every else {"run": rows[0]})
    if failed:
        raise typer.Exit(1)


def _tell(plan: ImportPlan, row: dict[str, Any], path: Path, refused: bool, quiet: bool) -> None:
    """Say what of a plan was stored, and what does not fit."""
    from trackbench.quoting import alike, listed

    say = messages(quiet).print
    for line in plan.warnings:
        say(line)
    reasons: dict[str, str] = {}
    for fault in plan.faults:
        reasons[fault.file] = "; ".join(filter(None, (reasons.get(fault.file), fault.reason)))
    for files in alike(reasons):
        if len(files) <= FEW:
            for file in files:
                print_error(f"{file}: {reasons[file]}")
        else:
            print_error(f"{len(files)} files alike ({listed(files, FEW)}): {reasons[files[0]]}")
    if not refused:
        runs_of_each = f", {row['repetitions']} runs" if row["repetitions"] > 1 else ""
        where = f"{row['folder']} ({plan.source['tool']})"
        say(f"{plan.name}: {row['sequences']} of {row['of']} sequences{runs_of_each} in {where}")
        if plan.missing:
            say(f"missing: {listed(plan.missing)}")
    if plan.faults:
        outcome = "nothing is stored" if refused else "the rest is stored"
        hint = "; --skip-faulty stores the rest" if refused and plan.results else ""
        print_error(
            f"{len(plan.faults)} {'file does' if len(plan.faults) == 1 else 'files do'} not fit, {outcome}{hint}"
        )
    elif refused:
        print_error(f"{path}: no result is of a sequence in {plan.dataset.root}; nothing is stored")


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
