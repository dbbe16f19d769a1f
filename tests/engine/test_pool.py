"""Several worker processes on one run: real ones, which are killed, hang and crash."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from multiprocessing.context import SpawnProcess
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from command import heed_interrupts
from samples import write_sequence

from trackbench.datasets.catalogue import open_dataset
from trackbench.engine.execution import execute
from trackbench.engine.plan import Plan, make_plan
from trackbench.engine.pool import THREADS, Assignment, Pool, cores, devices_for
from trackbench.engine.queue import Rules
from trackbench.errors import DataError, TrackerError, UsageError
from trackbench.results.store import RunFolder, stored_runs
from trackbench.trackers.registry import find_tracker

CRASHER = '''
import ctypes
import os
import signal
import time

from sample_trackers import Drift, DriftOptions


class CrasherOptions(DriftOptions):
    dies_of: str = "SIGSEGV"
    device_error: str = ""


class Crasher(Drift):
    """Dies on dark frames."""

    Options = CrasherOptions

    def __init__(self, options, device="cpu"):
        super().__init__(options, device)
        if options.device_error:
            raise RuntimeError(options.device_error)
        if options.dies_of == "building":
            os._exit(3)

    def step(self, frames, states):
        if min(frame.mean() for frame in frames) < 5:
            if self.options.dies_of == "exit":
                os._exit(3)
            if self.options.dies_of == "hang":
                time.sleep(1000)
            os.kill(os.getpid(), getattr(signal, self.options.dies_of))
            time.sleep(10)
        return super().step(frames, states)
'''


@pytest.fixture
def wide(workplace: Path) -> Path:
    """Six sequences, of which ``dark`` is the death of the tracker ``crasher``."""
    for index in range(5):
        write_sequence(workplace / f"wide/w{index}", 8 + index)
    write_sequence(workplace / "wide/dark", 30, brightness=0)
    (workplace / "crasher.py").write_text(CRASHER)
    (workplace / "trackers/crasher.toml").write_text('title = "C"\nclass = "crasher:Crasher"\ndeterministic = true\n')
    return workplace


def plan(workplace: Path, tracker: str = "drift", runs: str = "runs", **options: Any) -> Plan:
    return make_plan(find_tracker(tracker, options=options), open_dataset("wide"), workplace / runs)


def results(folder: RunFolder) -> dict[str, bytes]:
    """What is stored and does not depend on the clock."""
    return {
        str(path.relative_to(folder.path)): path.read_bytes()
        for path in folder.path.rglob("*")
        if path.suffix in (".txt", ".score", ".mask") or path.name == "manifest.json"
    }


@pytest.mark.parametrize("workers", [2, pytest.param(4, marks=pytest.mark.slow)])
def test_the_same_bytes_for_any_number_of_workers_and_any_order(wide: Path, workers: int) -> None:
    alone, many = plan(wide, runs="alone"), plan(wide, runs="many")
    execute([alone], device="cpu")
    random.Random(workers).shuffle(many.missing)
    Pool([many], Rules(batch=2), ["cpu"] * workers).run()
    assert len(alone.folder.sequences()) == 6
    assert results(alone.folder) == results(many.folder)
    sessions = (many.folder.manifest() or {})["sessions"]
    assert sum(session["sequences"] for session in sessions) == 6
    assert not (many.folder.path / "claims").exists()
    assert not (wide / "many/.workers").exists()


@pytest.mark.parametrize(
    ("dies_of", "reason"),
    [("SIGSEGV", "died of SIGSEGV (2 tries)"), ("exit", "ended with exit code 3 (2 tries)")],
)
def test_a_crash_costs_its_sequence_alone(wide: Path, dies_of: str, reason: str) -> None:
    mine = plan(wide, "crasher", dies_of=dies_of)
    Pool([mine], Rules(batch=3, retries=1), ["cpu"]).run()
    assert mine.folder.sequences() == {f"w{index}" for index in range(5)}
    assert mine.failed == {"dark": reason}
    assert mine.folder.failures()["dark"]["reason"] == reason
    assert not (mine.folder.path / "claims").exists()


def test_a_worker_that_hangs_is_ended(wide: Path) -> None:
    mine = plan(wide, "crasher", dies_of="hang")
    Pool([mine], Rules(retries=0), ["cpu"], timeout=3).run()
    assert mine.folder.sequences() == {f"w{index}" for index in range(5)}
    assert mine.failed == {"dark": "made no progress for 3 s a frame (1 tries)"}


@pytest.mark.parametrize("more", ["", "x" * 200_000], ids=["short", "more than a pipe holds"])
def test_a_device_that_fails_to_start_leaves_the_work_to_the_others(wide: Path, more: str) -> None:
    broken = plan(wide, "crasher", device_error=f"CUDA error: out of memory{more}")
    with pytest.raises(TrackerError, match="RuntimeError: CUDA error: out of memory"):
        Pool([broken], Rules(), ["cpu"]).run()
    assert broken.folder.sequences() == set()


def test_workers_that_die_before_they_have_work_are_given_up(wide: Path) -> None:
    mine = plan(wide, "crasher", dies_of="building")
    message = "cpu: a worker ended with exit code 3 before it had work, 2 times in a row"
    with pytest.raises(TrackerError, match=message):
        Pool([mine], Rules(retries=1), ["cpu"]).run()
    assert mine.folder.failures() == {}


def test_a_machine_without_the_images_leaves_the_sequences_to_the_others(
    wide: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = plan(wide)
    shutil.copytree(wide / "wide", wide / "bare/wide")
    for image in (wide / "bare/wide").rglob("*.jpg"):
        image.unlink()
    with monkeypatch.context() as elsewhere:
        for module in ("plan", "recorder"):
            elsewhere.setattr(f"trackbench.engine.{module}.machine", lambda: "another")
        bare = make_plan(find_tracker("drift"), open_dataset(str(wide / "bare/wide")), wide / "runs")
        execute([bare], device="cpu")
        assert len(bare.failed) == 6
        assert not bare.is_unfinished()
    assert whole.is_unfinished()
    execute([whole], device="cpu")
    assert len(whole.folder.sequences()) == 6
    assert whole.folder.failures() == {}


def test_a_machine_without_the_data_set_says_so_and_takes_nothing(wide: Path) -> None:
    mine = plan(wide)
    elsewhere = Assignment.of([mine], Rules(), None)
    (wide / "wide").rename(wide / "moved")
    with pytest.raises(DataError, match=r"wide: there is no .*wide on this machine; it takes no work"):
        elsewhere.run("cpu")
    assert list(mine.folder.path.rglob("*.claim")) == []
    assert mine.folder.failures() == {}
    (wide / "moved").rename(wide / "wide")
    elsewhere.run("cpu")
    assert len(mine.folder.sequences()) == 6


def test_devices_of_workers() -> None:
    assert devices_for(3, "cpu") == ["cpu"] * 3
    assert devices_for(2, None, "cpu") == ["cpu", "cpu"]
    assert devices_for(None, "cpu") == ["cpu"]
    assert devices_for(None, None, "cpu") == ["cpu"] * cores()
    with pytest.raises(UsageError, match="--device 'cuda:7': this machine has"):
        devices_for(None, "cpu,cuda:7")


@pytest.mark.parametrize(("cpus", "own", "seen"), [(2, None, "1"), (3, None, None), (2, "2", "2")])
def test_where_every_core_has_a_worker_each_takes_one_thread(
    wide: Path, monkeypatch: pytest.MonkeyPatch, cpus: int, own: str | None, seen: str | None
) -> None:
    monkeypatch.setattr("trackbench.engine.pool.cores", lambda: cpus)
    monkeypatch.delenv(THREADS, raising=False)
    if own is not None:
        monkeypatch.setenv(THREADS, own)
    pool = Pool([plan(wide)], Rules(), ["cpu"] * 2)
    given = []
    monkeypatch.setattr("multiprocessing.context.SpawnProcess.start", lambda _: given.append(os.environ.get(THREADS)))
    pool._start("cpu")
    assert given == [seen]
    assert os.environ.get(THREADS) == own


def command(workplace: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start ``trackbench run crasher`` in a process group of its own, as if on another host."""
    program = [sys.executable, "-m", "trackbench", "run", "drift", "-d", "wide", "--device", "cpu", *arguments]
    pipes: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return subprocess.Popen(program, cwd=workplace, start_new_session=True, preexec_fn=heed_interrupts, **pipes)


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 120
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_pool_gives_back_its_claims(wide: Path, number: signal.Signals) -> None:
    process = command(wide, "--workers", "2", "--set", "gate=open")  # a second sequence never starts
    wait_until(lambda: len(list(wide.glob("runs/*/wide/one-pass/*.txt"))) >= 1)
    process.send_signal(number)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130, errors
    assert "interrupted; everything finished so far is kept" in errors
    assert "Traceback" not in errors
    assert list(wide.glob("runs/*/wide/one-pass/claims")) == []
    assert not (wide / "runs/.workers").exists()


