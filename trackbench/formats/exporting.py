"""Export a run of our store as the files that another tool reads."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trackbench.datasets.catalogue import read_table
from trackbench.definitions import DATASETS, DatasetDefinition
from trackbench.errors import DataError, UsageError, suggestion
from trackbench.files import folder_name, write_bytes
from trackbench.formats.reading import read_confidences
from trackbench.formats.writers import FORMATS, ResultFormat, SequenceResult
from trackbench.regions import Box
from trackbench.results.store import RunFolder, labels_of, stored_runs


@dataclass
class Export:
    """What was written."""

    run: RunFolder
    target: str
    out: Path
    files: int
    sequences: list[str]
    missing: list[str]
    """Sequences of the benchmark that are not stored, as far as its definition names them."""
    of: int | None
    """How many sequences the benchmark has; None where its definition does not state it."""
    warnings: list[str] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        """Return what ``export --json`` tells."""
        key = self.run.key
        return {
            "tracker": key.tracker,
            "dataset": key.dataset,
            "protocol": key.protocol,
            "format": self.target,
            "out": str(self.out),
            "files": self.files,
            "sequences": len(self.sequences),
            "of": self.of,
            "missing": self.missing,
            "warnings": self.warnings,
        }


def find_run(runs: Path, tracker: str, dataset: str, protocols: Sequence[str] = ("one-pass",)) -> RunFolder:
    """Return the stored run of ``tracker`` on ``dataset`` (a name, or the path of a folder of sequences).

    Args:
        runs: the folder of all runs.
        tracker: its label, or the name of a tracker of which one run is stored.
        dataset: what it ran on.
        protocols: those that count.

    Raises:
        UsageError: there is none, and the message suggests the nearest; or there are several.
    """
    try:
        name = DATASETS.get(dataset).name
    except UsageError:
        if not Path(dataset).is_dir():
            raise
        name = re.sub(r"[^\w.+-]", "_", Path(dataset).resolve().name)
    candidates = [run for run in stored_runs(runs, name) if run.key.protocol in protocols]
    meant = labels_of(tracker, dict.fromkeys(run.key.tracker for run in candidates))
    if len(meant) > 1:
        raise UsageError(f"{runs}: '{tracker}' means several runs on {name}: {', '.join(meant)}; name one of them")
    chosen = [run for run in candidates if run.key.tracker in meant]
    if len(chosen) > 1:
        stored = ", ".join(run.key.protocol for run in chosen)
        raise UsageError(f"{runs}: holds results of '{tracker}' on {name} of {stored}; --protocol takes one")
    if chosen:
        return chosen[0]
    hint = suggestion(tracker, [run.key.tracker for run in candidates])
    wanted = " or ".join(protocols)
    raise UsageError(f"{runs}: holds no {wanted} results of '{tracker}' on {name}{hint} (`trackbench list runs`)")


def export_run(
    run: RunFolder,
    target: str,
    out: Path,
    *,
    record: DatasetDefinition | None = None,
    whole_numbers: bool = False,
    repeat_last: bool = False,
) -> Export:
    """Write a one-pass run as the files of another tool.

    Args:
        run: what is stored.
        target: a name of `FORMATS`.
        out: the folder in which to write; existing files are never replaced.
        record: that of the data set; default: of the benchmark by whose name the run is stored.
        whole_numbers: write boxes rounded to integers (half to even).
        repeat_last: write the box before where the tool could not read the tracker's answer.

    Raises:
        UsageError: unknown target, or a file exists already.
        DataError: a stored result is not one that the tool would read rightly; the message names the way out.
    """
    form = FORMATS.get(target, "--to")
    if form.files is None:
        raise UsageError(f"--to '{target}': results cannot be written in that format")
    rows, of = benchmark_rows(run.key.dataset)
    record = record or _record(run.key.dataset)
    windows = benchmark_rows(record.name)[0]
    stored = run.sequences()
    names = [name for name in rows if name in stored] + sorted(stored - rows.keys())
    if not names:
        raise DataError(f"{run.path}: holds no results")
    contents: dict[str, bytes] = {}
    runs = run.repetitions()
    for name in names:
        row = windows.get(name, {})
        trials = [
            SequenceResult(
                tracker=folder_name(run.key.tracker),
                dataset=run.key.dataset,
                record=record,
                sequence=name,
                run=repetition,
                runs=runs,
                boxes=readable_boxes(run, name, repetition, target, whole_numbers, repeat_last),
                seconds=run.seconds(name, repetition),
                scores=_scores(run, name, repetition),
                start=int(row.get("first") or 1) + int(row.get("omit") or 0),
                whole_numbers=whole_numbers,
            )
            for repetition in range(1, runs + 1)
            if run.has(name, repetition)
        ]
        contents |= dict(form.files(trials))
    write_new(out, contents)
    missing = [name for name in rows if name not in stored]
    export = Export(run, target, out, len(contents), names, missing, of)
    if of is not None and len(names) < of:
        export.warnings.append(f"{len(names)} of {of} sequences are stored; the tool may refuse an incomplete set")
    return export


def write_new(out: Path, contents: Mapping[str, bytes]) -> None:
    """Write files below a folder.

    Raises:
        UsageError: one of them exists; nothing is written.
    """
    existing = next((path for path in contents if (out / path).exists()), None)
    if existing is not None:
        raise UsageError(f"{out / existing}: exists; remove it, or give another --out")
    for path, content in contents.items():
        write_bytes(out / path, content)


def benchmark_rows(dataset: str) -> tuple[dict[str, dict[str, str]], int | None]:
    """Return the rows of the benchmark's table by sequence, and its number of sequences; a folder has neither."""
    if dataset not in DATASETS.names():
        return {}, None
    resolved = DATASETS.get(dataset)
    rows = {row["name"]: row for row in read_table(resolved)}
    return rows, resolved.value.count or len(rows) or None


