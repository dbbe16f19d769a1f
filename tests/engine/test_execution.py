import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from command import heed_interrupts
from samples import write_dataset, write_sequence

from trackbench.datasets.catalogue import open_dataset
from trackbench.engine.execution import execute
from trackbench.engine.plan import expected_frames, make_plan
from trackbench.errors import DataError, UsageError
from trackbench.files import ignores_case
from trackbench.results.store import stored_runs
from trackbench.trackers.registry import find_tracker


def contents(folder: Path) -> dict[str, str]:
    """Everything stored whose content does not depend on the clock."""
    return {str(p.relative_to(folder)): p.read_text() for p in folder.rglob("*") if p.suffix in {".txt", ".score"}}


def test_stores_and_resumes(workplace: Path) -> None:
    dataset = open_dataset("data")
    plan = make_plan(find_tracker("drift"), dataset, workplace / "runs")
    assert expected_frames([plan]) == 21
    execute([plan], device="cpu", batch=2)
    folder = workplace / "runs/drift/data/one-pass"
    assert sorted(p.name for p in folder.iterdir()) == sorted(
        ["manifest.json", "sessions", *(f"s{n}{suffix}" for n in (1, 2, 3) for suffix in (".txt", ".time", ".score"))]
    )
    summary = plan.summary()
    assert (summary["sequences"], summary["of"], summary["frames"], summary["failed"]) == (3, 3, 21, [])
    manifest = plan.folder.manifest()
    assert manifest is not None
    assert manifest["identity"]["options"] == {"dx": 1.0, "fail_on": "", "sleep": 0.0, "gate": ""}
    (session,) = manifest["sessions"]
    assert (session["sequences"], session["batch"], session["device"]) == (3, 2, "cpu")
    assert "divided by its batch" in session["timing"]

    before = contents(folder)
    (folder / "s2.txt").unlink()
    again = make_plan(find_tracker("drift"), dataset, workplace / "runs")
    assert [task.run.name for task in again.missing] == ["s2"]
    execute([again], device="cpu")
    assert contents(folder) == before
    assert [session["sequences"] for session in (plan.folder.manifest() or {})["sessions"]] == [3, 1]
    assert make_plan(find_tracker("drift"), dataset, workplace / "runs").missing == []


def test_settings_make_another_identity(workplace: Path) -> None:
    dataset = open_dataset("data")
    changed = find_tracker("drift", options={"dx": 2})
    assert changed.label == "drift@dx=2"
    plan = make_plan(changed, dataset, workplace / "runs")
    execute([plan], device="cpu")
    assert plan.folder.path == workplace / "runs/drift@dx=2/data/one-pass"
    # The same folder under a changed definition is refused.
    (workplace / "trackers/drift.toml").write_text(
        'title = "D"\nclass = "sample_trackers:Drift"\n[options]\nsleep=0.001\n'
    )
    with pytest.raises(UsageError, match=r"other settings \(options.sleep: stored 0.0, now 0.001\)"):
        make_plan(find_tracker("drift", options={"dx": 2}), dataset, workplace / "runs")
    fresh = make_plan(find_tracker("drift", options={"dx": 2}), dataset, workplace / "runs", restart=True)
    assert len(fresh.missing) == 3


def test_a_disk_that_ignores_case_is_refused_where_two_names_differ_in_nothing_else(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not ignores_case(workplace)
    write_sequence(workplace / "data/S1", 5)
    dataset = open_dataset("data")
    assert make_plan(find_tracker("static"), dataset, workplace / "runs").missing
    monkeypatch.setattr("trackbench.engine.plan.ignores_case", lambda folder: folder == workplace / "runs")
    with pytest.raises(UsageError, match="does not tell 'S1' from 's1', sequences of data; --runs on a disk that does"):
        make_plan(find_tracker("static"), dataset, workplace / "runs")


def test_a_disk_that_ignores_case_is_known_by_what_it_finds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Path, "exists", lambda path: path.parent == tmp_path and path.name.startswith(".cASE"))
    assert ignores_case(tmp_path / "runs" / "none yet")
    assert not list(tmp_path.iterdir())


def test_changed_data_is_noticed(workplace: Path) -> None:
    execute([make_plan(find_tracker("static"), open_dataset("data"), workplace / "runs")], device="cpu")
    ground_truth = workplace / "data/s1/groundtruth.txt"
    lines = ground_truth.read_text().splitlines()
    ground_truth.write_text("\n".join(["9,9,8,6", *lines[1:]]))
    with pytest.raises(DataError, match=r"s1.txt: was started on 10.0,12.0,8.0,6.0, the annotation now says 9.0,9.0"):
        make_plan(find_tracker("static"), open_dataset("data"), workplace / "runs")
    ground_truth.write_text("\n".join(lines[:-1]))
    with pytest.raises(DataError, match=r"s1.txt: holds 6 frames, the sequence now has 5; --restart"):
        make_plan(find_tracker("static"), open_dataset("data"), workplace / "runs")


