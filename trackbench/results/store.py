"""The result store: one folder for each tracker, data set and protocol.

::

    runs/<tracker>/<dataset>/<protocol>/
        manifest.json       what made these results (see trackbench.results.manifest)
        sessions/<host>-<process>-<time>.json   how and when the work was done; each is written by one process alone
        <sequence>.txt      a region a line: x,y,w,h or another VOT text form; of multi-start <sequence>_<anchor>.txt
        <sequence>.time     seconds a line, "nan" where the tracker was not asked
        <sequence>.score    confidence a line, empty where there is none; no file when the tracker has none at all
        <sequence>.mask     a mask a line where a rotated box was made of it, else empty; no file without any
        failures/<sequence>.json    why it could not be run
        failures/<sequence>.traceback   the tracker's traceback, or what its program has written
        repetition-002/     the same files of a second run, in failures/ too
        server.json         what the benchmark's server said of it (see trackbench.results.server_scores)
        .cache/             parsed files and scores, which may be deleted at any time (see trackbench.cache)
    runs/.cache/            parsed annotations

The ``.txt`` file of a sequence is written last: where it is, all is there. Several processes may write one run: no file
is changed by more than one of them. Older runs have sessions in ``manifest.json`` and failures in ``failures.json``.
"""

from __future__ import annotations

import glob
import json
import os
import re
import socket
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from numpy.typing import NDArray

from trackbench.cache import remove_caches
from trackbench.errors import DataError, fold_name
from trackbench.files import TEMPORARY, folder_name, read_text, write_text
from trackbench.regions import Mask, Region, format_region, parse_region
from trackbench.regions.files import read_regions
from trackbench.results.cache import TIMES, read_all
from trackbench.results.parsing import parse_boxes, parse_seconds
from trackbench.results.records import (
    AnyRecord,
    FailureRecord,
    ManifestRecord,
    SessionRecord,
    check_record,
    read_record,
)

MANIFEST, FAILURES, SESSIONS, SERVER = "manifest.json", "failures", "sessions", "server.json"
#: Key of a session under which it says what data it ran on: sequence -> fingerprint.
DATA = "data"
#: Key of a session under which it says what suspicious answers a code stands for: `failure_key` -> kind -> count.
FAULTS = "faults"
#: Suffix of the file with the traceback of a failure.
TRACE = ".traceback"

#: Most digits of a repetition's number.
DIGITS = 4


@dataclass(frozen=True)
class RunKey:
    """What names a run: tracker label, data set, protocol."""

    tracker: str
    dataset: str
    protocol: str


