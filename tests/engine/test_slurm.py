"""Jobs of a real SLURM on this machine: munged, slurmctld and slurmd of Debian, started for this test alone."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from command import document, trackbench

from trackbench.results.store import RunFolder, stored_runs

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "squeue", "scontrol", "sinfo")
CONFIGURATION = """\
ClusterName=one
SlurmctldHost={host}
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket={folder}/munge.socket
CredType=cred/munge
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd.log
SlurmctldPort={port}
SlurmdPort={next_port}
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
AccountingStorageType=accounting_storage/none
MpiDefault=none
ReturnToService=2
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SchedulerParameters=sched_interval=1,sched_min_interval=0
NodeName={host} CPUs={cpus} State=UNKNOWN
PartitionName=main Nodes={host} Default=YES MaxTime=INFINITE State=UP
"""


def wait_for(what: Callable[[], bool], seconds: float) -> bool:
    end = time.monotonic() + seconds
    while not what():
        if time.monotonic() > end:
            return False
        time.sleep(0.3)
    return True


def printed(*command: str) -> str:
    return subprocess.run(command, capture_output=True, text=True).stdout


def free_ports() -> tuple[int, int]:
    with socket.socket() as one, socket.socket() as two:
        one.bind(("", 0))
        two.bind(("", 0))
        return one.getsockname()[1], two.getsockname()[1]


@pytest.fixture
def slurm(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A cluster of one node with all cores of this machine."""
    lacking = [name for name in PROGRAMS if shutil.which(name) is None]
    if lacking:
        pytest.skip(f"SLURM is not installed: no {', '.join(lacking)}")
    if os.getuid() != 0:
        pytest.skip("the daemons of SLURM want to be root's")
    folder = tmp_path / "slurm"
    for name in ("state", "spool"):
        (folder / name).mkdir(parents=True)
    (folder / "munge.key").write_bytes(os.urandom(1024))
    (folder / "munge.key").chmod(0o400)
    port, next_port = free_ports()
    host, cpus = socket.gethostname().partition(".")[0], os.cpu_count()
    text = CONFIGURATION.format(folder=folder, host=host, cpus=cpus, port=port, next_port=next_port)
    (folder / "slurm.conf").write_text(text)
    (folder / "cgroup.conf").write_text("")
    monkeypatch.setenv("SLURM_CONF", str(folder / "slurm.conf"))
    names = ("socket", "key-file", "log-file", "pid-file", "seed-file")
    files = ("munge.socket", "munge.key", "munged.log", "munged.pid", "munged.seed")
    options = [f"--{name}={folder}/{file}" for name, file in zip(names, files, strict=True)]
    daemons: list[subprocess.Popen[bytes]] = []
    with (folder / "output").open("wb") as output:
        try:
            for command in (["munged", "--foreground", "--force", *options], ["slurmctld", "-D"], ["slurmd", "-D"]):
                daemons.append(subprocess.Popen(command, stdout=output, stderr=output))
            if not wait_for(lambda: "idle" in printed("sinfo", "-h"), 30):
                logs = [(folder / name).read_text() if (folder / name).exists() else "" for name in ("slurmd.log",)]
                pytest.skip(f"SLURM does not start here: {''.join(logs).strip().splitlines()[-1:]}")
            yield
        finally:
            for daemon in reversed(daemons):
                daemon.terminate()
                daemon.wait(20)


def results(folder: RunFolder) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.path.rglob("*.txt")}


@pytest.mark.slow
def test_jobs_share_the_work_and_one_that_is_queued_again_loses_nothing(workplace: Path, slurm: None) -> None:
    pytest.importorskip("submitit")
    sleepy = ("run", "drift", "-d", "data", "--set", "sleep=0.5", "--device", "cpu")
    output = trackbench(*sleepy, "--slurm", "jobs=2,time=5m,cpus=1").output
    job = output.partition(": ")[2].partition(",")[0]
    assert wait_for(lambda: bool(document("status", "runs")["workers"]), 60), printed("squeue")
    assert {row["state"] for row in document("status", "runs")["jobs"]} >= {"RUNNING"}
    subprocess.run(["scontrol", "requeue", job], check=True)
    assert wait_for(lambda: document("status", "runs")["runs"][0]["left"] == 0, 240), printed("squeue")
    assert document("status", "runs")["runs"][0]["failed"] == 0
    subprocess.run(["scancel", job], check=True)  # SLURM lets it wait for two minutes before it starts anew
    assert wait_for(lambda: not printed("squeue", "-h").strip(), 60), printed("squeue")
    assert document("status", "runs")["workers"] == []
    trackbench(*sleepy, "--runs", "alone")
    (shared,), (alone,) = stored_runs(workplace / "runs"), stored_runs(workplace / "alone")
    assert len(results(shared)) == 3
    assert results(shared) == results(alone)
