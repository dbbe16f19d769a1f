"""From the name or path of a data set to its sequences on disk."""

from __future__ import annotations

import csv
import importlib
import re
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from types import ModuleType

from trackbench.datasets.roots import candidate_roots
from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.definitions import DATASETS, DatasetDefinition, ResolvedDefinition
from trackbench.errors import DataError, UsageError, suggestion
from trackbench.files import read_text
from trackbench.regions import Polygon, parse_region

#: Layouts by which a folder is recognised, the most particular first.
RECOGNISED = ("vot", "got10k", "lasot", "otb", "folder")

#: Columns of tables that hold whole numbers.
NUMBER_COLUMNS = ("first", "last", "omit", "frames")


class NotFoundError(UsageError):
    """A data set that is defined, but lies in none of the places where it may.

    Args:
        name: the data set.
        home: its official page.
        places: where it was looked for.
    """

    def __init__(self, name: str, home: str, places: list[Path]) -> None:
        self.where = f"looked in {', '.join(map(str, places[:3]))}" if places else "no root is known"
        super().__init__(
            f"data set '{name}' was not found ({self.where}); give --root, set TRACKBENCH_DATA, "
            f"or `trackbench data add {name} DIR` (its source: {home or 'not stated'})"
        )


def open_dataset(name: str, root: Path | None = None) -> Dataset:
    """Return the data set called ``name``, or the one in the folder of that path.

    Listing reads neither images nor annotations.

    Raises:
        UsageError: no such data set or folder.
        NotFoundError: nothing of the data set is there.
        DataError: a folder or a list of sequences cannot be read.
    """
    found = find_definition(name)
    return _open_folder(Path(name)) if found is None else _open_definition(found, root)


def find_definition(name: str) -> ResolvedDefinition[DatasetDefinition] | None:
    """Return the definition that ``name`` means, or None where it means a folder.

    Raises:
        UsageError: it means neither, or its definition is wrong.
    """
    if _is_path(name):
        return None
    try:
        return DATASETS.get(name)
    except UsageError:
        if not Path(name).is_dir():
            raise
        return None


def select(dataset: Dataset, patterns: list[str] | None = None, limit: int | None = None) -> Dataset:
    """Return ``dataset`` with the first ``limit`` sequences that match one of ``patterns`` (names or globs).

    Raises:
        UsageError: a pattern that matches nothing.
    """
    chosen = list(dataset.sequences)
    if patterns:
        names = [sequence.name for sequence in chosen]
        kept: set[str] = set()
        for pattern in patterns:
            hits = [name for name in names if fnmatchcase(name, pattern)]
            # Only case, "-" and "_" may differ: car1_1 and car11 are two sequences.
            hits = hits or [name for name in names if fnmatchcase(_unified(name), _unified(pattern))]
            if not hits:
                hint = "; it is not on disk" if pattern in dataset.missing else suggestion(pattern, names)
                raise UsageError(f"--sequence '{pattern}': {dataset.name} has no such sequence{hint}")
            kept.update(hits)
        chosen = [sequence for sequence in chosen if sequence.name in kept]
    return replace(dataset, sequences=tuple(chosen[:limit]))


def _unified(name: str) -> str:
    return name.lower().replace("-", "_")


def read_table(found: ResolvedDefinition[DatasetDefinition]) -> list[dict[str, str]]:
    """Return the rows of a definition's table that belong to its subset; empty where it has no table.

    Raises:
        UsageError: the table is not there, lacks a column, holds something else where a number belongs, or has no line
            for the subset.
    """
    definition = found.value
    if definition.table is None:
        return []
    path = found.path.parent / definition.table
    try:
        with path.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file, restval=""))
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"{found.path}: key 'table': {path} cannot be read: {error}") from None
    needed: tuple[str, ...] = getattr(
        load_layout(definition.layout, f"{found.path}: key 'layout'"), "COLUMNS", ("name",)
    )
    for column in needed:
        if rows and column not in rows[0]:
            raise UsageError(f"{path}: has no column '{column}', which layout '{definition.layout}' needs")
    for line, row in enumerate(rows, 2):
        for column in NUMBER_COLUMNS:
            text = row.get(column, "")
            if (text or column in needed) and not text.isdecimal():
                raise UsageError(f"{path}: line {line}: column '{column}' is '{text}'; expected a whole number")
    if definition.subset is not None:
        rows = [row for row in rows if definition.subset in row.get("lists", "").split()]
    if not rows:
        raise UsageError(f"{path}: no line of column 'lists' names '{definition.subset}'")
    return rows


