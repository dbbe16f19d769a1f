"""What ``trackbench profile`` measured of a tracker: ``runs/<tracker>/profile.json``, beside its runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from trackbench.files import folder_name, write_text
from trackbench.results.records import ProfileRecord, read_record

FILE = "profile.json"


def write_profile(runs: Path, label: str, document: dict[str, Any]) -> Path:
    """Keep a measurement; returns the file. One of before is replaced.

    Args:
        runs: the folder of all runs.
        label: of the tracker.
        document: what ``profile --json`` prints.

    Raises:
        UsageError: the folder cannot be written.
    """
    path = runs / folder_name(label) / FILE
    write_text(path, json.dumps(document, indent=2) + "\n")
    return path


def read_profiles(runs: Path) -> list[dict[str, Any]]:
    """Return all measurements below ``runs``, sorted by the folder's name.

    Raises:
        DataError: a file is not as it should be.
    """
    records = [read_record(path, ProfileRecord) for path in sorted(runs.glob(f"*/{FILE}"))]
    return [document for document in records if document is not None]
