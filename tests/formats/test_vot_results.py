"""vot-toolkit's folder of results: what we write it reads, and what it writes we read."""

from __future__ import annotations

from pathlib import Path
from zipfile import ZipFile

import numpy as np
import pytest
from command import trackbench

from trackbench.regions import Box, Mask, Region, Special
from trackbench.regions.binary import read_trajectory, write_trajectory
from trackbench.regions.files import read_regions
from trackbench.results.store import RunFolder, RunKey

FRAMES = 12
STARTED, UNKNOWN, FAILED = Special(1), Special(0), Special(2)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with two sequences ``a`` and ``b``, anchored forwards on frame 2 and backwards on frame 7."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRACKBENCH_RUNS", raising=False)
    (tmp_path / "set").mkdir()
    (tmp_path / "set" / "list.txt").write_text("a\nb\n")
    for name in ("a", "b"):
        folder = tmp_path / "set" / name
        folder.mkdir()
        (folder / "groundtruth.txt").write_text("10,10,20,20\n" * FRAMES)
        (folder / "anchor.value").write_text("0\n0\n1\n0\n0\n0\n0\n-1\n")
        (folder / "sequence").write_text(f"name={name}\nfps=30\nwidth=100\nheight=80\nlength={FRAMES}\n")
    return tmp_path


def trajectory(length: int) -> list[Region]:
    regions: list[Region] = [STARTED, Box(1.25, 2.5, 3.125, 4), Mask(np.eye(5, dtype=bool), 7, 8), FAILED, UNKNOWN]
    return (regions * 3)[:length]


def store(place: Path, protocol: str, name: str, length: int, repetition: int = 1) -> None:
    folder = RunFolder(place / "runs", RunKey("opencv:mil", "set", protocol))
    folder.write_manifest({"tracker": "opencv:mil", "dataset": "set", "protocol": protocol})
    seconds = [0.5, *[0.25] * (length - 2), float("nan")]
    folder.write(name, trajectory(length), seconds, [None, *[0.75] * (length - 1)], repetition)


@pytest.mark.parametrize("binary", [False, True])
def test_supervised_round_trip(place: Path, binary: bool) -> None:
    for name in ("a", "b"):
        for repetition in (1, 2):
            store(place, "supervised", name, FRAMES, repetition)
    form = ["--binary"] if binary else []
    trackbench("export", "opencv:mil", "-d", "./set", "--to", "vot", "--out", "results", *form)
    top = place / "results" / "opencv-mil" / "baseline" / "a"
    stems = [f"a_{number:03d}" for number in (1, 2)]
    endings = (".bin" if binary else ".txt", "_time.value", "_confidence.value")
    assert {path.name for path in top.iterdir()} == {stem + ending for stem in stems for ending in endings}
    trackbench("import", "results", "--as", "back", "-d", "./set", "--protocol", "supervised")
    ours = RunFolder(place / "runs", RunKey("opencv:mil", "set", "supervised"))
    back = RunFolder(place / "runs", RunKey("back", "set", "supervised"))
    for name in ("a", "b"):
        for repetition in (1, 2):
            assert back.regions(name, repetition) == ours.regions(name, repetition)
            times, expected = (folder.seconds(name, repetition) for folder in (back, ours))
            assert times is not None
            assert expected is not None
            np.testing.assert_array_equal(times, expected)
            scores = [folder.file(name, ".score", repetition).read_text() for folder in (back, ours)]
            assert scores[0] == scores[1]


def test_multi_start_round_trip(place: Path) -> None:
    for name in ("a", "b"):
        store(place, "multistart", f"{name}_00000002", 10)
        store(place, "multistart", f"{name}_00000007", 8)
    words = ("--to", "vot", "--out", "results", "--experiment", "anchored")
    trackbench("export", "opencv:mil", "-d", "./set", *words)
    assert (place / "results/opencv-mil/anchored/b/b_00000007_time.value").is_file()
    done = trackbench("import", "results/opencv-mil", "--as", "back", "-d", "./set", "--protocol", "multistart")
    assert "2 of 2 sequences" in done.stderr
    back = RunFolder(place / "runs", RunKey("back", "set", "multistart"))
    assert back.sequences() == {f"{name}_{frame}" for name in "ab" for frame in ("00000002", "00000007")}
    assert back.regions("a_00000007") == trajectory(8)


@pytest.mark.parametrize("binary", [False, True])
def test_the_toolkit_reads_the_export(place: Path, binary: bool) -> None:
    from vot.region import RegionType
    from vot.tracker.results import Results, Trajectory
    from vot.workspace.storage import LocalStorage

    store(place, "unsupervised", "a", FRAMES)
    form = ["--binary"] if binary else []
    trackbench("export", "opencv:mil", "-d", "./set", "--to", "vot", "--out", "results", *form)
    results = Results(LocalStorage(str(place / "results" / "opencv-mil" / "unsupervised" / "a")))
    read = Trajectory.read(results, "a_001")
    kinds = {Special: RegionType.SPECIAL, Box: RegionType.RECTANGLE, Mask: RegionType.MASK}
    assert [read.region(index).type for index in range(len(read))] == [kinds[type(r)] for r in trajectory(FRAMES)]
    assert read.region(1).x == 1.25
    assert read.properties(1)["time"] == 0.25
    assert "time" not in read.properties(FRAMES - 1)


