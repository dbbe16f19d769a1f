import json
import os
import shutil
import socket
from pathlib import Path

import numpy as np
import pytest

from trackbench.errors import DataError, UsageError
from trackbench.files import folder_name
from trackbench.regions import Box, Polygon, Region, Special
from trackbench.results.manifest import differences, open_or_create_manifest, versions
from trackbench.results.store import RunFolder, RunKey, stored_runs

KEY = RunKey("opencv:mil", "otb100", "one-pass")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    return RunFolder(tmp_path, KEY)


def test_layout_and_contents(folder: RunFolder, tmp_path: Path) -> None:
    folder.write("Crossing", [Box(1, 2, 3, 4), Box(1.5, 2, 3, 4)], [0.25, 0.125], [None, 0.5])
    path = tmp_path / "opencv-mil/otb100/one-pass"
    assert sorted(p.name for p in path.iterdir()) == ["Crossing.score", "Crossing.time", "Crossing.txt"]
    assert (path / "Crossing.txt").read_text() == "1.0,2.0,3.0,4.0\n1.5,2.0,3.0,4.0\n"
    assert (path / "Crossing.time").read_text() == "0.25000000\n0.12500000\n"
    assert (path / "Crossing.score").read_text() == "\n0.5\n"
    assert folder.has("Crossing")
    assert not folder.has("Car1")
    assert folder.sequences() == {"Crossing"}
    np.testing.assert_array_equal(folder.boxes("Crossing"), [[1, 2, 3, 4], [1.5, 2, 3, 4]])
    seconds = folder.seconds("Crossing")
    assert seconds is not None
    assert seconds.tolist() == [0.25, 0.125]


def test_boxes_come_back_unchanged(folder: RunFolder) -> None:
    boxes = np.random.default_rng(0).normal(100, 50, (50, 4))
    folder.write("a", [Box.of(row) for row in boxes], [], [None] * 50)
    np.testing.assert_array_equal(folder.boxes("a"), boxes)
    assert folder.seconds("a") is None


def test_regions_of_other_kinds(folder: RunFolder) -> None:
    regions: list[Region] = [Special(1), Polygon([0, 0, 4, 0, 4, 2, 0, 2]), Special(2)]
    folder.write("a", regions, [0.1] * 3, [None] * 3)
    assert folder.regions("a") == regions
    boxes = folder.boxes("a")
    assert np.isnan(boxes[[0, 2]]).all()
    assert boxes[1].tolist() == [0, 0, 4, 2]


def test_repetitions(folder: RunFolder) -> None:
    assert folder.repetitions() == 0
    for repetition in (1, 2, 3):
        folder.write("a", [Box(repetition, 0, 1, 1)], [0.1], [None], repetition)
    assert folder.repetitions() == 3
    assert [folder.boxes("a", n)[0, 0] for n in (1, 2, 3)] == [1, 2, 3]
    folder.clear()
    assert folder.repetitions() == 0


@pytest.mark.parametrize("name", ["../evil", "/etc/passwd", "a/b", "", ".hidden", "a\\b"])
def test_names_that_would_leave_the_folder(folder: RunFolder, name: str) -> None:
    with pytest.raises(DataError, match="cannot name a file"):
        folder.write(name, [Box(0, 0, 1, 1)], [0.1], [None])


def test_faulty_results_name_file_and_line(folder: RunFolder) -> None:
    folder.write("a", [Box(0, 0, 1, 1)] * 2, [0.1] * 2, [None] * 2)
    folder.file("a").write_text("0,0,1,1\n0,0,x,1\n")
    with pytest.raises(DataError, match=r"a.txt: line 2: 'x' is not a number"):
        folder.boxes("a")
    folder.file("a", ".time").write_text("fast\n")
    with pytest.raises(DataError, match=r"a.time: .*expected seconds"):
        folder.seconds("a")


