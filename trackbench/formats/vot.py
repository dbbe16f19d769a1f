"""vot-toolkit's folder of results, both ways.

::

    <tracker>/<experiment>/<sequence>/<sequence>_001.bin         supervised, unsupervised: repetitions from 1
                                      <sequence>_00000050.bin    multi-start: 0-based frame of the anchor
                                      <stem>_time.value          seconds a line, blank where the tracker was not asked
                                      <stem>_confidence.value    likewise
                                      <sequence>_time.txt        older toolkits: a column a repetition

Trajectories are ``.bin`` or ``.txt``, and the text counts where both are there. pysot, got10k and the MATLAB toolkit
write the same tree, text only.
"""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trackbench.datasets.anchors import anchor_at, anchored_name, find_anchors, split_anchored
from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.errors import DataError, UsageError, reason
from trackbench.files import write_bytes
from trackbench.formats import reading
from trackbench.formats.alignment import Result
from trackbench.formats.archives import Files, open_files
from trackbench.formats.exporting import Export, benchmark_rows
from trackbench.formats.importing import ImportPlan, ImportProblem, check_name
from trackbench.quoting import listed
from trackbench.regions import STARTED, UNKNOWN, Region, format_region, parse_region, region_to_box
from trackbench.regions.binary import format_trajectory, parse_trajectory
from trackbench.results.store import RunFolder

#: Our protocol -> the experiment that holds its results in the toolkit's stacks.
EXPERIMENTS = {
    "supervised": "baseline",
    "multistart": "baseline",
    "unsupervised": "unsupervised",
    "realtime": "realtime",
}

_FILE = re.compile(r"(?:(?P<above>.*)/)?(?P<sequence>[^/]+)/(?P=sequence)_(?P<number>\d{3}|\d{8})\.(?P<kind>txt|bin)")


def folder_name(label: str) -> str:
    """Return the name of a tracker as the toolkit takes it, of letters, digits, ``_`` and ``-``.

    Example:
        >>> folder_name("opencv:mil"), folder_name("dcf@learning_rate=0.05")
        ('opencv-mil', 'dcf-learning_rate-0-05')
    """
    return re.sub(r"[^A-Za-z0-9_-]", "-", label)


def export_vot(run: RunFolder, out: Path, *, experiment: str | None = None, binary: bool = False) -> Export:
    """Write a run into the toolkit's folder of results.

    Args:
        run: what is stored.
        out: the folder ``results`` of a workspace; existing files are never replaced.
        experiment: the experiment's name in the workspace's stack; None: see ``EXPERIMENTS``.
        binary: write ``.bin``, which rounds coordinates to float32, instead of text.

    Raises:
        UsageError: a protocol that the toolkit does not have, or a file exists already.
        DataError: nothing is stored, or a stored file is damaged.
    """
    protocol = run.key.protocol
    if protocol not in EXPERIMENTS:
        raise UsageError(f"{run.path}: is {protocol}; vot-toolkit has {', '.join(EXPERIMENTS)}")
    top = f"{folder_name(run.key.tracker)}/{experiment or EXPERIMENTS[protocol]}"
    contents: dict[str, bytes] = {}
    names: dict[str, None] = {}
    for repetition in range(1, run.repetitions() + 1):
        for name in sorted(run.sequences(repetition)):
            anchored = split_anchored(name) if protocol in ("multistart", "realtime") else None
            sequence = anchored[0] if anchored else name
            names[sequence] = None
            files = trajectory_files(run, name, repetition, anchored=anchored is not None, binary=binary)
            contents |= {f"{top}/{file}": content for file, content in files.items()}
    if not contents:
        raise DataError(f"{run.path}: holds no results")
    existing = next((path for path in contents if (out / path).exists()), None)
    if existing is not None:
        raise UsageError(f"{out / existing}: exists; remove it, or give another --out")
    for path, content in contents.items():
        write_bytes(out / path, content)
    rows, of = benchmark_rows(run.key.dataset)
    return Export(run, "vot", out, len(contents), list(names), [name for name in rows if name not in names], of)