def test_older_trees(place: Path) -> None:
    """MATLAB's and pysot's: text, and times of all repetitions side by side."""
    for name in ("a", "b"):
        folder = place / "CSRDCF" / "baseline" / name
        folder.mkdir(parents=True)
        for number in (1, 2):
            lines = ["1", *["10.0000,10.0000,30.0000,10.0000,30.0000,30.0000,10.0000,30.0000"] * (FRAMES - 1)]
            (folder / f"{name}_{number:03d}.txt").write_text("\n".join(lines))
        (folder / f"{name}_time.txt").write_text("0.5,0.25\n" * FRAMES)
    trackbench("import", "CSRDCF", "--as", "csrdcf", "-d", "./set", "--protocol", "supervised")
    run = RunFolder(place / "runs", RunKey("csrdcf", "set", "supervised"))
    assert run.repetitions() == 2
    assert run.seconds("b", 2).tolist() == [0.25] * FRAMES  # type: ignore[union-attr]


def write(place: Path, name: str, regions: list[Region]) -> None:
    folder = place / "results" / "x" / "baseline" / name
    folder.mkdir(parents=True, exist_ok=True)
    write_trajectory(folder / f"{name}_001.bin", regions)


@pytest.mark.parametrize(
    ("regions", "message"),
    [
        (trajectory(FRAMES - 1), "11 regions; expected 12; --pad-missing"),
        (trajectory(FRAMES + 1), "13 regions; expected 12"),
        ([Box(1, 2, 3, 4)] * FRAMES, "begins with '1.0,2.0,3.0,4.0'; expected 1, the code of a start"),
    ],
)
def test_what_does_not_fit(place: Path, regions: list[Region], message: str) -> None:
    write(place, "a", trajectory(FRAMES))
    write(place, "b", regions)
    words = ("import", "results", "--as", "x", "-d", "./set", "--protocol", "supervised")
    done = trackbench(*words, code=1)
    assert f"b_001.bin: {message}" in done.stderr
    assert not (place / "runs").exists()
    trackbench(*words, "--skip-faulty", code=1)
    assert RunFolder(place / "runs", RunKey("x", "set", "supervised")).sequences() == {"a"}


def test_padding(place: Path) -> None:
    write(place, "a", trajectory(5))
    words = ("--as", "x", "-d", "./set", "--protocol", "supervised", "--pad-missing")
    done = trackbench("import", "results", *words)
    assert "shorter than the sequence" in done.stderr
    run = RunFolder(place / "runs", RunKey("x", "set", "supervised"))
    assert run.regions("a") == [*trajectory(5), *[UNKNOWN] * 7]
    assert (run.manifest() or {})["padded"] == {"a": {"1": 5}}


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["results", "--protocol", "supervise"], "vot-toolkit's results are of supervised, multistart"),
        (["results", "--protocol", "multistart"], "expected files SEQUENCE/SEQUENCE_00000000.bin or .txt"),
        (["results", "--protocol", "supervised"], "--only takes one TRACKER or TRACKER/EXPERIMENT"),
        (
            ["results", "--protocol", "supervised", "--only", "z"],
            "results holds results/x/baseline, results/y/baseline",
        ),
        (["results", "--protocol", "supervised", "--offset", "1"], "need no --boxes, --offset"),
    ],
)
def test_wrong_commands(place: Path, words: list[str], message: str) -> None:
    write(place, "a", trajectory(FRAMES))
    folder = place / "results" / "y" / "baseline" / "a"
    folder.mkdir(parents=True)
    write_trajectory(folder / "a_001.bin", trajectory(FRAMES))
    done = trackbench("import", *words, "--as", "x", "-d", "./set", code=2)
    assert message in done.stderr


def test_an_anchor_that_is_none(place: Path) -> None:
    folder = place / "x" / "baseline" / "a"
    folder.mkdir(parents=True)
    write_trajectory(folder / "a_00000003.bin", trajectory(9))
    done = trackbench("import", "x", "--as", "x", "-d", "./set", "--protocol", "multistart", code=1)
    assert "a has no anchor on frame 3" in done.stderr


def test_published_results(place: Path, reference: Path) -> None:
    """OceanOnline on VOT2018, whose paper prints 25 failures in 21356 frames; one file was written for a sequence."""
    folder = reference / "evaluation" / "vot"
    with ZipFile(folder / "groundtruth" / "VOT2018.zip") as archive:
        archive.extractall(place / "vot2018")
    words = ("--as", "ocean", "-d", "vot2018", "--root", "vot2018")
    done = trackbench("import", str(folder / "results" / "VOT2018_OceanOnline.zip"), *words)
    assert "ocean: 60 of 60 sequences" in done.stderr
    run = RunFolder(place / "runs", RunKey("ocean", "vot2018", "supervised"))
    regions = [region for name in run.sequences() for region in run.regions(name)]
    assert (len(regions), regions.count(FAILED)) == (21356, 25)


@pytest.mark.parametrize(("tracker", "form"), [("MaskA", "bin"), ("PolyC", "txt"), ("RectB", "txt")])
def test_a_workspace_of_anchored_runs(place: Path, reference: Path, tracker: str, form: str) -> None:
    """The toolkit's own results come in from its zipped workspace, and go out with the same regions."""
    archive = reference / "evaluation" / "vot" / "multistart_workspace.zip"
    with ZipFile(archive) as opened:
        opened.extractall(place / "ws")
    words = ("--as", tracker, "-d", "ws/sequences", "--protocol", "multistart")
    done = trackbench("import", str(archive), "--only", tracker, *words)
    assert "4 of 4 sequences" in done.stderr
    trackbench("export", tracker, "-d", "ws/sequences", "--to", "vot", "--out", "back")
    files = sorted((place / "ws" / "results" / tracker / "baseline").glob(f"*/*.{form}"))
    assert len(files) > 4
    for file in files:
        back = place / "back" / tracker / "baseline" / file.parent.name / f"{file.stem}.txt"
        assert read_regions(back) == (read_trajectory(file) if form == "bin" else read_regions(file))