def _record(dataset: str) -> DatasetDefinition:
    if dataset in DATASETS.names():
        return DATASETS.get(dataset).value
    return DatasetDefinition(title=dataset, layout="folder")


def readable_boxes(
    run: RunFolder,
    name: str,
    repetition: int,
    target: str,
    whole_numbers: bool,
    repeat_last: bool,
    first: Box | None = None,
) -> NDArray[np.float64]:
    """Return the stored boxes of one run as a tool reads them, (N, 4), x, y, w, h; ``first`` replaces the first one.

    Raises:
        DataError: one of them is not what the tool reads; the message names the way out.
    """
    boxes = run.boxes(name, repetition)
    if first is not None:
        boxes[0] = first.numbers()
    reads: ResultFormat = FORMATS.get(target)
    unfit = np.zeros(len(boxes), bool)
    if whole_numbers or not reads.reads_nan:
        unfit |= ~np.isfinite(boxes).all(1)
    if not reads.reads_negative:
        unfit |= (boxes[:, 2:] < 0).any(1)
    if unfit.any():
        index = int(unfit.argmax())
        where = f"{run.file(name, '.txt', repetition)}: line {index + 1}: {','.join(map(repr, boxes[index].tolist()))}"
        if not repeat_last:
            reader = "an integer" if whole_numbers and reads.reads_nan else f"what {target} reads"
            raise DataError(f"{where} is not {reader}; --repeat-last writes the box before")
        if index == 0:
            raise DataError(f"{where}: there is no box before to repeat")
        last = np.maximum.accumulate(np.where(unfit, 0, np.arange(len(boxes))))
        boxes = boxes[last]
    return np.rint(boxes) if whole_numbers else boxes


def _scores(run: RunFolder, name: str, repetition: int) -> list[float | None]:
    path = run.file(name, ".score", repetition)
    return read_confidences(path.read_bytes(), str(path)) if path.is_file() else []
