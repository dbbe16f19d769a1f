from pathlib import Path

import pytest
from command import document, trackbench


@pytest.fixture
def foreign(workplace: Path) -> Path:
    """Results of another tool for s1 (6 frames) and s2 (7 frames)."""
    folder = workplace / "foreign"
    folder.mkdir()
    for name, frames in (("s1", 6), ("s2", 7)):
        (folder / f"{name}.txt").write_text("".join(f"{10 + i}\t12\t8\t6\n" for i in range(frames)))
    return folder


def test_import(foreign: Path) -> None:
    result = trackbench("import", "foreign", "--as", "theirs", "-d", "data")
    assert "theirs: 2 of 3 sequences in runs/theirs/data/one-pass (pytracking)" in result.stderr
    assert "missing: s3" in result.stderr
    assert "theirs" in trackbench("list", "runs").stdout
    assert Path("runs/theirs/data/one-pass/s1.txt").is_file()


def test_import_json(foreign: Path) -> None:
    run = document("import", "foreign", "--as", "theirs", "-d", "data")["run"]
    assert list(run) == [
        "tracker",
        "dataset",
        "protocol",
        "folder",
        "sequences",
        "of",
        "repetitions",
        "missing",
        "warnings",
        "faults",
        "source",
    ]
    assert (run["tracker"], run["sequences"], run["of"], run["missing"]) == ("theirs", 2, 3, ["s3"])
    assert run["source"]["path"] == "foreign"


def test_import_refuses_what_does_not_fit(foreign: Path) -> None:
    (foreign / "s2.txt").write_text("1,2,3,4\n")
    (foreign / "s9.txt").write_text("1,2,3,4\n")
    command = ("import", "foreign", "--as", "theirs", "-d", "data")
    result = trackbench(*command, code=1)
    assert "foreign/s2.txt: s2: 1 lines, the ground truth has 7; --pad-missing" in result.stderr
    assert "foreign/s9.txt: 's9' is no sequence of data" in result.stderr
    assert "2 files do not fit, nothing is stored; --skip-faulty stores the rest" in result.stderr
    run = document(*command, code=1)["run"]
    assert (run["folder"], run["sequences"], len(run["faults"])) == (None, 0, 2)
    assert not Path("runs").exists()
    run = document(*command, "--skip-faulty", code=1)["run"]
    assert (run["sequences"], run["missing"]) == (1, ["s2", "s3"])


def test_import_of_nothing_that_fits_leaves_the_store_alone(foreign: Path) -> None:
    command = ("import", "foreign", "--as", "theirs", "-d", "data", "--skip-faulty", "--restart")
    stored = {path: path.read_bytes() for path in Path(document(*command)["run"]["folder"]).glob("*.txt")}
    assert stored
    for file in foreign.glob("*.txt"):
        file.write_text("x,y,w,h\n")
    result = trackbench(*command, code=1)
    assert result.stderr.strip().splitlines()[-1].endswith("not fit, nothing is stored")
    assert {path: path.read_bytes() for path in stored} == stored


def test_import_of_sequences_that_are_not_on_disk(workplace: Path) -> None:
    ground_truth = workplace / "OTB/Basketball/groundtruth_rect.txt"
    ground_truth.parent.mkdir(parents=True)
    ground_truth.write_text("1,2,3,4\n" * 725)
    (workplace / "foreign").mkdir()
    (workplace / "foreign/Dudek.txt").write_text("1,2,3,4\n" * 1145)
    result = trackbench("import", "foreign", "--as", "theirs", "-d", "otb100", "--root", "OTB", code=1)
    assert "foreign: no result is of a sequence in OTB; nothing is stored" in result.stderr
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["import", "nowhere", "--as", "x", "-d", "data"], "nowhere: there is no such file or folder"),
        (["import", "foreign", "--as", "x", "-d", "dat"], "unknown data set 'dat'"),
        (["import", "foreign", "--as", "x", "-d", "data", "--from", "pysto"], "--from 'pysto'; did you mean 'pysot'?"),
        (
            ["export", "x", "-d", "data", "--to", "pysot", "--out", "o"],
            "runs: holds no one-pass results of 'x' on data",
        ),
    ],
)
def test_mistakes(arguments: list[str], message: str, foreign: Path) -> None:
    result = trackbench(*arguments, code=2)
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_export(foreign: Path) -> None:
    trackbench("import", "foreign", "--as", "theirs", "-d", "data")
    result = trackbench("export", "theirs", "-d", "data", "--to", "pysot", "--out", "out")
    assert "theirs: 2 files of 2 sequences in out (pysot)" in result.stderr
    assert Path("out/data/theirs/s1.txt").read_text().startswith("10.0,12.0,8.0,6.0\n")
    export = document("export", "theirs", "-d", "data", "--to", "pytracking", "--out", "ints", "--round")["export"]
    assert (export["format"], export["files"], export["sequences"], export["of"]) == ("pytracking", 2, 2, None)
    assert Path("ints/theirs/default/s1.txt").read_bytes() == (foreign / "s1.txt").read_bytes()