def test_unwritable_folder(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file, not a folder")
    with pytest.raises(UsageError, match=r"runs/opencv-mil/.*cannot be written"):
        RunFolder(tmp_path / "runs", KEY).write("a", [Box(0, 0, 1, 1)], [0.1], [None])


def test_sweep_removes_what_the_dead_have_left(folder: RunFolder) -> None:
    folder.path.mkdir(parents=True)
    host = socket.gethostname()
    dead, alive = folder.path / f"a.txt.{host}.999999999.writing", folder.path / f"a.txt.{host}.{os.getpid()}.writing"
    elsewhere = folder.path / "a.txt.another-machine.5.writing"
    for path in (dead, alive, elsewhere):
        path.touch()
    folder.remove_stale_temporaries()
    assert sorted(folder.path.iterdir()) == sorted([alive, elsewhere])
    assert folder.sequences() == set()


def test_failures(folder: RunFolder) -> None:
    folder.write_failure("a", {"reason": "no image", "traceback": None})
    folder.write_failure("a", {"reason": "no memory", "traceback": None}, 2)
    assert {key: failure["reason"] for key, failure in folder.failures().items()} == {
        "a": "no image",
        "a (repetition 2)": "no memory",
    }
    folder.remove_failure("a")
    folder.remove_failure("a", 2)
    folder.remove_failure("never failed")
    assert folder.failures() == {}


def test_failures_of_an_older_run_are_read_until_they_are_mended(folder: RunFolder) -> None:
    folder.path.mkdir(parents=True)
    old = {name: {"reason": "no image", "traceback": None} for name in ("a", "b", "b (repetition 2)", "c")}
    (folder.path / "failures.json").write_text(json.dumps(old))
    folder.write("a", [Box(0, 0, 1, 1)], [0.1], [None])
    folder.write("b", [Box(0, 0, 1, 1)], [0.1], [None], 2)
    folder.write("c_00000012", [Box(0, 0, 1, 1)], [0.1], [None])
    assert list(folder.failures()) == ["b"]
    assert json.loads((folder.path / "failures.json").read_text()) == old


def test_a_manifest_shows_the_sessions_of_all_processes(folder: RunFolder) -> None:
    first = {"started": "2026-01-01T00:00:00+00:00", "device": "cpu", "sequences": 2}
    manifest = {"identity": {"tracker": "dcf"}, "sessions": [first]}
    folder.write_manifest(manifest)
    third = {"started": "2026-01-03T00:00:00+00:00", "device": "cuda:0", "sequences": 1, "data": {"a": "12 34"}}
    second = {"started": "2026-01-02T00:00:00+00:00", "device": "cuda:1", "sequences": 1, "data": {"b": "56 78"}}
    folder.write_session("z", second)
    folder.write_session("a", third)
    found = folder.manifest()
    assert found is not None
    assert [session["device"] for session in found["sessions"]] == ["cpu", "cuda:1", "cuda:0"]
    assert folder.fingerprints() == {"a": "12 34", "b": "56 78"}
    folder.write_manifest(found)
    assert folder.manifest() == found
    assert json.loads((folder.path / "manifest.json").read_text()) == manifest


def test_manifest_decides(folder: RunFolder, tmp_path: Path) -> None:
    manifest = open_or_create_manifest(folder, {"tracker": "dcf", "options": {"rate": 0.02}})
    folder.write_manifest(manifest)
    folder.write("a", [Box(0, 0, 1, 1)], [0.1], [None])
    assert open_or_create_manifest(folder, {"tracker": "dcf", "options": {"rate": 0.02}}) == manifest
    with pytest.raises(UsageError, match=r"other settings \(options.rate: stored 0.02, now 0.05\); --restart"):
        open_or_create_manifest(folder, {"tracker": "dcf", "options": {"rate": 0.05}})
    assert [run.key for run in stored_runs(tmp_path)] == [KEY]
    assert stored_runs(tmp_path, "lasot") == []
    open_or_create_manifest(folder, {"tracker": "dcf", "options": {"rate": 0.05}}, restart=True)
    assert not folder.has("a")


@pytest.mark.parametrize("count", ["3", 3.0, True])
def test_a_count_in_a_manifest_is_a_whole_number(folder: RunFolder, count: object) -> None:
    folder.write_manifest({"padded": {"car": {"1": count}}})
    with pytest.raises(DataError, match=r"manifest.json: key 'padded.car.1' is .*: input should be a valid integer"):
        folder.manifest()


def test_results_without_a_manifest_are_not_trusted(folder: RunFolder) -> None:
    folder.write("a", [Box(0, 0, 1, 1)], [0.1], [None])
    with pytest.raises(UsageError, match="holds results but no manifest"):
        open_or_create_manifest(folder, {})


def test_differences_and_versions() -> None:
    assert differences({"a": 1, "b": {"c": 2}}, {"a": 1, "b": {"c": 3}, "d": 4}) == [
        "b.c: stored 2, now 3",
        "d: stored None, now 4",
    ]
    assert {"trackbench", "torch", "opencv-python", "python"} <= versions().keys()
    json.dumps(versions())


def test_file_name() -> None:
    assert folder_name("opencv:mil@seed=3") == "opencv-mil@seed=3"
    assert folder_name("got10k:a.b:C") == "got10k-a.b-C"


def test_a_run_in_copied_or_renamed_folders_is_found_where_it_is(folder: RunFolder, tmp_path: Path) -> None:
    folder.write("a", [Box(1, 2, 3, 4)], [0.5], [None])
    folder.write_manifest({"tracker": folder.key.tracker, "dataset": folder.key.dataset, "protocol": "one-pass"})
    tracker, dataset = folder.path.parents[1], folder.path.parent
    shutil.copytree(tracker, tmp_path / "my run (copy)")
    shutil.copytree(dataset, dataset.with_name("old (1)"))
    found = {(run.key.tracker, run.key.dataset): run.sequences() for run in stored_runs(tmp_path)}
    assert found == {
        ("my run (copy)", folder.key.dataset): {"a"},
        (folder.key.tracker, folder.key.dataset): {"a"},
        (folder.key.tracker, "old (1)"): {"a"},
    }
