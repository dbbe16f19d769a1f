"""Success and precision plots as the field's papers draw them, readable in grey; no screen is needed.

Figures are as wide as a column, or as a page of two columns, so that they stand in a paper at their own size.
"""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, Literal

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font

from trackbench.metrics.table import CurveAxes, ordered
from trackbench.reports.style import Look, Style
from trackbench.scoring import Score

#: The score before a name in a panel's legend.
_SCORED = re.compile(r"\[(\d\.\d{3}|nan)\] ")
#: Most scores before a name in a legend of several panels.
MOST_SCORES = 4
#: A longer legend stands below the plot.
MOST_INSIDE = 8
#: Width of the axes as a part of a panel's: the rest is for the numbers and the title beside them.
_AXES = 0.75
#: Panels of a row are smaller.
MOST_INSIDE_ROW = 5
#: Longer names would leave no room for the lines beside them in a legend as wide as a column.
MOST_CHARACTERS = 40

Place = Literal["lower left", "lower right", "upper right", "below"]
Draw = Callable[[Axes], None]
"""Draws a panel; its lines and points are labelled."""


def legend_value(score: Score, curve: CurveAxes) -> float:
    """Return the score that stands in the legend of a curve: its first metric that a tracker has; NaN for none."""
    keys = [column.key for column in ordered(score.metrics) if column.curve == curve]
    values = (score.metrics.get(key) for key in keys)
    return next((value for value in values if value is not None), math.nan)


def curves_of(scores: Sequence[Score]) -> list[CurveAxes]:
    """Return the curves that the scores have, in the order of their metrics.

    One that belongs to no metric of the scores is drawn by its name.
    """
    columns = ordered(key for score in scores for key in score.metrics)
    known = {column.curve.key: column.curve for column in columns if column.curve is not None}
    names = dict.fromkeys(name for score in scores for name in score.curves)
    order = [key for key in known if key in names]
    return [*(known[key] for key in order), *(CurveAxes(n, n, "Threshold", n) for n in names if n not in known)]


STYLE: Any = {
    "font.size": 8,
    "axes.titlesize": 8.5,
    "legend.fontsize": 6.5,
    "legend.framealpha": 0.85,
    "legend.handlelength": 3,
    "legend.labelspacing": 0.3,
    "lines.linewidth": 1.3,
    "axes.grid": True,
    "axes.linewidth": 0.6,
    "grid.linestyle": ":",
    "grid.linewidth": 0.5,
    "grid.color": "#bbbbbb",
    "axes.axisbelow": True,
    "pdf.fonttype": 42,  # TrueType, which publishers ask for
    "svg.fonttype": "path",  # looks the same without the font
    "svg.hashsalt": "trackbench",
}


_ACTIVE: ContextVar[Any] = ContextVar("settings", default=STYLE)


def settings() -> Any:
    """Return matplotlib's settings for the plots that are drawn now."""
    return _ACTIVE.get()


@contextmanager
def drawing_in(style: Style) -> Iterator[None]:
    """Draw with a style's font, sizes and widths of lines."""
    scale = style.font_size / STYLE["font.size"]
    own = {key: value * scale for key, value in STYLE.items() if key in ("axes.titlesize", "legend.fontsize")}
    family = {} if style.font is None else {"font.family": [style.font, *mpl.rcParams["font.family"]]}
    token = _ACTIVE.set({**STYLE, **own, "font.size": style.font_size, "lines.linewidth": style.line_width, **family})
    try:
        yield
    finally:
        _ACTIVE.reset(token)


def panel(
    draw: Draw, title: str, width: float = Style().one_column, legend: Place = "lower left", height: float = 0.8
) -> Figure:
    """Return a figure of one panel.

    Args:
        draw: draws it.
        title: name of the data set, which stands behind the plot's own title.
        width: of the figure in inches.
        legend: where it stands, if it is short enough to stand inside.
        height: of the panel, as a part of the width.
    """
    with mpl.rc_context(settings()):
        figure = Figure(figsize=(width, width * height), layout="constrained")
        axes = figure.subplots()
        draw(axes)
        axes.set_title(f"{axes.get_title()} – {literal(title)}")
        _legend(figure, axes, legend)
    return figure


