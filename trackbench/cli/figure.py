"""``trackbench figure``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
    Set,
    Weights,
    messages,
    print_json,
)

if TYPE_CHECKING:
    from trackbench.datasets.sequence import Dataset, VideoSequence
    from trackbench.reports.qualitative import FigureRow
    from trackbench.video.stored import StoredTrack


def figure(
    trackers: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TRACKER]...", help="Default: all that are stored.", autocompletion=completion.stored),
    ] = None,
    *,
    dataset: Annotated[
        str, typer.Option("--dataset", "-d", help="Data set: a name or a folder.", autocompletion=completion.datasets)
    ],
    sequence: Annotated[
        list[str],
        typer.Option("--sequence", "-s", metavar="SEQUENCE:FRAMES", help="A row: as Car4:10,50,150. Repeatable."),
    ],
    root: Root = None,
    runs: Runs = Path("runs"),
    out: Annotated[
        Path, typer.Option(help="The file without ending: PDF, SVG and PNG are written; with one of these, that only.")
    ] = Path("figure"),
    protocol: Protocol = None,
    style: Annotated[Path | None, typer.Option(help="TOML file of colours, names and order, as of `report`.")] = None,
    width: Annotated[float | None, typer.Option(min=1, help="Of the figure, in inches. Default: the style's.")] = None,
    truth: Annotated[bool, typer.Option("--truth/--no-truth", help="Also the ground truth, dashed.")] = True,
    names: Annotated[bool, typer.Option("--names/--no-names", help="Sequences' names at the left.")] = True,
    map_: Annotated[
        list[str] | None,
        typer.Option("--map", metavar="NAME", help="Run the trackers and draw what they look at. Repeatable."),
    ] = None,
    whole: Annotated[bool, typer.Option("--whole", help="Maps on whole frames, not on the search region.")] = False,
    device: Annotated[str, typer.Option(help="For --map: auto, cpu, cuda or cuda:N.")] = "auto",
    weights: Weights = None,
    random_weights: RandomWeights = False,
    set_: Set = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw the papers' qualitative figure: rows of frames with all trackers on them, frame numbers and a legend.

    With --map, draw what networks look at instead: the tracker is run up to each frame, and a row has the template, the
    search region and each map over it. Trackers offer maps by name: confidence, response, attention:6, keys:2 and so
    on; a name that is not offered is answered with those that are.

    [bold]Examples[/bold]

    trackbench figure siamattn dcf -d otb100 -s Basketball:10,300,600 -s Car4:50,150,250 --out qualitative

    trackbench figure simtrack-b16 -d otb100 -s Car4:50,150 --map attention:2 --map attention:6 --map attention:12
    """
    from trackbench.datasets.catalogue import open_dataset

    if map_:
        options = dict(_settings(set_))
        files = _draw_maps(
            trackers or [], dataset, root, sequence, map_, out, width, whole, device, weights, random_weights, options,
            quiet,
        )  # fmt: skip
        if json:
            print_json({"files": files, "trackers": trackers, "maps": map_})
        else:
            messages(quiet).print(", ".join(map(str, files)))
        return
    from trackbench.reports.qualitative import qualitative_figure
    from trackbench.reports.style import looks, read_style
    from trackbench.video.stored import load_tracks

    look_file = read_style(style)
    opened = open_dataset(dataset, root)
    wanted = [_parse(text, opened) for text in sequence]
    tracks = [load_tracks(opened, one, runs, trackers or None, protocol=protocol) for one, _ in wanted]
    titles = {track.label: track.title for group in tracks for track in group}
    place = {label: index for index, label in enumerate(look_file.order)}
    labels = sorted(titles, key=lambda label: place.get(label, len(place)))
    look = looks((*look_file.order, *labels), look_file)
    rows = [_row(one, frames, group, labels, truth) for (one, frames), group in zip(wanted, tracks, strict=True)]
    printed = [
        ((look_file.trackers[label].name if label in look_file.trackers else None) or titles[label], look[label].colour)
        for label in labels
    ]
    drawn = qualitative_figure(rows, printed, width=width or look_file.two_columns, names=names)
    written = _save(drawn, out)
    if json:
        print_json({"files": written, "trackers": labels})
    else:
        messages(quiet).print(", ".join(map(str, written)))


