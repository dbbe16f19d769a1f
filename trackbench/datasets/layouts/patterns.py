"""Benchmarks whose definition says by patterns where their files lie: no code of their own is needed.

See `trackbench.file_patterns.FilePatterns` for what a pattern may hold.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.datasets.layouts.base import Listing, Recognised, Table
from trackbench.datasets.layouts.images import (
    frames_folder,
    image_names,
    natural_key,
    numbered_images,
)
from trackbench.datasets.layouts.labels import read_labels
from trackbench.datasets.layouts.language import read_sentence
from trackbench.datasets.layouts.tables import read_table
from trackbench.datasets.sequence import Details, GroundTruth, VideoSequence
from trackbench.definitions import DATASETS, DatasetDefinition
from trackbench.errors import DataError
from trackbench.file_patterns import FilePatterns
from trackbench.files import lines_of, read_text
from trackbench.regions import Special
from trackbench.regions.files import read_boxes, read_regions

COLUMNS: tuple[str, ...] = ("name",)

_PLACEHOLDER = re.compile(r"\{(sequence|class|split)\}")
_NUMBER = re.compile(r"\{n(?::0?\d+d?)?\}")
_CLASS = re.compile(r"(.+)[-_][^-_]*")


class _Forms(NamedTuple):
    """What listing asks of patterns, once for all their sequences."""

    patterns: FilePatterns
    absent: tuple[str, ...]
    """Templates of the files of flags."""
    has_classes: bool
    """Whether a name's class is part of its paths."""


class _Place(NamedTuple):
    """Where a sequence was found."""

    forms: _Forms
    truth: str
    """Path of its annotation."""
    others: tuple[_Place, ...] = ()
    """Where later patterns find the same sequence: other copies of its annotation."""


def read(folder: Path, definition: DatasetDefinition, table: Table) -> Listing:
    """Return the sequences in ``folder``, in the order of the table or of the file that lists them."""
    rows = {row["name"]: row for row in table}
    places = _find_all(folder, definition)
    names = list(rows) or _names_of_list(folder, definition) or sorted(places, key=natural_key)
    sequences = [
        _sequence(folder, name, places[name], definition, rows.get(name, {})) for name in names if name in places
    ]
    return Listing(sequences, [name for name in names if name not in places])


def recognise(folder: Path) -> Recognised | None:
    """Return what ``folder`` holds, if its sequences are those of a benchmark that is declared by patterns.

    It is the benchmark with the most names of its table among them, or else one whose files of flags and of language
    lie beside the first annotation.
    """
    best: tuple[int, DatasetDefinition, Table] | None = None
    for resolved in DATASETS.readable():
        if not resolved.value.files or not resolved.builtin:
            continue
        places = _find_all(folder, resolved.value)
        if not places:
            continue
        table = read_table(resolved, COLUMNS)
        known = [row for row in table if row["name"] in places]
        if (known or _has_marks(folder, *next(iter(places.items())), resolved.value)) and len(known) > (best or (-1,))[
            0
        ]:
            others = sorted(places.keys() - {row["name"] for row in known}, key=natural_key)
            best = len(known), resolved.value, [*known, *({"name": name} for name in others)]
    return None if best is None else Recognised(best[1], read(folder, *best[1:]))


def _has_marks(folder: Path, name: str, place: _Place, definition: DatasetDefinition) -> bool:
    beside = place.forms.patterns.absent or place.forms.patterns.language
    files = _Files(str(folder), name, definition.split or "", place)
    return bool(beside) and all(path.is_file() for path in files.paths(beside))


def _find_all(folder: Path, definition: DatasetDefinition) -> dict[str, _Place]:
    """Return the place of every sequence in ``folder``; earlier patterns go before later ones."""
    places: dict[str, list[_Place]] = {}
    tree = _Tree()
    for patterns in definition.files:
        parts = patterns.truth.replace("{split}", definition.split or "").split("/")
        has_classes = any("{class}" in pattern for pattern in (patterns.truth, *patterns.frames))
        forms = _Forms(patterns, tuple(map(_template, patterns.absent)), has_classes)
        for name, path in _find(tree, str(folder), [part for part in parts if part]):
            places.setdefault(name, []).append(_Place(forms, path))
    return {
        name: first._replace(others=tuple(others)) if others else first for name, (first, *others) in places.items()
    }


