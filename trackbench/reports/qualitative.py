"""The papers' qualitative figure: rows of frames of a few sequences, with all trackers drawn on them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Polygon as Outline

from trackbench.frames import Frame
from trackbench.regions import Box, Mask, Polygon, Region
from trackbench.reports.frame_plot import TRUTH
from trackbench.reports.plots import literal, settings, shortened
from trackbench.reports.style import Style

_GAP = 0.03
_LEGEND = 0.22
_NAME = 30


class FigureFrame(NamedTuple):
    """One frame of the figure."""

    number: int
    """As papers print it: 1 is the first."""
    image: Frame
    """uint8 (H, W, 3) RGB."""
    regions: list[Region | None]
    """The region of each tracker."""
    ground_truth: Region | None
    layer: np.ndarray | None = None
    """A map over the image, uint8 (H, W, 4) RGBA; None where none was asked for."""


class FigureRow(NamedTuple):
    """The frames of one sequence."""

    sequence: str
    cells: list[FigureFrame]


def qualitative_figure(
    rows: Sequence[FigureRow],
    trackers: Sequence[tuple[str, str]],
    *,
    width: float = Style().two_columns,
    names: bool = True,
    thickness: float = 1.2,
) -> Figure:
    """Return the figure: a row a sequence, its frames in order, a legend below.

    Args:
        rows: at least one, each with at least one frame.
        trackers: (title, colour) of each tracker, in the order of the regions.
        width: of the figure in inches.
        names: whether the sequences' names stand at the left.
        thickness: of lines, in points.
    """
    margin = 0.16 if names else 0.0
    shapes = [[cell.image.shape[1] / cell.image.shape[0] for cell in row.cells] for row in rows]
    # Frames of a row are as high as each other, and fill it.
    heights = [(width - margin - _GAP * (len(shape) - 1)) / sum(shape) for shape in shapes]
    entries: list[tuple[str, str, Literal["-", "--"]]] = [(title, colour, "-") for title, colour in trackers]
    if any(cell.ground_truth is not None for row in rows for cell in row.cells):
        entries.append(("ground truth", TRUTH, "--"))
    longest = max(len(shortened(title, _NAME)) for title, _, _ in entries) * 0.062 + 0.55
    columns = max(1, min(len(entries), int(width / longest)))
    legend = _LEGEND * -(-len(entries) // columns) + 0.08
    height = sum(heights) + _GAP * (len(rows) - 1) + legend
    with mpl.rc_context(settings()):
        figure = Figure(figsize=(width, height))
        top = height
        for row, shape, tall in zip(rows, shapes, heights, strict=True):
            left = margin
            for cell, ratio in zip(row.cells, shape, strict=True):
                place = (left / width, (top - tall) / height, tall * ratio / width, tall / height)
                _draw(figure.add_axes(place), cell, [colour for _, colour in trackers], thickness)
                left += tall * ratio + _GAP
            if names:
                figure.text(
                    0.5 * margin / width,
                    (top - tall / 2) / height,
                    literal(shortened(row.sequence, _NAME)),
                    rotation=90,
                    ha="center",
                    va="center",
                    fontsize=7,
                )
            top -= tall + _GAP
        handles = [Line2D([], [], color=colour, linestyle=line, linewidth=1.8) for _, colour, line in entries]
        labels = [literal(shortened(title, _NAME)) for title, _, _ in entries]
        figure.legend(handles, labels, loc="lower center", ncols=columns, frameon=False, borderaxespad=0.1)
    return figure


def _draw(axes: Axes, cell: FigureFrame, colours: Sequence[str], thickness: float) -> None:
    height, width = cell.image.shape[:2]
    extent = (0, width, height, 0)
    axes.set_axis_off()
    axes.imshow(cell.image, extent=extent, interpolation="bilinear", aspect="auto")
    if cell.layer is not None:
        axes.imshow(cell.layer, extent=extent, interpolation="bilinear", aspect="auto")
    axes.set_xlim(0, width)
    axes.set_ylim(height, 0)
    if cell.ground_truth is not None:
        _outline(axes, cell.ground_truth, TRUTH, thickness, (width, height), "--")
    # The first tracker is drawn above the others.
    for region, colour in reversed(list(zip(cell.regions, colours, strict=True))):
        if region is not None:
            _outline(axes, region, colour, thickness, (width, height), "-")
    axes.text(
        0.02,
        0.97,
        f"#{cell.number}",
        transform=axes.transAxes,
        ha="left",
        va="top",
        color="#ffe000",
        fontsize=7.5,
        fontweight="bold",
    )


def _outline(
    axes: Axes, region: Region, colour: str, thickness: float, size: tuple[int, int], line: Literal["-", "--"]
) -> None:
    match region:
        case Mask():
            pixels = region.window(0, 0, *size)
            if pixels.any():
                # Contour lines run through the centres of pixels.
                axes.contour(
                    np.arange(size[0]) + 0.5,
                    np.arange(size[1]) + 0.5,
                    pixels,
                    [0.5],
                    colors=colour,
                    linewidths=thickness,
                )
        case Box() | Polygon():
            points = region.polygon().points if isinstance(region, Box) else region.points
            if np.isfinite(points).all():
                axes.add_patch(
                    Outline(points.tolist(), fill=False, edgecolor=colour, linewidth=thickness, linestyle=line)
                )
        case _:
            pass
