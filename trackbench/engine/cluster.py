"""Workers on a cluster: jobs of SLURM through submitit, actors of Ray. They take work by claims, as all workers do."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from trackbench.engine.claims import live_workers
from trackbench.engine.execution import check_batch, prepare
from trackbench.engine.plan import Plan
from trackbench.engine.pool import Assignment, Pool, bury_worker, devices_for
from trackbench.engine.queue import Rules
from trackbench.errors import TrackerError, UsageError
from trackbench.files import read_json, write_text
from trackbench.results.manifest import session_name

#: Folder below the runs for what SLURM's jobs print.
LOGS = ".slurm"
_KEYS = {"partition": "slurm_partition", "mem": "slurm_mem", "cpus": "cpus_per_task", "account": "slurm_account"}
_KEYS |= {"qos": "slurm_qos", "constraint": "slurm_constraint", "exclude": "slurm_exclude"}


@dataclass(frozen=True)
class SlurmJob:
    """What one job of the array does: a pool of workers on the GPUs that it was given."""

    assignment: Assignment
    timeout: float | None = None

    def __call__(self) -> None:
        """Work until nothing is free.

        Raises:
            TrackbenchError: no worker could begin.
        """
        rules, together = self.assignment.rules, self.assignment.together
        Pool(self.assignment.open(), rules, devices_for(None, None), together=together, timeout=self.timeout).run()

    def checkpoint(self) -> Any:
        """Return what submitit queues again when the job is preempted or its time is over: the same."""
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self)


def parse_slurm(text: str) -> tuple[int, dict[str, Any]]:
    """Return the number of jobs, one a GPU, and submitit's parameters.

    Args:
        text: ``partition=gpu,gpus=8,time=4h``; ``mem``, ``cpus``, ``account``, ``qos``, ``constraint`` and ``exclude``
            too, and whatever else sbatch knows.

    Raises:
        UsageError: not ``KEY=VALUE`` pairs, or a number or time that is none.

    Example:
        >>> parse_slurm("partition=gpu,gpus=8,time=4h")
        (8, {'slurm_partition': 'gpu', 'timeout_min': 240, 'gpus_per_node': 1})
    """
    jobs, gpus = 1, False
    parameters: dict[str, Any] = {}
    more: dict[str, str] = {}
    for part in filter(None, (part.strip() for part in text.split(","))):
        key, equals, value = part.partition("=")
        if not equals or not value:
            raise UsageError(f"--slurm '{part}': expected KEY=VALUE, as in partition=gpu,gpus=8,time=4h")
        if key in ("gpus", "jobs", "cpus"):
            if not value.isdecimal() or int(value) < 1:
                raise UsageError(f"--slurm '{part}': expected a number above 0")
            if key == "cpus":
                parameters["cpus_per_task"] = int(value)
            else:
                jobs, gpus = int(value), gpus or key == "gpus"
        elif key == "time":
            parameters["timeout_min"] = _minutes(value)
        elif key in _KEYS:
            parameters[_KEYS[key]] = value
        else:
            more[key] = value
    if gpus:
        parameters["gpus_per_node"] = 1
    if more:
        parameters["slurm_additional_parameters"] = more
    return jobs, parameters


def submit(
    plans: Sequence[Plan],
    rules: Rules,
    options: str,
    *,
    together: int | None = None,
    timeout: float | None = None,
    cluster: str = "slurm",
) -> list[Any]:
    """Submit jobs that do the work, and return them at once.

    Args:
        plans: what is to be done.
        rules: how work is done. A job ends when nothing is free, and does not wait for the others.
        options: see :func:`parse_slurm`.
        together: how many trackers a worker has in memory at once.
        timeout: seconds a frame after which a worker is ended.
        cluster: submitit's name of the executor.

    Raises:
        UsageError: submitit or SLURM is not installed, or SLURM refuses.
    """
    try:
        import submitit
    except ImportError:
        raise UsageError("--slurm needs submitit: pip install 'trackbench[slurm]'") from None
    if cluster == "slurm" and shutil.which("sbatch") is None:
        raise UsageError("--slurm: there is no sbatch on this machine")
    check_batch(plans, rules)
    prepare(plans)
    count, parameters = parse_slurm(options)
    logs = plans[0].folder.runs / LOGS
    executor = submitit.AutoExecutor(folder=logs / "%j", cluster=cluster)
    executor.update_parameters(name="trackbench", **parameters)
    job = SlurmJob(Assignment.of(plans, replace(rules, patient=False), together), timeout)
    try:
        jobs = executor.submit_array([job] * count)
    except submitit.core.utils.FailedJobError as error:
        raise UsageError(f"--slurm: {str(error).strip().splitlines()[-1]}") from None
    record = {"jobs": [str(each.job_id) for each in jobs], "options": options}
    write_text(logs / f"{session_name()}.json", json.dumps(record) + "\n")
    return list(jobs)


def slurm_jobs(runs: Path) -> list[dict[str, Any]]:
    """Return the jobs submitted for a folder of runs: ``job``, ``logs`` and, where SLURM still knows it, ``state``."""
    jobs: list[dict[str, Any]] = []
    for path in sorted((runs / LOGS).glob("*.json")):
        for job in (read_json(path) or {}).get("jobs", []):
            jobs.append({"job": job, "logs": str(runs / LOGS / job.partition("_")[0]), "state": None})
    if jobs and shutil.which("squeue"):
        command = ["squeue", "--noheader", "--array", "--format=%i %T", "--jobs", ",".join(job["job"] for job in jobs)]
        printed = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30).stdout
        states = dict(line.split(maxsplit=1) for line in printed.splitlines() if " " in line.strip())
        for job in jobs:
            job["state"] = states.get(job["job"])
    return jobs


def run_on_ray(
    plans: Sequence[Plan],
    rules: Rules,
    address: str | None,
    *,
    workers: int | None = None,
    together: int | None = None,
    watch: Callable[[list[dict[str, Any]]], None] | None = None,
) -> None:
    """Work with one actor of Ray a GPU, or a CPU where the cluster has no GPUs, until nothing is left.

    Args:
        plans: what is to be done.
        rules: how work is done.
        address: of the cluster; None: the one of ``RAY_ADDRESS``, else a new one on this machine.
        workers: how many actors; default: as many as there are devices.
        together: how many trackers an actor has in memory at once.
        watch: is given the heartbeats of the workers.

    Raises:
        UsageError: Ray is not installed, or the cluster cannot be reached.
        TrackerError: no worker could begin.
    """
    try:
        import ray
    except ImportError:
        raise UsageError("--ray needs Ray: pip install 'trackbench[ray]'") from None
    check_batch(plans, rules)
    prepare(plans)
    started = not ray.is_initialized()
    if started:
        try:
            ray.init(address=address, log_to_driver=False, configure_logging=False, include_dashboard=False)
        except (ConnectionError, ValueError) as error:
            raise UsageError(f"--ray {address}: {str(error).splitlines()[0]}") from None
    try:
        _with_actors(ray, plans, rules, workers, together, watch or (lambda state: None))
    finally:
        if started:
            ray.shutdown()
    for plan in plans:
        plan.collect_failures()


def _with_actors(
    ray: Any,
    plans: Sequence[Plan],
    rules: Rules,
    workers: int | None,
    together: int | None,
    watch: Callable[[list[dict[str, Any]]], None],
) -> None:
    resources = ray.cluster_resources()
    gpus = int(resources.get("GPU", 0))
    count = workers or gpus or int(resources.get("CPU", 1))
    # Several workers may share a GPU or a core where the user asks for more of them than there are.
    share = {"num_gpus": min(1.0, gpus / count)} if gpus else {"num_cpus": min(1.0, resources.get("CPU", 1) / count)}
    assignment = ray.put(Assignment.of(plans, replace(rules, workers=count), together))
    actor = ray.remote(**share, max_restarts=0)(_Actor)
    names: dict[Any, tuple[str, Any]] = {}

    def start() -> None:
        name, handle = session_name(), actor.remote()
        names[handle.run.remote(assignment, "auto", name)] = (name, handle)

    errors: list[str] = []
    try:
        for _ in range(count):
            start()
        while names:
            ended, _ = ray.wait(list(names), timeout=0.5)
            for reference in ended:
                name, _ = names.pop(reference)
                try:
                    message = ray.get(reference)
                except ray.exceptions.RayActorError:
                    if bury_worker(plans, name, "its Ray actor died"):
                        start()
                    else:
                        errors.append("a Ray actor died before it had work")
                    continue
                if message is not None:
                    errors.append(message)
            mine = {name for name, _ in names.values()}
            watch([beat for beat in live_workers(plans[0].folder.runs) if beat["worker"] in mine])
    finally:
        for name, handle in names.values():
            with suppress(Exception):
                ray.kill(handle)
            bury_worker(plans, name, None)
    if errors and any(plan.is_unfinished() for plan in plans):
        raise TrackerError("; ".join(dict.fromkeys(errors)))


class _Actor:
    """A worker in a process of Ray's."""

    def run(self, assignment: Assignment, device: str, name: str) -> str | None:
        """Work until nothing is left; returns what went wrong."""
        from trackbench.errors import TrackbenchError

        try:
            assignment.run(device, name)
        except TrackbenchError as error:
            return str(error)
        except Exception as error:
            return f"{type(error).__name__}: {error}"
        return None


def _minutes(text: str) -> int:
    units = {"m": 1, "h": 60, "d": 1440}
    number, unit = (text[:-1], text[-1]) if text[-1:] in units else (text, "m")
    if not number.replace(".", "", 1).isdecimal() or float(number) <= 0:
        raise UsageError(f"--slurm time={text}: expected minutes, or a number with m, h or d, as in 4h")
    return max(1, round(float(number) * units[unit]))
