"""``trackbench profile``."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trackbench.cli import completion
from trackbench.cli.shared import (
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
    print_json,
)

if TYPE_CHECKING:
    from trackbench.datasets.sequence import Dataset

#: What the operations are of, beside their number.
COUNTED = (
    "Multiply-adds, which papers call FLOPs: matrix products, convolutions and attention, of the network as it is "
    "computed here; norms, activations, sampling and resizing are not counted. What trackbench does not compute, "
    "because it changes no answer or was computed for an earlier frame, is not counted either."
)


def profile(
    tracker: Annotated[
        str, typer.Argument(help="A name of `trackbench list trackers`.", autocompletion=completion.trackers)
    ],
    *,
    dataset: Annotated[
        str | None,
        typer.Option(
            "--dataset",
            "-d",
            help="Whose images are tracked. Default: a synthetic sequence of 640x480.",
            autocompletion=completion.datasets,
        ),
    ] = None,
    root: Root = None,
    sequence: Annotated[
        str | None, typer.Option("--sequence", "-s", help="Which sequence. Default: the first.")
    ] = None,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    threads: Annotated[int, typer.Option(min=1, help="Threads that decode images in the evaluation.")] = 2,
    frames: Annotated[int, typer.Option(min=2, help="Frames that are measured.")] = 100,
    warm_up: Annotated[int, typer.Option(min=0, help="Frames before them that are not.")] = 10,
    weights: Weights = None,
    random_weights: RandomWeights = False,
    set_: Set = None,
    runs: Runs = Path("runs"),
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Measure what a tracker costs: parameters, operations, memory, and the speed of network, tracker and evaluation.

    What is measured is kept beside the tracker's runs, and fills the columns of papers' tables.

    [bold]Examples[/bold]

    trackbench profile sbt-base --random-weights --device cuda

    trackbench profile aiatrack --set ensemble=1 -d otb100 -s Basketball --frames 300
    """
    from trackbench.datasets.catalogue import open_dataset, select
    from trackbench.engine.profiling import profile as measure
    from trackbench.results.profiles import write_profile
    from trackbench.trackers.registry import find_tracker
    from trackbench.trackers.settings import parse_setting

    options = dict(parse_setting(text) for text in set_ or [])
    spec = find_tracker(tracker, None, options, weights=weights, random_weights=random_weights)
    say = messages(quiet).print
    with tempfile.TemporaryDirectory() as folder:
        if dataset is None:
            opened = _synthetic(Path(folder) / "synthetic", min(frames + warm_up + 1, 120))
        else:
            opened = select(open_dataset(dataset, root), [sequence] if sequence else None, 1)
        say(f"{spec.name}: measuring {frames} frames on {opened.sequences[0].name}")
        document = measure(spec, opened, device=device, threads=threads, frames=frames, warm_up=warm_up)
    path = write_profile(runs, document["tracker"], document)
    if json:
        print_json(document)
    elif not quiet:
        _show(document)
    say(f"kept in {path}")


def _synthetic(folder: Path, frames: int) -> Dataset:
    from trackbench.datasets.catalogue import open_dataset
    from trackbench.datasets.synthetic import synthesize

    synthesize(folder, 1, frames, layout="otb", size=(640, 480))
    return open_dataset(str(folder))


def _show(document: dict[str, Any]) -> None:
    from rich.table import Table

    from trackbench.quoting import printable

    parameters, memory = document["parameters"], document["memory"]
    out = output()
    facts = [f"{document['title']} on {document['device_name']}, {document['precision']}"]
    if parameters is not None:
        facts.append(f"{parameters / 1e6:.2f} M parameters")
    if document["frame_flops"]:
        frame, template = document["frame_flops"] / 2e9, document["template_flops"] / 2e9
        facts.append(f"{frame:.2f} G multiply-adds a frame, {template:.2f} G for the template")
    facts.append(f"{memory['peak_bytes'] / 2**20:.0f} MiB {memory['kind']} at most")
    for fact in facts:
        out.print(printable(fact), markup=False)
    table = Table("speed of", "fps", "median ms", "95 % ms")
    for kind, name in (("network", "the network alone"), ("tracker", "the tracker"), ("evaluation", "an evaluation")):
        speed = document["speeds"].get(kind)
        if speed:
            table.add_row(name, f"{speed['fps']:.1f}", f"{speed['p50_ms']:.2f}", f"{speed['p95_ms']:.2f}")
    out.print(table)
    if document["frame_flops"]:
        out.print(COUNTED, markup=False)
