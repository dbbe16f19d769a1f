"""Import another tool's files as a run of our store.

A plan is made first: it reads everything, matches names and lengths with the ground truth, and lists what does not fit.
It is stored as a whole, or not at all unless the user asks for what fits. No image is opened.
"""

from __future__ import annotations

import math
import sys
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trackbench.datasets.meaning import corner_warning
from trackbench.datasets.sequence import Dataset
from trackbench.errors import DataError, UsageError
from trackbench.formats import discovery
from trackbench.formats.alignment import ImportOptions, Result, SequenceAligner
from trackbench.formats.archives import Files, open_files
from trackbench.formats.bundles import Unbundled
from trackbench.formats.names import Names, without_copy_mark
from trackbench.formats.reading import ParsedResult
from trackbench.formats.result_reader import ImportProblem, ResultReader
from trackbench.formats.writers import FORMATS
from trackbench.regions import Box, Region
from trackbench.results.manifest import open_or_create_manifest, session_name
from trackbench.results.store import RunFolder, RunKey
from trackbench.version import VERSION

#: What is said of files that are no trajectories.
NO_RESULTS = "no result files, left aside"
#: Bytes of the longest name that file systems take.
MAX_NAME = 255


@dataclass
class ImportPlan:
    """What would be stored."""

    name: str
    dataset: Dataset
    source: dict[str, Any]
    """``tool``, ``path``, ``group``, ``files``, ``sha256`` and ``options`` of what was read."""
    results: dict[tuple[str, int], Result] = field(default_factory=dict)
    """(sequence, repetition) -> trajectory."""
    faults: list[ImportProblem] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def sequences(self) -> set[str]:
        """The sequences that fit."""
        return {name for name, _ in self.results}

    @property
    def missing(self) -> list[str]:
        """The sequences of the data set without a result that fits, in its order."""
        names = [sequence.name for sequence in self.dataset.sequences] + list(self.dataset.missing)
        return [name for name in names if name not in self.sequences]


def trackers_in(path: Path, dataset: Dataset, tool: str | None = None) -> list[str]:
    """Return the trackers with results of ``dataset`` in ``path``, as ``only`` of `plan_import` takes them.

    Raises:
        UsageError: there are none.
    """
    _, names, groups = _open(path, dataset)
    fitting = [g for g in groups if g.matched(names) and (tool is None or g.shape in FORMATS.get(tool).shapes)]
    if not fitting:
        raise UsageError(f"{path}: holds no results of {dataset.name}")
    return [group.label for group in fitting]


def plan_import(
    path: Path,
    name: str,
    dataset: Dataset,
    *,
    tool: str | None = None,
    only: str | None = None,
    how: ImportOptions | None = None,
) -> ImportPlan:
    """Read the results of one tracker and match them with the data set.

    Args:
        path: a folder, a zip archive or a single file.
        name: what the tracker will be called.
        dataset: the benchmark; its annotations must be there.
        tool: whose layout it is; None recognises it.
        only: which tracker, where ``path`` holds several.
        how: how the numbers are to be read.

    Raises:
        UsageError: nothing to read, several trackers, a wrong name.
        DataError: a damaged archive, or none of the files fits.
    """
    written = None if tool is None else FORMATS.get(tool, "--from")
    if written is not None and not written.shapes:
        raise UsageError(f"--from '{tool}': results of that format cannot be read")
    check_name(name)
    if how is not None and not math.isfinite(how.offset):
        raise UsageError(f"--offset {how.offset}: expected a finite number of pixels")
    if dataset.protocol != "one-pass":
        raise UsageError(f"{dataset.name} is scored by the protocol '{dataset.protocol}'; only one-pass results import")
    files, names, groups = _open(path, dataset, written.suffix if written else None)
    group = discovery.choose(groups, names, tool, only, str(path), files.names)
    how = how or ImportOptions()
    if group.shape == "own" and (how.boxes != "xywh" or how.offset):
        raise UsageError(f"{path}: is a run of trackbench, whose boxes need no --boxes or --offset")
    return _Importer(files, group, names, dataset, how, written.read if written else None).plan(name, tool)


def _open(path: Path, dataset: Dataset, suffix: str | None = None) -> tuple[Files, Names, list[discovery.ResultGroup]]:
    """Return the files of ``path``, the names of the sequences, and the trackers with results there."""
    names = Names([sequence.name for sequence in dataset.sequences] + list(dataset.missing))
    files = Unbundled(open_files(path), names)
    groups = discovery.by_names(discovery.find_groups(files.names, names, suffix), names)
    return files, names, distinct(groups, files)


