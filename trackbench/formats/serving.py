"""Keeps a server's scores beside the run that they are of, or under a name of their own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trackbench.checkpoints.weight_cache import file_sha256
from trackbench.definitions import DATASETS
from trackbench.errors import UsageError
from trackbench.formats.importing import check_name
from trackbench.formats.server_scores import NAMES
from trackbench.results.manifest import open_or_create_manifest
from trackbench.results.server_scores import (
    Origin,
    ServerScores,
    answers_sha256,
    read_server_scores,
    write_server_scores,
)
from trackbench.results.store import RunFolder, RunKey


def server_family(dataset: str) -> str:
    """Return whose metrics a data set's server gives.

    Raises:
        UsageError: no server scores the data set.
    """
    resolved = DATASETS.get(dataset)
    if resolved.value.truth != "initial" or resolved.value.server not in NAMES:
        scored = [
            other.name
            for other in DATASETS.readable()
            if other.value.truth == "initial" and other.value.server in NAMES
        ]
        raise UsageError(
            f"{resolved.name}: no server scores it; expected {' or '.join(scored)} "
            "(`trackbench import` brings in predictions)"
        )
    return resolved.value.server or ""


def source_of(path: Path, entry: str) -> dict[str, Any]:
    """Return what is remembered of a server's file: its name, what it holds, which entry."""
    return {"file": path.name, "sha256": file_sha256(path), "entry": entry}


def keep_server_scores(
    runs: Path,
    name: str,
    dataset: str,
    metrics: dict[str, float],
    origin: Origin,
    source: dict[str, Any],
    *,
    restart: bool = False,
) -> RunFolder:
    """Write a server's scores of one run.

    Args:
        runs: the folder of all runs.
        name: label of a stored run, or a new name.
        dataset: a data set that a server scores.
        metrics: metric key -> fraction.
        origin: whether a file of the server's says so, or a person.
        source: what is remembered of it.
        restart: replace other scores.

    Raises:
        UsageError: the name cannot be a run's, or other scores are stored under it.
    """
    check_name(name)
    resolved = DATASETS.get(dataset)
    folder = RunFolder(runs, RunKey(name, resolved.name, resolved.value.protocol))
    before = read_server_scores(folder)
    if before is not None and before.metrics != metrics and not restart:
        raise UsageError(f"{folder.path}: holds other scores of the server; --restart replaces them")
    if folder.manifest() is None:
        identity = {
            "imported": True,
            "scores": origin,
            "dataset": resolved.name,
            "dataset_version": resolved.value.version,
            "protocol": resolved.value.protocol,
        }
        manifest = open_or_create_manifest(folder, identity)
        folder.write_manifest(manifest | {"title": name, "imported": True, "source": source})
    kept = source | {"imported": datetime.now(UTC).isoformat(timespec="seconds")}
    write_server_scores(folder, ServerScores(metrics, origin, kept, answers_sha256(folder)))
    return folder