def test_failures_are_recorded_and_forgotten_once_mended(workplace: Path) -> None:
    image = workplace / "data/s2/img/0003.jpg"
    good = image.read_bytes()
    image.unlink()
    plan = make_plan(find_tracker("static"), open_dataset("data"), workplace / "runs")
    execute([plan], device="cpu", batch=4)
    assert list(plan.failed) == ["s2"]
    assert plan.folder.sequences() == {"s1", "s3"}
    assert "6 frames but 7 annotations" in plan.folder.failures()["s2"]["reason"]
    image.write_bytes(good)
    execute([make_plan(find_tracker("static"), open_dataset("data"), workplace / "runs")], device="cpu")
    assert plan.folder.failures() == {}
    assert plan.folder.sequences() == {"s1", "s2", "s3"}


def test_repetitions_are_seeded_one_after_the_other(workplace: Path) -> None:
    plan = make_plan(find_tracker("dice"), open_dataset("data"), workplace / "runs", repetitions=2, seed=3)
    execute([plan], device="cpu")
    first, second = plan.folder.boxes("s1", 1), plan.folder.boxes("s1", 2)
    assert (first[1:] != second[1:]).any()
    other = make_plan(find_tracker("dice"), open_dataset("data"), workplace / "other", seed=4)
    execute([other], device="cpu")
    assert (other.folder.boxes("s1") == second).all()
    with pytest.raises(UsageError, match="seed: stored 3, now 4"):
        make_plan(find_tracker("dice"), open_dataset("data"), workplace / "runs", seed=4)


def start(workplace: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a run; before its second sequence it waits for the file ``open``."""
    command = [sys.executable, "-m", "trackbench", "run", "drift", "-d", "data", "--set", "gate=open", *arguments]
    pipes: dict[str, Any] = {"stderr": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
    return subprocess.Popen(command, cwd=workplace, preexec_fn=heed_interrupts, **pipes)


def wait_for(folder: Path, count: int) -> None:
    deadline = time.monotonic() + 60
    while len(list(folder.glob("*/data/one-pass/*.txt"))) < count:
        assert time.monotonic() < deadline, "nothing was stored"
        time.sleep(0.005)


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_killed_in_the_middle(workplace: Path) -> None:
    """After kill -9 the same command gives the same files as a run that nobody disturbed."""
    killed = start(workplace, "--runs", "rough")
    wait_for(workplace / "rough", 1)
    killed.kill()
    killed.communicate()
    assert killed.returncode == -signal.SIGKILL
    # What a writer leaves when it dies at the worst moment.
    folder = next((workplace / "rough").glob("*/data/one-pass"))
    assert [path.name for path in folder.glob("*.txt")] == ["s3.txt"]  # the longest sequence comes first
    (folder / "s1.time").write_text("0.1\n")
    (workplace / "open").touch()
    undisturbed = start(workplace, "--runs", "calm")
    again = start(workplace, "--runs", "rough")
    assert again.communicate() is not None
    undisturbed.communicate()
    assert (again.returncode, undisturbed.returncode) == (0, 0)
    assert contents(workplace / "rough") == contents(workplace / "calm")
    names = [
        sorted(p.name for p in (workplace / name).rglob("*") if p.parent.name != "sessions")
        for name in ("rough", "calm")
    ]
    assert names[0] == names[1]


@pytest.mark.skipif(os.name != "posix", reason="needs POSIX signals")
def test_interrupted(workplace: Path) -> None:
    process = start(workplace, "--runs", "runs")
    wait_for(workplace / "runs", 1)
    time.sleep(0.5)  # until what is stored has been counted too
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "interrupted; everything finished so far is kept, the same command continues" in errors
    assert "Traceback" not in errors
    assert [path.name for path in (workplace / "runs").glob("*/data/one-pass/*.txt")] == ["s3.txt"]
    (run,) = stored_runs(workplace / "runs")
    assert [session["sequences"] for session in (run.manifest() or {})["sessions"]] == [1]


def test_two_processes_on_one_run_lose_nothing(workplace: Path) -> None:
    """Both are under way at the same time: each has stored a sequence when the other starts its second one."""
    write_dataset(workplace / "wide", 8)
    (workplace / "data").rename(workplace / "narrow")
    (workplace / "wide").rename(workplace / "data")
    (workplace / "data/s2/groundtruth.txt").write_text("not a box\n")
    (workplace / "data/s5/groundtruth.txt").write_text("not a box\n")
    sides = [("s1", "s2", "s3", "s4"), ("s5", "s6", "s7", "s8")]
    processes = [start(workplace, "--runs", "runs", *(f"--sequence={name}" for name in side)) for side in sides]
    wait_for(workplace / "runs", 2)
    (workplace / "open").touch()
    for process in processes:
        _, errors = process.communicate(timeout=100)
        assert process.returncode == 1, errors
    (run,) = stored_runs(workplace / "runs")
    assert run.sequences() == {"s1", "s3", "s4", "s6", "s7", "s8"}
    assert sorted(run.failures()) == ["s2", "s5"]
    manifest = run.manifest()
    assert manifest is not None
    assert [session["sequences"] for session in manifest["sessions"]] == [3, 3]
    assert set(run.fingerprints()) == run.sequences()