def distinct(groups: list[discovery.ResultGroup], files: Files) -> list[discovery.ResultGroup]:
    """Return the groups without those that are a copy of one before, as an archive leaves that is unpacked twice."""
    kept: list[discovery.ResultGroup] = []
    for group in groups:
        alike = [other for other in kept if _outline(other) == _outline(group)]
        if not any(_same_files(other, group, files) for other in alike):
            kept.append(group)
    return kept


def _outline(group: discovery.ResultGroup) -> tuple[object, ...]:
    name = without_copy_mark(group.label.rpartition("/")[2])
    return name, group.shape, sorted((entry.written, entry.run) for entry in group.entries)


def _same_files(one: discovery.ResultGroup, other: discovery.ResultGroup, files: Files) -> bool:
    def key(entry: discovery.DiscoveredResult) -> tuple[str, int]:
        return entry.written, entry.run

    pairs = zip(sorted(one.entries, key=key), sorted(other.entries, key=key), strict=True)
    return all(files.read(a.file) == files.read(b.file) for a, b in pairs)


def check_name(name: str) -> None:
    """Refuse a tracker's name that no folder can have.

    Raises:
        UsageError: it is such a name.
    """
    if not name.strip() or not name.isprintable() or name.startswith(".") or len(name.encode()) > MAX_NAME:
        raise UsageError(f"--as '{name[:40]}': expected a name that can be a folder's")


def store_import(plan: ImportPlan, runs: Path, *, restart: bool = False, skip_faulty: bool = False) -> RunFolder:
    """Store a plan as a run.

    Args:
        plan: what to store.
        runs: the folder of all runs.
        restart: replace what is stored under this name.
        skip_faulty: store what fits although something does not.

    Raises:
        DataError: something does not fit, or nothing does.
        UsageError: results of something else are stored under this name, or the store cannot be written.
    """
    if plan.faults and not skip_faulty:
        raise DataError(
            f"{plan.source['path']}: {len(plan.faults)} files do not fit; the first: {plan.faults[0].reason}"
        )
    if not plan.results:  # an empty run is none, and must not replace one
        raise DataError(f"{plan.source['path']}: no result fits a sequence of {plan.dataset.name}; nothing is stored")
    folder = RunFolder(runs, RunKey(plan.name, plan.dataset.name, plan.dataset.protocol))
    identity = {
        "imported": True,
        "files_sha256": plan.source["sha256"],
        "reading": plan.source["options"],
        "dataset": plan.dataset.name,
        "dataset_version": plan.dataset.version,
        "protocol": plan.dataset.protocol,
    }
    manifest = open_or_create_manifest(folder, identity, restart=restart, keep="--as NAME")
    manifest |= {"title": plan.name, "imported": True, "source": plan.source}
    padded: dict[str, dict[str, int]] = {}
    for (sequence, repetition), result in plan.results.items():
        if result.given is not None:
            padded.setdefault(sequence, {})[str(repetition)] = result.given
    if padded:
        manifest["padded"] = padded  # conventions judge what a file lacks otherwise than what a tracker left unanswered
    folder.write_manifest(manifest)
    record = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": sys.argv,
        "timing": "seconds as the source has them",
        # Of the machine that imports, nothing: it has not made the results.
        "versions": {"trackbench": VERSION},
        "root": str(plan.dataset.root),
        "sequences": len(plan.sequences),
    }
    folder.write_session(session_name(), record)
    for (sequence, repetition), result in plan.results.items():
        regions: list[Region] = list(result.regions or (Box(*row) for row in result.boxes.tolist()))
        folder.write(sequence, regions, result.seconds, result.scores, repetition)
    return folder


