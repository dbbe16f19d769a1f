"""A whole command's work: trackers over data sets, from names to stored results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trackbench.datasets.catalogue import open_dataset, select
from trackbench.datasets.sequence import Dataset
from trackbench.definitions import DatasetDefinition
from trackbench.engine.cluster import run_on_ray
from trackbench.engine.execution import execute
from trackbench.engine.plan import Plan, make_plan
from trackbench.engine.pool import Pool, devices_for
from trackbench.engine.queue import Rules
from trackbench.engine.scheduler import Progress
from trackbench.engine.shards import parse_shard, take_shard
from trackbench.errors import UsageError
from trackbench.trackers.registry import TrackerSpec, find_tracker


@dataclass(frozen=True)
class TrackerChoice:
    """Which trackers run, and with what."""

    names: Sequence[str]
    options: Mapping[str, Any] = field(default_factory=dict)
    """Dotted option name -> value, of all of them."""
    weights: Path | None = None
    random_weights: bool = False
    trust_checkpoint: bool = False
    seed: int = 0

    def find(self, name: str, record: DatasetDefinition | None = None, protocol: str | None = None) -> TrackerSpec:
        """Return one of them with its settings for a benchmark.

        Raises:
            UsageError: unknown name or option, a value that does not fit, or a checkpoint for a tracker without one.
            TrackerError: there are no weights.
        """
        return find_tracker(
            name,
            record,
            self.options,
            protocol=protocol,
            weights=self.weights,
            random_weights=self.random_weights,
            seed=self.seed,
            trust_checkpoint=self.trust_checkpoint,
        )


def prepare(
    choice: TrackerChoice,
    datasets: Sequence[str | Dataset],
    runs: Path,
    *,
    root: Path | None = None,
    sequences: Sequence[str] | None = None,
    limit: int | None = None,
    shard: str | None = None,
    protocol: str | None = None,
    repetitions: int | None = None,
    convention: str | None = None,
    speed: float | None = None,
    restart: bool = False,
    dry: bool = False,
    say: Callable[[str], object] = lambda _: None,
) -> list[list[Plan]]:
    """Return the plans of all trackers, data set by data set.

    Faults of trackers are raised before any data set is looked for. See `trackbench.engine.plan.make_plan` for what is
    not said here.

    Args:
        choice: the trackers.
        datasets: names, folders or open data sets.
        runs: the folder of all runs.
        root: the folder that holds the data sets; None: where they are known to be.
        sequences: only these (names or globs).
        limit: only the first so many.
        shard: ``i/n``: only this share of the sequences.
        protocol: default: each data set's.
        repetitions: default: the protocol's.
        convention: whose overlap decides on failures of reset-based runs.
        speed: for real time: frames per second to assume.
        restart: throw away what is stored.
        dry: change nothing on disk.
        say: takes a line of what else there is to know.

    Raises:
        UsageError: a name is unknown, or options do not go together.
        DataError: a data set or a stored result cannot be read.
    """
    names = list(dict.fromkeys(choice.names))
    specs = [choice.find(name) for name in names]
    if choice.random_weights:
        drawn = [spec.name for spec in specs if spec.has_network]
        if not drawn:
            raise UsageError(f"--random-weights: {', '.join(names)} takes no checkpoint")
        say(f"{', '.join(drawn)}: random weights; the numbers say nothing about the tracker")
    groups = []
    for wanted in dict.fromkeys(datasets):
        found = open_dataset(wanted, root) if isinstance(wanted, str) else wanted
        chosen = select(found, list(sequences) if sequences else None, limit)
        if shard is not None:
            chosen = take_shard(chosen, *parse_shard(shard))
        if len(found.sequences) < found.of:
            say(f"{found.name}: {len(found.sequences)} of {found.of} sequences are in {found.root}")
        groups.append(
            [
                make_plan(
                    choice.find(name, found.definition, protocol),
                    chosen,
                    runs,
                    protocol=protocol,
                    repetitions=repetitions,
                    convention=convention,
                    speed=speed,
                    seed=choice.seed,
                    restart=restart,
                    dry=dry,
                )
                for name in names
            ]
        )
    return groups


def carry_out(
    groups: Sequence[Sequence[Plan]],
    rules: Rules,
    *,
    device: str = "auto",
    devices: str | None = None,
    workers: int | None = 1,
    ray: str | None = None,
    isolate: bool = False,
    timeout: float | None = None,
    together: int | None = None,
    progress: Callable[[list[Plan]], AbstractContextManager[Any]] = lambda _: nullcontext(Progress()),
) -> None:
    """Run what the plans are missing; sequences that fail are in each plan's ``failed``.

    Args:
        groups: plans, those over one data set together.
        rules: how many sequences at once, decoding threads, tries.
        device: of a single process.
        devices: those of several, with commas between.
        workers: how many processes; None: one a device.
        ray: address of a cluster of Ray that does the work, or ``auto``, or ``local`` for one on this machine.
        isolate: a process of its own even for one worker.
        timeout: seconds a frame after which a worker counts as stuck.
        together: how many trackers share a process.
        progress: gives what is told of progress on one data set.

    Raises:
        UsageError: options do not go together.
        TrackbenchError: a tracker cannot be built, or the store cannot be written.
    """
    pooled = None
    if ray is None and (workers != 1 or devices is not None or isolate or timeout is not None):
        pooled = devices_for(workers, devices, device)
    for plans in map(list, groups):
        if not any(plan.missing for plan in plans):
            continue
        with progress(plans) as shown:
            watch = getattr(shown, "watch", None)
            if ray is not None:
                address = None if ray == "local" else ray
                run_on_ray(plans, rules, address, workers=workers, together=together, watch=watch)
            elif pooled is None:
                execute(plans, device=device, progress=shown, rules=rules, together=together)
            else:
                Pool(plans, rules, pooled, together=together, timeout=timeout, watch=watch).run()
