"""Open a data set by its name or path."""

from __future__ import annotations

import os
import re
from contextlib import suppress
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import Path

from trackbench.datasets.layouts import tables
from trackbench.datasets.layouts.base import Layout, Listing, Table
from trackbench.datasets.layouts.registry import find_layout, recognise
from trackbench.datasets.roots import candidate_roots
from trackbench.datasets.rules import check_rules
from trackbench.datasets.sequence import Dataset
from trackbench.definitions import DATASETS, DatasetDefinition, ResolvedDefinition
from trackbench.errors import DataError, TrackbenchError, UsageError, suggestion
from trackbench.quoting import NAME, printable

#: Folders below a root that are looked at where the data set is not in it.
NEIGHBOURS = 100


class NotFoundError(UsageError):
    """A data set that is defined, but is in none of the places where it may.

    Args:
        definition: the data set.
        places: where it was looked for.
        hint: where it is instead.
    """

    def __init__(self, definition: DatasetDefinition, places: list[Path], hint: str = "") -> None:
        self.where = f"looked in {', '.join(map(str, places[:3]))}" if places else "no root is known"
        name = definition.name
        mend = hint or f"give --root, set TRACKBENCH_DATA, or `trackbench data add {name} DIR`"
        super().__init__(f"data set '{name}' was not found ({self.where}); {mend} ({how_to_get_dataset(definition)})")


def how_to_get_dataset(definition: DatasetDefinition) -> str:
    """Return in one line where a data set is to be had, and how large it is where that is known."""
    if definition.downloads or definition.description:
        return f"`trackbench data download {definition.name} DIR` fetches it{_size(definition.size)}"
    source = " at ".join(filter(None, (definition.home, definition.url)))
    return f"its source: {source or 'not stated'}{_size(definition.size)}"


def _size(size: int | None) -> str:
    return "" if size is None else f", {size / 1e9:.1f} GB"


def open_dataset(name: str, root: Path | None = None) -> Dataset:
    """Return the data set called ``name``, or the one in the folder of that path.

    Listing reads neither images nor annotations.

    Raises:
        UsageError: no such data set or folder.
        NotFoundError: nothing of the data set is there.
        DataError: a folder or a list of sequences cannot be read.
    """
    resolved = find_definition(name)
    return _open_folder(Path(name)) if resolved is None else _open_definition(resolved, root)


def open_for_reports(name: str, root: Path | None = None) -> Dataset:
    """Return the data set called ``name``; one that only a server scores need not be there, and has no sequences then.

    Raises:
        UsageError: no such data set or folder, or one that has to be on disk is not.
        DataError: a folder or a list of sequences cannot be read.
    """
    try:
        return open_dataset(name, root)
    except NotFoundError:
        resolved = DATASETS.get(name)
        if resolved.value.truth != "initial" or resolved.value.count is None:
            raise
        return Dataset(resolved.name, resolved.value, Path(), (), resolved.value.count)


def find_definition(name: str) -> ResolvedDefinition[DatasetDefinition] | None:
    """Return the definition that ``name`` means, or None where it means a folder.

    Raises:
        UsageError: it means neither, or its definition is wrong.
    """
    if is_path(name):
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


def read_table(resolved: ResolvedDefinition[DatasetDefinition]) -> Table:
    """Return the rows of a definition's table that belong to its subset; empty where it has no table.

    Raises:
        UsageError: there is no such layout, protocol or convention, or the table is not there or not as it should be.
    """
    check_rules(resolved)
    return tables.read_table(resolved, _layout_of(resolved).COLUMNS)


def find_record(name: str) -> DatasetDefinition:
    """Return the record of the data set called ``name``, or of the one in the folder of that path.

    Raises:
        UsageError: it is neither, or its definition is wrong.
        DataError: a file that lists sequences cannot be read.
    """
    resolved = find_definition(name)
    if resolved is None:
        return _open_folder(Path(name)).definition
    check_rules(resolved)
    return resolved.value


def _layout_of(resolved: ResolvedDefinition[DatasetDefinition]) -> Layout:
    return find_layout(
        resolved.value.layout, f"{resolved.path}: key 'layout'", None if resolved.builtin else resolved.path.parent
    )


def _open_definition(resolved: ResolvedDefinition[DatasetDefinition], root: Path | None) -> Dataset:
    definition, table = resolved.value, read_table(resolved)
    layout = _layout_of(resolved)
    places = candidate_roots(resolved.name, definition.folders, root)
    best: tuple[Path, Listing] | None = None
    for place in places:
        if not place.is_dir():
            continue
        try:
            listing = layout.read(place, definition, table)
        except OSError as error:
            raise DataError(f"{error.filename}: cannot be listed: {error.strerror}") from None
        if listing.sequences and (best is None or len(listing.sequences) > len(best[1].sequences)):
            best = place, listing
    if best is None:
        raise NotFoundError(definition, places, _nearby(layout, definition, table, root))
    place, (sequences, missing) = best
    of = definition.count or len(sequences) + len(missing)
    return Dataset(resolved.name, definition, place, tuple(sequences), of, tuple(missing), resolved.builtin)