class _Importer:
    """Reads the files of one tracker; what does not fit is noted, not raised."""

    def __init__(
        self,
        files: Files,
        group: discovery.ResultGroup,
        names: Names,
        dataset: Dataset,
        how: ImportOptions,
        read: Callable[[bytes, str], ParsedResult] | None = None,
    ) -> None:
        self.files, self.group, self.names, self.dataset, self.how = files, group, names, dataset, how
        self._sequences = {sequence.name: sequence for sequence in dataset.sequences}
        self._reader = ResultReader(files)
        self._aligner = SequenceAligner(self._reader, group.shape, how, read)
        self._notes, self._faults = self._reader.notes, self._reader.problems
        self._unneeded: dict[str, str] = {}
        """Results of sequences that the data set does not have, and their names."""

    def plan(self, name: str, tool: str | None) -> ImportPlan:
        results: dict[tuple[str, int], Result] = {}
        for sequence, entries in self._matched().items():
            repetition = 0
            for entry in self._runs(entries):
                try:
                    result = self._aligner.fit(entry, self._sequences[sequence], len(entries))
                except DataError as error:
                    self._reader.reject(entry.file, error)
                    continue
                repetition += 1
                results[sequence, repetition] = result
        self._compare_runs(results)
        self._aligner.look_for_shift()
        tool = tool or discovery.guess_tool(
            self.group, self.files.names, self.dataset.definition.family, self._aligner.tabs
        )
        source = self._reader.source(tool, self.group.label, self.how.document())
        warnings = [*filter(None, [corner_warning(self.dataset)]), *self._reader.warnings()]
        return ImportPlan(name, self.dataset, source, results, sorted(self._faults), warnings)

    def _runs(self, entries: list[discovery.DiscoveredResult]) -> list[discovery.DiscoveredResult]:
        runs: list[discovery.DiscoveredResult] = []
        for entry in entries:
            try:
                runs += self._aligner.runs_of(entry)
            except DataError:  # fitting it says why
                runs.append(entry)
        return runs

    def _matched(self) -> dict[str, list[discovery.DiscoveredResult]]:
        """Return the entries of each sequence, by run; what names none, or the same twice, is a fault."""
        meant = (form for entry in self.group.entries for form in (entry.written, without_copy_mark(entry.written)))
        if not any(map(self.names.hits, meant)):
            first, expected = self.group.entries[0].written, self.dataset.sequences[0].name
            raise DataError(
                f"{self.files.path}: no file names a sequence of {self.dataset.name} "
                f"(found '{first}', expected names like '{expected}')"
            )
        matched: dict[str, dict[int, discovery.DiscoveredResult]] = defaultdict(dict)
        for entry in self.group.entries:
            where = self.files.where(entry.file)
            try:
                sequence = self.names.match(entry.written)
            except DataError as error:
                self._faults.append(ImportProblem(where, str(error)))
                continue
            original = without_copy_mark(entry.written)
            if sequence is None and original != entry.written and (sequence := self.names.match(original)):
                self._copy(entry, where, original)
            elif sequence is None:
                self._unknown(entry, where)
            elif sequence not in self._sequences:
                self._notes[f"not on disk in {self.dataset.root}, so not imported"].append(sequence)
            elif (other := matched[sequence].get(entry.run)) is not None:
                twice = f"is {sequence}, and so is {self.files.where(other.file)}; remove one"
                self._faults.append(ImportProblem(where, twice))
            else:
                matched[sequence][entry.run] = entry
        if self._unneeded and set(matched) >= set(self._sequences):
            count = len(self._unneeded)
            results = "result of a larger benchmark is" if count == 1 else "results of a larger benchmark are"
            self._notes[f"{count} {results} of no use on {self.dataset.name}"] += self._unneeded.values()
        else:
            reason = "is no sequence of " + self.dataset.name
            self._faults += [ImportProblem(where, f"'{stem}' {reason}") for where, stem in self._unneeded.items()]
        return {sequence: [runs[run] for run in sorted(runs)] for sequence, runs in matched.items() if runs}

    def _copy(self, entry: discovery.DiscoveredResult, where: str, original: str) -> None:
        """Leave aside ``car1 (1).txt`` beside an equal ``car1.txt``, as downloads and unpacking twice leave it."""
        beside = [other for other in self.group.entries if other.written == original and other.run == entry.run]
        if beside and self.files.read(beside[0].file) == self.files.read(entry.file):
            self._notes["copies of a file beside, left aside"].append(where)
        else:
            other = f"differs from {self.files.where(beside[0].file)}" if beside else f"is there without '{original}'"
            self._faults.append(ImportProblem(where, f"is called like a copy, and {other}; rename or remove it"))

    def _unknown(self, entry: discovery.DiscoveredResult, where: str) -> None:
        try:
            self._aligner.trajectory(entry)
        except DataError:
            self._notes[NO_RESULTS].append(where)
            return
        self._unneeded[where] = entry.stem

    def _compare_runs(self, results: dict[tuple[str, int], Result]) -> None:
        most = max((repetition for _, repetition in results), default=0)
        counts: dict[str, int] = defaultdict(int)
        for sequence, repetition in results:
            counts[sequence] = max(counts[sequence], repetition)
        for sequence, count in counts.items():
            if count < most:
                self._notes[f"fewer than {most} runs"].append(f"{sequence} ({count})")
