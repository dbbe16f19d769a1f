"""What the servers of GOT-10k and TrackingNet return, read as scores: JSON, CSV or a saved page.

Neither server documents what it returns, and both have changed it. So the form is not fixed here: an entry is whatever
holds numbers under the names by which these benchmarks call their metrics. Known forms are

- the report of the got10k toolkit, which GOT-10k's server returns: ``{tracker: {"overall": {"ao", "sr", "speed_fps",
  "succ_curve"}, "seq_wise": ...}}``. ``sr`` is SR 0.5; SR 0.75 is read from the curve, whose 101 thresholds are 0 to 1;
- EvalAI's, where TrackingNet is scored: a submission's ``[{"split": ..., "accuracies": {"Success": ...}}]``, alone or
  as text within a message; a leaderboard's ``{"result": [...], "leaderboard__schema": {"labels": [...]}}``;
- what TrackingNet's ``metrics.py`` prints: a name and a number a line;
- tables with a line a tracker.
"""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from html.parser import HTMLParser
from io import StringIO
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

from trackbench.errors import DataError, UsageError, suggestion
from trackbench.files import read_text, reading
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
_TRACKER = (
    "tracker", "trackername", "method", "methodname", "submissionmethodname", "name", "teamname", "participantteam",
    "submissionparticipantteamteamname", "submission", "title",
)  # fmt: skip
#: Parts of a report that hold the scores of single sequences.
_DETAILS = frozenset({"seqwise", "sequences", "persequence"})
#: Keys that say nothing of which tracker it is.
_LEVELS = frozenset(
    {"overall", "public", "private", "test", "result", "results", "scores", "metrics", "data", "split", "accuracies"}
)
#: Family -> the metric that tells the unit of a row: no tracker has less than one percent of it.
_MAIN = {"got10k": "ao", "trackingnet": "success"}
#: Thresholds of the got10k toolkit's success curves, 0 to 1.
_CURVE = 101
_BETWEEN = re.compile(r"[\s:=]+")


class Reading(NamedTuple):
    """A number as a file or a person writes it."""

    number: float
    is_percentage: bool = False
    """Whether a percent sign stands behind it."""


Readings = dict[str, Reading]
"""Metric key -> number."""


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
    with reading(path):
        entries = _read(path, NAMES[family])
    if not entries:
        names = ", ".join(metric(key).title for key in NAMES[family] if key != "fps")
        raise DataError(f"{path}: holds no score of {family} (looked for {names} in JSON, CSV or an HTML table)")
    scores = as_fractions([readings for _, readings in entries], family, str(path), [name for name, _ in entries])
    return [ServerEntry(name, values) for (name, _), values in zip(entries, scores, strict=True)]


def _read(path: Path, names: Mapping[str, tuple[str, ...]]) -> list[tuple[str, Readings]]:
    text = read_text(path).lstrip("\ufeff")
    start = text.lstrip()[:1]
    if start in ("{", "["):
        try:
            return list(_entries(json.loads(text), "", names))
        except json.JSONDecodeError as error:
            raise DataError(f"{path}: is no JSON: {error}") from None
    if start == "<":
        tables = _Tables()
        tables.feed(text)
        return [entry for rows in tables.tables for entry in _of_table(rows, names)]
    first = text.splitlines()[0] if text.strip() else ""
    mark = max(",;\t", key=first.count)
    return _of_table(list(csv.reader(StringIO(text), delimiter=mark)), names) or _of_lines(text, names)


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
    values: Readings = {}
    for text in texts:
        name, equals, number = text.partition("=")
        key = _key(name, NAMES[family])
        if not equals or key is None:
            known = ", ".join(NAMES[family])
            raise UsageError(f"--value '{text}': expected METRIC=NUMBER with one of {known}")
        typed = _number(number)
        if typed is None:
            raise UsageError(f"--value '{text}': '{number}' is no number")
        values[key] = typed
    try:
        return as_fractions([values], family, "--value")[0]
    except DataError as error:
        raise UsageError(str(error)) from None


def as_fractions(
    rows: Sequence[Readings], family: str, where: str, names: Sequence[str] = ("",)
) -> list[dict[str, float]]:
    """Return the scores of each row between 0 and 1, whether they are written as fractions or as percentages.

    A number above 1, or with a percent sign, is a percentage, and so is the rest of its column. A number of another
    column that is not above 1 is what the other numbers of its row allow: GOT-10k's AO bounds its success rates, and
    TrackingNet's success is not above the coverage. Where they allow both, the file is refused.

    Args:
        rows: the numbers of one tracker each.
        family: whose metrics they are.
        where: the file, for errors.
        names: what the rows' trackers are called.

    Raises:
        DataError: a number is no score, or could be a fraction as well as a percentage.
    """
    percent = set()
    for row in rows:
        for key, each in _scores(row).items():
            if not 0 <= each.number <= 100:
                raise DataError(f"{where}: {metric(key).title} is {each.number:g}; expected a fraction or a percentage")
            if each.is_percentage or each.number > 1:
                percent.add(key)
    found = []
    for name, row in zip(names, rows, strict=True):
        # A server that was sent no times says -1 of the speed.
        speeds = {key: each.number for key, each in row.items() if not metric(key).is_fraction and each.number > 0}
        found.append(_of_row(_scores(row), percent, family, f"{where}: {name}" if name else where) | speeds)
    return found