def _nearby(layout: Layout, definition: DatasetDefinition, table: Table, root: Path | None) -> str:
    """Return where the data set lies one level above or below ``--root``, for the message; empty where it does not."""
    if root is None:
        return ""
    for place in _neighbours(root):
        with suppress(OSError, TrackbenchError):
            if layout.read(place, definition, table).sequences:
                return f"it is one level {'lower' if place.parent == root else 'higher'}: --root {place}"
    return ""


def _neighbours(folder: Path) -> list[Path]:
    """Return the folder above one, then those in it."""
    above = folder.resolve().parent
    below = islice((path for path in sorted(folder.iterdir()) if path.is_dir()), NEIGHBOURS)
    return [above, *below]


def _holds_sequences(folder: Path) -> bool:
    with suppress(OSError, TrackbenchError):
        recognised = recognise(folder)
        return recognised is not None and bool(recognised[1].sequences)
    return False


def _open_folder(folder: Path) -> Dataset:
    if not folder.is_dir():
        beside = [place.name for place in islice(folder.parent.glob("*/"), NEIGHBOURS)]
        raise UsageError(f"data set '{folder}': there is no such folder{suggestion(folder.name, beside)}")
    try:
        recognised = recognise(folder)
    except OSError as error:
        raise UsageError(f"data set '{folder}': cannot be listed: {error.strerror}") from None
    if recognised is None:
        if any(folder.glob("*/groundtruth_[0-9]*.txt")):
            raise UsageError(
                f"data set '{folder}': its sequences have several objects (groundtruth_1.txt ..., as VOTS has); "
                "sequences of one object are expected"
            )
        for place in _neighbours(folder):
            if _holds_sequences(place):
                level = "lower" if place.parent == folder else "higher"
                raise UsageError(f"data set '{folder}': no sequences; they are one level {level}: -d {place}")
        other = _like_an_annotation(folder)
        hint = f" (there is {other}: a file of another name or kind)" if other else ""
        raise UsageError(
            f"data set '{folder}': no sequences; expected <sequence>/groundtruth.txt (or groundtruth_rect.txt) "
            f"with frames in <sequence>/, <sequence>/img/ or <sequence>/color/{hint}"
        )
    record, (sequences, missing) = recognised
    if not sequences:
        raise DataError(f"data set '{folder}': {len(missing)} sequences are listed and none is there")
    resolved = folder.resolve()
    name = re.sub(r"[^\w.+-]", "_", resolved.name) or "data"
    present = {attribute for sequence in sequences for attribute in sequence.attributes}
    known = {key: meaning for key, meaning in record.attributes.items() if key in present}
    attributes = known | dict.fromkeys(sorted(present - known.keys()), "")
    own = record.model_copy(update={"title": name, "attributes": attributes})
    return Dataset(name, own, resolved, tuple(sequences), len(sequences) + len(missing), tuple(missing))


def _like_an_annotation(folder: Path) -> str | None:
    """Return a file below ``folder`` that can be meant as an annotation, but is not called or written like one."""
    words = re.compile(r"ground|truth|anno|bbox|(^|[_.-])gt([_.-]|$)|\.xml$", re.IGNORECASE)
    for place in islice((folder, *folder.glob("*/"), *folder.glob("*/*/")), 50):
        for entry in islice(os.scandir(place), 1000):
            if words.search(entry.name) and entry.is_file():
                return printable(str(Path(entry.path).relative_to(folder)), NAME)
    return None


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
    how_to_get: str = ""


def readiness(name: str) -> Readiness:
    """Look for the data set called ``name`` and say what was found."""
    try:
        resolved = DATASETS.get(name)
    except UsageError as error:
        return Readiness(name, name, False, str(error), None, 0, 0)
    of = resolved.value.count or 0
    where = resolved.value.home, resolved.value.tree.strip("\n"), how_to_get_dataset(resolved.value)
    try:
        of = of or len(read_table(resolved))
        dataset = _open_definition(resolved, None)
    except (UsageError, DataError) as error:
        return Readiness(resolved.name, resolved.value.title, False, str(error), None, 0, of, *where)
    count = len(dataset.sequences)
    why = None if count == dataset.of else f"{count} of {dataset.of} sequences in {dataset.root}"
    return Readiness(resolved.name, resolved.value.title, True, why, dataset.root, count, dataset.of, *where)


def is_path(name: str) -> bool:
    """Whether a data set is given by its folder, not by its name."""
    return "/" in name or "\\" in name or name in {".", ".."}
