"""Execution of plans: trackers over a data set, doing what is missing and storing each sequence as it ends."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from trackbench.engine.capacity import Capacity, largest_batch
from trackbench.engine.claims import Claims, Heartbeats, live_workers
from trackbench.engine.plan import Plan
from trackbench.engine.queue import Queue, Rules
from trackbench.engine.scheduler import Progress, run
from trackbench.engine.worker import Worker
from trackbench.errors import UsageError
from trackbench.trackers.devices import resolve_device


def execute(
    plans: Sequence[Plan],
    *,
    device: str = "auto",
    batch: int | None = 1,
    threads: int = 2,
    progress: Progress | None = None,
    rules: Rules | None = None,
    together: int | None = None,
) -> None:
    """Run what the plans are missing, all over the same data set, in this process, and store it.

    Other processes may do the same at the same time, on this host and on others that see the folder. A sequence that
    cannot be run goes into its plan's ``failed`` and into ``failures/``; the others go on.

    Args:
        plans: what is to be done.
        device: ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.
        batch: sequences at once; None: as many as fit into memory.
        threads: threads that decode images.
        progress: is told how it goes.
        rules: how work is done; default: by ``batch`` and ``threads``.
        together: how many trackers are in memory at once; default: all.

    Raises:
        UsageError: a protocol measures the time of each call, and the batch is larger than 1.
        TrackbenchError: a tracker cannot be built, or the store cannot be written.
    """
    plans = [plan for plan in plans if plan.missing]
    if not plans:
        return
    rules = rules or Rules(batch=batch, threads=threads)
    check_batch(plans, rules)
    prepare(plans)
    device = resolve_device(device)
    with Worker(plans[0].folder.runs, device, progress) as worker:
        work(plans, worker, rules, together)
    for plan in plans:
        plan.collect_failures()


def work(plans: Sequence[Plan], worker: Worker, rules: Rules, together: int | None = None) -> None:
    """Do work of the plans as one worker among others, until nothing is left.

    Raises:
        TrackbenchError: a tracker cannot be built, or the store cannot be written.
    """
    for group in _groups(plans, together):
        models = [plan.spec.build(worker.owner["device"]) for plan in group]
        capacity = Capacity(rules.batch or 1)
        queue = Queue(group, models, worker, rules, capacity)
        if rules.batch is None and not any(plan.protocol.measures_time for plan in group):
            jobs = queue.jobs()
            for model in models:
                capacity.set(model, largest_batch(model, jobs[id(model)]))
                worker.note(f"{type(model).__name__}: {capacity.size(model)} sequences at once (--batch auto)")
        turns = rules.turns or (1 if worker.owner["device"] == "cpu" or capacity.least < 2 else 2)
        try:
            outcomes = run(
                queue, capacity, rules.threads, worker, exact=rules.exact, turns=turns, decoder=rules.decoder
            )
            for outcome in outcomes:
                queue.done(outcome)
        finally:
            queue.close()
        del models, queue
        if str(worker.owner["device"]).startswith("cuda"):
            import torch

            torch.cuda.empty_cache()


def check_batch(plans: Sequence[Plan], rules: Rules) -> None:
    """Raise UsageError where real time would be measured over several targets at once."""
    if (rules.batch or 1) > 1 and any(plan.protocol.measures_time for plan in plans):
        raise UsageError(
            f"--batch {rules.batch}: real time is measured one call at a time; use --batch 1, or --speed FPS"
        )


def prepare(plans: Sequence[Plan]) -> None:
    """Forget the tries of earlier commands that have died, unless another command is at work on the same run."""
    for plan in plans:
        claims, heartbeats = Claims(plan.folder, {}), Heartbeats(plan.folder.runs)
        for name, repetition, claim in list(claims.all()):
            if reason := heartbeats.death(claim):
                with suppress(UsageError):
                    claims.bury(name, repetition, claim, reason)
        live_workers(plan.folder.runs)
        if not any(True for _ in claims.all()):
            for name, repetition in claims.all_lost():
                claims.forget(name, repetition)


def _groups(plans: Sequence[Plan], together: int | None) -> Iterator[Sequence[Plan]]:
    size = together or len(plans)
    for start in range(0, len(plans), size):
        yield plans[start : start + size]
