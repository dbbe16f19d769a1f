"""What is going on in a folder of runs, as any terminal on any host sees it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from trackbench.engine.claims import live_workers, machine
from trackbench.engine.cluster import slurm_jobs
from trackbench.engine.worker import BEAT
from trackbench.errors import DataError
from trackbench.results.store import RunFolder, stored_runs


def read_status(runs: Path, *, patience: float = 2 * BEAT) -> dict[str, Any]:
    """Return the workers and the runs below a folder.

    Args:
        runs: the folder of all runs.
        patience: seconds in which the heartbeat of a worker on another machine has to change; else it is ``silent``.

    Returns:
        ``workers``: their heartbeats. ``runs``: of each run ``stored``, ``left`` (None where it is not known),
        ``failed``, and in ``why_not`` why its records cannot be read. ``jobs``: those of SLURM, with their logs.
        ``fps`` of all workers, ``frames_left``, ``seconds_left``, and ``limits``: the shares of the workers' time in
        waiting for images (``decode``), in cutting crops (``crop``), in the rest of the trackers' calls (``network``)
        and in writing (``write``).
    """
    workers = live_workers(runs)
    if patience and any(worker.get("machine") != machine() for worker in workers):
        beats = {worker["worker"]: worker["beat"] for worker in workers}
        time.sleep(patience)
        workers = live_workers(runs)
        for worker in workers:
            if worker.get("machine") != machine() and beats.get(worker["worker"]) == worker["beat"]:
                worker["state"] = "silent"
    rows = [_run(folder, workers) for folder in stored_runs(runs)]
    alive = [worker for worker in workers if worker["state"] != "silent"]
    fps = sum(worker["fps"] for worker in alive)
    left = max((worker["frames_left"] or 0 for worker in alive), default=0)
    kinds = sorted({kind for worker in alive for kind in worker["shares"]})
    return {
        "workers": workers,
        "runs": rows,
        "jobs": slurm_jobs(runs),
        "fps": round(fps, 2),
        "frames_left": left,
        "seconds_left": round(left / fps, 1) if fps > 0 else None,
        "limits": {kind: round(sum(w["shares"].get(kind, 0.0) for w in alive) / len(alive), 4) for kind in kinds},
    }


def _run(folder: RunFolder, workers: list[dict[str, Any]]) -> dict[str, Any]:
    sessions: list[dict[str, Any]] = []
    failures: dict[str, dict[str, Any]] = {}
    why_not = None
    try:
        sessions, failures = (folder.manifest() or {}).get("sessions", []), folder.failures()
    except DataError as error:
        why_not = str(error)
    stored = len(folder.sequences())
    known = [worker["runs"][str(folder.path)] for worker in workers if str(folder.path) in worker.get("runs", {})]
    planned = max((session.get("of", 0) for session in sessions), default=0)
    return {
        "tracker": folder.key.tracker,
        "dataset": folder.key.dataset,
        "protocol": folder.key.protocol,
        "folder": str(folder.path),
        "stored": stored,
        "left": min(known) if known else max(planned - stored, 0) if planned else None,
        "failed": len(failures),
        "why_not": why_not,
        "failures": [{"sequence": name, "reason": failure.get("reason")} for name, failure in failures.items()],
    }
