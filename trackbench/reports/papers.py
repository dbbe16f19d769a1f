"""The results tables that papers print, as data: ``reports/papers/PAPER.csv``, a line a number.

A line holds what the paper prints, in its unit and with its digits, slips included; the note says what is special about
it. Cells that the paper leaves empty have no line.
"""

from __future__ import annotations

import csv
from functools import cached_property
from pathlib import Path
from typing import Final

from pydantic import BaseModel, ConfigDict

from trackbench.definitions import content_folder
from trackbench.errors import DataError, UsageError, suggestion
from trackbench.metrics.table import metric

COLUMNS: Final = ("paper", "table", "tracker", "dataset", "metric", "meant", "value", "note")


class PaperValue(BaseModel):
    """One number of a results table."""

    model_config = ConfigDict(frozen=True)

    paper: str
    """The paper by its tracker's name: ``siamattn``."""
    table: str
    """The table's number; ``text`` for a number of the running text."""
    tracker: str
    """The row's name as printed (``Ours``, too), with the row's setting in ablations."""
    dataset: str
    """The benchmark as ``trackbench list datasets`` names it; empty where the number belongs to none (speed, size)."""
    metric: str
    """A report's metric key, ``KEY:ATTRIBUTE`` for the score over an attribute's sequences, or plain words."""
    meant: str
    """The metric that the number is of, where the paper prints it under another; empty for most."""
    value: str
    """What is printed, without its unit."""
    note: str
    """What is special about the number; empty for most."""

    @property
    def key(self) -> str:
        """The metric to compare with."""
        return self.meant or self.metric

    @cached_property
    def number(self) -> float | None:
        """The value as printed; None where the column holds words (a backbone's name)."""
        try:
            return float(self.value)
        except ValueError:
            return None

    @cached_property
    def score(self) -> float | None:
        """The number in the unit of reports: papers print 66.0 or 0.660 for the same success of 0.66.

        No tracker of these papers scores below one percent, so that a score above 1 is a percentage.
        """
        if self.number is None or not metric(self.metric.partition(":")[0]).is_fraction or self.number <= 1:
            return self.number
        return self.number / 100


def papers() -> list[str]:
    """Return the names of the papers whose tables are kept."""
    return sorted(path.stem for path in _folder().glob("*.csv"))


def read_tables(paper: str | None = None) -> list[PaperValue]:
    """Return the numbers of one paper's tables, or of all papers', in the order of the tables.

    Raises:
        UsageError: no such paper; the message suggests the nearest.
        DataError: the file's columns are not those of `COLUMNS`, or a line has too few or too many.
    """
    if paper is None:
        return [value for name in papers() for value in _read(name)]
    if paper.lower() not in papers():
        raise UsageError(f"unknown paper '{paper}'{suggestion(paper, papers())} (known: {', '.join(papers())})")
    return _read(paper.lower())


def paper_table(spec: str) -> list[PaperValue]:
    """Return the numbers of one table.

    Args:
        spec: ``PAPER:TABLE``, as in ``siamattn:1``.

    Raises:
        UsageError: not of that form, no such paper, or no such table.
    """
    paper, colon, table = spec.partition(":")
    if not colon or not table:
        raise UsageError(f"'{spec}' names no table of a paper: expected PAPER:TABLE, as in siamattn:1")
    values = read_tables(paper)
    cells = [value for value in values if value.table == table]
    if not cells:
        known = ", ".join(dict.fromkeys(value.table for value in values))
        raise UsageError(f"paper '{paper.lower()}' has no table '{table}' with results (it has: {known})")
    return cells


def _folder() -> Path:
    return content_folder("reports") / "papers"


def _read(name: str) -> list[PaperValue]:
    path = _folder() / f"{name}.csv"
    with path.open(encoding="utf-8", newline="") as file:
        lines = csv.reader(file)
        header = tuple(next(lines, []))
        if header != COLUMNS:
            raise DataError(f"{path}: line 1: columns {','.join(header)}, expected {','.join(COLUMNS)}")
        values = []
        for cells in lines:
            if len(cells) != len(COLUMNS):
                raise DataError(f"{path}: line {lines.line_num}: {len(cells)} columns, expected {len(COLUMNS)}")
            values.append(PaperValue(**dict(zip(COLUMNS, cells, strict=True))))
    return values
