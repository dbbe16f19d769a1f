"""What the shell offers after TAB: names of trackers, data sets and stored runs. Nothing heavy is imported for it."""

from __future__ import annotations

import csv
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from trackbench.errors import TrackbenchError


def trackers(incomplete: str) -> list[str]:
    """Return the trackers whose names begin so, and campaign files."""
    from trackbench.definitions import TRACKERS

    names = _beginning(TRACKERS.names(), incomplete)
    return [*names, *(path for path in _paths(incomplete) if path.endswith((".toml", "/")))]


def datasets(incomplete: str) -> list[str]:
    """Return the data sets whose names begin so, and folders; one of the working folder may lack its ``./``."""
    from trackbench.definitions import DATASETS

    known = _beginning(DATASETS.names(), incomplete)
    bare = incomplete and "/" not in incomplete and not incomplete.startswith(".")
    beside = [] if known or not bare else [f"{path.name}/" for path in sorted(Path().glob(f"{incomplete}*/"))]
    return [*known, *(path for path in _paths(incomplete) if path.endswith("/")), *beside]


def definitions(incomplete: str) -> list[str]:
    """Return the trackers and data sets whose names begin so."""
    from trackbench.definitions import DATASETS, TRACKERS

    return _beginning([*TRACKERS.names(), *DATASETS.names()], incomplete)


def stored(incomplete: str) -> list[str]:
    """Return the labels of stored runs that begin so."""
    from trackbench.results.store import stored_runs

    labels: list[str] = []
    with suppress(TrackbenchError):
        labels = [run.key.tracker for run in stored_runs(Path(os.environ.get("TRACKBENCH_RUNS", "runs")))]
    return _beginning(dict.fromkeys(labels), incomplete)


def kept_weights(incomplete: str) -> list[str]:
    """Return the trackers whose weights are kept and whose names begin so."""
    from trackbench.checkpoints.weight_cache import cached_trackers

    return _beginning(cached_trackers(), incomplete)


def tables(incomplete: str) -> list[str]:
    """Return the tables of papers that begin so, as ``aiatrack:3``."""
    from trackbench.definitions import content_folder

    found: dict[str, None] = {}
    for path in sorted((content_folder("reports") / "papers").glob("*.csv")):
        with path.open(encoding="utf-8", newline="") as file:
            found |= dict.fromkeys(f"{path.stem}:{row['table']}" for row in csv.DictReader(file))
    return _beginning(found, incomplete)


def conventions(incomplete: str) -> list[str]:
    """Return the scoring rules whose names begin so."""
    from trackbench.metrics import conventions
    from trackbench.metrics.vot import conventions as vot

    return _beginning(dict.fromkeys([*conventions.CONVENTIONS, *vot.CONVENTIONS]), incomplete)


def protocols(incomplete: str) -> list[str]:
    """Return the protocols whose names begin so."""
    from trackbench.protocols.catalogue import PROTOCOLS

    return _beginning(PROTOCOLS, incomplete)


def _beginning(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)]


def _paths(incomplete: str) -> list[str]:
    """Return files and folders, the latter with a slash, only where the word looks like a path."""
    if "/" not in incomplete and not incomplete.startswith("."):
        return [path.name for path in Path().glob(f"{incomplete}*.toml")] if incomplete else []
    folder, _, start = incomplete.rpartition("/")
    with suppress(OSError):
        entries = sorted(Path(folder or ("/" if incomplete.startswith("/") else ".")).iterdir())
        return [
            f"{folder}/{path.name}{'/' if path.is_dir() else ''}" for path in entries if path.name.startswith(start)
        ]
    return []
