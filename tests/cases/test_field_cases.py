"""Every case from the field that the reference material describes ends as its README says is right."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from command import trackbench

IMPORT = "import results --as T -d ./data --runs r"
REPORT = "report -d ./data --runs r --no-plots"
#: Commands in the folder of each case, the exit code, and what they print.
CASES: dict[str, list[tuple[str, int, str]]] = {
    "affine-mat": [(IMPORT, 0, "2 of 2 sequences"), (REPORT, 0, "95.2")],
    "black-first-frame": [("run dcf -d ./data --runs r", 0, "2 of 2"), (REPORT, 0, "dcf")],
    "compiled-checkpoint": [
        ("weights add dcfnet orig_mod.pth", 0, "4 tensors; kept"),
        ("weights add dcfnet module_orig.pth", 0, "4 tensors; kept"),
    ],
    "corners-read-as-boxes": [
        (IMPORT, 0, "2 of 2 first boxes are not the given ones.*--boxes xyxy"),
        (IMPORT.replace("--runs r", "--runs r2 --boxes xyxy"), 0, "2 of 2"),
        ("report -d ./data --runs r2 --no-plots", 0, "95.2"),
    ],
    "corrupt-jpeg": [
        ("check ./data", 0, "nothing is missing"),
        ("check ./data --deep --json", 1, r'"found": "data/A/img/0005.jpg: is damaged: Corrupt JPEG data'),
        ("run static -d ./data --runs r", 0, "1 of 1"),
    ],
    "got10k-without-labels": [
        ("run static -d got10k-val --root root --runs r", 0, "1 of 180.*11 answers in 1 sequence")
    ],
    "got10k-without-resolution": [
        ("run static -d got10k-val --root root --runs r", 0, "1 of 180"),
        ("report -d got10k-val --root root --runs r", 1, "meta_info.ini is missing.*nothing could be scored"),
    ],
    "incomplete-run-in-bold": [
        ("import part --as Part -d ./data --runs r", 0, "2 of 4.*missing: car_c, car_d"),
        ("import whole --as Whole -d ./data --runs r", 0, "4 of 4"),
        (REPORT, 0, "Part .2/4.*Not ranked, because incomplete: Part 2/4"),
    ],
    "json-results": [(IMPORT, 0, "2 of 2"), (IMPORT.replace("results", "results_csv").replace("T", "U"), 0, "2 of 2")],
    "lasot-ext-paddle": [
        (IMPORT.replace("./data", "lasot-ext --root root"), 0, "3 of 150"),
        (REPORT.replace("./data", "lasot-ext --root root --per-sequence"), 0, "paddle-1 . 95.2"),
        (
            "check lasot-ext --root root --json",
            1,
            "27 annotations in root/paddle/paddle-1/groundtruth.txt.*25 annotations, as in root/annos",
        ),
    ],
    "one-line-short": [
        (IMPORT, 1, "line 1 fits the second frame better than the first: --first-missing"),
        (f"{IMPORT} --first-missing", 0, "2 of 2"),
        (REPORT, 0, "95.2"),
    ],
    "same-folder-name": [
        ("run dcf -d clean/sequences --runs r", 0, "2 of 2"),
        ("run dcf -d noisy/sequences --runs r", 1, "other data than .*noisy/sequences.*--restart"),
        ("report -d noisy/sequences --runs r --no-plots", 1, "other data than .*noisy/sequences"),
        ("run dcf -d noisy/sequences --runs r2", 0, "2 of 2"),
        ("report -d noisy/sequences --runs r2 --no-plots", 0, "29.0"),
    ],
    "several-objects": [("check ./data", 2, "several objects .groundtruth_1.txt ..., as VOTS has")],
    "trailing-separator": [(IMPORT, 0, "2 of 2"), ("check ./data2", 0, "nothing is missing"), (REPORT, 0, "95.2")],
    "trax-relative-path": [
        (f'run trax:mine -d ./data --runs r --set command="{Path(sys.executable)} noise.py"', 0, "1 of 1"),
    ],
    "unclear-checkpoint-messages": [
        ("weights add dcfnet html.pth", 1, "is a web page.*download it again"),
        ("weights add dcfnet lfs.pth", 1, "is a pointer of Git LFS"),
        ("weights add dcfnet nontensor.pth", 1, "entry 'version' is of type int"),
        ("weights add dcfnet wholemodel.pth", 1, "is a whole module.*its 2 tensors"),
    ],
    "vasttrack": [
        ("run static -d ./data --runs r", 0, "2 of 2"),
        ("run static -d './data/Air Hockey' --runs r2", 0, "2 of 2"),
    ],
    "vot-channel-is-a-folder": [
        ("check ./data", 0, "nothing is missing"),
        ("run static -d ./data --runs r", 0, "1 of 1 sequences.*11 answers in 1 sequence"),
    ],
    "wrong-hint-for-corners": [(f"{IMPORT} --boxes xyxy", 0, "read as x, y, width, height 2 are.*--boxes xywh")],
}
#: Those that need a terminal or a file system of their own.
OTHERS = {"names-not-utf8", "names-on-other-terminals"}


@pytest.fixture
def place(reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Path:
    name = getattr(request, "param", None) or request.node.callspec.params["name"]
    if not (reference / "cases" / name).is_dir():
        pytest.skip(f"no case {name} in the reference material")
    folder = Path(shutil.copytree(reference / "cases" / name, tmp_path / name))
    for path in (folder, *folder.rglob("*")):
        path.chmod(0o755)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("TRACKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("TRACKBENCH_DATA", raising=False)
    return folder


def test_no_case_is_left_out(reference: Path) -> None:
    found = {path.name for path in (reference / "cases").glob("*/")}
    assert not found or found == CASES.keys() | OTHERS


@pytest.mark.parametrize("name", sorted(CASES))
@pytest.mark.usefixtures("place")
def test_a_case_from_the_field_ends_as_is_right(name: str) -> None:
    for command, code, said in CASES[name]:
        output = " ".join(trackbench(*shlex.split(command), code=code).output.split())
        assert re.search(said, output), f"{command}\n{output}"


@pytest.mark.skipif(sys.platform != "linux", reason="file names are bytes on Linux only")
@pytest.mark.parametrize("place", ["names-not-utf8"], indirect=True)
def test_names_that_are_not_utf8_are_run_and_reported(place: Path) -> None:
    subprocess.run(["bash", "make.sh"], cwd=place, check=True, capture_output=True)
    trackbench("run", "static", "-d", "./data", "--runs", "r")
    output = trackbench("report", "-d", "./data", "--runs", "r", "--per-sequence", "--html", "--no-plots").output
    assert "2 of 2" in output
    assert r"\udcc0\udcba" in output


@pytest.mark.parametrize("place", ["names-on-other-terminals"], indirect=True)
def test_names_that_a_terminal_cannot_show_are_replaced(place: Path) -> None:
    trackbench("run", "static", "-d", "./data", "--runs", "r")
    command = [sys.executable, "-m", "trackbench", "report", "-d", "./data", "--runs", "r", "--per-sequence"]
    environment = os.environ | {"PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"}
    done = subprocess.run([*command, "--no-plots"], cwd=place, env=environment, capture_output=True)
    assert done.returncode == 0, done.stderr
    assert "été_ñ" in done.stdout.decode("cp1252")
    assert "?? all" in done.stdout.decode("cp1252")
