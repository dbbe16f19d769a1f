"""How trackers look: one order, one colour, one line and one name for each of them in every table, plot and page.

A style file (``report --style FILE``) is TOML::

    order = ["mine", "dcf"]          # these come first; without it the best comes first
    places = "colours"               # best, second, third in red, blue, green; "type": bold, underlined, italic
    one_column = 3.4                 # width of plots in inches
    two_columns = 7.0                # width of the plots that stand side by side
    font = "Times New Roman"         # family of the plots' text; where it lacks a character, matplotlib's own
    font_size = 8                    # in points; titles and legends go with it
    line_width = 1.3                 # of curves, in points

    [trackers.mine]                  # by the tracker's label
    name = "Ours"
    colour = "#d62728"
    line = "solid"                   # solid, dashed, dash-dotted, dotted, long-dashed, ...
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Literal, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from trackbench.definitions import describe_invalid, keys_of
from trackbench.errors import UsageError, suggestion
from trackbench.files import read_toml
from trackbench.quoting import NAME, printable
from trackbench.reports.tables import ranked
from trackbench.scoring import Score

Line = Literal["solid", "dashed", "dash-dotted", "dotted", "long-dashed", "dash-dot-dotted", "evenly-dashed"]

#: On and off lengths in widths of the line.
DASHES: dict[Line, tuple[float, ...]] = {
    "solid": (),
    "dashed": (3.7, 1.6),
    "dash-dotted": (6.4, 1.6, 1, 1.6),
    "dotted": (1, 1.65),
    "long-dashed": (8, 2),
    "dash-dot-dotted": (5, 1, 1, 1, 1, 1),
    "evenly-dashed": (3, 3),
}
#: Dark to light and back, so that neighbours differ in grey too; lines and markers repeat at other periods.
COLOURS = ("#d62728", "#1f77b4", "#2ca02c", "#9467bd", "#ff7f0e", "#17becf", "#8c564b", "#e377c2", "#7f7f7f", "#111111")
LINES = tuple(DASHES)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "*", "<", ">", "p")


class TrackerStyle(BaseModel):
    """What a style file says of one tracker."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"\S")] | None = None
    colour: Annotated[str, Field(pattern=r"^#[0-9a-fA-F]{6}$")] | None = None
    line: Line | None = None


class Style(BaseModel):
    """A style file."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    order: tuple[str, ...] = ()
    places: Literal["type", "colours"] = "type"
    one_column: Annotated[float, Field(ge=1, le=40)] = 3.4
    two_columns: Annotated[float, Field(ge=1, le=40)] = 7.0
    font: Annotated[str, Field(pattern=r"\S")] | None = None
    font_size: Annotated[float, Field(ge=3, le=40)] = 8.0
    line_width: Annotated[float, Field(ge=0.1, le=10)] = 1.3
    trackers: dict[str, TrackerStyle] = {}


class Look(NamedTuple):
    """How one tracker is drawn."""

    colour: str
    line: Line
    marker: str

    def matplotlib(self) -> dict[str, Any]:
        """Return the arguments of matplotlib's ``plot``."""
        dashes = DASHES[self.line]
        return {"color": self.colour, "linestyle": (0, dashes) if dashes else "-"}


def read_style(path: Path | None) -> Style:
    """Return the style of a file, or the default one.

    Raises:
        UsageError: it cannot be read, or a key is unknown or holds something else than expected.
    """
    if path is None:
        return Style()
    try:
        return Style.model_validate(read_toml(path))
    except ValidationError as error:
        tables = {"trackers.*": keys_of(TrackerStyle)}
        raise UsageError(describe_invalid(error, str(path), keys_of(Style), tables)) from None


def styled(scores: Sequence[Score], style: Style) -> list[Score]:
    """Return the scores of one data set in the order of tables, with the names that are printed.

    Best first, unless the style has an order; incomplete runs come last in any case.

    Trackers of the same name get their labels behind it.

    Raises:
        UsageError: there are no scores, or two of the same label.
    """
    if not scores:
        raise UsageError("nothing to report: there are no scores")
    twice = [label for label, count in Counter(score.tracker for score in scores).items() if count > 1]
    if twice:
        raise UsageError(f"two runs of '{twice[0]}' on {scores[0].dataset}; expected one, or another label for each")
    place = {label: index for index, label in enumerate(style.order)}
    rows = sorted(ranked(scores), key=lambda score: (not score.is_complete, place.get(score.tracker, len(place))))
    named = [replace(score, title=_name(score, style)) for score in rows]
    count = Counter(score.title for score in named)
    return [replace(s, title=f"{s.title} ({s.tracker})") if count[s.title] > 1 else s for s in named]


def check_labels(style: Style, labels: Iterable[str]) -> list[str]:
    """Return a line for each tracker that a style names and that is not in the report."""
    known = list(labels)
    named = dict.fromkeys((*style.order, *style.trackers))
    return [f"style: no tracker '{name}' here{suggestion(name, known)}" for name in named if name not in known]


def looks(labels: Iterable[str], style: Style | None = None) -> dict[str, Look]:
    """Return how each tracker is drawn in every plot and on every page of a report.

    Args:
        labels: all trackers of the report, of all data sets, in the order of its tables.
        style: may set colours and lines.
    """
    own = (style or Style()).trackers
    return {
        label: Look(
            own.get(label, TrackerStyle()).colour or COLOURS[i % len(COLOURS)],
            own.get(label, TrackerStyle()).line or LINES[i % len(LINES)],
            MARKERS[i % len(MARKERS)],
        )
        for i, label in enumerate(dict.fromkeys(labels))
    }


def _name(score: Score, style: Style) -> str:
    name = style.trackers.get(score.tracker, TrackerStyle()).name or score.title
    return printable(" ".join(name.split()), NAME)  # a line break would end the row of a table