def row(
    draws: Sequence[tuple[Draw, Place]],
    width: float = Style().two_columns,
    across: int | None = None,
    *,
    one_score: bool = False,
) -> Figure:
    """Return a figure of several panels, each with the place of its legend; its caption is the paper's.

    Args:
        draws: what draws each panel.
        width: of the figure in inches.
        across: how many panels stand side by side; None: all.
        one_score: whether all panels have the same score before a tracker's name, as VOT's.
    """
    base = settings()
    scale = base["font.size"] / STYLE["font.size"]
    sizes = {"font.size": 7, "axes.titlesize": 7.5, "legend.fontsize": 5.5}
    smaller: Any = {key: size * scale for key, size in sizes.items()} | {
        "lines.linewidth": base["lines.linewidth"] / STYLE["lines.linewidth"]
    }
    across = min(across or len(draws), len(draws))
    down = math.ceil(len(draws) / across)
    with mpl.rc_context({**base, **smaller}):
        figure = Figure(figsize=(width, down * width / across * 0.85), layout="constrained")
        panels = figure.subplots(down, across, squeeze=False).flatten()
        for axes in panels[len(draws) :]:
            axes.remove()
        columns = list(panels[: len(draws)])
        for (draw, _), axes in zip(draws, columns, strict=True):
            draw(axes)
        each = [axes.get_legend_handles_labels()[1] for axes in columns]
        inside = all(place != "below" for _, place in draws)
        if not inside or not all(len(labels) <= MOST_INSIDE_ROW and _fit(labels, width / across) for labels in each):
            legend_below(figure, *_common_legend(columns, one_score=one_score))
        else:
            for (_, place), axes in zip(draws, columns, strict=True):
                if axes.get_legend_handles_labels()[0]:
                    axes.legend(loc=place)
    return figure


def _common_legend(panels: Sequence[Axes], *, one_score: bool) -> tuple[list[Any], list[str]]:
    """Return the lines and labels of all panels, each tracker once, with its scores in the panels from left to right.

    More scores than fit are left out.
    """
    scores: list[dict[str, str]] = []
    lines: dict[str, list[Any]] = {}
    for axes in panels:
        known = {}
        for line, label in zip(*axes.get_legend_handles_labels(), strict=True):
            title = _SCORED.sub("", label, count=1)
            lines.setdefault(title, []).append(line)
            if match := _SCORED.match(label):
                known[title] = match[1]
        scores.append(known)
    # In the order of the panel that has most of them.
    titles = [[_SCORED.sub("", label, count=1) for label in axes.get_legend_handles_labels()[1]] for axes in panels]
    order = dict.fromkeys([*max(titles, key=len), *lines])
    common = []
    for title in order:
        shown = [known.get(title, "–") for known in scores]
        if one_score:
            shown = [next((score for score in shown if score != "–"), "–")]
        has_scores = any(title in known for known in scores) and len(panels) <= MOST_SCORES
        common.append(f"[{' | '.join(shown)}] {title}" if has_scores else title)
    # Point and curve of a tracker are drawn over each other.
    return [tuple(lines[title][:2]) if one_score else lines[title][0] for title in order], common


def _fit(labels: Sequence[str], width: float) -> bool:
    """Whether a legend of these labels is narrower than the axes of a panel that is so many inches wide."""
    # A character is about half as wide as the font is high.
    size = float(mpl.rcParams["legend.fontsize"]) / 72
    handle = (float(mpl.rcParams["legend.handlelength"]) + 2.5) * size
    return max(map(len, labels), default=0) * 0.52 * size + handle <= _AXES * width


