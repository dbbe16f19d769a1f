"""A whole command's work: trackers over data sets, from names to stored results."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from trackbench.datasets.catalogue import open_dataset, select
from trackbench.datasets.meaning import corner_warning
from trackbench.datasets.sequence import Dataset
from trackbench.definitions import DatasetDefinition
from trackbench.engine.cluster import run_on_ray
from trackbench.engine.execution import execute
from trackbench.engine.plan import Plan, make_plan
from trackbench.engine.pool import Pool, devices_for
from trackbench.engine.queue import Rules
from trackbench.engine.scheduler import Progress
from trackbench.engine.shards import parse_shard, take_shard
from trackbench.errors import SeveralErrors, TrackbenchError, UsageError
from trackbench.trackers.registry import TrackerSpec, find_tracker


@dataclass(frozen=True)
class TrackerChoice:
    """Which trackers run, and with what."""

    names: Sequence[str]
    options: Mapping[str, Any] = field(default_factory=dict)
    """Dotted option name -> value, of all of them; of one of them with its name before it (``dcf.learning_rate``)."""
    weights: Path | None = None
    random_weights: bool = False
    trust_checkpoint: bool = False
    seed: int = 0
    label: str | None = None
    """What stands behind the names in the labels of the runs; None: what was changed."""

    def options_of(self, name: str) -> dict[str, Any]:
        """Return the options of one of the trackers: those of all, over them its own."""
        shared, own = {}, {}
        for key, value in self.options.items():
            addressed = {other: bare for other in self.names if (bare := _without_name(key, other)) is not None}
            if name in addressed:
                own[addressed[name]] = value
            elif not addressed:
                shared[key] = value
        return shared | own

    def find(self, name: str, record: DatasetDefinition | None = None, protocol: str | None = None) -> TrackerSpec:
        """Return one of them with its settings for a benchmark.

        Raises:
            UsageError: unknown name or option, a value that does not fit, or a checkpoint for a tracker without one.
            TrackerError: there are no weights.
        """
        try:
            return find_tracker(
                name,
                record,
                self.options_of(name),
                protocol=protocol,
                weights=self.weights,
                random_weights=self.random_weights,
                seed=self.seed,
                trust_checkpoint=self.trust_checkpoint,
                label=self.label,
            )
        except UsageError as error:
            if len(self.names) > 1 and "options of tracker" in str(error):
                raise UsageError(f"{error}; --set TRACKER.KEY=VALUE sets it for one of the trackers") from None
            raise


def _without_name(key: str, tracker: str) -> str | None:
    """Return an option without the tracker's name before it, or None where it does not begin with that."""
    for called in dict.fromkeys((tracker, tracker.rpartition("+")[0], tracker.partition(":")[0])):
        if called and key.lower().startswith(f"{called.lower()}."):
            return key[len(called) + 1 :]
    return None


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

    What is wrong with trackers and data sets is said at once, that of the former first. See
    `trackbench.engine.plan.make_plan` for what is not said here.

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
    # An open data set cannot be hashed.
    wanted = [one for place, one in enumerate(datasets) if not isinstance(one, str) or one not in datasets[:place]]
    specs, opened = _find_all(choice, names, wanted, root)
    if choice.random_weights:
        drawn = [spec.name for spec in specs if spec.has_network]
        if not drawn:
            raise UsageError(f"--random-weights: {', '.join(names)} takes no checkpoint")
        say(f"{', '.join(drawn)}: random weights; the numbers say nothing about the tracker")
    groups = []
    for dataset in opened:
        chosen = select(dataset, list(sequences) if sequences else None, limit)
        if shard is not None:
            chosen = take_shard(chosen, *parse_shard(shard))
        if dataset.shortfall:
            say(dataset.shortfall)
        if warning := corner_warning(chosen):
            say(warning)
        groups.append(
            [
                make_plan(
                    choice.find(name, dataset.definition, protocol),
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


def _find_all(
    choice: TrackerChoice, names: Sequence[str], datasets: Sequence[str | Dataset], root: Path | None
) -> tuple[list[TrackerSpec], list[Dataset]]:
    """Return trackers and data sets, or raise all that is wrong with them at once.

    Raises:
        SeveralErrors: more than one of them cannot be had.
        TrackbenchError: one of them cannot be had.
    """
    specs, opened, errors = [], [], []
    for name in names:
        try:
            specs.append(choice.find(name))
        except TrackbenchError as error:
            errors.append(error)
    for wanted in datasets:
        try:
            opened.append(open_dataset(wanted, root) if isinstance(wanted, str) else wanted)
        except TrackbenchError as error:
            errors.append(error)
    if len(errors) > 1:
        raise SeveralErrors(errors)
    if errors:
        raise errors[0]
    return specs, opened


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
        workers: how many processes; None: one a device, or one a core without a GPU.
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
                needed = pooled[: sum(len(plan.missing) for plan in plans)]
                Pool(plans, rules, needed, together=together, timeout=timeout, watch=watch).run()
