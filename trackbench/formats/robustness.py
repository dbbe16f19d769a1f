"""Results of OTB's robustness evaluations: ``<sequence>_<TRACKER>.mat`` with a run for each start or shift."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.errors import DataError, UsageError
from trackbench.files import folder_name
from trackbench.formats import discovery
from trackbench.formats.alignment import Result
from trackbench.formats.archives import open_files
from trackbench.formats.exporting import Export, benchmark_rows, readable_boxes, write_new
from trackbench.formats.importing import check_name, distinct
from trackbench.formats.matlab import mat_file_of, mat_result, read_mat
from trackbench.formats.names import Names, written_name
from trackbench.formats.result_reader import ResultReader
from trackbench.formats.vot import VotPlan
from trackbench.formats.writers import frames_per_second, single_name
from trackbench.protocols.robustness import first_box, segment_names, segment_starts, shift_names
from trackbench.regions import STARTED, Box, Region
from trackbench.results.store import RunFolder

EVALUATIONS = ("tre", "sre")


def plan_robustness_import(
    path: Path, name: str, dataset: Dataset, protocol: str, *, only: str | None = None
) -> VotPlan:
    """Read the runs of TRE or SRE of one tracker and match them with the data set.

    Args:
        path: a folder, a zip archive or a single file of the MATLAB toolkit.
        name: what the tracker will be called.
        dataset: the benchmark; its annotations must be there.
        protocol: ``tre`` or ``sre``.
        only: which tracker, where ``path`` holds several.

    Raises:
        UsageError: nothing to read, or several trackers.
    """
    if protocol not in EVALUATIONS:
        raise UsageError(f"--protocol '{protocol}': robustness evaluations are {' and '.join(EVALUATIONS)}")
    check_name(name)
    files = open_files(path)
    names = Names([sequence.name for sequence in dataset.sequences] + list(dataset.missing))
    groups = [g for g in distinct(discovery.find_groups(files.names, names, "mat"), files) if g.shape == "mat"]
    group = discovery.choose(groups, names, "otb-mat", only, str(path), files.names)
    known = {sequence.name: sequence for sequence in dataset.sequences}
    origin = dataset.definition.origin
    results: dict[tuple[str, int], Result] = {}
    reader = ResultReader(files)
    for entry in group.entries:
        try:
            sequence = known.get(names.match(entry.written) or "")
            if sequence is None:
                raise DataError(f"'{entry.written}' is no sequence of {dataset.name} on disk")
            results |= _results(reader.read(entry.file), files.where(entry.file), sequence, protocol, origin)
        except DataError as error:
            reader.reject(entry.file, error)
    source = reader.source("otb-mat", group.label, {"protocol": protocol})
    runs = {one.name: set(_starts(one, protocol, origin)) for one in dataset.sequences}
    return VotPlan(name, dataset.under(protocol), source, results, sorted(reader.problems), reader.warnings(), runs)


def export_robustness(
    run: RunFolder, dataset: Dataset, out: Path, *, whole_numbers: bool = False, repeat_last: bool = False
) -> Export:
    """Write the runs of TRE or SRE as the MATLAB toolkit keeps them, a file a sequence.

    Args:
        run: what is stored.
        dataset: the benchmark, whose annotations say where the runs start.
        out: the folder in which to write; existing files are never replaced.
        whole_numbers: write boxes rounded to integers (half to even).
        repeat_last: write the box before where the tracker gave none.

    Raises:
        UsageError: a file exists already.
        DataError: runs of a sequence are missing, a stored result is not a box, or an annotation cannot be read.
    """
    rows, of = benchmark_rows(dataset.definition.name)
    contents, names = {}, []
    for repetition in range(1, run.repetitions() + 1):
        stored = run.sequences(repetition)
        tracker = single_name(folder_name(run.key.tracker), repetition, run.repetitions())
        for sequence in dataset.sequences:
            starts = _starts(sequence, run.key.protocol, dataset.definition.origin)
            lacking = [name for name in starts if name not in stored]
            if len(lacking) == len(starts):
                continue
            if lacking:
                raise DataError(
                    f"{sequence.name}: {len(lacking)} of {len(starts)} runs are missing, first {lacking[0]}"
                )
            row = rows.get(sequence.name, {})
            begin = int(row.get("first") or 1) + int(row.get("omit") or 0)
            results = []
            for name, start in starts.items():
                shift = shift_names(sequence)[name] if run.key.protocol == "sre" else None
                first = first_box(sequence, start, shift, dataset.definition.origin)
                boxes = readable_boxes(run, name, repetition, "otb-mat", whole_numbers, repeat_last, first)
                fps = frames_per_second(run.seconds(name, repetition))
                results.append(mat_result(boxes, begin, begin + start, fps, shift))
            written = written_name(sequence.name, "otb-mat", dataset.definition)
            contents[f"{written}_{tracker}.mat"] = mat_file_of(results)
            names.append(sequence.name)
    if not names:
        raise DataError(f"{run.path}: holds no results")
    write_new(out, contents)
    missing = [sequence.name for sequence in dataset.sequences if sequence.name not in names]
    return Export(run, "otb-mat", out, len(contents), list(dict.fromkeys(names)), [*missing, *dataset.missing], of)


def _starts(sequence: VideoSequence, protocol: str, origin: int) -> dict[str, int]:
    if protocol == "tre":
        return segment_names(sequence, origin)
    return dict.fromkeys(shift_names(sequence), segment_starts(sequence, origin)[0])


def _results(
    data: bytes, where: str, sequence: VideoSequence, protocol: str, origin: int
) -> dict[tuple[str, int], Result]:
    """Return the runs of one file by their names; the first box becomes the code of a start."""
    starts, mat_runs = _starts(sequence, protocol, origin), read_mat(data, where, whole=True)
    if len(mat_runs) != len(starts):
        raise DataError(f"{where}: holds {len(mat_runs)} runs; {protocol.upper()} of {sequence.name} has {len(starts)}")
    results = {}
    for number, ((name, start), run) in enumerate(zip(starts.items(), mat_runs, strict=True), 1):
        length = len(sequence) - start
        if len(run.boxes) != length:
            raise DataError(
                f"{where}: run {number} has {len(run.boxes)} lines; from frame {start + 1} on there are {length}"
            )
        regions: tuple[Region, ...] = (STARTED, *(Box(*row) for row in run.boxes[1:].tolist()))
        seconds = [1 / run.fps] * length if run.fps else []
        results[name, 1] = Result(np.asarray(run.boxes), regions, seconds, [])
    return results
