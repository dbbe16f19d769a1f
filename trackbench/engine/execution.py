"""Execution of plans: trackers over a data set, doing what is missing and storing each sequence as it ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from trackbench.engine.plan import Plan, Task
from trackbench.engine.recorder import Recorder
from trackbench.engine.scheduler import Job, Progress, run
from trackbench.errors import UsageError
from trackbench.trackers.base import TrackerModel
from trackbench.trackers.devices import resolve_device


def execute(
    plans: Sequence[Plan], *, device: str = "auto", batch: int = 1, threads: int = 2, progress: Progress | None = None
) -> None:
    """Run what the plans are missing, all over the same data set, and store it.

    A sequence that cannot be run goes into its plan's ``failed`` and into ``failures/``; the others go on.

    Raises:
        UsageError: a protocol measures the time of each call, and the batch is larger than 1.
        TrackbenchError: a tracker cannot be built, or the store cannot be written.
    """
    plans = [plan for plan in plans if plan.missing]
    if not plans:
        return
    if batch > 1 and any(plan.protocol.measures_time for plan in plans):
        raise UsageError(f"--batch {batch}: real time is measured one call at a time; use --batch 1, or --speed FPS")
    device = resolve_device(device)
    models = [plan.spec.build(device) for plan in plans]
    recorders = [Recorder(plan, model, batch, threads) for plan, model in zip(plans, models, strict=True)]
    try:
        for late in (False, True):
            groups: dict[str, list[Job]] = {}
            for index, (plan, model) in enumerate(zip(plans, models, strict=True)):
                converged = plan.converged_sequences() if late else set()
                for task in plan.missing:
                    if plan.is_optional_repetition(task) is late and task.run.name not in converged:
                        groups.setdefault(task.sequence.name, []).append(_job(index, plan, model, task))
            for outcome in run(list(groups.values()), batch, threads, progress):
                index, task = outcome.job.key  # type: ignore[misc]
                recorders[index].store(outcome, task)
    finally:
        for recorder in recorders:
            recorder.flush()


def _job(index: int, plan: Plan, model: TrackerModel[Any], task: Task) -> Job:
    return Job(
        (index, task),
        task.sequence,
        model,
        task.run.script,
        plan.seed + task.repetition - 1,
        plan.protocol.region_policy,
        task.run.delay,
        task.run.step,
    )
