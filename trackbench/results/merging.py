"""Merging of folders of runs that were made on machines without a common folder."""

from __future__ import annotations

from pathlib import Path

from trackbench.errors import DataError, UsageError
from trackbench.files import read_bytes, write_bytes
from trackbench.results.manifest import differences
from trackbench.results.store import RunFolder, stored_runs

#: What belongs to a sequence; the text file is copied last, so that where it is, all is there.
SUFFIXES = (".score", ".mask", ".time", ".txt")


def merge_runs(sources: list[Path], into: Path) -> list[tuple[RunFolder, int]]:
    """Copy the results of several folders of runs into one.

    Nothing is written before all of it has been found to fit. Failures of sequences that another folder has stored are
    left out.

    Args:
        sources: folders of runs.
        into: the folder that gets them all.

    Returns:
        The runs that were written, each with the number of results that were new in it.

    Raises:
        UsageError: a source holds no runs, two runs of the same name have different identities, or the folder cannot
            be written.
        DataError: two results of one sequence differ.
    """
    pairs: list[tuple[RunFolder, RunFolder]] = []
    seen: dict[Path, RunFolder] = {}
    for source in sources:
        runs = stored_runs(source) if source.is_dir() else []
        if not runs:
            raise UsageError(f"{source}: holds no runs; expected the folder of `run --runs`")
        for run in runs:
            target = RunFolder(into, run.key)
            first = seen.setdefault(target.path, target if target.identity() is not None else run)
            if changes := differences(first.identity() or {}, run.identity() or {}):
                raise UsageError(f"{run.path} and {first.path} are of different settings ({'; '.join(changes)})")
            pairs.append((run, target))
    results: dict[Path, Path] = {}
    for run, target in pairs:
        for path in _results(run):
            goal = target.path / path.relative_to(run.path)
            other = results.setdefault(goal, goal if goal.is_file() else path)
            if other != path and path.suffix != ".time" and read_bytes(other) != read_bytes(path):
                raise DataError(f"{path} and {other} are results of the same sequence and differ; remove one of them")
    counts: dict[Path, tuple[RunFolder, int]] = {}
    for run, target in pairs:
        if target.identity() is None:
            target.write_manifest({**(run.manifest() or {}), "sessions": []})
        counts[target.path] = (target, counts.get(target.path, (target, 0))[1] + _copy(run, target))
    return list(counts.values())


def _results(run: RunFolder) -> list[Path]:
    folders = [run.path, *sorted(run.path.glob("repetition-*"))]
    return [path for suffix in SUFFIXES for folder in folders for path in sorted(folder.glob(f"*{suffix}"))]


def _copy(run: RunFolder, target: RunFolder) -> int:
    """Copy what is new; returns how many results that was."""
    new = 0
    stored = {path for path in _results(target) if path.suffix == ".txt"}
    for path in _results(run):
        goal = target.path / path.relative_to(run.path)
        if goal.with_suffix("").with_name(f"{path.stem}.txt") not in stored:
            write_bytes(goal, read_bytes(path))
            new += path.suffix == ".txt"
    for path in (run.path / "sessions").glob("*.json"):
        write_bytes(target.path / "sessions" / path.name, read_bytes(path))
    inside = (run.manifest() or {}).get("sessions", [])
    if inside:  # of an older run, which has no files for them
        manifest = target.manifest() or {}
        known = manifest.get("sessions", [])
        target.write_manifest({**manifest, "sessions": [*known, *(each for each in inside if each not in known)]})
    for sequence, repetition in run.failure_stamps():
        if not target.has(sequence, repetition):
            source = run.path / "failures" / run.file(sequence, ".json", repetition).relative_to(run.path)
            write_bytes(target.path / source.relative_to(run.path), read_bytes(source))
    for sequence, repetition in target.failure_stamps():
        if target.has(sequence, repetition):
            target.remove_failure(sequence, repetition)
    return new
