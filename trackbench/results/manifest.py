"""The manifest of a run: what made its results.

``identity`` decides the numbers (tracker, its version and options, checkpoint, data set and its version, protocol,
seed): results of different identities never share a folder. ``sessions`` says how and when the work was done; each is a
file of its own, which one process alone writes.
"""

from __future__ import annotations

import importlib.metadata
import os
import platform
import socket
from datetime import UTC, datetime
from typing import Any

from trackbench.errors import DataError, UsageError
from trackbench.files import folder_name
from trackbench.results.hardware import hardware
from trackbench.results.store import RunFolder
from trackbench.version import VERSION

SCHEMA = 1
#: Key of an identity: the source of a user's tracker.
SOURCE = "source_sha256"


def open_or_create_manifest(
    folder: RunFolder, identity: dict[str, Any], *, restart: bool = False, keep: str = "--label NAME"
) -> dict[str, Any]:
    """Return the manifest to continue with: the stored one, or a new one where nothing is stored.

    Args:
        folder: the run.
        identity: what decides its numbers.
        restart: remove what is stored.
        keep: the option that gives the results another name.

    Raises:
        UsageError: the folder holds results of another identity; the message says what differs.
        DataError: its records cannot be read.
    """
    if restart:
        folder.clear()
    try:
        stored = folder.manifest()
    except DataError as error:
        raise DataError(f"{error}; --restart replaces what is stored") from None
    empty = folder.repetitions() == 0
    if stored is None and not empty:
        raise UsageError(f"{folder.path}: holds results but no manifest.json; --restart replaces them")
    changes = differences(_comparable(stored.get("identity", {}), identity), identity) if stored else []
    if stored is None or (changes and empty):  # where nothing is stored, there is nothing to protect
        key = folder.key
        return {
            "schema": SCHEMA,
            "tracker": key.tracker,
            "dataset": key.dataset,
            "protocol": key.protocol,
            "imported": False,
            "identity": identity,
            "sessions": [],
        }
    if changes:
        raise UsageError(
            f"{folder.path}: holds results of other settings ({'; '.join(changes)}); "
            f"--restart replaces them, {keep} keeps both"
        )
    return stored


def _comparable(stored: dict[str, Any], identity: dict[str, Any]) -> dict[str, Any]:
    """Return a stored identity with what older versions did not write, so that their runs stay usable."""
    comparable = {key: identity[key] for key in (SOURCE,) if key in identity and key not in stored} | stored
    if isinstance(stored.get("refiner"), dict) and isinstance(identity.get("refiner"), dict):
        comparable["refiner"] = _comparable(stored["refiner"], identity["refiner"])
    return comparable


def differences(old: Any, new: Any, key: str = "") -> list[str]:
    """Return a line for every key in which two identities differ."""
    if isinstance(old, dict) and isinstance(new, dict):
        lines = []
        for name in sorted(old.keys() | new.keys()):
            lines += differences(old.get(name), new.get(name), f"{key}.{name}".lstrip("."))
        return lines
    return [] if old == new else [f"{key}: stored {_short(old)}, now {_short(new)}"]


def session_name() -> str:
    """Return a name that no other session has: ``<host>-<process>-<time>``."""
    now = datetime.now(UTC).strftime("%Y%m%dT%H%M%S.%f")
    return folder_name(f"{socket.gethostname()}-{os.getpid()}-{now}")


def session(*, command: list[str], device: str, batch: int, threads: int, precision: str = "float32") -> dict[str, Any]:
    """Return the record of one working session."""
    machine = hardware(device)
    return {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": command,
        "device": device,
        "device_name": machine.get("gpu") or machine["cpu"],
        "hardware": machine,
        "precision": precision,
        "batch": batch,
        "threads": threads,
        # In a batch the call's time is shared out evenly, so it says nothing of latency.
        "timing": "seconds of each call"
        if batch == 1
        else f"seconds of each call divided by its batch (up to {batch})",
        "versions": versions(),
        "sequences": 0,
    }


def versions() -> dict[str, str]:
    """Return the versions that matter for a bug report."""
    names = ("torch", "numpy", "opencv-python", "scipy", "pandas", "matplotlib", "shapely", "got10k", "vot-toolkit")
    versions_here = {"trackbench": VERSION, "python": platform.python_version(), "platform": platform.platform()}
    for name in names:
        try:
            versions_here[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions_here[name] = "not installed"
    return versions_here


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:59] + "…"
