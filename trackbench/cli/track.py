"""``trackbench track``."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from trackbench.cli import completion
from trackbench.cli.shared import Debug, Json, Quiet, RandomWeights, SetEach, Weights, messages, output, print_json

if TYPE_CHECKING:
    from trackbench.frames import Frame
    from trackbench.regions import Region
    from trackbench.trackers.base import TrackerModel
    from trackbench.video.sources import Source
    from trackbench.video.tracking import TrackedFrame, Tracking

FIELDS = ("frame", "seconds", "tracker", "x", "y", "w", "h", "score")


def track(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="TRACKER... SOURCE",
            help="Trackers; then a video, a folder of images or a camera (0).",
            autocompletion=completion.trackers,
        ),
    ],
    *,
    box: Annotated[
        str | None, typer.Option(metavar="X,Y,W,H", help="The target in the first frame, in pixels. Default: draw it.")
    ] = None,
    mask: Annotated[Path | None, typer.Option(help="Instead: an image that is not black on the target.")] = None,
    out: Annotated[
        Path | None, typer.Option(help="Write the overlaid frames: .mp4, .mov, .mkv, or an animation .gif, .webp.")
    ] = None,
    boxes: Annotated[
        Path | None, typer.Option("--csv", help=f"Write boxes: columns {', '.join(FIELDS)}; frames count from 1.")
    ] = None,
    view: Annotated[
        Literal["overlay", "beside"], typer.Option(help="Several trackers on one picture, or side by side.")
    ] = "overlay",
    first: Annotated[int, typer.Option(min=1, help="The frame on which to start.")] = 1,
    last: Annotated[int | None, typer.Option(min=1, help="The last frame to track.")] = None,
    fps: Annotated[
        float | None, typer.Option(min=0.01, help="Frames per second. Default: the source's, or 30.")
    ] = None,
    show: Annotated[bool, typer.Option("--show", help="Show the frames in a window; Esc stops.")] = False,
    device: Annotated[str, typer.Option(help="auto, cpu, cuda or cuda:N.")] = "auto",
    weights: Weights = None,
    random_weights: RandomWeights = False,
    set_: SetEach = None,
    seed: Annotated[int, typer.Option(min=0, help="For trackers that draw at random.")] = 0,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Track a target in a video, a folder of images or a camera. Interrupting keeps what is there.

    [bold]Examples[/bold]

    trackbench track dcf clip.mp4 --box 120,80,60,40 --out tracked.mp4 --csv boxes.csv

    trackbench track dcf opencv:mil frames/ --box 120,80,60,40 --view beside --out both.mp4

    trackbench track dcf 0 --show
    """
    from trackbench.engine.campaign import TrackerChoice
    from trackbench.errors import UsageError
    from trackbench.trackers.settings import parse_setting
    from trackbench.video.selecting import has_display
    from trackbench.video.sources import open_source
    from trackbench.video.tracking import Tracking

    if len(arguments) < 2:
        raise UsageError("track: expected one or more trackers, then a video, a folder of images or a camera number")
    *names, text = dict.fromkeys(arguments)
    if box is not None and mask is not None:
        raise UsageError("--box and --mask both say where the target is; give one of them")
    if last is not None and last < first:
        raise UsageError(f"--last {last} lies before --first {first}")
    if show and not has_display():
        raise UsageError("--show: no display to show frames on; --out writes them to a file")
    options = dict(parse_setting(setting) for setting in set_ or [])
    choice = TrackerChoice(names, options, weights, random_weights, seed=seed)
    specs = [choice.find(name) for name in names]
    source = open_source(text, fps)
    region = _target(source, box, mask, first)
    models: dict[str, TrackerModel[Any]] = {spec.label: spec.build(device) for spec in specs}
    titles = {spec.label: spec.title for spec in specs}
    tracking = Tracking(models, region, first - 1, seed)
    rows = _run(tracking, source, titles, last, out, boxes, view, show, quiet)
    _report(rows, tracking, titles, json, quiet)


def _target(source: Source, box: str | None, mask: Path | None, first: int) -> Region:
    """Return where the target is: as given, or as drawn in a window."""
    from trackbench.errors import DataError, UsageError
    from trackbench.frames import read_image
    from trackbench.regions import Box, Mask
    from trackbench.video.selecting import has_display, select_box

    if box is not None:
        try:
            region = Box.of([float(part) for part in box.replace(",", " ").split()])
        except ValueError:
            raise UsageError(f"--box '{box}': expected four numbers X,Y,W,H in pixels") from None
        if not region.is_valid:
            raise UsageError(f"--box '{box}': expected finite numbers and a positive width and height")
        return region
    if mask is not None:
        image = read_image(mask)
        pixels = image if image.ndim == 2 else image.max(axis=2)
        if not pixels.any():
            raise DataError(f"{mask}: is black; expected an image that is not black on the target")
        return Mask(pixels > 0).cropped()
    if not has_display():
        raise UsageError("no display to draw the target on; give --box X,Y,W,H, or --mask FILE")
    for frame in source.read():
        if frame.index == first - 1:
            return select_box(frame.image)
    raise UsageError(f"--first {first}: {source.title} has fewer frames")