def curve_panel(scores: Sequence[Score], plot: CurveAxes, look: dict[str, Look]) -> Draw:
    """Return what draws one kind of curve; its legend is sorted by score, with the score in brackets.

    Incomplete runs come last.

    Args:
        scores: of one data set; those without this curve are left out.
        plot: what to draw.
        look: from :func:`trackbench.reports.style.looks`.
    """
    valued = [(legend_value(score, plot), score) for score in scores if plot.key in score.curves]
    drawn = [pair for pair in valued if not math.isnan(pair[0])]
    drawn.sort(key=lambda pair: (not pair[1].is_complete, -pair[0]))

    def draw(axes: Axes) -> None:
        for value, score in drawn:
            curve = score.curves[plot.key]
            axes.plot(
                curve.thresholds, curve.values, label=name(score, f"[{value:.3f}] "), **look[score.tracker].matplotlib()
            )
        axes.set_title(plot.title)
        axes.set_xlabel(plot.x)
        axes.set_ylabel(plot.y)
        if drawn:
            thresholds = drawn[0][1].curves[plot.key].thresholds
            axes.set_xlim(thresholds[0], thresholds[-1])
        axes.set_ylim(0, 1)

    return draw


def save(figure: Figure, path: Path) -> list[Path]:
    """Write the figure as PNG, PDF and SVG beside each other (``path`` without suffix); returns the paths.

    The same figure gives the same bytes.
    """
    # Not with_suffix: what stands behind a dot of the name would be lost.
    png, pdf, svg = (path.with_name(f"{path.name}{suffix}") for suffix in (".png", ".pdf", ".svg"))
    with mpl.rc_context(settings()), warnings.catch_warnings():
        # A warning for every character and file; undrawable() tells of them once.
        warnings.filterwarnings("ignore", "Glyph .* missing from", UserWarning)
        # Laid out once, alike for all three.
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
        figure.savefig(png, dpi=300, metadata={"Software": None})
        figure.savefig(pdf, metadata={"CreationDate": None, "Producer": None})
        figure.savefig(svg, metadata={"Date": None, "Creator": None})
    return [png, pdf, svg]


def name(score: Score, before: str = "") -> str:
    """Return a tracker's name as a legend's label; one that begins with ``_`` would be left out of legends."""
    coverage = score.heading.removeprefix(score.title)
    text = literal(f"{before}{shortened(score.title)}{coverage}")
    return f"\N{ZERO WIDTH SPACE}{text}" if text.startswith("_") else text


def shortened(text: str, most: int = MOST_CHARACTERS) -> str:
    """Return a text of at most so many characters: the middle of a longer one is elided."""
    if len(text) <= most:
        return text
    end = (most - 1) // 3
    return f"{text[: most - 1 - end]}…{text[len(text) - end :]}"


def undrawable(text: str) -> str:
    """Return the characters that the plots' font lacks, each once; plots have empty boxes in their place."""
    font = get_font(findfont(FontProperties()))
    return "".join(c for c in dict.fromkeys(text) if c.isprintable() and not font.get_char_index(ord(c)))


def literal(text: str) -> str:
    """Return text in which matplotlib sees no formula."""
    return text.replace("$", r"\$")


def _legend(figure: Figure, axes: Axes, place: Place) -> None:
    handles, labels = axes.get_legend_handles_labels()
    if place == "below" or len(handles) > MOST_INSIDE or not _fit(labels, figure.get_size_inches()[0]):
        legend_below(figure, handles, labels)
    elif handles:
        axes.legend(loc=place)


def legend_below(figure: Figure, handles: Sequence[Any], labels: Sequence[str]) -> None:
    """Put a legend below the panels, and make room for it."""
    if not handles:
        return
    width, height = figure.get_size_inches()
    longest = max(map(len, labels)) * 0.055 + 0.6
    columns = max(1, min(len(labels), int(width / longest)))
    figure.set_size_inches(width, height + 0.15 * math.ceil(len(labels) / columns) + 0.1)
    figure.legend(handles, labels, loc="outside lower center", ncols=columns)
