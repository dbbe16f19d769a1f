"""How work spreads over workers: ratios of one run.

Run ``python benchmarks/scaling.py``. It writes a synthetic data set, tracks it with DCF on one thread, which reads the
images too, and prints:

- the speed-up of two workers over one, model and interpreter already started in both
- the start of a worker: interpreter, imports and model
- what claims and heartbeats cost a run of 280 sequences, as a share of its time at 100 frames/s
- the makespan of LaSOT's sequences on 8 workers, longest first, over the ideal one
- a network (SBT-light, random weights) on all cores: a process for each core with one thread, over one process with as
  many threads
"""

from __future__ import annotations

import argparse
import heapq
import os
import tempfile
import time
from pathlib import Path

import pandas as pd

from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.synthetic import synthesize
from trackbench.definitions import content_folder
from trackbench.engine.claims import Claims
from trackbench.engine.execution import execute
from trackbench.engine.plan import make_plan
from trackbench.engine.pool import Pool
from trackbench.engine.queue import Rules
from trackbench.engine.worker import BEAT, Worker
from trackbench.results.store import RunFolder, RunKey
from trackbench.trackers.registry import find_tracker


def pooled(data: Path, runs: Path, workers: int, tracker: str = "dcf", threads: int = 1) -> float:
    """Return the seconds of a pool of workers, each with so many threads."""
    plan = make_plan(find_tracker(tracker, random_weights=tracker != "dcf"), open_dataset(str(data)), runs)
    os.environ["OMP_NUM_THREADS"] = str(threads)  # what a process takes when it starts
    before = time.perf_counter()
    Pool([plan], Rules(threads=0), ["cpu"] * workers).run()
    return time.perf_counter() - before


def threads_over_processes(folder: Path, cores: int) -> float:
    """Return how many times as fast a process a core with one thread is as one process with a thread a core."""
    synthesize(folder / "network", sequences=2 * cores, frames=30)
    ways = {"threads": (1, cores), "processes": (cores, 1)}
    seconds = {}
    for way, (workers, threads) in ways.items():
        start = pooled(folder / "short", folder / f"start_{way}", workers, "sbt-light", threads)
        seconds[way] = pooled(folder / "network", folder / f"runs_{way}", workers, "sbt-light", threads) - start
    return seconds["threads"] / seconds["processes"]


def makespan(lengths: list[int], workers: int) -> float:
    """Return the longest worker's frames over the mean worker's, where each takes the longest sequence that is left."""
    loads = [0] * workers
    for length in sorted(lengths, reverse=True):
        heapq.heapreplace(loads, loads[0] + length)
    return max(loads) / max(sum(lengths) / workers, max(lengths))


def claim_seconds(folder: Path, sequences: int) -> float:
    """Return the seconds that a worker spends on the claims of so many sequences, and on a heartbeat for each."""
    run = RunFolder(folder, RunKey("dcf", "lasot", "one-pass"))
    with Worker(folder, "cpu", beat=3600) as worker:  # its own thread stays out of the way
        claims = Claims(run, worker.owner)
        before = time.perf_counter()
        for index in range(sequences):
            claims.take(f"s{index}")
            claims.lost(f"s{index}")
            claims.holds(f"s{index}")
            claims.release(f"s{index}")
            worker.write()
        return time.perf_counter() - before


def main() -> None:
    """Print the ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--sequences", type=int, default=48)
    parser.add_argument("--frames", type=int, default=50)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        synthesize(folder / "data", sequences=arguments.sequences, frames=arguments.frames)
        synthesize(folder / "short", sequences=2, frames=2)
        pooled(folder / "short", folder / "first", 1)  # compiles what is kept for later processes
        start, start_of_two = (pooled(folder / "short", folder / f"start{count}", count) for count in (1, 2))
        plan = make_plan(find_tracker("dcf"), open_dataset(str(folder / "data")), folder / "runs1")
        before = time.perf_counter()
        execute([plan], device="cpu", rules=Rules(threads=0))
        alone = time.perf_counter() - before
        one, two = (pooled(folder / "data", folder / f"pool{count}", count) for count in (1, 2))
        print(f"in this process {alone:.1f} s, one worker {one:.1f} s, two workers {two:.1f} s")
        print(f"start of a worker (interpreter, imports, model): {start:.1f} s, of two at once {start_of_two:.1f} s")
        print(f"two workers over one, start left out: {(one - start) / (two - start_of_two):.2f}")
        cost = claim_seconds(folder / "claims", 280)
        frames = 685_000
        beats = frames / 100 / BEAT * (cost / 280)
        print(f"claims of 280 sequences and heartbeats: {(cost + beats) / (frames / 100):.3%} of a run at 100 frames/s")
        cores = os.cpu_count() or 1
        ratio = threads_over_processes(folder, cores)
        print(f"SBT-light on {cores} cores, a process a core over one process with as many threads: {ratio:.2f}")
    table = pd.read_csv(content_folder("datasets") / "lasot.csv")
    lengths = table.loc[table["lists"].str.split().map(lambda lists: "lasot" in lists), "frames"].tolist()
    print(f"makespan of LaSOT's {len(lengths)} sequences on 8 workers over the ideal: {makespan(lengths, 8):.4f}")


if __name__ == "__main__":
    main()
