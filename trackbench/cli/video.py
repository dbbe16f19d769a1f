"""``trackbench video``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trackbench.cli import completion
from trackbench.cli.shared import Debug, Json, Protocol, Quiet, Root, Runs, messages, print_json

if TYPE_CHECKING:
    from trackbench.datasets.sequence import VideoSequence
    from trackbench.frames import Frame
    from trackbench.video.overlay import Drawn
    from trackbench.video.stored import StoredTrack


def video(
    sequence: Annotated[str, typer.Argument(help="Name of the sequence.")],
    trackers: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TRACKER]...", help="Default: all that are stored.", autocompletion=completion.stored),
    ] = None,
    *,
    dataset: Annotated[
        str, typer.Option("--dataset", "-d", help="Data set: a name or a folder.", autocompletion=completion.datasets)
    ],
    root: Root = None,
    runs: Runs = Path("runs"),
    out: Annotated[
        Path | None, typer.Option(help=".mp4, .mov, .mkv, or an animation .gif, .webp. Default: SEQUENCE.mp4.")
    ] = None,
    view: Annotated[
        Literal["overlay", "beside"], typer.Option(help="All trackers on one picture, or side by side.")
    ] = "overlay",
    protocol: Protocol = None,
    anchor: Annotated[
        int | None,
        typer.Option(min=1, help="Of multi-start and TRE: the frame on which the run began. Default: the first."),
    ] = None,
    repetition: Annotated[int, typer.Option(min=1, help="Which run over the sequence.")] = 1,
    first: Annotated[int, typer.Option(min=1, help="The first frame to show.")] = 1,
    last: Annotated[int | None, typer.Option(min=1, help="The last frame to show.")] = None,
    fps: Annotated[float | None, typer.Option(min=0.1, help="Default: the sequence's, or 25.")] = None,
    truth: Annotated[bool, typer.Option("--truth/--no-truth", help="Also the ground truth, dashed.")] = True,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a video of stored runs over their sequence: boxes, ground truth, scores, overlaps; failures are marked.

    [bold]Examples[/bold]

    trackbench video Basketball -d otb100 --out basketball.mp4

    trackbench video bag siamattn -d vot2018 --first 40 --last 90 --out lost.gif
    """
    from trackbench.datasets.catalogue import open_dataset
    from trackbench.errors import UsageError
    from trackbench.video.stored import find_sequence, load_tracks
    from trackbench.video.writer import write_video

    opened = open_dataset(dataset, root)
    shown = find_sequence(opened, sequence)
    tracks = load_tracks(
        opened,
        shown,
        runs,
        trackers or None,
        protocol=protocol,
        anchor=None if anchor is None else anchor - 1,
        repetition=repetition,
    )
    end = min(last or len(shown), len(shown))
    if first > end:
        raise UsageError(f"--first {first}: {sequence} is shown up to frame {end}")
    rate = fps or shown.details.fps or 25.0
    path = out or Path(f"{sequence}.mp4")
    pictures = _pictures(shown, tracks, (first - 1, end), rate, view == "beside", truth)
    count = write_video(path, _watched(pictures, end - first + 1, quiet), rate)
    if json:
        print_json({"file": path, "frames": count, "trackers": [track.label for track in tracks]})
    else:
        messages(quiet).print(f"{path}: {count} frames, {', '.join(track.label for track in tracks)}")


def _pictures(
    sequence: VideoSequence, tracks: list[StoredTrack], span: tuple[int, int], fps: float, apart: bool, truth: bool
) -> Iterator[tuple[Frame, float]]:
    from trackbench.video.overlay import GROUND_TRUTH, Drawn, beside, colour_of, draw, note_of
    from trackbench.video.stored import frame_overlap, read_frames

    for frame in read_frames(sequence, *span, fps):
        drawn: list[Drawn] = []
        for place, track in enumerate(tracks):
            region = track.regions.get(frame.index)
            note, alarm = note_of(region, track.scores.get(frame.index), frame_overlap(sequence, frame.index, region))
            drawn.append(Drawn(track.title, colour_of(place), region, note, alarm))
        annotated = truth and not (frame.index and sequence.only_first_annotated)
        mark = Drawn("truth", GROUND_TRUTH, sequence.region(frame.index), dashed=True) if annotated else None
        header = f"{sequence.name}  #{frame.index + 1}"
        if apart:
            yield beside(frame.image, drawn, mark, header), frame.seconds
        else:
            yield draw(frame.image, [*drawn, mark] if mark else drawn, header), frame.seconds


def _watched(frames: Iterator[tuple[Frame, float]], total: int, quiet: bool) -> Iterator[tuple[Frame, float]]:
    from rich.progress import track

    console = messages(quiet)
    yield from track(frames, "drawing", total, console=console, transient=True, disable=not console.is_terminal)
