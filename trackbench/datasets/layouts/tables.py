"""The tables of the built-in definitions: what their sequences are called."""

from __future__ import annotations

import csv
import io
from pathlib import Path

from trackbench.datasets.layouts.base import Table
from trackbench.definitions import DATASETS, DatasetDefinition, ResolvedDefinition
from trackbench.errors import DataError, UsageError, reason
from trackbench.files import MAX_DOCUMENT, read_text
from trackbench.quoting import printable

#: Columns that hold whole numbers.
NUMBER_COLUMNS = ("first", "last", "omit", "frames")


def read_table(found: ResolvedDefinition[DatasetDefinition], needed: tuple[str, ...]) -> Table:
    """Return the rows of a definition's table that belong to its subset; empty where it has no table.

    Args:
        found: the definition.
        needed: the columns that its layout needs.

    Raises:
        UsageError: the table is not there, lacks a column, holds something else where a number belongs, or has no line
            for the subset.
    """
    definition = found.value
    if definition.table is None:
        return []
    path = found.path.parent / definition.table
    rows = _rows(path, f"{found.path}: key 'table'")
    for column in needed:
        if rows and column not in rows[0]:
            raise UsageError(f"{path}: has no column '{column}', which layout '{definition.layout}' needs")
    for line, row in enumerate(rows, 2):
        for column in NUMBER_COLUMNS:
            text = row.get(column, "")
            if (text or column in needed) and (not text.isdecimal() or len(text) > 7):
                said = f"column '{column}' is '{printable(text, 40)}'; expected a whole number of at most 7 digits"
                raise UsageError(f"{path}: line {line}: {said}")
    if definition.subset is not None:
        rows = [row for row in rows if definition.subset in row.get("lists", "").split()]
    if not rows:
        raise UsageError(f"{path}: no line of column 'lists' names '{definition.subset}'")
    return rows


def known_names(found: ResolvedDefinition[DatasetDefinition]) -> frozenset[str]:
    """Return the names of the sequences by which a folder is recognised as this benchmark; empty: by none.

    Raises:
        UsageError: the table cannot be read.
    """
    if found.value.known_by is None:
        return frozenset()
    rows = _rows(found.path.parent / found.value.known_by, f"{found.path}: key 'known_by'")
    return frozenset(row["name"] for row in rows if found.name in row["lists"].split())


def benchmark(name: str, needed: tuple[str, ...] = ("name",)) -> tuple[DatasetDefinition, Table]:
    """Return the record called ``name`` and its rows, for layouts that recognise a benchmark by its sequences."""
    found = DATASETS.get(name)
    return found.value, read_table(found, needed)


def _rows(path: Path, where: str) -> Table:
    try:
        text = read_text(path, MAX_DOCUMENT)
        return list(csv.DictReader(io.StringIO(text, newline=""), restval="", restkey=""))
    except (DataError, csv.Error) as error:
        raise UsageError(f"{where}: {path} cannot be read: {reason(error, path)}") from None
