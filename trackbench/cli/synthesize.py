"""``trackbench synthesize``."""

from __future__ import annotations

import re
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from trackbench.cli.shared import Debug, Json, Quiet, messages, print_error, print_json
from trackbench.errors import UsageError


class SyntheticLayout(StrEnum):
    """Folder trees that can be written."""

    vot = "vot"
    otb = "otb"


class TruthKind(StrEnum):
    """Kinds of region that the VOT layout can hold."""

    polygon = "polygon"
    box = "box"
    mask = "mask"


def synthesize(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="New or empty, or a synthetic set to replace.")],
    sequences: Annotated[int, typer.Option(help="Number of sequences; from ten on every attribute occurs twice.")] = 12,
    frames: Annotated[int, typer.Option(help="Frames of each sequence.")] = 120,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    layout: Annotated[SyntheticLayout, typer.Option(help="Folder tree to write.")] = SyntheticLayout.vot,
    ground_truth: Annotated[
        TruthKind | None, typer.Option("--truth", help="Annotation. Default: polygon; the OTB layout holds boxes.")
    ] = None,
    size: Annotated[str, typer.Option(help="Width x height of the frames in pixels.")] = "320x240",
    fps: Annotated[int, typer.Option(help="Frames per second, for the metadata of the VOT layout.")] = 30,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a synthetic benchmark with known ground truth into DIR.

    Textured targets over textured grounds. Each sequence shows two of: fast motion, scale, rotation, deformation,
    illumination, motion blur, occlusion, out of view, similar objects, camera motion. Each of these is an attribute.

    [bold]Examples[/bold]

    trackbench synthesize synth --sequences 12 --frames 120 --seed 0

    trackbench synthesize masks --truth mask --size 640x480 && trackbench run static -d ./masks
    """
    from rich.progress import Progress

    from trackbench.datasets import synthetic

    console = messages(quiet)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("frames")
        try:
            synthetic.synthesize(
                folder,
                sequences,
                frames,
                seed,
                layout.value,
                _parse_size(size),
                ground_truth.value if ground_truth else None,
                fps,
                progress=lambda done, total: bar.update(task, completed=done, total=total),
            )
        except KeyboardInterrupt:
            if debug:
                raise
            print_error(f"interrupted; no new sequences are in {folder}")
            raise typer.Exit(130) from None
    entries = synthetic.read_description(folder)["sequences"]
    if json:
        print_json({"folder": str(folder), "layout": layout.value, "sequences": entries})
    else:
        console.print(f"{folder}: {len(entries)} sequences of {frames} frames; use it with `-d {_as_path(folder)}`")


def _parse_size(text: str) -> tuple[int, int]:
    match = re.fullmatch(r"(\d{1,5})[xX×](\d{1,5})", text.strip())
    if match is None:
        raise UsageError(f"--size '{text}': expected WIDTHxHEIGHT, such as 320x240")
    return int(match[1]), int(match[2])


def _as_path(folder: Path) -> str:
    """Return the folder spelled so that ``-d`` takes it for a path."""
    return str(folder) if folder.is_absolute() else f"./{folder}"