def _open_definition(found: ResolvedDefinition[DatasetDefinition], root: Path | None) -> Dataset:
    definition, table = found.value, read_table(found)
    layout = load_layout(definition.layout, f"{found.path}: key 'layout'")
    places = candidate_roots(found.name, definition.folders, root)
    best: tuple[Path, list[VideoSequence], list[str]] | None = None
    for place in places:
        if not place.is_dir():
            continue
        try:
            sequences, missing = layout.read(place, definition, table)
        except OSError as error:
            raise DataError(f"{error.filename}: cannot be listed: {error.strerror}") from None
        if sequences and (best is None or len(sequences) > len(best[1])):
            best = place, sequences, missing
    if best is None:
        raise NotFoundError(found.name, definition.home, places)
    place, sequences, missing = best
    return Dataset(
        name=found.name,
        title=definition.title,
        root=place,
        sequences=tuple(sequences),
        of=definition.count or len(sequences) + len(missing),
        protocol=definition.protocol,
        convention=definition.convention,
        regions=definition.regions,
        attributes=tuple(definition.attributes),
        missing=tuple(missing),
        version=definition.version,
    )


def _open_folder(folder: Path) -> Dataset:
    if not folder.is_dir():
        raise UsageError(f"data set '{folder}': there is no such folder")
    try:
        for layout_name in RECOGNISED:
            layout = load_layout(layout_name, "layout")
            if layout.recognise(folder):
                sequences, missing = layout.read(folder, None, [])
                break
        else:
            raise UsageError(
                f"data set '{folder}': no sequences; expected <sequence>/groundtruth.txt (or groundtruth_rect.txt) "
                "with frames in <sequence>/, <sequence>/img/ or <sequence>/color/"
            )
    except OSError as error:
        raise UsageError(f"data set '{folder}': cannot be listed: {error.strerror}") from None
    if not sequences:
        raise DataError(f"data set '{folder}': {len(missing)} sequences are listed and none is there")
    attributes = dict.fromkeys(attribute for sequence in sequences for attribute in sequence.attributes)
    rotated = layout_name == "vot" and _has_rotated_boxes(folder / sequences[0].name)
    resolved = folder.resolve()
    name = re.sub(r"[^\w.+-]", "_", resolved.name) or "data"
    return Dataset(
        name=name,
        title=name,
        root=resolved,
        sequences=tuple(sequences),
        of=len(sequences) + len(missing),
        protocol="supervised" if rotated else "one-pass",
        attributes=tuple(sorted(attributes)),
        missing=tuple(missing),
    )


def _has_rotated_boxes(sequence: Path) -> bool:
    """Whether a sequence of VOT's layout is annotated as in the years of the reset-based protocol, 2014 to 2019."""
    try:
        first, _, _ = read_text(sequence / "groundtruth.txt").partition("\n")
        return isinstance(parse_region(first), Polygon)
    except DataError:
        return False  # the run over the sequence reports it


def load_layout(name: str, where: str) -> ModuleType:
    """Return the layout module ``name``.

    Raises:
        UsageError: there is none; the message starts with ``where``.
    """
    full = f"trackbench.datasets.layouts.{name}"
    try:
        return importlib.import_module(full)
    except ModuleNotFoundError as error:
        if error.name != full:
            raise
        raise UsageError(f"{where} is '{name}': there is no such layout") from None


@dataclass(frozen=True)
class Readiness:
    """Whether a data set can be used, for ``trackbench list datasets``."""

    name: str
    title: str
    ready: bool
    why_not: str | None
    root: Path | None
    sequences: int
    of: int
    home: str = ""
    tree: str = ""


def readiness(name: str) -> Readiness:
    """Look for the data set called ``name`` and say what was found."""
    try:
        found = DATASETS.get(name)
    except UsageError as error:
        return Readiness(name, name, False, str(error), None, 0, 0)
    of, where = found.value.count or len(read_table(found)), (found.value.home, found.value.tree.strip("\n"))
    try:
        dataset = _open_definition(found, None)
    except (UsageError, DataError) as error:
        return Readiness(found.name, found.value.title, False, str(error), None, 0, of, *where)
    count = len(dataset.sequences)
    why = None if count == dataset.of else f"{count} of {dataset.of} sequences in {dataset.root}"
    return Readiness(found.name, found.value.title, True, why, dataset.root, count, dataset.of, *where)


def _is_path(name: str) -> bool:
    return "/" in name or "\\" in name or name in {".", ".."}