class _Tree:
    """Folders as they are found on disk; each is listed once."""

    def __init__(self) -> None:
        self._entries: dict[str, dict[str, bool]] = {}

    def entries(self, folder: str) -> dict[str, bool]:
        """Return the names in a folder, in their order -> whether it is a folder; hidden ones are left out."""
        if folder not in self._entries:
            with os.scandir(folder) as entries:  # which tells folders from files without a look at each
                kinds = {entry.name: entry.is_dir() for entry in entries if entry.name[0] != "."}
            self._entries[folder] = dict(sorted(kinds.items()))
        return self._entries[folder]

    def child(self, folder: str, name: str, *, is_folder: bool) -> str | None:
        """Return ``name`` as it is spelled in ``folder``, where only capital letters may differ; None: not there."""
        if folder not in self._entries and (os.path.isdir if is_folder else os.path.isfile)(f"{folder}/{name}"):
            return name
        entries = self.entries(folder)
        if entries.get(name) is is_folder:
            return name
        folded = name.lower()
        alike = (entry for entry, kind in entries.items() if kind is is_folder and entry.lower() == folded)
        return next(alike, None)


def _find(tree: _Tree, folder: str, parts: list[str]) -> list[tuple[str, str]]:
    """Return the sequences whose annotation is below ``folder``, each with the annotation's path.

    Args:
        tree: what is on disk.
        folder: where to look.
        parts: the pattern, a folder or a file each.
    """
    # What ``{sequence}`` and ``{class}`` stand for in a path, where that is known.
    places: list[tuple[str, str | None, str | None]] = [(folder, None, None)]
    for depth, form in enumerate(parts, 1):
        above, places, is_folder = places, [], depth < len(parts)
        for path, name, kind in above:
            part = form if name is None or "{" not in form else form.replace("{sequence}", name)
            part = part if kind is None or "{" not in part else part.replace("{class}", kind)
            if "{" not in part or _PLACEHOLDER.search(part) is None:
                entry = tree.child(path, part, is_folder=is_folder)
                if entry is not None:
                    places.append((f"{path}/{entry}", name, kind))
                continue
            words = _expression(part)
            has_name, has_class = "sequence" in words.groupindex, "class" in words.groupindex
            for entry, entry_is_folder in tree.entries(path).items():
                if entry_is_folder is not is_folder or (match := words.fullmatch(entry)) is None:
                    continue
                actual, its_class = match["sequence"] if has_name else name, match["class"] if has_class else kind
                if actual is None or its_class is None or its_class == _class_of(actual):
                    places.append((f"{path}/{entry}", actual, its_class))
    return [(name, path) for path, name, _ in places if name is not None]


@lru_cache
def _expression(part: str) -> re.Pattern[str]:
    """Return what matches the names that a part of a pattern can stand for."""
    form = _PLACEHOLDER.sub("\0", re.escape(part).replace(r"\{", "{").replace(r"\}", "}"))
    for word in _PLACEHOLDER.findall(part):
        form = form.replace("\0", f"(?P={word})" if f"(?P<{word}>" in form else f"(?P<{word}>.+)", 1)
    return re.compile(form)


def _names_of_list(folder: Path, definition: DatasetDefinition) -> list[str]:
    for patterns in definition.files:
        if patterns.sequences is not None:
            path = folder / patterns.sequences.replace("{split}", definition.split or "")
            if path.is_file():
                return list(dict.fromkeys(filter(None, map(str.strip, lines_of(path, read_text(path))))))
    return []


@lru_cache
def _template(pattern: str) -> str:
    """Return a pattern as a text for `str.format`: folder, sequence, class and split are filled in."""
    pieces = _PLACEHOLDER.split(pattern)
    pieces[::2] = [text.replace("{", "{{").replace("}", "}}") for text in pieces[::2]]
    pieces[1::2] = [{"sequence": "{1}", "class": "{2}", "split": "{3}"}[word] for word in pieces[1::2]]
    return "{0}/" + "".join(pieces)


@lru_cache(maxsize=8192)
def _class_of(name: str) -> str:
    match = _CLASS.fullmatch(name)
    return match[1] if match else name


