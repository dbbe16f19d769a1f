import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import document, trackbench
from typer.testing import CliRunner

from trackbench.cli import app


def test_run(workplace: Path) -> None:
    result = trackbench("run", "drift", "static", "-d", "data", "--batch", "2")
    assert "3 of 3" in result.stdout
    assert len(list((workplace / "runs").rglob("s?.txt"))) == 6


def test_run_json(workplace: Path) -> None:
    runs = document("run", "drift", "-d", "data", "-s", "s[12]", "--runs", "elsewhere")["runs"]
    assert [set(row) for row in runs] == [
        {
            *("tracker", "dataset", "protocol", "folder", "sequences", "of", "run", "stored_before"),
            *("device", "hardware", "frames", "seconds", "fps", "failed"),
        }
    ]
    row = runs[0]
    assert (row["tracker"], row["dataset"], row["protocol"], row["sequences"]) == ("drift", "data", "one-pass", 2)
    assert (row["frames"], row["failed"]) == (13, [])
    assert Path(row["folder"]) == Path("elsewhere/drift/data/one-pass")
    # Nothing is run again, and the answer is the same.
    again = document("run", "drift", "-d", "data", "-s", "s[12]", "--runs", "elsewhere")["runs"]
    assert (row["run"], row["stored_before"], again[0]["run"], again[0]["stored_before"]) == (2, 0, 0, 2)
    assert [row | {"run": 2, "stored_before": 0} for row in again] == runs


def test_dry_run(workplace: Path) -> None:
    trackbench("run", "drift", "-d", "data", "--limit", "1")
    row = document("run", "drift", "-d", "data", "--dry-run")["runs"][0]
    assert (row["stored"], row["to_run"]) == (1, ["s2", "s3"])
    assert "to run" in trackbench("run", "drift", "-d", "data", "--dry-run").stdout
    assert not (workplace / "runs/drift/data/one-pass/s2.txt").exists()


def test_failures_are_listed_and_the_exit_code_is_1(workplace: Path) -> None:
    (workplace / "data/s2/img/0002.jpg").write_bytes(b"broken")
    result = trackbench("run", "drift", "-d", "data", code=1)
    assert "drift: s2: data/s2/img/0002.jpg: is not a readable image (6 bytes)" in result.stderr
    assert "1 failed, everything else is stored" in result.stderr
    failed = document("run", "drift", "-d", "data", code=1)["runs"][0]["failed"]
    assert [entry["sequence"] for entry in failed] == ["s2"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "drfit", "-d", "data"], "unknown tracker 'drfit'; did you mean 'drift'?"),
        (["run", "drift", "-d", "dtaa/"], "data set 'dtaa': there is no such folder"),
        (["run", "drift", "-d", "otb_10"], "unknown data set 'otb_10'; did you mean 'otb100'?"),
        (["run", "drift", "-d", "data", "--set", "dy=3"], "unknown key 'dy'; did you mean 'dx'? (known: dx, fail_on"),
        (["run", "drift", "-d", "data", "--set", "dx=far"], "key 'dx' is 'far': input should be a valid number"),
        (["run", "drift", "-d", "data", "--set", "dx"], "--set 'dx': expected KEY=VALUE"),
        (
            ["run", "drift", "-d", "data", "--protocol", "onepas"],
            "unknown protocol 'onepas'; did you mean 'one-pass'",
        ),
        (["run", "drift", "-d", "data", "--device", "tpu"], "--device 'tpu': expected auto, cpu, cuda or cuda:N"),
        (["run", "drift", "-d", "data", "--weights", "x.pth"], "--weights x.pth: drift takes no checkpoint"),
        (["run", "drift", "-d", "data", "-s", "zebra"], "--sequence 'zebra': data has no such sequence"),
        (["run", "drift", "-d", "otb100", "--root", "nowhere"], "--root nowhere: there is no such folder"),
        (["run", "drift:x", "-d", "data"], "'drift' takes nothing after a colon"),
        (["run", "drift", "-d", "data", "--runs", "data/s1/groundtruth.txt"], "cannot be written: Not a directory"),
    ],
)
def test_wrong_commands(workplace: Path, arguments: list[str], message: str) -> None:
    result = trackbench(*arguments, code=2)
    assert message in result.stderr
    assert sum(line.startswith("trackbench:") for line in result.stderr.splitlines()) == 1
    assert result.stdout == ""


def test_debug_shows_the_traceback(workplace: Path) -> None:
    result = CliRunner().invoke(app, ["run", "nobody", "-d", "data", "--debug"])
    assert type(result.exception).__name__ == "UsageError"


