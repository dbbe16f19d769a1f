"""Checks of what is found: data sets, and trackers with their weights."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from trackbench.datasets.catalogue import readiness
from trackbench.definitions import DATASETS
from trackbench.doctor.findings import Finding, bad, good, note
from trackbench.trackers.status import list_trackers

_MOST = 6


def content() -> Iterator[Finding]:
    """Yield the findings about data sets and trackers."""
    yield from roots(os.environ.get("TRACKBENCH_DATA", ""))
    yield from datasets()
    yield from trackers()


def roots(variable: str) -> Iterator[Finding]:
    """Check the folders that the variable ``TRACKBENCH_DATA`` names."""
    for part in filter(None, variable.split(os.pathsep)):
        if not Path(part).expanduser().is_dir():
            yield bad("TRACKBENCH_DATA", f"{part}: there is no such folder", "export TRACKBENCH_DATA=DIR")


def datasets() -> Iterator[Finding]:
    """Say which data sets are there, whole or in part."""
    states = [readiness(name) for name in DATASETS.names()]
    whole = [row.name for row in states if row.ready and not row.why_not]
    for row in states:
        if row.ready and row.why_not:
            yield note(row.name, row.why_not, f"trackbench check {row.name}")
    absent = len(states) - sum(row.ready for row in states)
    if whole:
        yield good("data sets", f"{', '.join(whole)}; {absent} others are not there")
    else:
        yield note("data sets", f"none of {len(states)} is whole", "trackbench data add NAME DIR")


def trackers() -> Iterator[Finding]:
    """Say which trackers can run, and which lack their weights."""
    rows = list_trackers()
    ready = [str(row["name"]) for row in rows if row["ready"]]
    missing = [str(row["name"]) for row in rows if not row["ready"]]
    if ready:
        yield good("trackers", _listed(ready))
    if missing:
        yield note("trackers not ready", _listed(missing), "trackbench list trackers")


def _listed(names: list[str]) -> str:
    more = f" and {len(names) - _MOST} more" if len(names) > _MOST else ""
    return f"{', '.join(names[:_MOST])}{more}"
