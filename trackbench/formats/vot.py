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

import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

import numpy as np

from trackbench.datasets.anchors import anchor_at, anchored_name, find_anchors, split_anchored
from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.errors import DataError, UsageError
from trackbench.files import decode, write_bytes
from trackbench.formats.alignment import Result
from trackbench.formats.archives import Files, open_files
from trackbench.formats.exporting import Export, benchmark_rows
from trackbench.formats.importing import ImportPlan, check_name
from trackbench.formats.result_reader import ResultReader
from trackbench.quoting import listed
from trackbench.regions import STARTED, UNKNOWN, Region, format_region, parse_region, region_to_box
from trackbench.regions.binary import format_trajectory, parse_trajectory
from trackbench.regions.files import with_commas
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


class _VotFile(NamedTuple):
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
    label, entries = _choose(files, protocol, 8 if anchored else 3, only)
    reader = ResultReader(files)
    known = {sequence.name: sequence for sequence in dataset.sequences}
    results: dict[tuple[str, int], Result] = {}
    repetitions = Counter(entry.sequence for entry in entries)
    for entry in entries:
        sequence = known.get(entry.sequence)
        try:
            if sequence is None:
                raise DataError(f"'{entry.sequence}' is no sequence of {dataset.name} on disk")
            length = len(sequence)
            if anchored:
                length = anchor_at(sequence, int(entry.number)).length(length)
            key = (f"{entry.sequence}_{entry.number}", 1) if anchored else (entry.sequence, int(entry.number))
            count = None if anchored else repetitions[entry.sequence]
            results[key] = _read_result(reader, entry, length, pad_missing=pad_missing, repetitions=count)
        except DataError as error:
            reader.reject(entry.file, error)
    wanted = {name: runs_of(sequence) if anchored else {name} for name, sequence in known.items()}
    source = reader.source("vot", label, {"pad_missing": pad_missing})
    problems = sorted(reader.problems)
    return VotPlan(name, dataset.under(protocol), source, results, problems, reader.warnings(), of=wanted)


def _choose(files: Files, protocol: str, digits: int, only: str | None) -> tuple[str, list[_VotFile]]:
    """Return the folder of the experiment to import, and its trajectories in the order of sequences and numbers."""
    groups: dict[str, dict[str, _VotFile]] = defaultdict(dict)
    for file in files.names:
        match = _FILE.fullmatch(file)
        if match is None or len(match["number"]) != digits:
            continue
        group, entry = groups[match["above"] or ""], _VotFile(file, match["sequence"], match["number"])
        if match["kind"] == "txt" or entry.stem not in group:
            group[entry.stem] = entry
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
    return labels[0], sorted(chosen, key=lambda entry: (entry.sequence, entry.number))


def runs_of(sequence: VideoSequence) -> set[str]:
    """Return the names of a sequence's runs in multi-start, one for each anchor."""
    return {anchored_name(sequence.name, frame) for frame in find_anchors(sequence)}


def _read_result(
    reader: ResultReader, entry: _VotFile, length: int, *, pad_missing: bool, repetitions: int | None
) -> Result:
    """Return the trajectory of ``length`` frames in a file, with its times and confidences.

    Args:
        reader: reads the files.
        entry: which one.
        length: how many frames there are.
        pad_missing: fill up a short trajectory with code 0.
        repetitions: how many the sequence has; None: the file is of an anchor.

    Raises:
        DataError: it is malformed, of another length, or does not begin with the code of a start.
    """
    regions = _read_regions(reader, entry.file)
    given = len(regions)
    if given > length or (given < length and not pad_missing):
        hint = "; --pad-missing fills it up with frames without an answer" if given < length else ""
        raise DataError(f"{given} regions; expected {length}{hint}")
    if regions[:1] != [STARTED]:
        first = f"'{format_region(regions[0])[:40]}'" if regions else "nothing"
        raise DataError(f"begins with {first}; expected 1, the code of a start")
    if given < length:
        reader.notes["shorter than the sequence, the rest is without an answer"].append(entry.stem.rpartition("/")[2])
    regions += [UNKNOWN] * (length - given)
    boxes = np.array([region_to_box(region).numbers() for region in regions], np.float64).reshape(-1, 4)
    seconds = reader.values(f"{entry.stem}_time.value", given, may_lack="last", what="times")
    if not seconds and repetitions is not None:
        older = f"{entry.stem.removesuffix(entry.number)}time.txt"
        columns = reader.seconds(older, given, repetition=int(entry.number), repetitions=repetitions)
        seconds = None if columns is None else list(columns)
    scores = reader.values(f"{entry.stem}_confidence.value", given, may_lack="last")
    lacking = length - given
    return Result(
        boxes,
        tuple(regions),
        [float("nan") if v is None else v for v in [*seconds, *[None] * lacking]] if seconds else [],
        [*scores, *[None] * lacking] if scores else [None] * length,
        given if lacking else None,
    )


def _read_regions(reader: ResultReader, file: str) -> list[Region]:
    data = reader.read(file)
    if file.endswith(".bin"):
        return parse_trajectory(data)
    regions = []
    for number, line in enumerate(decode(reader.files.where(file), data).rstrip().splitlines(), 1):
        try:
            regions.append(parse_region(with_commas(line)))
        except (DataError, ValueError) as error:
            raise DataError(f"line {number}: {error}") from None
    return regions


def _text(lines: Iterable[str]) -> bytes:
    return "".join(f"{line}\n" for line in lines).encode()
