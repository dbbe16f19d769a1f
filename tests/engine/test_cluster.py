"""Shares without a common folder, status, jobs of SLURM and actors of Ray."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path

import pytest
from command import document, trackbench

from trackbench.datasets.catalogue import open_dataset
from trackbench.engine.cluster import parse_slurm, run_on_ray, slurm_jobs, submit
from trackbench.engine.execution import execute
from trackbench.engine.plan import Plan, make_plan
from trackbench.engine.queue import Rules
from trackbench.engine.shards import take_shard
from trackbench.engine.status import read_status
from trackbench.errors import UsageError
from trackbench.results.store import RunFolder, stored_runs
from trackbench.trackers.registry import find_tracker


def plan(workplace: Path, runs: str = "runs", **options: object) -> Plan:
    return make_plan(find_tracker("drift", options=options), open_dataset("data"), workplace / runs)


def results(folder: RunFolder) -> dict[str, bytes]:
    kept = (
        path for path in folder.path.rglob("*") if path.suffix in (".txt", ".score") or path.name == "manifest.json"
    )
    return {path.name: path.read_bytes() for path in kept}


def test_shares_are_disjoint_whole_and_balanced(workplace: Path) -> None:
    dataset = open_dataset("data")  # 6, 7 and 8 frames
    shares = [[sequence.name for sequence in take_shard(dataset, i, 2).sequences] for i in (1, 2)]
    assert shares == [["s3"], ["s1", "s2"]]
    for text in ("0/2", "3/2", "1", "a/b", "1/0"):
        trackbench("run", "drift", "-d", "data", "--shard", text, code=2)


def test_shares_of_two_machines_merge_to_the_run_of_one(workplace: Path) -> None:
    execute([plan(workplace, "whole")], device="cpu")
    for i in (1, 2):
        trackbench("run", "drift", "-d", "data", "--shard", f"{i}/2", "--runs", f"node{i}", "--device", "cpu")
    (row,) = document("merge", "node1", "node2", "--into", "merged")["runs"]
    assert (row["new"], row["stored"]) == (3, 3)
    (merged,), (whole,) = stored_runs(workplace / "merged"), stored_runs(workplace / "whole")
    assert results(merged) == results(whole)
    assert [session["sequences"] for session in (merged.manifest() or {})["sessions"]] == [1, 2]
    assert set(merged.fingerprints()) == {"s1", "s2", "s3"}
    assert document("merge", "node1", "--into", "merged")["runs"][0]["new"] == 0
    assert plan(workplace, "merged").missing == []


def test_runs_that_do_not_belong_together_are_not_merged(workplace: Path) -> None:
    for name in ("one", "two"):
        execute([plan(workplace, name)], device="cpu")
    (workplace / "two/drift/data/one-pass/s2.txt").write_text("1,1,1,1\n" * 7)
    assert "s2.txt" in trackbench("merge", "one", "two", "--into", "three", code=1).output
    assert not (workplace / "three").exists()
    path = workplace / "two/drift/data/one-pass/manifest.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"identity": {"tracker": "other"}}))
    assert "are of different settings" in trackbench("merge", "one", "two", "--into", "three", code=2).output
    assert "holds no runs" in trackbench("merge", "nowhere", "--into", "three", code=2).output


def test_status_shows_workers_at_work_and_what_limits_them(workplace: Path) -> None:
    mine = plan(workplace, sleep=0.2, gate=str(workplace / "open"))
    thread = threading.Thread(target=execute, args=([mine],), kwargs={"device": "cpu"})
    thread.start()
    try:
        deadline = time.monotonic() + 60
        while len(mine.folder.sequences()) < 1:
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(2.5)  # a heartbeat later
        found = document("status", "runs")
    finally:
        (workplace / "open").touch()
        thread.join()
    (worker,), (run,) = found["workers"], found["runs"]
    assert (worker["device"], worker["done"], worker["sequences"]) == ("cpu", 1, ["s2"])
    assert (run["stored"], run["left"], run["failed"]) == (1, 2, 0)
    assert found["limits"]["network"] > 0.5
    assert found["frames_left"] == 13
    after = read_status(workplace / "runs")
    assert (after["workers"], after["runs"][0]["left"]) == ([], 0)
    assert "nobody is working" in trackbench("status", "runs").output
    assert "there is no such folder" in trackbench("status", "nowhere", code=2).output


def test_options_of_slurm() -> None:
    assert parse_slurm("partition=gpu,gpus=8,time=4h,cpus=6,mem=32GB,nice=100") == (
        8,
        {
            "slurm_partition": "gpu",
            "timeout_min": 240,
            "cpus_per_task": 6,
            "slurm_mem": "32GB",
            "gpus_per_node": 1,
            "slurm_additional_parameters": {"nice": "100"},
        },
    )
    for text in ("gpu", "gpus=many", "time=soon", "time=0"):
        with pytest.raises(UsageError, match="--slurm"):
            parse_slurm(text)


@pytest.mark.slow
def test_jobs_of_submitits_local_executor_do_the_work(workplace: Path) -> None:
    pytest.importorskip("submitit")
    mine = plan(workplace)
    jobs = submit([mine], Rules(), "jobs=2,time=10m", cluster="local")
    for job in jobs:
        job.result()
    assert mine.folder.sequences() == {"s1", "s2", "s3"}
    assert [row["job"] for row in slurm_jobs(workplace / "runs")] == [str(job.job_id) for job in jobs]
    for row in slurm_jobs(workplace / "runs"):
        assert list(Path(row["logs"]).glob("*.out"))


SBATCH = '#!/bin/sh\necho "$@" >> {folder}/sbatch.log\ncp "$1" {folder}/script.sh\necho "Submitted batch job 4711"\n'


def test_a_job_array_is_given_to_sbatch_and_found_by_status(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    binaries = workplace / "bin"
    binaries.mkdir()
    for name, text in {
        "sbatch": SBATCH.format(folder=workplace),
        "srun": "#!/bin/sh\n",
        "squeue": "#!/bin/sh\necho '4711_0 RUNNING'\n",
    }.items():
        (binaries / name).write_text(text)
        (binaries / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{binaries}{os.pathsep}{os.environ['PATH']}")
    output = trackbench("run", "drift", "-d", "data", "--slurm", "partition=gpu,gpus=2,time=4h").output
    assert "submitted 2 jobs: 4711_0, 4711_1" in output
    script = (workplace / "script.sh").read_text()
    for line in ("--array=0-1", "--partition=gpu", "--time=240", "--gpus-per-node=1", "--signal="):
        assert f"#SBATCH {line}" in script
    jobs = document("status", "runs")["jobs"]
    assert [(job["job"], job["state"]) for job in jobs] == [("4711_0", "RUNNING"), ("4711_1", None)]
    assert "4711_0" in trackbench("status", "runs").output


def test_without_slurm_one_line_says_so(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("submitit")
    monkeypatch.setenv("PATH", str(workplace))
    with pytest.raises(UsageError, match="there is no sbatch"):
        submit([plan(workplace)], Rules(), "gpus=2")


@pytest.mark.slow
def test_actors_of_ray_do_the_work_and_one_that_is_killed_is_replaced(workplace: Path) -> None:
    pytest.importorskip("ray")
    import psutil

    killed: list[int] = []

    def kill(workers: list[dict[str, object]]) -> None:
        if not killed:
            for worker in workers:
                if worker["sequences"]:
                    killed.append(int(str(worker["process"])))
                    psutil.Process(killed[0]).kill()
                    return

    mine = plan(workplace, sleep=0.5)
    run_on_ray([mine], Rules(retries=5), None, workers=2, watch=kill)
    assert killed
    assert mine.folder.sequences() == {"s1", "s2", "s3"}
    assert mine.failed == {}
    assert not (mine.folder.path / "claims").exists()