def test_broken_definitions(workplace: Path) -> None:
    definition = workplace / "trackers/drift.toml"
    definition.write_text('title = "D"\nclas = "sample_trackers:Drift"\n')
    assert (
        "drift.toml: key 'class' is missing; unknown key 'clas'"
        in trackbench("run", "drift", "-d", "data", code=2).stderr
    )
    for name, message in (
        ("nowhere:Drift", "there is no module 'nowhere'"),
        ("sample_trackers:Drfit", "module 'sample_trackers' has no 'Drfit'; did you mean 'Drift'?"),
        ("sample_trackers:time", "expected a subclass of TrackerModel"),
        ("sample_trackers", "expected module:name"),
    ):
        definition.write_text(f'title = "D"\nclass = "{name}"\n')
        assert message in trackbench("run", "drift", "-d", "data", code=2).stderr


def test_lists(workplace: Path, crossing: Path) -> None:
    rows = {row["name"]: row for row in document("list", "trackers")["trackers"]}
    assert rows["drift"] == {"name": "drift", "title": "Drift", "ready": True, "why_not": None}
    assert rows["static"]["ready"]
    rows = {row["name"]: row for row in document("list", "datasets")["datasets"]}
    assert not rows["otb100"]["ready"]
    assert "trackbench data add otb100 DIR" in rows["otb100"]["why_not"]
    trackbench("data", "add", "OTB-100", str(crossing))
    rows = {row["name"]: row for row in document("list", "datasets")["datasets"]}
    assert (rows["otb100"]["ready"], rows["otb100"]["sequences"], rows["otb100"]["of"]) == (True, 1, 100)
    assert "1 of 100" in trackbench("list", "datasets").stdout
    trackbench("run", "drift", "-d", "data")
    (row,) = document("list", "runs")["runs"]
    assert (row["tracker"], row["dataset"], row["sequences"], row["ready"]) == ("drift", "data", 3, True)
    assert "drift" in trackbench("list", "runs").stdout
    trackbench("run", "drift", "-d", "data", "--limit", "2", "--label", "two")
    row = next(row for row in document("list", "runs")["runs"] if row["tracker"] == "drift@two")
    assert (row["of"], row["ready"], row["why_not"]) == (3, False, "2 of 3 sequences are stored")
    assert "drift@two" not in trackbench("list", "runs", "--ready").stdout
    assert "nowhere: no runs" in trackbench("list", "runs", "--runs", "nowhere").stderr


def test_data_add_refuses_a_folder_without_the_data(workplace: Path) -> None:
    assert "was not found" in trackbench("data", "add", "otb100", str(workplace), code=2).stderr


def test_help_and_version_do_not_import_torch(workplace: Path) -> None:
    """Nothing heavy is imported before it is needed."""
    script = (
        "import sys, trackbench.cli\n"
        "try: trackbench.cli.app(sys.argv[1:])\n"
        "except SystemExit as end: assert not end.code\n"
        "heavy = {'torch', 'cv2', 'pandas', 'matplotlib', 'shapely', 'vot', 'got10k', 'scipy'} & sys.modules.keys()\n"
        "print('heavy:', sorted(heavy))\n"
    )
    environment = {**os.environ, "TERM": "dumb"}
    for arguments in (["--help"], ["run", "--help"], ["report", "--help"]):
        out = subprocess.run(
            [sys.executable, "-c", script, *arguments], capture_output=True, text=True, env=environment, check=True
        ).stdout
        assert "heavy: []" in out
    out = subprocess.run(
        [sys.executable, "-c", script, "list", "datasets"], capture_output=True, text=True, env=environment, check=True
    ).stdout
    assert "'torch'" not in out.splitlines()[-1]


@pytest.mark.parametrize("kind", ["trackers", "datasets", "runs"])
def test_lists_import_neither_torch_nor_opencv(workplace: Path, kind: str) -> None:
    script = "import sys, atexit\nfrom trackbench.__main__ import main\n"
    script += (
        "atexit.register(lambda: print('heavy:', sorted({'torch', 'cv2', 'pandas', 'scipy'} & sys.modules.keys())))"
    )
    arguments = [sys.executable, "-c", script + "\nmain()", "list", kind]
    out = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout
    assert out.splitlines()[-1] == "heavy: []"
    if kind == "trackers":
        assert "opencv:mil" in out


def test_python_dash_m(workplace: Path) -> None:
    out = subprocess.run([sys.executable, "-m", "trackbench", "--version"], capture_output=True, text=True, check=True)
    assert out.stdout.startswith("trackbench 0.1.0\npython 3.")


def test_a_reader_that_has_gone_is_told_nothing() -> None:
    """``trackbench list trackers | head``: rich would end the program by an exit of its own."""
    from io import StringIO

    from trackbench.cli.console import SafeConsole

    class Gone(StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        SafeConsole(file=Gone()).print("a line")
