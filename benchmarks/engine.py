"""What the engine costs and gains: ``python benchmarks/engine.py``.

Prints ratios within one run: the time of ``trackbench run dcf`` over a synthetic data set, divided by the bare loop
that decodes with ``cv2.imread`` and calls ``init`` and ``track``; and the peak memory with 200 sequences queued.
"""

from __future__ import annotations

import argparse
import resource
import shutil
import statistics
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np

from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.sequence import Dataset
from trackbench.datasets.synthetic import synthesize
from trackbench.engine.execution import execute
from trackbench.engine.plan import make_plan
from trackbench.trackers.base import Tracker
from trackbench.trackers.registry import find_tracker


def bare_loop(dataset: Dataset, tracker: Tracker) -> float:
    """Seconds of the loop that everyone writes."""
    started = time.perf_counter()
    for sequence in dataset.sequences:
        for index, path in enumerate(sequence.frames):
            image = cv2.imread(str(path))
            assert image is not None
            frame = np.asarray(cv2.cvtColor(image, cv2.COLOR_BGR2RGB), np.uint8)
            if index == 0:
                tracker.init(frame, sequence.initial_region())
            else:
                tracker.track(frame)
    return time.perf_counter() - started


def engine(dataset: Dataset, name: str, batch: int, runs: Path) -> float:
    """Seconds of a whole campaign, storing included."""
    shutil.rmtree(runs, ignore_errors=True)
    started = time.perf_counter()
    execute([make_plan(find_tracker(name), dataset, runs)], device="cpu", batch=batch)
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracker", default="dcf")
    parser.add_argument("--sequences", type=int, default=16)
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        data, runs = Path(folder, "data"), Path(folder, "runs")
        synthesize(data, sequences=arguments.sequences, frames=arguments.frames, layout="otb")
        dataset = open_dataset(str(data))
        tracker = Tracker(find_tracker(arguments.tracker).build("cpu"))
        bare_loop(dataset, tracker)  # warms up what is compiled or cached on first use
        loops: list[float] = []
        times: dict[int, list[float]] = {1: [], 8: []}
        for _ in range(arguments.rounds):  # interleaved, so that a disturbance meets all alike
            loops.append(bare_loop(dataset, tracker))
            for batch, seconds in times.items():
                seconds.append(engine(dataset, arguments.tracker, batch, runs))
        bare = statistics.median(loops)
        frames = sum(len(sequence) for sequence in dataset.sequences)
        print(f"bare loop: {1000 * bare / frames:.2f} ms a frame")
        for batch, seconds in times.items():
            print(f"engine, batch {batch}: {statistics.median(seconds) / bare:.3f} of the bare loop")

        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        many = Path(folder, "many")
        for index in range(200):
            shutil.copytree(
                dataset.sequences[index % len(dataset.sequences)].frames[0].parents[1], many / f"s{index:03d}"
            )
        queued = open_dataset(str(many))
        engine(queued, "static", 8, runs)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        scale = 1 if sys.platform == "darwin" else 1024
        grown = (peak - before) * scale / 2**20
        print(f"200 sequences queued: peak {peak * scale / 2**20:.0f} MiB, {grown:.0f} MiB of it theirs")


if __name__ == "__main__":
    main()