def interrupt(*_: object) -> None:
    raise KeyboardInterrupt


def test_an_interruption_ends_a_worker_that_has_just_been_started(wide: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    started, start = [], SpawnProcess.start

    def start_and_interrupt(process: SpawnProcess) -> None:
        start(process)
        started.append(process)
        interrupt()

    monkeypatch.setattr(SpawnProcess, "start", start_and_interrupt)
    with pytest.raises(KeyboardInterrupt):
        Pool([plan(wide)], Rules(), ["cpu"]).run()
    assert [process.is_alive() for process in started] == [False]


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_a_second_interruption_ends_a_worker_that_does_not_heed_the_first(wide: Path) -> None:
    stopped: list[BaseProcess] = []

    def stop_and_interrupt(workers: list[dict[str, Any]]) -> None:
        if workers:
            stopped.extend(p for p in multiprocessing.active_children() if p.pid == workers[0]["process"])
            os.kill(workers[0]["process"], signal.SIGSTOP)
            signal.setitimer(signal.ITIMER_REAL, 0.1)
            interrupt()

    before = signal.signal(signal.SIGALRM, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            Pool([plan(wide, gate="open")], Rules(), ["cpu"], watch=stop_and_interrupt).run()
    finally:
        signal.signal(signal.SIGALRM, before)
    assert [process.exitcode for process in stopped] == [-signal.SIGKILL]


@pytest.mark.slow
@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_a_hundred_random_kills_lose_nothing(workplace: Path) -> None:
    """Eight workers in two process groups that stand for hosts; a random one is killed again and again."""
    import random

    import psutil

    for index in range(40):
        write_sequence(workplace / f"wide/s{index:02d}", 20 + index % 7)
    calm = plan(workplace, runs="calm", sleep=0.4)
    execute([calm], device="cpu", batch=40)
    hosts = [
        command(workplace, "--workers", "4", "--retries", "1000", "--set", "sleep=0.4", "--runs", "rough")
        for _ in range(2)
    ]
    draw, kills = random.Random(0), 0
    while kills < 100 and any(host.poll() is None for host in hosts):
        with contextlib.suppress(psutil.NoSuchProcess):  # one that ended while it was looked at
            running = [psutil.Process(host.pid) for host in hosts if host.poll() is None]
            children = [child for process in running for child in process.children()]
            workers = [child for child in children if "spawn_main" in " ".join(child.cmdline())]
            if workers:
                draw.choice(workers).kill()
                kills += 1
        time.sleep(draw.uniform(0.05, 0.4))
    for host in hosts:
        _, errors = host.communicate(timeout=600)
        assert host.returncode == 0, errors
    (rough,) = stored_runs(workplace / "rough")
    assert results(rough) == results(calm.folder)
    assert kills == 100
