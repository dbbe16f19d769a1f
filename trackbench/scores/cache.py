"""Scores kept beside the run, so that a report asked for again costs no evaluation.

A kept score is used only while everything it depends on is as it was: the size and time of modification of every file
of the run, the annotations, the rules, the data set's list of sequences and attributes, and the code that scores. The
cache may be deleted at any time.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import fields
from functools import cache
from pathlib import Path
from typing import Any

import trackbench
from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.errors import DataError
from trackbench.files import replacing, stamp
from trackbench.metrics.conventions import Convention
from trackbench.results.store import RunFolder
from trackbench.scores.score import Curve, Score

FILE = ".scores.json"


def ground_truth_stamps(sequences: Iterable[VideoSequence]) -> dict[str, str]:
    """Return sequence -> what changes with the files of its annotation, where all of them are known and there."""
    stamps = {}
    for sequence in sequences:
        if sequence.sources:
            with contextlib.suppress(OSError):
                stamps[sequence.name] = "".join(map(stamp, sequence.sources))
    return stamps


def rules_hash(dataset: Dataset, rules: Convention | str, stamps: Mapping[str, str]) -> bytes | None:
    """Return what the scores of all runs depend on, as a hash; None where an annotation cannot be read.

    Args:
        dataset: what they are judged by.
        rules: the convention, or the name of a benchmark's own metric.
        stamps: those of `truth_stamps`.
    """
    digest = hashlib.blake2b(digest_size=16)
    digest.update(repr((_code(), rules, dataset.of, dataset.attributes)).encode())
    try:
        for sequence in dataset.sequences:
            digest.update(repr((sequence.name, sequence.attributes)).encode())
            digest.update(stamps[sequence.name].encode() if sequence.name in stamps else _truth(sequence))
    except DataError:
        return None
    return digest.digest()


def fingerprint(folder: RunFolder, rules: bytes) -> str:
    """Return what the score of one run depends on, as a hash, from that of `rules_hash`."""
    digest = hashlib.blake2b(rules, digest_size=16)
    for place, _, names in sorted(os.walk(folder.path)):
        for name in sorted(names):
            if name.endswith((".txt", ".time")) or name == "manifest.json":
                digest.update(stamp(os.path.join(place, name)).encode())
    return digest.hexdigest()


def load(folder: RunFolder, key: str) -> Score | None:
    """Return the kept score of this fingerprint, or None."""
    kept = _read(folder).get(key)
    if kept is None:
        return None
    with contextlib.suppress(TypeError, KeyError):  # written by another version: no score of ours
        curves = {name: Curve(*curve) for name, curve in kept.pop("curves").items()}
        interval = kept.pop("interval")
        problems = tuple(kept.pop("problems"))
        kept["intervals"] = {key: (low, high) for key, (low, high) in kept["intervals"].items()}
        return Score(**kept, curves=curves, interval=interval and tuple(interval), problems=problems)
    return None


def store(folder: RunFolder, key: str, score: Score) -> None:
    """Keep a score, and the few before it (other conventions)."""
    kept = dict(list(_read(folder).items())[-4:])
    kept[key] = {field.name: getattr(score, field.name) for field in fields(score)}
    path = folder.path / FILE
    # Where nobody can write, scores are computed every time.
    with contextlib.suppress(OSError), replacing(path) as file:
        file.write(json.dumps(kept).encode())


def _read(folder: RunFolder) -> dict[str, Any]:
    with contextlib.suppress(OSError, ValueError):
        kept = json.loads((folder.path / FILE).read_text(encoding="utf-8"))
        if isinstance(kept, dict):
            return kept
    return {}


@cache
def _code() -> str:
    """Return a hash of the modules that a score comes from: a version number would not notice every change of them."""
    package = Path(trackbench.__file__).parent
    digest = hashlib.blake2b(digest_size=16)
    for room in ("metrics", "regions", "scores"):
        for path in sorted((package / room).rglob("*.py")):
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _truth(sequence: VideoSequence) -> bytes:
    """Return what tells a sequence's annotation from any other.

    Raises:
        DataError: it cannot be read.
    """
    ground_truth = sequence.ground_truth
    parts = [ground_truth.boxes.tobytes(), b"" if ground_truth.absent is None else ground_truth.absent.tobytes()]
    parts += [name.encode() + values.tobytes() for name, values in sorted(ground_truth.values.items())]
    return b"".join([*parts, repr(sequence.details).encode()])