def _run(
    tracking: Tracking,
    source: Source,
    titles: dict[str, str],
    last: int | None,
    out: Path | None,
    boxes: Path | None,
    view: str,
    show: bool,
    quiet: bool,
) -> list[TrackedFrame]:
    """Track to the end; returns what was seen, without the images."""
    from dataclasses import replace

    from trackbench.video.writer import open_writer

    seen: list[TrackedFrame] = []
    say = messages(quiet).print
    with ExitStack() as stack:
        # Opened before the first frame: what cannot be written is said at once.
        writer = stack.enter_context(open_writer(out, source.fps)) if out else None
        table = stack.enter_context(_table(boxes)) if boxes else None
        start = None
        try:
            for one in _watched(
                tracking.run(source, None if last is None else last - 1), tracking, source, last, quiet
            ):
                picture = _picture(one, titles, view) if writer or show else None
                start = one.seconds if start is None else start
                if writer and picture is not None:
                    writer.add(picture, one.seconds - start)
                if table:
                    table.writerows(_rows(one))
                seen.append(replace(one, image=one.image[:0, :0]))
                if show and picture is not None and _shown(picture):
                    break
        except KeyboardInterrupt:
            stack.close()
            say(f"interrupted after {len(seen)} frames; what was written is kept")
            raise typer.Exit(130) from None
    if not seen:
        from trackbench.errors import UsageError

        raise UsageError(f"--first {tracking.first + 1}: {source.title} has fewer frames")
    for path in (out, boxes):
        if path:
            say(f"{path}: {len(seen)} frames")
    return seen


def _watched(
    frames: Iterator[TrackedFrame], tracking: Tracking, source: Source, last: int | None, quiet: bool
) -> Iterator[TrackedFrame]:
    """Show progress and the time left."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    console = messages(quiet)
    ends = [end for end in (source.frames, last) if end is not None]
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    failed: set[str] = set()
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(source.title, total=min(ends) - tracking.first if ends else None)
        for one in frames:
            yield one
            bar.advance(task)
            for label in tracking.failed.keys() - failed:
                failed.add(label)
                console.print(f"{label}: stopped at frame {one.index + 1}: {tracking.failed[label]}")


def _table(path: Path) -> Any:
    """Open the CSV file; its writer, as a context."""
    from contextlib import contextmanager

    from trackbench.errors import UsageError

    @contextmanager
    def opened() -> Iterator[Any]:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            file = path.open("w", encoding="utf-8", newline="")
        except OSError as error:
            raise UsageError(f"{path}: cannot be written: {error.strerror}") from None
        with file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(FIELDS)
            yield writer

    return opened()


def _rows(one: TrackedFrame) -> Iterator[list[object]]:
    from trackbench.regions import region_to_box

    for label, prediction in one.predictions.items():
        box = [""] * 4 if prediction is None else [f"{v:.3f}" for v in region_to_box(prediction.region).numbers()]
        score = "" if prediction is None or prediction.score is None else f"{prediction.score:.6g}"
        yield [one.index + 1, f"{one.seconds:.6f}", label, *box, score]


def _picture(one: TrackedFrame, titles: dict[str, str], view: str) -> Frame:
    from trackbench.video.overlay import Drawn, beside, colour_of, draw, note_of

    drawn = []
    for place, (label, prediction) in enumerate(one.predictions.items()):
        region = None if prediction is None else (prediction.mask or prediction.region)
        note, alarm = ("failed", True) if prediction is None else note_of(region, prediction.score)
        drawn.append(Drawn(titles[label], colour_of(place), region, note, alarm))
    header = f"#{one.index + 1}"
    return beside(one.image, drawn, header=header) if view == "beside" else draw(one.image, drawn, header)


def _shown(picture: Frame) -> bool:
    """Show a picture; returns whether the user wants to stop."""
    import cv2

    cv2.imshow("trackbench", cv2.cvtColor(picture, cv2.COLOR_RGB2BGR))
    return cv2.waitKey(1) & 0xFF == 27


def _report(seen: list[TrackedFrame], tracking: Tracking, titles: dict[str, str], json: bool, quiet: bool) -> None:
    from trackbench.video.tracking import speed

    elapsed = [one.elapsed for one in seen]
    rows = [
        {
            "tracker": label,
            "frames": sum(one.predictions[label] is not None for one in seen),
            "fps": speed(elapsed, label),
            "failed": tracking.failed.get(label),
        }
        for label in titles
    ]
    if json:
        print_json({"tracked": rows})
    elif not quiet:
        from rich.table import Table
        from rich.text import Text

        table = Table("tracker", "frames", "fps", "failed")
        for row in rows:
            rate = "-" if row["fps"] is None else f"{row['fps']:.1f}"
            table.add_row(Text(str(row["tracker"])), str(row["frames"]), rate, Text(str(row["failed"] or "-")))
        output().print(table)
    if tracking.failed:
        raise typer.Exit(1)
