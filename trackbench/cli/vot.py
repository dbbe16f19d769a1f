"""``trackbench vot``: working with vot-toolkit."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trackbench.cli import completion
from trackbench.cli.shared import (
    Debug,
    Json,
    Quiet,
    RandomWeights,
    Set,
    SetEach,
    Weights,
    guarded,
    messages,
    print_json,
)

if TYPE_CHECKING:
    from trackbench.definitions import RegionKind

vot_app = typer.Typer(help="Work with vot-toolkit.", no_args_is_help=True)


class WireRegion(StrEnum):
    """Kinds of region by TraX's names."""

    rectangle = "rectangle"
    polygon = "polygon"
    mask = "mask"

    @property
    def kind(self) -> RegionKind:
        """Our name of it."""
        kinds: dict[str, RegionKind] = {"rectangle": "box", "polygon": "polygon", "mask": "mask"}
        return kinds[self.value]


Device = Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")]
Seed = Annotated[
    int | None, typer.Option(min=0, help="Of the first target, each later one has the next. Default: drawn.")
]
RegionOption = Annotated[
    WireRegion | None, typer.Option(help="What the benchmark works with. Default: as each target's first region.")
]


@vot_app.command("workspace")
@guarded
def workspace(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The workspace to make.")],
    *,
    stack: Annotated[str, typer.Option(help="A stack of vot-toolkit (vot2018/shortterm), or the path of a .yaml.")],
    tracker: Annotated[
        list[str], typer.Option("--tracker", help="A tracker's name. Repeatable.", autocompletion=completion.trackers)
    ],
    sequences: Annotated[
        Path | None, typer.Option(help="Folder of the sequences. Default: vot-toolkit downloads them into DIR.")
    ] = None,
    region: Annotated[
        WireRegion | None, typer.Option(help="What the benchmark works with. Default: as the sequences have it.")
    ] = None,
    weights: Weights = None,
    random_weights: RandomWeights = False,
    set_: SetEach = None,
    device: Device = "auto",
    seed: Seed = None,
    timeout: Annotated[int, typer.Option(min=1, help="Seconds that vot-toolkit waits for an answer.")] = 300,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Prepare a workspace of vot-toolkit in which our trackers run over TraX.

    [bold]Example[/bold]

    trackbench vot workspace vot18 --stack vot2018/shortterm --tracker dcf --sequences ~/data/VOT2018

    vot evaluate --workspace vot18 dcf && vot analysis --workspace vot18 dcf
    """
    from trackbench.engine.campaign import TrackerChoice
    from trackbench.trackers.settings import parse_setting
    from trackbench.trax.workspace import TrackerCommand, write_workspace

    names = list(dict.fromkeys(tracker))
    options = dict(parse_setting(text) for text in set_ or ())
    specs = list(map(TrackerChoice(names, options, weights=weights, random_weights=random_weights).find, names))
    typed = TrackerChoice(names, {key: value for key, _, value in (text.partition("=") for text in set_ or ())})
    settings = {name: [f"{key}={value}" for key, value in typed.options_of(name).items()] for name in names}
    service = TrackerCommand(Path.cwd(), device, settings, seed, timeout, weights, random_weights)
    kind = None if region is None else region.kind
    names = write_workspace(folder, stack, specs, service, sequences=sequences, kind=kind)
    if json:
        print_json({"workspace": folder, "stack": stack, "trackers": names})
        return
    messages(quiet).print(f"{folder}: next `vot evaluate --workspace {folder} {' '.join(names)}`")


@vot_app.command("serve")
@guarded
def serve(
    tracker: Annotated[str, typer.Argument(help="A tracker's name.", autocompletion=completion.trackers)],
    *,
    region: RegionOption = None,
    weights: Weights = None,
    random_weights: RandomWeights = False,
    set_: Set = None,
    device: Device = "auto",
    seed: Seed = None,
    dataset: Annotated[
        str | None,
        typer.Option(
            help="Data set whose settings of the tracker count: a name or a folder.", autocompletion=completion.datasets
        ),
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Working folder. Default: this one.")] = None,
    debug: Debug = False,
) -> None:
    """Answer a TraX client on standard input and output; trackers.ini of a workspace calls this."""
    from trackbench.datasets.catalogue import find_record
    from trackbench.errors import UsageError
    from trackbench.trackers.registry import find_tracker
    from trackbench.trackers.settings import parse_setting
    from trackbench.trax.server import serve as answer

    if folder is not None:
        try:
            os.chdir(folder)
        except OSError as error:
            raise UsageError(f"--folder {folder}: {error.strerror}") from None
    options = dict(parse_setting(text) for text in set_ or ())
    record = None if dataset is None else find_record(dataset)
    spec = find_tracker(tracker, record, options, weights=weights, random_weights=random_weights)
    raise typer.Exit(answer(spec, None if region is None else region.kind, device=device, seed=seed))