class RunFolder:
    """The stored results of one run.

    Args:
        runs: the folder of all runs.
        key: which run.
        path: where it is, if somebody has copied or renamed its folders; default: as the key says.
    """

    def __init__(self, runs: Path, key: RunKey, path: Path | None = None) -> None:
        self.key = key
        self.runs = runs
        self.path = path or runs / folder_name(key.tracker) / folder_name(key.dataset) / key.protocol

    def file(self, sequence: str, suffix: str = ".txt", repetition: int = 1) -> Path:
        """Return the path of a sequence's file.

        Raises:
            DataError: the sequence's name cannot be a file's.
        """
        if not sequence or sequence != Path(sequence).name or sequence.startswith(".") or "\\" in sequence:
            raise DataError(f"sequence name '{sequence}' cannot name a file")
        folder = self.path if repetition == 1 else self.path / f"repetition-{repetition:03d}"
        return folder / f"{sequence}{suffix}"

    def has(self, sequence: str, repetition: int = 1) -> bool:
        """Whether a result of ``sequence`` is stored."""
        return os.path.lexists(self.file(sequence, ".txt", repetition))  # what is no file is refused when it is read

    def sequences(self, repetition: int = 1, suffix: str = ".txt") -> set[str]:
        """Return the names of the sequences that are stored, those with times for the suffix ``.time``."""
        folder = self.file("x", "", repetition).parent
        names = os.listdir(folder) if folder.is_dir() else []
        return {name.removesuffix(suffix) for name in names if name.endswith(suffix)}

    def repetitions(self) -> int:
        """Return the highest repetition that is stored; 0 when nothing is."""
        numbers = [number for path in self.path.glob("repetition-*") if (number := _repetition(path.name)) is not None]
        return max((number for number in (1, *numbers) if self.sequences(number)), default=0)

    def write(
        self,
        sequence: str,
        regions: list[Region],
        seconds: list[float],
        scores: list[float | None],
        repetition: int = 1,
        *,
        masks: Sequence[str] = (),
    ) -> None:
        """Store a sequence: its files appear complete or not at all.

        Args:
            sequence: its name.
            regions: of each frame.
            seconds: of each frame.
            scores: of each frame.
            repetition: which run.
            masks: of each frame in text form, empty where there is none.

        Raises:
            UsageError: the folder cannot be written.
        """
        known = any(score is not None for score in scores)
        texts = {
            ".score": ["" if score is None else f"{score:.6g}" for score in scores] if known else [],
            ".mask": list(masks) if any(masks) else [],
            ".time": [f"{value:.8f}" for value in seconds],
            ".txt": [format_region(region) for region in regions],
        }
        for suffix, lines in texts.items():
            path = self.file(sequence, suffix, repetition)
            if lines:
                write_text(path, "\n".join(lines) + "\n")
            elif path.is_file():
                path.unlink()

    def regions(self, sequence: str, repetition: int = 1) -> list[Region]:
        """Return the stored regions.

        Raises:
            DataError: the file is not there or holds something else; file and line are named.
        """
        return read_regions(self.file(sequence, ".txt", repetition))

    def mask(self, sequence: str, index: int, repetition: int = 1) -> Mask | None:
        """Return the mask that the rotated box of frame ``index`` was made of, or None where none is stored.

        Raises:
            DataError: the file holds something else.
        """
        path = self.file(sequence, ".mask", repetition)
        lines = read_text(path).split("\n") if path.is_file() else []
        line = lines[index].strip() if index < len(lines) else ""
        if not line:
            return None
        try:
            mask = parse_region(line)
        except DataError as error:
            raise DataError(f"{path}: line {index + 1}: {error}") from None
        if not isinstance(mask, Mask):
            raise DataError(f"{path}: line {index + 1}: expected a mask")
        return mask

    def boxes(self, sequence: str, repetition: int = 1) -> NDArray[np.float64]:
        """Return the stored regions as boxes, float64 (N, 4); NaN where the tracker gave no answer.

        Raises:
            DataError: the file is not there or holds something else; file and line are named.
        """
        return parse_boxes(self.file(sequence, ".txt", repetition))

    def all_boxes(self, sequences: Iterable[str], repetition: int = 1) -> dict[str, NDArray[np.float64] | DataError]:
        """Return what :meth:`boxes` gives for each sequence, or the error that it raises; fast when asked again."""
        files = {f"{name}.txt": name for name in sequences}
        parsed = read_all(self.file("x", "", repetition).parent, files, parse_boxes)
        return {files[file]: boxes for file, boxes in parsed.items()}

    def seconds(self, sequence: str, repetition: int = 1) -> NDArray[np.float64] | None:
        """Return the seconds of each frame, float64 (N,), or None where no times are stored."""
        path = self.file(sequence, ".time", repetition)
        return parse_seconds(path)[:, 0] if path.is_file() else None

    def all_seconds(self, sequences: Iterable[str]) -> dict[str, NDArray[np.float64]]:
        """Return what :meth:`seconds` gives for each sequence that has times; fast when asked again.

        Raises:
            DataError: a file holds something else; it is named.
        """
        timed = self.sequences(suffix=".time")
        files = {f"{name}.time": name for name in sequences if name in timed}
        times = {}
        for file, content in read_all(self.path, files, parse_seconds, TIMES, 1).items():
            if isinstance(content, DataError):
                raise content
            times[files[file]] = content[:, 0]
        return times

    def manifest(self) -> dict[str, Any] | None:
        """Return the manifest with all its sessions in the order of their start, or None where nothing is stored yet.

        Raises:
            DataError: one of its files is no JSON.
        """
        manifest = read_record(self.path / MANIFEST, ManifestRecord)
        if manifest is None:
            return None
        sessions = [{key: value for key, value in session.items() if key != DATA} for session in self._sessions()]
        return {**manifest, "sessions": [*manifest.get("sessions", []), *sessions]}

    def identity(self) -> dict[str, Any] | None:
        """Return what decides the numbers of the run, or None where nothing is stored yet."""
        return (read_record(self.path / MANIFEST, ManifestRecord) or {}).get("identity")

    def write_manifest(self, manifest: dict[str, Any]) -> None:
        """Store the manifest; sessions that have files of their own stay there.

        Raises:
            UsageError: the folder cannot be written.
        """
        apart = [{key: value for key, value in session.items() if key != DATA} for session in self._sessions()]
        inside = [session for session in manifest.get("sessions", []) if session not in apart]
        shared = {key: value for key, value in manifest.items() if key != "sessions"}
        document = {**shared, "sessions": inside} if inside else shared
        write_text(self.path / MANIFEST, json.dumps(document, indent=2) + "\n")

    def write_session(self, name: str, session: dict[str, Any]) -> None:
        """Store the record of a session, which its own process alone writes.

        Args:
            name: of the session, see :func:`trackbench.results.manifest.session_name`.
            session: the record.

        Raises:
            UsageError: the folder cannot be written.
        """
        write_text(self.path / SESSIONS / f"{name}.json", json.dumps(session, indent=2) + "\n")

    def fingerprints(self) -> dict[str, str]:
        """Return the fingerprints of the data that the stored sequences ran on; older runs have none."""
        fingerprints: dict[str, str] = {}
        for session in self._sessions():
            fingerprints |= session.get(DATA, {})
        return fingerprints

    def _sessions(self) -> list[dict[str, Any]]:
        paths = sorted((self.path / SESSIONS).glob("*.json"))
        sessions = [session for path in paths if (session := read_record(path, SessionRecord)) is not None]
        return sorted(sessions, key=lambda session: str(session.get("started", "")))

    def failures(self) -> dict[str, dict[str, Any]]:
        """Return the sequences that could not be run, ``name`` or ``name (repetition 2)`` -> ``reason``, ``traceback``.

        Raises:
            DataError: one of its files is no JSON.
        """
        old = self.path / f"{FAILURES}.json"
        failures: dict[str, dict[str, Any]] = read_record(old, AnyRecord) or {}
        for failure in failures.values():
            check_record(old, failure, FailureRecord)
        # In the old file stands also what has been mended since.
        failures = {name: failure for name, failure in failures.items() if not self._is_mended(name)}
        for path in sorted((self.path / FAILURES).rglob("*.json")):
            record = read_record(path, FailureRecord)
            if record is not None:
                failures[failure_key(path.stem, _repetition(path.parent.name) or 1)] = record
        return failures

    def failure(self, sequence: str, repetition: int = 1) -> dict[str, Any] | None:
        """Return why a sequence could not be run, or None where nothing is known of a failure.

        Raises:
            DataError: the file is no such record.
        """
        return read_record(self._failure(sequence, repetition), FailureRecord)

    def write_failure(self, sequence: str, failure: dict[str, Any], repetition: int = 1) -> None:
        """Store why a sequence could not be run: ``reason`` and ``traceback``.

        Raises:
            UsageError: the folder cannot be written.
        """
        path = self._failure(sequence, repetition)
        trace = path.with_suffix(TRACE)
        if failure.get("traceback"):
            write_text(trace, str(failure["traceback"]).rstrip() + "\n")
        else:
            trace.unlink(missing_ok=True)
        write_text(path, json.dumps(failure, indent=2) + "\n")

    def remove_failure(self, sequence: str, repetition: int = 1) -> None:
        """Forget why a sequence could not be run."""
        path = self._failure(sequence, repetition)
        path.unlink(missing_ok=True)
        path.with_suffix(TRACE).unlink(missing_ok=True)

    def traceback_file(self, failure: str) -> Path:
        """Return the file with the traceback of a failure, a key of :meth:`failures`; it need not be there."""
        return self._failure(*_failed(failure)).with_suffix(TRACE)

    def failure_stamps(self) -> dict[tuple[str, int], int]:
        """Return when each failure was written, ``(sequence, repetition)`` -> nanoseconds: a new one has a new time."""
        stamps = {}
        for path in (self.path / FAILURES).rglob("*.json"):
            with suppress(OSError):  # mended meanwhile
                repetition = int(path.parent.name[11:]) if path.parent.name.startswith("repetition-") else 1
                stamps[path.stem, repetition] = path.stat().st_mtime_ns
        return stamps

    def _failure(self, sequence: str, repetition: int) -> Path:
        file = self.file(sequence, ".json", repetition)
        return self.path / FAILURES / file.relative_to(self.path)

    def _is_mended(self, name: str) -> bool:
        sequence, repetition = _failed(name)
        return self.has(sequence, repetition) or any(self.path.glob(f"{glob.escape(sequence)}_????????.txt"))

    def clear(self) -> None:
        """Remove everything that this store has written."""
        for repetition in range(1, self.repetitions() + 1):
            for sequence in self.sequences(repetition):
                for suffix in (".txt", ".time", ".score", ".mask"):
                    self.file(sequence, suffix, repetition).unlink(missing_ok=True)
            remove_caches(self.file("x", "", repetition).parent)
        for name in (MANIFEST, SERVER, f"{FAILURES}.json"):
            (self.path / name).unlink(missing_ok=True)
        for pattern in (f"{SESSIONS}/**/*.json", f"{FAILURES}/**/*.json", f"{FAILURES}/**/*{TRACE}"):
            for path in self.path.glob(pattern):
                path.unlink(missing_ok=True)

    def remove_stale_temporaries(self) -> None:
        """Remove what processes of this machine that were killed while writing have left."""
        if os.name != "posix":  # elsewhere a process cannot be asked whether it lives
            return
        for path in self.path.rglob(f"*{TEMPORARY}"):
            host, _, process = path.name.removesuffix(TEMPORARY).rpartition(".")
            if host.endswith(f".{socket.gethostname()}") and process.isdigit() and not psutil.pid_exists(int(process)):
                path.unlink(missing_ok=True)


