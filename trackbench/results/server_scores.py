"""Scores that a benchmark's server gave, kept in a run's folder as ``server.json``.

Beside them stands where they come from: a file of the server, or a person who typed them; and the fingerprint of the
answers that were stored then, so that they are not taken for the scores of others.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal

from trackbench.files import read_bytes, write_text
from trackbench.results.records import ServerRecord, read_record
from trackbench.results.store import SERVER, RunFolder

Origin = Literal["server", "typed"]


@dataclass(frozen=True)
class ServerScores:
    """What a server says of one run."""

    metrics: dict[str, float]
    """Metric key -> fraction; frames per second for ``fps``."""
    origin: Origin
    """``typed`` where a person gave the numbers."""
    source: dict[str, Any] = field(default_factory=dict)
    """The file, its SHA-256 and the entry in it; or the command."""
    answers_sha256: str | None = None
    """SHA-256 of the stored predictions; None where none were stored."""


_KEYS = {part.name for part in fields(ServerScores)}


def read_server_scores(folder: RunFolder) -> ServerScores | None:
    """Return what a server said of a run, or None where nothing is known.

    Raises:
        DataError: the file is not as it should be.
    """
    record = read_record(folder.path / SERVER, ServerRecord)
    return None if record is None else ServerScores(**{key: record[key] for key in record if key in _KEYS})


def write_server_scores(folder: RunFolder, scores: ServerScores) -> Path:
    """Keep what a server said of a run; returns the file.

    Raises:
        UsageError: the folder cannot be written.
    """
    path = folder.path / SERVER
    write_text(path, json.dumps(asdict(scores), indent=2) + "\n")
    return path


def answers_sha256(folder: RunFolder) -> str | None:
    """Return what all stored answers are, as a hash over names and contents; None where there are none.

    Raises:
        DataError: a file cannot be read.
    """
    digest = hashlib.sha256()
    count = 0
    for repetition in range(1, folder.repetitions() + 1):
        for name in sorted(folder.sequences(repetition)):
            digest.update(f"{repetition} {name}\n".encode())
            digest.update(read_bytes(folder.file(name, ".txt", repetition)))
            count += 1
    return digest.hexdigest() if count else None
