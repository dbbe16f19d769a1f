"""Scores kept in the cache beside the run, so that a report asked for again costs no evaluation.

A kept score is used only while everything it depends on is as it was: the size and time of modification of every file
of the run, the annotations and what their numbers mean, the rules, the data set's list of sequences and attributes, and
the code between the files and the numbers, that of readers included (see trackbench.cache).
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from functools import partial
from itertools import repeat
from typing import Any

import numpy as np

from trackbench.cache import FOLDER, foreign_code, load_documents, remove_old, store_documents
from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.errors import DataError
from trackbench.files import as_bytes, stamp
from trackbench.results.store import RunFolder
from trackbench.scoring.score import BadAnswers, Curve, Score

FILE = f"{FOLDER}/scores.json"


def ground_truth_stamps(sequences: Iterable[VideoSequence], patterns: Sequence[object] = ()) -> dict[str, str]:
    """Return sequence -> what changes with its annotation, where all files of it are known and there.

    Args:
        sequences: those whose annotation is asked for.
        patterns: those of the data set's definition, which say what the numbers in the files mean. So does what a
            reader is given, such as the row of a table.
    """
    meaning, stamps = hashlib.blake2b(as_bytes(repr(patterns)), digest_size=8).hexdigest(), {}
    for sequence in sequences:
        if sequence.sources:
            read = sequence.read_ground_truth
            given = repr((read.args, read.keywords)) if isinstance(read, partial) else ""
            try:
                stamps[sequence.name] = "".join((meaning, given, *map(stamp, sequence.sources)))
            except OSError:  # without a stamp its annotation is read
                continue
    return stamps


def rules_hash(dataset: Dataset, rules: str, stamps: Mapping[str, str]) -> bytes | None:
    """Return what the scores of all runs depend on, as a hash; None where an annotation cannot be read.

    Args:
        dataset: what they are judged by.
        rules: what else than the data set decides, of `trackbench.scoring.evaluation.Scorer.cache_key`.
        stamps: those of `ground_truth_stamps`.
    """
    digest = hashlib.blake2b(digest_size=16)
    functions = [getattr(s.read_ground_truth, "__func__", s.read_ground_truth) for s in dataset.sequences]
    readers = foreign_code(*dict.fromkeys(functions))
    # Copies of a data set may have the same sizes and times.
    digest.update(repr((rules, readers, os.path.abspath(dataset.root), dataset.of, dataset.attributes)).encode())
    try:
        for sequence in dataset.sequences:
            known = stamps.get(sequence.name)
            digest.update(as_bytes("\0".join((sequence.name, *sequence.attributes, known or ""))))
            if known is None:
                digest.update(_truth(sequence))
    except DataError:
        return None
    return digest.digest()


def fingerprint(folder: RunFolder, rules: bytes) -> str:
    """Return what the score of one run depends on, as a hash, from that of `rules_hash`."""
    stamps = []
    for place, folders, names in os.walk(folder.path):
        folders[:] = sorted(name for name in folders if name != FOLDER)
        for name in sorted(names):
            if name.endswith((".txt", ".time", ".json")):
                path = f"{place}{os.sep}{name}"
                try:
                    stamps.append(stamp(path))
                except OSError:  # a link to nothing, or removed meanwhile; whoever reads it says so
                    stamps.append(f"{path} missing\n")
    return hashlib.blake2b(rules + as_bytes("".join(stamps)), digest_size=16).hexdigest()


def load(folder: RunFolder, key: str) -> Score | None:
    """Return the kept score of this fingerprint, or None."""
    kept: Any = load_documents(folder.path / FILE).get(key)
    with contextlib.suppress(TypeError, KeyError, ValueError, AttributeError):  # damaged: no score
        curves = {name: Curve(*curve) for name, curve in kept.pop("curves").items()}
        by_attribute = _attribute_curves(curves, *kept.pop("attribute_curves"))
        if "rows" in kept:
            names, columns, rows = kept.pop("rows")
            kept["per_sequence"] = _table(names, columns, _unpacked(rows))
        lengths = kept.pop("interval")
        problems = tuple(kept.pop("problems"))
        bad = {kind: BadAnswers(*count) for kind, count in kept.pop("bad_answers").items()}
        kept["intervals"] = {key: (low, high) for key, (low, high) in kept["intervals"].items()}
        return Score(
            **kept,
            curves=curves,
            attribute_curves=by_attribute,
            interval=lengths and tuple(lengths),
            problems=problems,
            bad_answers=bad,
        )
    return None


def store(folder: RunFolder, key: str, score: Score) -> None:
    """Keep a score, and the few before it (other conventions)."""
    kept = dict(list(load_documents(folder.path / FILE).items())[-4:])
    entry = kept[key] = {field.name: getattr(score, field.name) for field in fields(score)}
    # Their thresholds are those of the curves over all sequences.
    parts = [part for parts in score.attribute_curves.values() for part in parts.items()]
    entry["attribute_curves"] = (
        {attribute: [*parts] for attribute, parts in score.attribute_curves.items()},
        _packed([value for _, curve in parts for value in curve.values]),
    )
    columns = {tuple(row) for row in score.per_sequence.values()}
    values = [value for row in score.per_sequence.values() for value in row.values()]
    floats = [value for value in values if isinstance(value, float)]
    if len(columns) == 1 and len(floats) == len(values):
        del entry["per_sequence"]
        entry["rows"] = ([*score.per_sequence], *columns, _packed(floats))
    store_documents(folder.path / FILE, kept)
    with contextlib.suppress(OSError):
        remove_old(folder.runs)


def _attribute_curves(
    curves: Mapping[str, Curve], attributes: Mapping[str, list[str]], packed: str
) -> dict[str, dict[str, Curve]]:
    """Return the curves of each attribute, whose values lie one after the other.

    Raises:
        ValueError: there are more or fewer values than the curves have.
    """
    values, start = _unpacked(packed), 0
    found: dict[str, dict[str, Curve]] = {}
    for attribute, names in attributes.items():
        found[attribute] = {}
        for name in names:
            thresholds = curves[name].thresholds
            found[attribute][name] = Curve(thresholds, values[start : start + len(thresholds)])
            start += len(thresholds)
    if start != len(values):
        raise ValueError(f"{len(values)} values for curves of {start}")
    return found


def _packed(values: Sequence[float]) -> str:
    """Return floats as text that is written and read many times faster than decimal numbers are."""
    return base64.b64encode(np.asarray(values, "<f8").tobytes()).decode()


def _unpacked(text: str) -> list[float]:
    values: list[float] = np.frombuffer(base64.b64decode(text), "<f8").tolist()
    return values


def _table(names: list[str], columns: list[str], values: list[float]) -> dict[str, dict[str, float | None]]:
    """Return name -> column -> value, from the values of one row after the other."""
    rows = zip(*[iter(values)] * len(columns), strict=True)
    return dict(zip(names, map(dict, map(zip, repeat(columns), rows)), strict=True))


def _truth(sequence: VideoSequence) -> bytes:
    """Return what tells a sequence's annotation from any other.

    Raises:
        DataError: it cannot be read.
    """
    ground_truth = sequence.ground_truth
    parts = [ground_truth.boxes.tobytes(), b"" if ground_truth.absent is None else ground_truth.absent.tobytes()]
    parts += [as_bytes(name) + values.tobytes() for name, values in sorted(ground_truth.values.items())]
    return b"".join([*parts, repr(sequence.details).encode()])