def sequences_of(run: RunFolder) -> set[str]:
    """Return the sequences of which results are stored; of runs from anchors, those that the anchors lie in."""
    names = run.sequences()
    if run.key.protocol in ("tre", "sre"):
        return {name.rpartition("_")[0] for name in names}
    if run.key.protocol not in ("multistart", "realtime"):
        return names
    return {re.sub(r"_\d{8}$", "", name) for name in names}


def failure_key(sequence: str, repetition: int) -> str:
    """Return what a failure is called: the sequence, with the repetition where it is not the first."""
    return sequence if repetition == 1 else f"{sequence} (repetition {repetition})"


def _failed(key: str) -> tuple[str, int]:
    """Return sequence and repetition of a `failure_key`."""
    sequence, _, repetition = key.removesuffix(")").partition(" (repetition ")
    return sequence, int(repetition) if repetition.isdecimal() and len(repetition) <= DIGITS else 1


def _repetition(folder: str) -> int | None:
    """Return the number in the name of a repetition's folder, None for any other name."""
    number = folder.removeprefix("repetition-")
    return int(number) if number != folder and number.isdecimal() and len(number) <= DIGITS else None


def stored_runs(runs: Path, dataset: str | None = None) -> list[RunFolder]:
    """Return the runs below ``runs``, those of one data set or all, sorted by name.

    One whose manifest cannot be read is called as its folders are; whoever uses it is told what is wrong.
    """
    folders = []
    for path in sorted(runs.glob(f"*/*/*/{MANIFEST}")):
        manifest: dict[str, Any] = {}
        with suppress(DataError):
            manifest = read_record(path, ManifestRecord) or {}
        # A folder that was copied or renamed is a run of its own, whatever its manifest says.
        said = [str(manifest.get(name)) for name in ("tracker", "dataset", "protocol")]
        parts = [
            name if folder_name(name) == part else part for name, part in zip(said, path.parts[-4:-1], strict=True)
        ]
        key = RunKey(*parts)
        if dataset is None or key.dataset == dataset:
            folders.append(RunFolder(runs, key, path.parent))
    return folders


def labels_of(wanted: str, labels: Iterable[str]) -> list[str]:
    """Return the labels that a tracker's name stands for: that very label, else all runs of the tracker.

    Example:
        >>> labels_of("dcf", ["dcf", "dcf@cell=4"]), labels_of("DCF", ["dcf@cell=4", "static"])
        (['dcf'], ['dcf@cell=4'])
    """
    labels = list(labels)
    folder = fold_name(folder_name(wanted))
    return (
        [label for label in labels if label == wanted]
        or [label for label in labels if "@" in wanted and fold_name(folder_name(label)) == folder]
        or [label for label in labels if label.partition("@")[0] == wanted]
        or [label for label in labels if fold_name(folder_name(label.partition("@")[0])) == folder]
    )
