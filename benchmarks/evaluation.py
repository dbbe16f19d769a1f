"""Time to score LaSOT's 280 test sequences: ``python benchmarks/evaluation.py``.

Run it with ``OMP_NUM_THREADS=1``: threads that wait count as processor time.

Prints, for every tracker whose raw results are in the reference material (``TRACKBENCH_REFERENCE``), the CPU time of
scoring from text files, again when the cache of parsed files is there, and again when nothing has changed since the
last time, as ratios to the got10k toolkit's own ``report`` on the same files in the same process. Reading is included
on both sides, plots are on neither. Listing the sequences, which every command does, is a part of ours.
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from got10k.experiments import ExperimentOTB

from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.sequence import Dataset
from trackbench.regions.files import read_boxes
from trackbench.results.store import RunFolder, RunKey
from trackbench.scoring import score_runs, scoring


class Annotations:
    """What the got10k toolkit's experiments ask of a data set; its own LaSOT class of release 0.1.3 cannot be made."""

    def __init__(self, dataset: Dataset, root: Path) -> None:
        self.seq_names = [sequence.name for sequence in dataset.sequences]
        self.files = [root / "LaSOT" / name.rpartition("-")[0] / name / "groundtruth.txt" for name in self.seq_names]

    def __len__(self) -> int:
        return len(self.files)

    def __iter__(self) -> Iterator[tuple[None, Any]]:
        for file in self.files:
            yield None, np.loadtxt(file, delimiter=",")


class Experiment(ExperimentOTB):  # type: ignore[misc]
    """The toolkit's experiment on data that lies here, without its download."""

    def __init__(self, dataset: Annotations, folder: Path) -> None:
        self.dataset = dataset
        self.result_dir, self.report_dir = str(folder / "results"), str(folder / "reports")
        self.nbins_iou, self.nbins_ce = 21, 51

    def plot_curves(self, tracker_names: list[str]) -> None:
        """Plots are another matter than evaluation."""


def cpu_seconds(work: Callable[[], Any], before: Callable[[], Any] = lambda: None, times: int = 3) -> float:
    """Seconds of processor time, which other programs on the machine disturb least: the least of several times."""
    found = []
    for _ in range(times):
        before()
        started = time.process_time()
        with contextlib.redirect_stdout(io.StringIO()):
            work()
        found.append(time.process_time() - started)
    return min(found)


def unpack(reference: Path, folder: Path) -> dict[str, Path]:
    """Unpack annotations and results; returns tracker -> folder of its files."""
    for archive in ("lasot_gt", "lasot_results_ATOM", "lasot_results_DiMP50", "lasot_results_SiamRPNpp"):
        with zipfile.ZipFile(reference / f"evaluation/ope/{archive}.zip") as file:
            file.extractall(folder / ("truth" if archive == "lasot_gt" else "raw"))
    return {path.name: path for path in sorted((folder / "raw/LaSOT").iterdir())}


def prepare(dataset: Dataset, tracker: str, source: Path, folder: Path) -> None:
    """Put one tracker's files where both programs look; numbers keep their spelling."""
    run = RunFolder(folder / "runs", RunKey(tracker, dataset.name, "one-pass"))
    run.write_manifest({"tracker": tracker, "dataset": dataset.name, "protocol": "one-pass", "identity": {}})
    (folder / "results" / tracker).mkdir(parents=True)
    for sequence in dataset.sequences:
        file = source / f"{sequence.name}.txt"
        lines = file.read_text().splitlines()[: len(sequence)]  # one published file is longer than its annotation
        text = "\n".join(lines) + "\n"
        run.file(sequence.name).write_text(text)
        (folder / "results" / tracker / file.name).write_text(text)


def forget(folder: Path, pattern: str = "*") -> None:
    """Delete what earlier evaluations have kept, or the files of it that match a pattern."""
    for path in (folder / "runs").rglob(f".cache/{pattern}"):
        path.unlink()


def main() -> None:
    reference = Path(os.environ.get("TRACKBENCH_REFERENCE", Path(__file__).parents[2] / "shared"))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        trackers = unpack(reference, folder)
        dataset = open_dataset("lasot", folder / "truth")
        for tracker, source in trackers.items():
            prepare(dataset, tracker, source, folder)

        # Runs are scored side by side; threads that share a cache count more processor time than one of them alone.
        scoring.THREADS = 1

        def ours() -> None:
            fresh = open_dataset("lasot", folder / "truth")
            score_runs(fresh, folder / "runs")

        ours_first = cpu_seconds(ours, times=1)  # with imports
        cold = cpu_seconds(ours, lambda: forget(folder))
        warm = cpu_seconds(ours, lambda: forget(folder, "scores*"))
        again = cpu_seconds(ours)
        toolkit = cpu_seconds(lambda: Experiment(Annotations(dataset, folder / "truth"), folder).report([*trackers]))
        parse = cpu_seconds(lambda: [read_boxes(f) for path in trackers.values() for f in sorted(path.glob("*.txt"))])
        listing = cpu_seconds(lambda: open_dataset("lasot", folder / "truth"))
        count = len(trackers)
        print(f"{count} trackers on {len(dataset.sequences)} sequences, CPU seconds a tracker")
        print(f"got10k report:              {toolkit / count:.2f}")
        print(f"trackbench, from text:      {cold / count:.2f}   1/{toolkit / cold:.1f} of it")
        print(f"  of which parsing results: {parse / count:.2f}")
        print(f"trackbench, parsed before:  {warm / count:.2f}   1/{toolkit / warm:.1f} of it")
        print(f"trackbench, nothing new:    {again / count:.3f}  1/{toolkit / again:.1f} of it")
        print(f"  of which listing:         {listing / count:.3f}")
        print(f"(first call in a process, imports included: {ours_first / count:.2f})")


if __name__ == "__main__":
    main()
