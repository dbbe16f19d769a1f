"""The tables of the built-in definitions: what their sequences are called."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable
from pathlib import Path

from trackbench.datasets.layouts.base import Table
from trackbench.definitions import DATASETS, DatasetDefinition, ResolvedDefinition
from trackbench.errors import DataError, UsageError, reason
from trackbench.files import MAX_DOCUMENT, read_text
from trackbench.quoting import printable

#: Columns that hold whole numbers.
NUMBER_COLUMNS = ("first", "last", "omit", "frames")


def read_table(resolved: ResolvedDefinition[DatasetDefinition], needed: tuple[str, ...]) -> Table:
    """Return the rows of a definition's table that belong to its subset; empty where it has no table.

    Args:
        resolved: the definition.
        needed: the columns that its layout needs.

    Raises:
        UsageError: the table is not there, lacks a column, holds something else where a number belongs, or has no line
            for the subset.
    """
    definition = resolved.value
    if definition.table is None:
        return []
    path = resolved.path.parent / definition.table
    numbered = _rows(path, f"{resolved.path}: key 'table'", definition.subset)
    for column in needed:
        if numbered and column not in numbered[0][1]:
            raise UsageError(f"{path}: has no column '{column}', which layout '{definition.layout}' needs")
    for column in NUMBER_COLUMNS:
        if not numbered or column not in numbered[0][1]:
            continue
        for line, row in numbered:
            text = row[column]
            if (text or column in needed) and (not text.isdecimal() or len(text) > 7):
                said = f"column '{column}' is '{printable(text, 40)}'; expected a whole number of at most 7 digits"
                raise UsageError(f"{path}: line {line}: {said}")
    if not numbered:
        raise UsageError(f"{path}: no line of column 'lists' names '{definition.subset}'")
    return [row for _, row in numbered]


def known_names(resolved: ResolvedDefinition[DatasetDefinition]) -> frozenset[str]:
    """Return the names of the sequences by which a folder is recognised as this benchmark; empty: by none.

    Raises:
        UsageError: the table cannot be read.
    """
    if resolved.value.known_by is None:
        return frozenset()
    rows = _rows(resolved.path.parent / resolved.value.known_by, f"{resolved.path}: key 'known_by'", resolved.name)
    return frozenset(row["name"] for _, row in rows)


def benchmark(name: str, needed: tuple[str, ...] = ("name",)) -> tuple[DatasetDefinition, Table]:
    """Return the record called ``name`` and its rows, for layouts that recognise a benchmark by its sequences."""
    resolved = DATASETS.get(name)
    return resolved.value, read_table(resolved, needed)


def _rows(path: Path, where: str, member: str | None) -> list[tuple[int, dict[str, str]]]:
    """Return the rows of a table, each with the number of its line: those whose column ``lists`` names ``member``.

    A long table holds many lists, of which a command needs one. None means all rows.
    """
    try:
        text = read_text(path, MAX_DOCUMENT)
        if '"' in text:  # a field may go on in the next line
            header, *rows = csv.reader(io.StringIO(text, newline=""))
            numbered: Iterable[tuple[int, list[str]]] = enumerate(rows, 2)
        else:
            first, *lines = text.split("\n")
            header = first.strip().split(",")
            word = member or ""
            numbered = (
                (number, line.rstrip("\r").split(","))
                for number, line in enumerate(lines, 2)
                if word in line and line.strip()
            )
    except (DataError, csv.Error) as error:
        raise UsageError(f"{where}: {path} cannot be read: {reason(error, path)}") from None
    except ValueError:  # there is not even a header
        return []
    if member is not None:
        place = header.index("lists") if "lists" in header else len(header)
        numbered = ((number, row) for number, row in numbered if len(row) > place and member in row[place].split())
    padding = [""] * len(header)
    return [(number, dict(zip(header, (*row, *padding), strict=False))) for number, row in numbered if row]
