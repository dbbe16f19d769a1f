"""Pictures of single frames: what trackers answered, the masks behind it, and the ground truth."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch, Polygon

from trackbench.datasets.sequence import Dataset
from trackbench.errors import UsageError, suggestion
from trackbench.frames import Frame, read_frame
from trackbench.quoting import printable
from trackbench.regions import Box, Mask, Region, Special
from trackbench.regions import Polygon as Corners
from trackbench.reports.plots import literal, settings, shortened
from trackbench.reports.style import Look, Style
from trackbench.scoring import Score
from trackbench.scoring.scoring import SequenceAnswers
from trackbench.scoring.stored import Runs

TRUTH = "#ffd400"
_OPACITY = 0.45
_MOST_IN_A_ROW = 3
#: Longer names would run into that of the next panel.
_MOST_CHARACTERS = 26
_CODES = {1: "started here", 2: "target lost"}


class Shown(NamedTuple):
    """One tracker's answer on a frame."""

    title: str
    colour: str
    region: Region
    mask: Mask | None


def frame_figure(
    frame: Frame, ground_truth: Region | None, shown: Sequence[Shown], title: str, width: float = Style().two_columns
) -> Figure:
    """Return a figure with a panel for each tracker: its mask, its answer and the ground truth on the frame.

    Args:
        frame: uint8 (H, W, 3) RGB.
        ground_truth: None where it is not known.
        shown: the answers, at least one.
        title: what stands above them all.
        width: of the figure in inches.
    """
    columns = min(len(shown), _MOST_IN_A_ROW)
    rows = -(-len(shown) // columns)
    height = rows * (width / columns * frame.shape[0] / frame.shape[1] + 0.25) + 0.5
    with mpl.rc_context(settings()):
        figure = Figure(figsize=(width, height), layout="constrained")
        panels = figure.subplots(rows, columns, squeeze=False).ravel()
        for axes in panels:
            axes.set_axis_off()
        for axes, answer in zip(panels, shown, strict=False):
            _draw(axes, frame, ground_truth, answer)
        figure.suptitle(literal(title))
        kinds = [Patch(fill=False, edgecolor=TRUTH, linestyle="--", label="truth")]
        kinds.append(Patch(fill=False, edgecolor="black", label="answer"))
        if any(answer.mask is not None for answer in shown):
            kinds.append(Patch(facecolor="black", alpha=_OPACITY, label="mask"))
        figure.legend(handles=kinds, loc="outside lower center", ncols=len(kinds))
    return figure


def _draw(axes: Axes, frame: Frame, ground_truth: Region | None, answer: Shown) -> None:
    height, width = frame.shape[:2]
    # A pixel covers its whole square: corners count from the frame's edge.
    axes.imshow(frame, extent=(0, width, height, 0), interpolation="nearest")
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    said = _CODES.get(answer.region.code, "no answer") if isinstance(answer.region, Special) else ""
    title = shortened(answer.title, _MOST_CHARACTERS)
    axes.set_title(literal(f"{title}: {said}" if said else title))
    if answer.mask is not None:
        _overlay(axes, answer.mask, answer.colour, (width, height))
    if ground_truth is not None:
        _outline(axes, ground_truth, TRUTH, (width, height), dashed=True)
    _outline(axes, answer.region, answer.colour, (width, height))


def _outline(axes: Axes, region: Region, colour: str, size: tuple[int, int], dashed: bool = False) -> None:
    match region:
        case Mask():
            _overlay(axes, region, colour, size)
        case Box() | Corners():
            points = region.polygon().points if isinstance(region, Box) else region.points
            if not np.isfinite(points).all():
                return
            # The dark line below keeps the colour visible on any ground.
            for line, thickness in (("black", 2.6), (colour, 1.4)):
                style = "--" if dashed and line == colour else "-"
                axes.add_patch(
                    Polygon(points.tolist(), fill=False, edgecolor=line, linewidth=thickness, linestyle=style)
                )


def _overlay(axes: Axes, mask: Mask, colour: str, size: tuple[int, int]) -> None:
    width, height = size
    pixels = mask.window(0, 0, width, height)
    layer = np.zeros((height, width, 4))
    layer[..., :3] = to_rgb(colour)
    layer[..., 3] = pixels * _OPACITY
    axes.imshow(layer, extent=(0, width, height, 0), interpolation="nearest")


def frame_figures(
    wanted: Iterable[str],
    dataset: Dataset,
    runs: Runs,
    scores: Sequence[Score],
    look: dict[str, Look],
    width: float = Style().two_columns,
) -> Iterator[tuple[str, Figure]]:
    """Yield ``frame_<sequence>_<number>`` and a picture for each frame that is wanted.

    Args:
        wanted: ``SEQUENCE`` or ``SEQUENCE:NUMBER``, 1 the first frame; by default the middle one of those that the
            first tracker has answered.
        dataset: whose frames.
        runs: the folder of all runs, or several of them.
        scores: the trackers to show.
        look: how trackers are drawn.
        width: of the figures in inches.

    Raises:
        UsageError: no such sequence or frame, or no tracker has a result of it.
        DataError: the image or a result cannot be read.
    """
    for text in wanted:
        name, index = _parse(text, dataset)
        answers = SequenceAnswers(dataset, runs, scores, name)
        if not answers.regions:
            raise UsageError(f"--frame {text}: no result of sequence '{name}' is stored")
        if index is None:
            index = _middle(next(iter(answers.regions.values())))
        sequence = dataset[name]
        count = min(len(sequence.frames), *map(len, answers.regions.values()))
        if not 0 <= index < count:
            raise UsageError(f"--frame {text}: the sequence and its results have {count} frames")
        titles = {score.tracker: score.heading for score in scores}
        shown = [
            Shown(titles[answer.tracker], look[answer.tracker].colour, answer.region, answer.mask)
            for answer in answers.frame(index)
        ]
        ground_truth = None if sequence.only_first_annotated and index else sequence.region(index)
        frame = read_frame(sequence.frames[index])
        title = printable(f"{name}, frame {index + 1} – {dataset.title}")
        yield f"frame_{name}_{index + 1:05d}", frame_figure(frame, ground_truth, shown, title, width)


def _parse(text: str, dataset: Dataset) -> tuple[str, int | None]:
    """Return the sequence's name and the 0-based index of the frame that ``text`` names."""
    names = [sequence.name for sequence in dataset.sequences]
    name, colon, number = text.rpartition(":")
    if text in names or not colon:
        name, number = text, ""
    if name not in names:
        raise UsageError(f"--frame {text}: {dataset.name} has no sequence '{name}'{suggestion(name, names)}")
    if number and not number.isdecimal():
        raise UsageError(f"--frame {text}: expected SEQUENCE or SEQUENCE:NUMBER")
    return name, int(number) - 1 if number else None


def _middle(regions: Sequence[Region]) -> int:
    answered = [index for index, region in enumerate(regions) if index and not isinstance(region, Special)]
    return answered[len(answered) // 2] if answered else 0