def trajectory_files(
    run: RunFolder, name: str, repetition: int, *, anchored: bool, binary: bool = False
) -> dict[str, bytes]:
    """Return the files of one stored trajectory below the folder of its experiment: path -> content.

    Args:
        run: what is stored.
        name: a sequence, or a sequence and an anchor.
        repetition: from 1.
        anchored: whether the name ends with an anchor.
        binary: write ``.bin`` instead of text.

    Raises:
        DataError: a stored file is damaged.
    """
    start = split_anchored(name) if anchored else None
    stem = f"{start[0]}/{name}" if start else f"{name}/{name}_{repetition:03d}"
    regions = run.regions(name, repetition)
    if binary:
        files = {f"{stem}.bin": format_trajectory(regions)}
    else:
        files = {f"{stem}.txt": _text(map(format_region, regions))}
    seconds = run.seconds(name, repetition)
    if seconds is not None:
        files[f"{stem}_time.value"] = _text("" if np.isnan(v) else f"{v:.8f}" for v in seconds.tolist())
    scores = run.file(name, ".score", repetition)
    if scores.is_file():
        files[f"{stem}_confidence.value"] = scores.read_bytes()
    return files


class _Found(NamedTuple):
    """A trajectory file."""

    file: str
    sequence: str
    number: str
    """Three digits of a repetition, or eight of an anchor."""

    @property
    def stem(self) -> str:
        return self.file.rpartition(".")[0]


@dataclass
class VotPlan(ImportPlan):
    """An import of which several trajectories may belong to one sequence."""

    of: dict[str, set[str]] = field(default_factory=dict)
    """Sequence -> names of the runs that it has."""

    @property
    def sequences(self) -> set[str]:
        """The sequences all of whose runs fit."""
        fitting = {name for name, _ in self.results}
        return {sequence for sequence, runs in self.of.items() if runs <= fitting}


def plan_vot_import(
    path: Path, name: str, dataset: Dataset, protocol: str, *, only: str | None = None, pad_missing: bool = False
) -> VotPlan:
    """Read the results of one tracker in one experiment and match them with the data set.

    Args:
        path: a workspace, its ``results``, or a tracker's or experiment's folder in it; or a zip archive of one.
        name: what the tracker will be called.
        dataset: the benchmark; its annotations must be there.
        protocol: what the results are of, one of ``EXPERIMENTS``.
        only: ``TRACKER`` or ``TRACKER/EXPERIMENT``, where ``path`` holds several.
        pad_missing: fill up a short trajectory with code 0.

    Raises:
        UsageError: no such protocol, nothing to read, or several trackers or experiments.
    """
    if protocol not in EXPERIMENTS:
        raise UsageError(f"--protocol '{protocol}': vot-toolkit's results are of {', '.join(EXPERIMENTS)}")
    check_name(name)
    anchored = protocol == "multistart" or (protocol == "realtime" and dataset.protocol == "multistart")
    files = open_files(path)
    label, found = _choose(files, protocol, 8 if anchored else 3, only)
    reader = _Reader(files, pad_missing)
    known = {sequence.name: sequence for sequence in dataset.sequences}
    results: dict[tuple[str, int], Result] = {}
    for entry in found:
        sequence = known.get(entry.sequence)
        try:
            if sequence is None:
                raise DataError(f"'{entry.sequence}' is no sequence of {dataset.name} on disk")
            length = len(sequence)
            if anchored:
                length = anchor_at(sequence, int(entry.number)).length(length)
            key = (f"{entry.sequence}_{entry.number}", 1) if anchored else (entry.sequence, int(entry.number))
            results[key] = reader.result(entry, length, anchored)
        except DataError as error:
            where = files.where(entry.file)
            reader.faults.append(ImportProblem(where, reason(error, where)))
    wanted = {name: runs_of(sequence) if anchored else {name} for name, sequence in known.items()}
    listing = "".join(f"{digest}  {file}\n" for file, digest in sorted(reader.hashes.items()))
    source = {
        "tool": "vot",
        "path": str(files.path),
        "group": label,
        "files": len(reader.hashes),
        "sha256": hashlib.sha256(listing.encode("utf-8", "surrogateescape")).hexdigest(),
        "options": {"pad_missing": pad_missing},
    }
    warnings = [f"{what}: {listed(where)}" for what, where in reader.notes.items()]
    return VotPlan(name, dataset.under(protocol), source, results, sorted(reader.faults), warnings, of=wanted)


