"""What the servers of GOT-10k and TrackingNet return, read as scores: JSON, CSV or a saved page.

Neither server documents what it returns, and both have changed it. So the form is not fixed here: an entry is whatever
holds numbers under the names by which these benchmarks call their metrics. Known forms are the report of the got10k
toolkit (``{tracker: {"overall": {"ao": ..., "sr": ...}, "seq_wise": ...}}``), EvalAI's (``[{"Public": {"Success": ...,
"Normalized Precision": ...}}]``), and tables with a line a tracker.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from io import StringIO
from pathlib import Path
from typing import Any, NamedTuple

from trackbench.errors import DataError, UsageError, suggestion
from trackbench.files import read_text
from trackbench.metrics.table import metric
from trackbench.quoting import listed

#: Family of benchmarks -> metric key -> how servers and papers call it, in lower-case letters and digits.
NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "got10k": {
        "ao": ("ao", "averageoverlap"),
        "sr50": ("sr50", "sr050", "sr05", "sr"),
        "sr75": ("sr75", "sr075"),
        "mao": ("mao",),
        "fps": ("fps", "hz", "speedfps", "speed"),
    },
    "trackingnet": {
        "success": ("success", "auc", "successauc"),
        "precision_auc": ("precision", "precisionauc", "p"),
        "norm_precision_auc": (
            "normprecision", "normprecisionauc", "normalizedprecision", "normalisedprecision", "precisionnorm", "pnorm",
        ),
        "coverage": ("coverage",),
    },
}  # fmt: skip
#: Columns and keys that name the tracker of an entry.
_TRACKER = ("tracker", "trackername", "method", "name", "teamname", "participantteam", "submission", "title")
#: Parts of a report that hold the scores of single sequences.
_DETAILS = frozenset({"seqwise", "sequences", "persequence"})
#: Keys that say nothing of which tracker it is.
_LEVELS = frozenset({"overall", "public", "private", "test", "result", "results", "scores", "metrics", "data", "split"})


class ServerEntry(NamedTuple):
    """The scores of one tracker."""

    name: str
    """As the file calls it; empty where it does not."""
    metrics: dict[str, float]
    """Metric key -> fraction; frames per second for ``fps``."""


def read_entries(path: Path, family: str) -> list[ServerEntry]:
    """Return the trackers whose scores a server's file holds.

    Args:
        path: JSON, CSV (commas, semicolons or tabs) or HTML.
        family: whose metrics are looked for, a key of `NAMES`.

    Raises:
        DataError: the file cannot be read, holds none of the metrics, or a number that is no score.
    """
    text = read_text(path).lstrip("\ufeff")
    start = text.lstrip()[:1]
    if start in ("{", "["):
        try:
            document = json.loads(text)
        except ValueError as error:
            raise DataError(f"{path}: is no JSON: {error}") from None
        entries = list(_entries(document, "", NAMES[family]))
    elif start == "<":
        tables = _Tables()
        tables.feed(text)
        entries = [entry for rows in tables.tables for entry in _of_table(rows, NAMES[family])]
    else:
        first = text.splitlines()[0] if text.strip() else ""
        mark = max(",;\t", key=first.count)
        entries = _of_table(list(csv.reader(StringIO(text), delimiter=mark)), NAMES[family])
    if not entries:
        names = ", ".join(metric(key).title for key in NAMES[family] if key != "fps")
        raise DataError(f"{path}: holds no score of {family} (looked for {names} in JSON, CSV or an HTML table)")
    return [ServerEntry(name, as_fractions(values, str(path))) for name, values in entries]


def choose_entry(entries: Sequence[ServerEntry], only: str | None, path: Path) -> ServerEntry:
    """Return the entry called ``only``, or the only one.

    Raises:
        UsageError: there are several, or none of that name.
    """
    if only is None:
        if len(entries) > 1:
            names = listed([entry.name or "(no name)" for entry in entries], 8)
            raise UsageError(f"{path}: holds the scores of {len(entries)} trackers ({names}); --only takes one of them")
        return entries[0]
    hits = [entry for entry in entries if entry.name == only]
    hits = hits or [entry for entry in entries if _plain(entry.name) == _plain(only)]
    if len(hits) != 1:
        hint = suggestion(only, [entry.name for entry in entries])
        raise UsageError(f"{path}: --only '{only}': {len(hits)} trackers are called so{hint}")
    return hits[0]


def typed_metrics(texts: Sequence[str], family: str) -> dict[str, float]:
    """Return metrics from texts as ``ao=0.696`` or ``SR0.5=80.0``.

    Raises:
        UsageError: a text is of another form, or no metric of the family's is called so.
    """
    values: dict[str, float] = {}
    for text in texts:
        name, equals, number = text.partition("=")
        key = _key(name, NAMES[family])
        if not equals or key is None:
            known = ", ".join(NAMES[family])
            raise UsageError(f"--value '{text}': expected METRIC=NUMBER with one of {known}")
        try:
            values[key] = float(number)
        except ValueError:
            raise UsageError(f"--value '{text}': '{number}' is no number") from None
    try:
        return as_fractions(values, "--value")
    except DataError as error:
        raise UsageError(str(error)) from None


def as_fractions(values: Mapping[str, float], where: str) -> dict[str, float]:
    """Return scores between 0 and 1: where one of them is above 1, all are percentages.

    Raises:
        DataError: a number is no score.
    """
    scores = {key: value for key, value in values.items() if metric(key).is_fraction}
    for key, value in scores.items():
        if not 0 <= value <= 100:
            raise DataError(f"{where}: {metric(key).title} is {value:g}; expected a fraction or a percentage")
    scale = 100 if any(value > 1 for value in scores.values()) else 1
    # A server that was sent no times says -1 of the speed.
    speeds = {key: value for key, value in values.items() if key not in scores and value > 0}
    return {key: value / scale for key, value in scores.items()} | speeds


def _entries(node: Any, name: str, names: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, dict[str, float]]]:
    if isinstance(node, list):
        for item in node:
            yield from _entries(item, name, names)
    if not isinstance(node, dict):
        return
    own = next((str(value) for key, value in node.items() if _plain(key) in _TRACKER and isinstance(value, str)), name)
    values: dict[str, float] = {}
    for key, value in node.items():
        known = _key(str(key), names)
        if known and not isinstance(value, bool) and isinstance(value, int | float):
            values.setdefault(known, float(value))
    if any(key != "fps" for key in values):
        yield own, values
        return
    for key, value in node.items():
        if _plain(str(key)) not in _DETAILS:
            yield from _entries(value, own if _plain(str(key)) in _LEVELS else str(key), names)


def _of_table(
    rows: Sequence[Sequence[str]], names: Mapping[str, tuple[str, ...]]
) -> list[tuple[str, dict[str, float]]]:
    """Return the entries of a table with a line a tracker, whose first line with names of metrics is its head."""
    entries: list[tuple[str, dict[str, float]]] = []
    head: Sequence[str] | None = None
    for row in rows:
        keys = [_key(cell, names) for cell in row]
        if any(key and key != "fps" for key in keys):
            head = row
            continue
        if head is None:
            continue
        cells = dict(zip(head, row, strict=False))
        values: dict[str, float] = {}
        for title, cell in cells.items():
            key = _key(title, names)
            number = _number(cell) if key else None
            if key and number is not None:
                values.setdefault(key, number)
        if any(key != "fps" for key in values):
            titles = [title for title in cells if _plain(title) in _TRACKER]
            entries.append((cells[titles[0]].strip() if titles else "", values))
    return entries


def _number(cell: str) -> float | None:
    try:
        return float(cell.strip().removesuffix("%"))
    except ValueError:
        return None


def _key(name: str, names: Mapping[str, tuple[str, ...]]) -> str | None:
    plain = _plain(name)
    return next((key for key, known in names.items() if plain in known), None)


def _plain(name: str) -> str:
    return "".join(c for c in name.lower() if c.isascii() and c.isalnum())


class _Tables(HTMLParser):
    """Collects the cells of a page's tables."""

    def __init__(self) -> None:
        super().__init__()
        self.tables: list[list[list[str]]] = []
        self._cell: list[str] | None = None

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Begin a table, a row or a cell."""
        if tag == "table":
            self.tables.append([])
        elif tag == "tr" and self.tables:
            self.tables[-1].append([])
        elif tag in ("td", "th") and self.tables and self.tables[-1]:
            self._cell = []

    def handle_endtag(self, tag: str) -> None:
        """End a cell."""
        if tag in ("td", "th") and self._cell is not None:
            self.tables[-1][-1].append(" ".join("".join(self._cell).split()))
            self._cell = None

    def handle_data(self, data: str) -> None:
        """Take a cell's text."""
        if self._cell is not None:
            self._cell.append(data)