def _scores(row: Readings) -> Readings:
    return {key: each for key, each in row.items() if metric(key).is_fraction}


def _of_row(row: Readings, percent: set[str], family: str, where: str) -> dict[str, float]:
    """Return the fractions of one row, given the columns whose numbers are percentages."""
    main = _MAIN[family]
    choices = []
    for key, (number, is_percentage) in row.items():
        certain = is_percentage or number > 1 or (key in percent and key != main)
        # A column of fractions beside others of fractions: nothing says otherwise.
        fraction = not certain and (number == 0 or not percent)
        choices.append([number / 100] if certain else [number] if fraction else [number, number / 100])
    allowed = [
        scores
        for numbers in product(*choices)
        if _agree(scores := dict(zip(row, numbers, strict=True))) and (row.get(main) is None or scores[main] >= 0.01)
    ]
    if len(allowed) == 1 or not percent or all(len(choice) == 1 for choice in choices):
        return allowed[0] if allowed else dict(zip(row, [choice[0] for choice in choices], strict=True))
    texts = [f"{metric(key).title} {each.number:g}{'%' * each.is_percentage}" for key, each in row.items()]
    raise DataError(
        f"{where}: {', '.join(texts)}: fractions and percentages are mixed, and which number is which cannot be told; "
        "write all of a tracker's scores in one unit, or with a percent sign"
    )


def _agree(scores: Mapping[str, float]) -> bool:
    """Whether fractions can be scores of one tracker: an average overlap is within what its success rates allow."""
    near = 0.006  # printed with one digit of a percent, or two of a fraction
    ao = scores.get("ao")
    for key, threshold in (("sr50", 0.5), ("sr75", 0.75)):
        if ao is not None and key in scores:
            rate = scores[key]
            if not threshold * rate - near <= ao <= threshold + (1 - threshold) * rate + near:
                return False
    if scores.get("sr75", 0) > scores.get("sr50", 1) + near:
        return False
    return scores.get("success", 0) <= scores.get("coverage", 1) + near


def _entries(node: Any, name: str, names: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[str, Readings]]:
    if isinstance(node, str) and node.lstrip()[:1] in ("[", "{"):  # EvalAI sends a result as text
        try:
            node = json.loads(node)
        except ValueError:
            return
    if isinstance(node, list):
        for item in node:
            yield from _entries(item, name, names)
    if not isinstance(node, dict):
        return
    texts = {_plain(str(key)): value for key, value in node.items() if isinstance(value, str) and value.strip()}
    own = next((texts[key] for key in _TRACKER if key in texts), name)
    values: Readings = {}
    for key, value in _labelled(node).items():
        known = _key(str(key), names)
        if known and not isinstance(value, bool) and isinstance(value, int | float):
            values.setdefault(known, Reading(float(value)))
    curve = node.get("succ_curve")
    if "ao" in values and "sr75" not in values and isinstance(curve, list) and len(curve) == _CURVE:
        values["sr75"] = Reading(float(curve[_CURVE * 3 // 4]))
    if any(key != "fps" for key in values):
        yield own, values
        return
    for key, value in node.items():
        if _plain(str(key)) not in _DETAILS:
            yield from _entries(value, own if _plain(str(key)) in _LEVELS else str(key), names)


def _labelled(node: Mapping[str, Any]) -> Mapping[str, Any]:
    """Return the numbers of an entry of EvalAI's leaderboard by their labels; any other entry as it is."""
    schema, result = node.get("leaderboard__schema"), node.get("result")
    if isinstance(schema, dict) and isinstance(result, list) and isinstance(schema.get("labels"), list):
        return dict(zip(map(str, schema["labels"]), result, strict=False))
    return node


def _of_lines(text: str, names: Mapping[str, tuple[str, ...]]) -> list[tuple[str, Readings]]:
    """Return the entry of lines with a name and a number each."""
    values: Readings = {}
    for line in text.splitlines():
        *words, last = _BETWEEN.split(line.strip())
        key, number = _key(" ".join(words), names), _number(last)
        if key and number is not None:
            values.setdefault(key, number)
    return [("", values)] if any(key != "fps" for key in values) else []


def _of_table(rows: Sequence[Sequence[str]], names: Mapping[str, tuple[str, ...]]) -> list[tuple[str, Readings]]:
    """Return the entries of a table with a line a tracker, whose first line with names of metrics is its head."""
    entries: list[tuple[str, Readings]] = []
    head: Sequence[str] | None = None
    for row in rows:
        keys = [_key(cell, names) for cell in row]
        if any(key and key != "fps" for key in keys):
            head = row
            continue
        if head is None:
            continue
        cells = dict(zip(head, row, strict=False))
        values: Readings = {}
        for title, cell in cells.items():
            key = _key(title, names)
            number = _number(cell) if key else None
            if key and number is not None:
                values.setdefault(key, number)
        if any(key != "fps" for key in values):
            titles = [title for title in cells if _plain(title) in _TRACKER]
            entries.append((cells[titles[0]].strip() if titles else "", values))
    return entries


def _number(cell: str) -> Reading | None:
    text = cell.strip()
    try:
        return Reading(float(text.removesuffix("%")), text.endswith("%"))
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
