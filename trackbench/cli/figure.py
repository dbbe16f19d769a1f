"""``trackbench figure``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trackbench.cli.shared import Debug, Json, Quiet, Root, Runs, messages, print_json

if TYPE_CHECKING:
    from trackbench.datasets.sequence import Dataset, VideoSequence
    from trackbench.reports.qualitative import Row
    from trackbench.video.stored import StoredTrack


def figure(
    trackers: Annotated[
        list[str] | None, typer.Argument(metavar="[TRACKER]...", help="Default: all that are stored.")
    ] = None,
    *,
    dataset: Annotated[str, typer.Option("--dataset", "-d", help="Data set: a name or a folder.")],
    sequence: Annotated[
        list[str],
        typer.Option("--sequence", "-s", metavar="SEQUENCE:FRAMES", help="A row: as Car4:10,50,150. Repeatable."),
    ],
    root: Root = None,
    runs: Runs = Path("runs"),
    out: Annotated[
        Path, typer.Option(help="The file without ending: PDF, SVG and PNG are written; with one of these, that only.")
    ] = Path("figure"),
    protocol: Annotated[str | None, typer.Option(help="Default: the data set's.")] = None,
    style: Annotated[Path | None, typer.Option(help="TOML file of colours, names and order, as of `report`.")] = None,
    width: Annotated[float | None, typer.Option(min=1, help="Of the figure, in inches. Default: the style's.")] = None,
    truth: Annotated[bool, typer.Option("--truth/--no-truth", help="Also the ground truth, dashed.")] = True,
    names: Annotated[bool, typer.Option("--names/--no-names", help="Sequences' names at the left.")] = True,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Draw the papers' qualitative figure: rows of frames with all trackers on them, frame numbers and a legend.

    [bold]Example[/bold]

    trackbench figure siamattn dcf -d otb100 -s Basketball:10,300,600 -s Car4:50,150,250 --out qualitative
    """
    from trackbench.datasets.catalogue import open_dataset
    from trackbench.reports.qualitative import qualitative_figure
    from trackbench.reports.style import looks, read_style
    from trackbench.video.stored import load_tracks

    look_file = read_style(style)
    found = open_dataset(dataset, root)
    wanted = [_parse(text, found) for text in sequence]
    tracks = [load_tracks(found, one, runs, trackers or None, protocol=protocol) for one, _ in wanted]
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


def _row(sequence: VideoSequence, frames: list[int], tracks: list[StoredTrack], labels: list[str], truth: bool) -> Row:
    from trackbench.frames import read_frame
    from trackbench.reports.qualitative import Cell, Row

    own = {track.label: track for track in tracks}
    cells = []
    for index in frames:
        regions = [own[label].regions.get(index) if label in own else None for label in labels]
        known = truth and not (index and sequence.only_first_annotated)
        ground_truth = sequence.region(index) if known else None
        cells.append(Cell(index + 1, read_frame(sequence.frames[index]), regions, ground_truth))
    return Row(sequence.name, cells)


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