def _settings(set_: list[str] | None) -> list[tuple[str, Any]]:
    from trackbench.trackers.settings import parse_setting

    return [parse_setting(text) for text in set_ or []]


def _draw_maps(
    trackers: list[str],
    dataset: str,
    root: Path | None,
    sequences: list[str],
    maps: list[str],
    out: Path,
    width: float | None,
    whole: bool,
    device: str,
    weights: Path | None,
    random_weights: bool,
    options: dict[str, Any],
    quiet: bool,
) -> list[Path]:
    """Run trackers on sequences, draw their maps, and return the files."""
    from trackbench.datasets.catalogue import open_dataset
    from trackbench.errors import UsageError
    from trackbench.frames import read_frame
    from trackbench.regions import region_to_box
    from trackbench.reports.map_figure import MapRow, map_figure
    from trackbench.reports.style import Style
    from trackbench.trackers.registry import find_tracker
    from trackbench.video.maps import seen_in

    if not trackers:
        raise UsageError("--map: name the trackers that are to be run")
    opened = open_dataset(dataset, root)
    wanted = [_parse(text, opened) for text in sequences]
    specs = [
        find_tracker(name, opened.definition, options, weights=weights, random_weights=random_weights)
        for name in trackers
    ]
    titles = [name if len(specs) == 1 else f"{spec.title}: {name}" for spec in specs for name in maps]
    rows = []
    with messages(quiet).status("") as status:
        for one, frames in wanted:
            seen = []
            for spec in specs:

                def say(index: int, label: str = spec.label, name: str = one.name) -> None:
                    status.update(f"{label} on {name}, frame {index + 1}")

                seen.append(seen_in(spec, one, frames, maps, device, say))
            first, target = read_frame(one.frames[0]), region_to_box(one.region(0))
            for index, views in zip(frames, zip(*seen, strict=True), strict=True):
                overlays = [overlay for view in views for overlay in view.maps]
                own = views[0]
                name = f"{one.name} #{index + 1}"
                rows.append(MapRow(name, first, target, own.frame, own.box, own.window, overlays))
    return _save(map_figure(rows, titles, width=width or Style().two_columns, whole=whole), out)


def _parse(text: str, dataset: Dataset) -> tuple[VideoSequence, list[int]]:
    """Return a sequence and the frames (0-based) that ``SEQUENCE:10,50`` names."""
    from trackbench.errors import UsageError
    from trackbench.video.stored import find_sequence

    name, colon, numbers = text.rpartition(":")
    parts = numbers.split(",")
    if not colon or not all(part.isdecimal() and int(part) for part in parts):
        raise UsageError(f"-s {text}: expected SEQUENCE:FRAMES as Car4:10,50,150, frames counted from 1")
    sequence = find_sequence(dataset, name)
    frames = [int(part) - 1 for part in parts]
    if max(frames) >= len(sequence):
        raise UsageError(f"-s {text}: {name} has {len(sequence)} frames")
    return sequence, frames


def _row(
    sequence: VideoSequence, frames: list[int], tracks: list[StoredTrack], labels: list[str], truth: bool
) -> FigureRow:
    from trackbench.frames import read_frame
    from trackbench.reports.qualitative import FigureFrame, FigureRow

    own = {track.label: track for track in tracks}
    cells = []
    for index in frames:
        regions = [own[label].regions.get(index) if label in own else None for label in labels]
        known = truth and not (index and sequence.only_first_annotated)
        ground_truth = sequence.region(index) if known else None
        cells.append(FigureFrame(index + 1, read_frame(sequence.frames[index]), regions, ground_truth))
    return FigureRow(sequence.name, cells)


def _save(drawn: object, out: Path) -> list[Path]:
    from matplotlib.figure import Figure

    from trackbench.errors import UsageError
    from trackbench.reports.plots import save

    assert isinstance(drawn, Figure)
    one = out.suffix.lower() in {".pdf", ".svg", ".png"}
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        if not one:
            return save(drawn, out)
        drawn.savefig(out, dpi=300)
    except OSError as error:
        raise UsageError(f"{out}: cannot be written: {error.strerror}") from None
    return [out]