def _choose(files: Files, protocol: str, digits: int, only: str | None) -> tuple[str, list[_Found]]:
    """Return the folder of the experiment to import, and its trajectories in the order of sequences and numbers."""
    groups: dict[str, dict[str, _Found]] = defaultdict(dict)
    for file in files.names:
        match = _FILE.fullmatch(file)
        if match is None or len(match["number"]) != digits:
            continue
        group, found = groups[match["above"] or ""], _Found(file, match["sequence"], match["number"])
        if match["kind"] == "txt" or found.stem not in group:
            group[found.stem] = found
    if not groups:
        shape = "SEQUENCE_00000000" if digits == 8 else "SEQUENCE_001"
        raise UsageError(f"{files.path}: holds no results of {protocol}; expected files SEQUENCE/{shape}.bin or .txt")
    labels = list(groups)
    if only is not None:
        labels = [label for label in groups if f"/{only.strip('/')}/" in f"/{label}/"]
        if not labels:
            raise UsageError(f"--only '{only}': {files.path} holds {listed(list(groups))}")
    usual = [label for label in labels if label.rpartition("/")[2] == EXPERIMENTS[protocol]]
    labels = usual or labels
    if len(labels) > 1:
        raise UsageError(f"{files.path}: holds {listed(labels)}; --only takes one TRACKER or TRACKER/EXPERIMENT")
    chosen = groups[labels[0]].values()
    return labels[0], sorted(chosen, key=lambda found: (found.sequence, found.number))


def runs_of(sequence: VideoSequence) -> set[str]:
    """Return the names of a sequence's runs in multi-start, one for each anchor."""
    return {anchored_name(sequence.name, frame) for frame in find_anchors(sequence)}


class _Reader:
    """Reads trajectories with their times and confidences."""

    def __init__(self, files: Files, pad_missing: bool) -> None:
        self.files, self._pad = files, pad_missing
        self.hashes: dict[str, str] = {}
        self.notes: dict[str, list[str]] = defaultdict(list)
        self.faults: list[ImportProblem] = []
        self._present = set(files.names)

    def result(self, entry: _Found, length: int, anchored: bool) -> Result:
        """Return the trajectory of ``length`` frames in a file.

        Raises:
            DataError: it is malformed, of another length, or does not begin with the code of a start.
        """
        regions = self._regions(entry.file)
        found = len(regions)
        if found > length or (found < length and not self._pad):
            hint = "; --pad-missing fills it up with frames without an answer" if found < length else ""
            raise DataError(f"{found} regions; expected {length}{hint}")
        if regions[:1] != [STARTED]:
            first = f"'{format_region(regions[0])[:40]}'" if regions else "nothing"
            raise DataError(f"begins with {first}; expected 1, the code of a start")
        if found < length:
            self.notes["shorter than the sequence, the rest is without an answer"].append(entry.stem.rpartition("/")[2])
        regions += [UNKNOWN] * (length - found)
        boxes = np.array([region_to_box(region).numbers() for region in regions], np.float64).reshape(-1, 4)
        seconds = self._values(f"{entry.stem}_time.value", found)
        if seconds is None and not anchored:
            seconds = self._column(f"{entry.stem.removesuffix(entry.number)}time.txt", int(entry.number) - 1, found)
        scores = self._values(f"{entry.stem}_confidence.value", found)
        lacking = length - found
        return Result(
            boxes,
            tuple(regions),
            [float("nan") if v is None else v for v in [*seconds, *[None] * lacking]] if seconds else [],
            [*scores, *[None] * lacking] if scores else [None] * length,
        )

    def _regions(self, file: str) -> list[Region]:
        data = self._read(file)
        if file.endswith(".bin"):
            return parse_trajectory(data)
        regions = []
        for number, line in enumerate(reading.decode(data, self.files.where(file)).rstrip().splitlines(), 1):
            try:
                regions.append(parse_region(line))
            except DataError as error:
                raise DataError(f"line {number}: {error}") from None
        return regions

    def _values(self, file: str, length: int) -> list[float | None] | None:
        """Return the numbers of a ``.value`` file, None for its blank lines; None where it is not there or not fit."""
        if file not in self._present:
            return None
        where = self.files.where(file)
        lines = reading.decode(self._read(file), where).splitlines()
        try:
            values = [float(line) if line.strip() else None for line in lines]
        except ValueError:
            values = []
        if len(values) > length or not values:
            self.notes["values that do not fit, left out"].append(where)
            return None
        # Blank lines at the end may be lost on the way.
        return values + [None] * (length - len(values))

    def _column(self, file: str, column: int, length: int) -> list[float | None] | None:
        if file not in self._present:
            return None
        where = self.files.where(file)
        try:
            times = reading.read_columns(self._read(file), where)
        except DataError as error:
            self.notes["times that cannot be read, left out"].append(str(error))
            return None
        if len(times) != length or column >= times.shape[1]:
            self.notes["times that do not fit, left out"].append(where)
            return None
        return list(times[:, column].tolist())

    def _read(self, file: str) -> bytes:
        data = self.files.read(file)
        self.hashes[file] = hashlib.sha256(data).hexdigest()
        return data


def _text(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
