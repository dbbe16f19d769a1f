"""Claims: who works on what, and who finds out that its owner has died."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any

import pytest

from trackbench.engine.claims import WORKERS, Claims, Heartbeats, is_running, live_workers, machine, process_started
from trackbench.errors import UsageError
from trackbench.results.store import RunFolder, RunKey


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path, RunKey("dcf", "lasot", "one-pass"))


def owner(name: str, **more: Any) -> dict[str, Any]:
    mine = {"host": "here", "machine": machine(), "process": os.getpid(), "process_started": process_started()}
    return {"worker": name, **mine, **more}


FAR = {"host": "far", "machine": "another", "process": 1, "process_started": 0.0}


def test_a_sequence_is_claimed_by_one_worker_only(folder: RunFolder) -> None:
    one, two = Claims(folder, owner("one")), Claims(folder, owner("two"))
    assert one.take("airplane-1")
    assert not two.take("airplane-1")
    assert two.take("airplane-1", 2)
    assert (one.holds("airplane-1"), two.holds("airplane-1")) == (True, False)
    assert {(name, n): claim["worker"] for name, n, claim in one.all()} == {
        ("airplane-1", 1): "one",
        ("airplane-1", 2): "two",
    }
    two.release("airplane-1")
    assert one.holds("airplane-1")
    one.release("airplane-1")
    assert two.take("airplane-1")
    for repetition in (1, 2):
        two.release("airplane-1", repetition)
    two.tidy()
    assert not (folder.path / "claims").exists()


def test_a_claim_of_a_process_that_has_ended_is_dead_at_once(folder: RunFolder, tmp_path: Path) -> None:
    beats = Heartbeats(tmp_path)
    assert beats.death(owner("me")) is None
    assert beats.death(owner("gone", process=999_999_999)) == "process 999999999 has ended"
    later = owner("namesake", process_started=process_started() - 3600)
    assert not is_running(os.getpid(), later["process_started"])
    assert "has ended" in (beats.death(later) or "")


def test_clocks_of_hosts_are_never_compared(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The heartbeat of a host whose clock is an hour off counts as long as it changes."""
    beats, claim = Heartbeats(tmp_path, stale=60), {"worker": "w", **FAR}
    path = tmp_path / WORKERS / "w.json"
    path.parent.mkdir()
    now = 1000.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    for beat in range(5):
        path.write_text(json.dumps({"beat": beat}))
        os.utime(path, (time.time() - 3600, time.time() - 3600 * (-1) ** beat))
        assert beats.death(claim) is None
        now += 50
    now += 11
    assert beats.death(claim) == "no sign of life from far for 61 s"
    path.write_text(json.dumps({"beat": 9}))
    assert beats.death(claim) is None


def test_a_worker_without_a_heartbeat_file_is_given_its_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    beats, claim, now = Heartbeats(tmp_path, stale=60), {"worker": "w", **FAR}, 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert beats.death(claim) is None
    now = 61.0
    assert beats.death(claim) is not None


def test_only_one_of_many_buries_a_dead_claim_and_the_try_is_counted(folder: RunFolder) -> None:
    dead, one, two = (Claims(folder, owner(name)) for name in ("dead", "one", "two"))
    dead.take("a")
    ((_, _, claim),) = one.all()
    assert [each.bury("a", 1, claim, "died of SIGSEGV") for each in (one, two)] == [True, False]
    assert not dead.holds("a")
    assert [lost["reason"] for lost in one.lost("a")] == ["died of SIGSEGV"]
    assert one.all_lost() == {("a", 1)}
    assert two.take("a")
    one.forget("a")
    assert two.lost("a") == []


def test_a_claim_taken_anew_meanwhile_is_not_buried(folder: RunFolder) -> None:
    dead, new, slow = (Claims(folder, owner(name)) for name in ("dead", "new", "slow"))
    dead.take("a")
    ((_, _, claim),) = slow.all()
    dead.release("a")
    new.take("a")
    assert not slow.bury("a", 1, claim, "died")
    assert new.holds("a")
    assert slow.lost("a") == []


def test_a_claim_that_was_never_written_out_becomes_free(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    one = Claims(folder, owner("one"))
    one.take("a")
    (folder.path / "claims/a.claim").write_text("")
    beats, now = Heartbeats(folder.runs, stale=60), 0.0
    monkeypatch.setattr(time, "monotonic", lambda: now)
    ((name, repetition, claim),) = one.all()
    assert beats.death(claim) is None
    now = 61.0
    assert one.bury(name, repetition, claim, beats.death(claim) or "")
    assert one.take("a")


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_is_told_of_and_leaves_no_claim(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UsageError, match=r"a.claim: cannot be written: No space left on device"):
        Claims(folder, owner("one")).take("a")
    monkeypatch.undo()
    assert Claims(folder, owner("two")).take("a")


def test_an_interruption_while_a_claim_is_written_leaves_none(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: int) -> None:
        raise KeyboardInterrupt

    claims = Claims(folder, owner("one"))
    assert claims.take("bear-1")
    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        claims.take("airplane-1")
    assert not claims.take("bear-1")
    assert [name for name, _, _ in claims.all()] == ["bear-1"]


def test_a_folder_that_cannot_be_written_is_told_of(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("no folder")
    folder = RunFolder(tmp_path / "runs", RunKey("dcf", "lasot", "one-pass"))
    with pytest.raises(UsageError, match="cannot be written"):
        Claims(folder, owner("one")).take("a")


def test_heartbeats_of_dead_processes_of_this_machine_are_removed(tmp_path: Path) -> None:
    (tmp_path / WORKERS).mkdir()
    for name, worker in {
        "me": owner("me"),
        "gone": owner("gone", process=999_999_999),
        "far": {"worker": "far", **FAR},
    }.items():
        (tmp_path / WORKERS / f"{name}.json").write_text(json.dumps(worker))
    assert [worker["worker"] for worker in live_workers(tmp_path)] == ["far", "me"]
    assert not (tmp_path / WORKERS / "gone.json").exists()
