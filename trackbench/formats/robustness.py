"""Results of OTB's robustness evaluations: ``<sequence>_<TRACKER>.mat`` with a run for each start or shift."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.errors import DataError, UsageError
from trackbench.formats import discovery
from trackbench.formats.alignment import Result
from trackbench.formats.archives import open_files
from trackbench.formats.importing import check_name, distinct
from trackbench.formats.matlab import read_mat
from trackbench.formats.names import Names
from trackbench.formats.result_reader import ResultReader
from trackbench.formats.vot import VotPlan
from trackbench.protocols.robustness import segment_names, segment_starts, shift_names
from trackbench.regions import STARTED, Box, Region

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
