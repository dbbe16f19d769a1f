"""What scoring one tracker on VOT2018 costs: ``python benchmarks/vot_evaluation.py --reference ../shared``.

Prints CPU times of accuracy, robustness and EAO (21356 frames, one repetition) as multiples of a yardstick, the median
time of ``np.sort`` of a million float64 in the same process, and ratios to vot-toolkit run in the same process on the
same files and to what pysot-toolkit took in the reference material's measurement. Compiled code is warm.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import logging
import os
import statistics
import tempfile
import time
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.layouts.vot import METADATA, TRUTH, read_metadata
from trackbench.definitions import DATASETS
from trackbench.metrics.vot.conventions import CONVENTIONS, VotConvention
from trackbench.metrics.vot.packed import PackedRegions
from trackbench.metrics.vot.supervised import SupervisedScores, supervised_scores
from trackbench.metrics.vot.tracks import VotSequence

INTERVAL = DATASETS.get("vot2018").value.eao_lengths or (1, 1)
#: Accuracy and robustness plus EAO, in yardsticks, as the reference material records them; both read the files. How
#: long the yardstick itself takes depends on whether numpy sorts with vector instructions on the processor.
PYSOT_RECORDED, VOT_RECORDED = 51 + 81, 108 + 107


def load(data: Path, results: Path) -> tuple[list[VotSequence], list[list[PackedRegions]]]:
    """Read all files: ground truth, size and answers of each sequence."""
    sequences, runs = [], []
    for folder in (data / name for name in (data / "list.txt").read_text().split()):
        size = read_metadata(folder / METADATA).size
        assert size is not None
        sequences.append(VotSequence.of(folder.name, PackedRegions.read(folder / TRUTH), size))
        runs.append([PackedRegions.read(path) for path in sorted((results / folder.name).glob("*_[0-9]*.txt"))])
    return sequences, runs


def vot_toolkit(data: Path, results: Path, folder: Path) -> tuple[Callable[[], Any], Callable[[], Any]]:
    """Prepare vot-toolkit: what scores the tracker, reading its files, and what only reads them."""
    os.environ["VOT_PERSISTENT_CACHE"] = "0"
    from vot.analysis.processor import AnalysisProcessor
    from vot.analysis.supervised import AverageAccuracyRobustness, EAOScore
    from vot.region.io import read_trajectory
    from vot.workspace import Workspace

    logging.disable()
    (folder / "config.yaml").write_text(f"registry: [./trackers.ini]\nstack: vot2018/shortterm\nsequences: {data}\n")
    (folder / "trackers.ini").write_text("[T]\nlabel = T\nprotocol = trax\ncommand = none\n")
    (folder / "results/T").mkdir(parents=True)
    (folder / "results/T/baseline").symlink_to(results)
    workspace = Workspace.load(str(folder))
    experiment = workspace.stack.experiments["baseline"]
    sequences = experiment.transform(list(workspace.dataset))
    trackers = workspace.registry.resolve("T")
    analyses = [AverageAccuracyRobustness(), EAOScore(low=INTERVAL[0], high=INTERVAL[1])]
    files = sorted(results.glob("*/*_[0-9]*.txt"))

    def score() -> list[Any]:
        with contextlib.redirect_stderr(io.StringIO()), contextlib.redirect_stdout(io.StringIO()):
            return [AnalysisProcessor().run(a, experiment, trackers, sequences)[0, 0] for a in analyses]

    return score, lambda: [read_trajectory(str(path)) for path in files]


def median(action: Callable[[], Any], rounds: int) -> float:
    """Return the median CPU time in seconds, after a round that warms up."""
    action()
    times = []
    for _ in range(rounds):
        started = time.process_time()
        action()
        times.append(time.process_time() - started)
    return statistics.median(times)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reference", type=Path, default=os.environ.get("TRACKBENCH_REFERENCE", "../shared"))
    parser.add_argument("--tracker", default="OceanOnline")
    parser.add_argument("--rounds", type=int, default=9)
    arguments = parser.parse_args()
    material, rounds = Path(arguments.reference) / "evaluation/vot", arguments.rounds
    with tempfile.TemporaryDirectory() as temporary:
        data, unpacked, workspace = (Path(temporary).resolve() / name for name in ("data", "results", "workspace"))
        workspace.mkdir()
        for archive, folder in (
            ("groundtruth/VOT2018.zip", data),
            (f"results/VOT2018_{arguments.tracker}.zip", unpacked),
        ):
            with zipfile.ZipFile(material / archive) as content:
                content.extractall(folder)
        results = unpacked / "baseline"

        numbers = np.random.default_rng(0).random(1_000_000)
        yardstick = median(lambda: np.sort(numbers), rounds)
        print(f"yardstick: np.sort of 1e6 float64 takes {1000 * yardstick:.1f} ms (8 ms where pysot was measured)")

        sequences, runs = load(data, results)
        tags = {sequence.name: sequence.ground_truth.tags for sequence in open_dataset(str(data)).sequences}
        tagged = [VotSequence.of(s.name, s.ground_truth, s.size, tags[s.name]) for s in sequences]

        def score(judged: list[VotSequence], convention: VotConvention) -> SupervisedScores:
            return supervised_scores(judged, runs, convention, INTERVAL)

        def cold(convention: VotConvention) -> SupervisedScores:
            return supervised_scores(*load(data, results), convention, INTERVAL)

        parsed_times, cold_times = {}, {}
        for name, convention in CONVENTIONS.items():
            parsed_times[name] = median(lambda: score(sequences, convention), rounds)  # noqa: B023
            cold_times[name] = median(lambda: cold(convention), rounds)  # noqa: B023
            with_tags = median(lambda: score(tagged, convention), rounds)  # noqa: B023
            scores = score(sequences, convention)
            print(
                f"{name}: A {scores.accuracy:.4f} R {scores.robustness:.4f} EAO {scores.eao:.4f}; "
                f"parsed {1000 * parsed_times[name]:.1f} ms = {parsed_times[name] / yardstick:.2f} yardsticks "
                f"({with_tags / yardstick:.2f} with tags), "
                f"cold {1000 * cold_times[name]:.1f} ms = {cold_times[name] / yardstick:.2f}"
            )

        theirs, their_reading = vot_toolkit(data, results, workspace)
        theirs_cold = median(theirs, rounds)
        theirs_reading = median(their_reading, rounds)
        theirs_parsed = theirs_cold - 2 * theirs_reading  # Each of the two analyses reads the files.
        print(
            f"vot-toolkit: {1000 * theirs_cold:.1f} ms = {theirs_cold / yardstick:.2f} yardsticks, "
            f"of which it reads results for {2000 * theirs_reading:.1f} ms"
        )
        parsed, cold_time = parsed_times["vot"], cold_times["vot"]
        print(f"vot-toolkit / ours, parsed: {theirs_cold / parsed:.1f} as it runs, {theirs_parsed / parsed:.1f} unread")
        print(f"vot-toolkit / ours, cold: {theirs_cold / cold_time:.1f}")
        ours = cold_times["pysot"]
        print(f"ours, cold / pysot as recorded: {ours / yardstick / PYSOT_RECORDED:.3f} by yardsticks,")
        print(f"    {ours / (theirs_cold * PYSOT_RECORDED / VOT_RECORDED):.3f} by its recorded ratio to vot-toolkit")


if __name__ == "__main__":
    main()
