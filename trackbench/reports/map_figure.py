"""The papers' figures of what networks look at: template, search region, and maps over it, a row for each frame.

SiamAttn Fig. 4, SBT Figs. 7, 11 and 12, SparseTT Fig. 5, SimTrack Figs. 4 and 5, AiATrack Fig. 4 have this form.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from trackbench.frames import Frame
from trackbench.regions import Box
from trackbench.reports.frame_plot import TRUTH
from trackbench.reports.plots import STYLE, literal, shortened
from trackbench.reports.style import Style

#: Strength of a map where it is strongest, over the picture; where it is weakest it is half of that.
ALPHA = 0.62
COLOURS = "turbo"
_GAP, _TITLE, _NAME = 0.03, 0.2, 34


class Overlay(NamedTuple):
    """One map."""

    values: NDArray[np.float32]
    """(h, w)."""
    window: Box
    """What it covers of the frame, in pixels."""


class MapRow(NamedTuple):
    """One frame of a sequence."""

    name: str
    """Stands at the left: ``Car4 #150``."""
    template: Frame
    """The first frame, uint8 (H, W, 3) RGB."""
    target: Box
    """In the first frame."""
    frame: Frame
    """uint8 (H, W, 3) RGB."""
    box: Box
    """Where the first tracker finds the target in it."""
    window: Box
    """The first tracker's search region."""
    maps: list[Overlay]


def map_figure(
    rows: Sequence[MapRow], titles: Sequence[str], *, width: float = Style().two_columns, whole: bool = False
) -> Figure:
    """Return the figure: template, search region, then each map over the search region.

    Args:
        rows: at least one, with as many maps each as there are titles.
        titles: of the maps.
        width: of the figure in inches.
        whole: show whole frames in place of search regions.
    """
    margin = 0.16
    columns = ["template", "frame" if whole else "search region", *titles]
    ratio = rows[0].frame.shape[0] / rows[0].frame.shape[1] if whole else 1.0
    side = (width - margin - _GAP * (len(columns) - 1)) / len(columns)
    tall = side * ratio
    height = _TITLE + (tall + _GAP) * len(rows)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(width, height))
        for column, title in enumerate(columns):
            x = margin + column * (side + _GAP) + side / 2
            y = 1 - 0.5 * _TITLE / height
            figure.text(x / width, y, literal(shortened(title, _NAME)), ha="center", va="center", fontsize=7)
        for index, row in enumerate(rows):
            bottom = height - _TITLE - index * (tall + _GAP) - tall
            figure.text(
                0.5 * margin / width,
                (bottom + tall / 2) / height,
                literal(shortened(row.name, _NAME)),
                rotation=90,
                ha="center",
                va="center",
                fontsize=7,
            )
            for column in range(len(columns)):
                place = ((margin + column * (side + _GAP)) / width, bottom / height, side / width, tall / height)
                _cell(figure.add_axes(place), row, column, whole)
    return figure


def strength(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return a map stretched to [0, 1]; a flat one is 0 everywhere."""
    exact = np.asarray(values, np.float64)
    low, high = float(exact.min()), float(exact.max())
    return (exact - low) / (high - low) if high > low else np.zeros_like(exact)


def _cell(axes: Axes, row: MapRow, column: int, whole: bool) -> None:
    axes.set_axis_off()
    image = row.template if column == 0 else row.frame
    extent = (0, image.shape[1], image.shape[0], 0)
    axes.imshow(image, extent=extent, interpolation="bilinear", aspect="auto")
    axes.set_facecolor("black")
    if column == 0:
        _view(axes, _around(row.target, 2.0), image, False)
        _outline(axes, row.target)
        return
    if column > 1:
        overlay = row.maps[column - 2]
        window, values = overlay.window, strength(overlay.values)
        axes.imshow(
            values,
            extent=(window.x, window.x + window.w, window.y + window.h, window.y),
            cmap=COLOURS,
            alpha=ALPHA * (0.5 + 0.5 * values),
            interpolation="bilinear",
            aspect="auto",
        )
    else:
        _outline(axes, row.box)
    _view(axes, row.window, image, whole)


def _view(axes: Axes, window: Box, image: Frame, whole: bool) -> None:
    """Show a window, or the whole image; what lies outside of the frame is black."""
    if not whole:
        axes.add_patch(Rectangle((window.x, window.y), window.w, window.h, facecolor="black", zorder=-1))
    box = Box(0, 0, image.shape[1], image.shape[0]) if whole else window
    axes.set_xlim(box.x, box.x + box.w)
    axes.set_ylim(box.y + box.h, box.y)


def _outline(axes: Axes, box: Box) -> None:
    axes.add_patch(Rectangle((box.x, box.y), box.w, box.h, fill=False, edgecolor=TRUTH, linewidth=1.0))


def _around(box: Box, factor: float) -> Box:
    side = factor * max(box.w * box.h, 1.0) ** 0.5
    return Box(box.x + (box.w - side) / 2, box.y + (box.h - side) / 2, side, side)