class _Files(NamedTuple):
    """The files of a sequence, opened when they are needed; listing makes no path of them."""

    folder: str
    sequence: str
    split: str
    place: _Place

    def text(self, pattern: str) -> str:
        """Return the path that a pattern means, as text."""
        return _template(pattern).format(self.folder, self.sequence, _class_of(self.sequence), self.split)

    def paths(self, patterns: tuple[str, ...]) -> tuple[Path, ...]:
        """Return the paths that patterns mean."""
        return tuple(Path(self.text(pattern)) for pattern in patterns)

    def frames(self) -> list[Path]:
        """Return the images."""
        return self.images(self.place.forms.patterns.frames)

    def images(self, forms: tuple[str, ...]) -> list[Path]:
        """Return the images in the first folder that is there, by its pattern of names."""
        name, places, patterns = self.sequence, self.paths(forms), self.place.forms.patterns
        folder = frames_folder(name, *(place.parent for place in places))
        form = next(place.name for place in places if str(place.parent).lower() == str(folder).lower())
        if "*" in form:
            names = sorted(image_names(folder), key=natural_key if patterns.order == "natural" else None)
            if not names:
                raise DataError(f"the frames of {name} are missing; {folder} holds none")
            return [folder / image for image in names]
        stem = os.path.splitext(form)[0]
        before, _, after = _NUMBER.sub("\0", stem).partition("\0")
        return numbered_images(name, folder, first=patterns.first, before=before, after=after)

    def ground_truth(self) -> GroundTruth:
        """Return the annotation."""
        patterns = self.place.forms.patterns
        path, flags = Path(self.place.truth), self.paths(patterns.absent)
        if patterns.boxes == "regions":
            regions = read_regions(path, any_separator=True)
            special = np.array([isinstance(region, Special) for region in regions], bool)
            annotation = GroundTruth.of_regions(regions)
            absent = _flagged(flags, len(annotation))
            return GroundTruth(
                annotation.boxes, annotation.regions, special if absent is None else np.logical_or(absent, special)
            )
        boxes = read_boxes(path, patterns.delimiter)
        if patterns.boxes == "xyxy":
            boxes = np.hstack([boxes[:, :2], boxes[:, 2:] - boxes[:, :2]])
        absent = None
        if patterns.absent_boxes is None or any(flag.is_file() for flag in flags):
            absent = _flagged(flags, len(boxes))
        else:
            unmarked = boxes == 0 if patterns.absent_boxes == "zero" else np.isnan(boxes)
            absent = np.asarray(unmarked.all(axis=1), bool)
        return GroundTruth(boxes, absent=absent)

    def details(self) -> Details:
        """Return the class, where it is part of the paths."""
        return Details(category=_class_of(self.sequence) if self.place.forms.has_classes else None)

    def sentence(self) -> str | None:
        """Return the sentence that describes the target, if there is one."""
        return read_sentence(*self.paths(self.place.forms.patterns.language))

    def channels(self) -> dict[str, Callable[[], list[Path]]]:
        """Return what reads the images of further sensors."""
        return {key: partial(self.images, (form,)) for key, form in self.place.forms.patterns.channels.items()}

    def copies(self) -> dict[str, Callable[[], GroundTruth]]:
        """Return what reads other copies of the annotation."""
        return {other.truth: self._replace(place=other).ground_truth for other in self.place.others}


def _sequence(
    folder: Path, name: str, place: _Place, definition: DatasetDefinition, row: dict[str, str]
) -> VideoSequence:
    patterns, absent, _ = place.forms
    root, split = str(folder), definition.split or ""
    files = _Files(root, name, split, place)
    attributes = tuple(row["attributes"].split()) if "attributes" in row else ()
    if not attributes and patterns.attributes is not None:
        attributes = _attributes(Path(files.text(patterns.attributes)), tuple(definition.attributes))
    flags = [template.format(root, name, _class_of(name), split) for template in absent]
    return VideoSequence(
        name,
        files.frames,
        files.ground_truth,
        attributes,
        files.details,
        definition.truth == "initial",
        (place.truth, *flags),
        files.sentence,
        files.channels() if patterns.channels else {},
        files.copies() if place.others else {},
        patterns.surplus_images == "cut",
    )


def _attributes(path: Path, order: tuple[str, ...]) -> tuple[str, ...]:
    if not path.is_file():
        return ()
    return tuple(a for a, flag in zip(order, read_labels(path, len(order)), strict=True) if flag)


def _flagged(flags: tuple[Path, ...], frames: int) -> NDArray[np.bool_] | None:
    return np.logical_or.reduce([read_labels(path, frames) for path in flags]) if flags else None
