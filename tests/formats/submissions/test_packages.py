"""Packages for servers: what is in them, what is refused, and that they come back as they went."""

from __future__ import annotations

import importlib.util
import zipfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from command import document, trackbench

from trackbench.datasets.catalogue import read_table
from trackbench.datasets.sequence import Dataset
from trackbench.definitions import DATASETS
from trackbench.formats.submissions import vot
from trackbench.metrics.vot.conventions import REPETITIONS
from trackbench.results.store import RunFolder, RunKey

FRAMES = 3
GOT10K = [f"GOT-10k_Test_{number:06d}" for number in range(1, 181)]
TRACKINGNET = [f"{number:011d}_0" for number in range(511)]


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("TRACKBENCH_DATA", "TRACKBENCH_RUNS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def put(path: Path, text: str = "") -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def got10k(root: Path, images: bool = True) -> None:
    for name in GOT10K:
        put(root / "GOT-10k/test" / name / "groundtruth.txt", "10,20,30,40\n")
        for frame in range(FRAMES if images else 0):
            put(root / "GOT-10k/test" / name / f"{frame + 1:08d}.jpg")


def stored(dataset: str, names: list[str], repetitions: int = 1, protocol: str = "one-pass", **more: str) -> RunFolder:
    """Store runs of FRAMES boxes a sequence without the detours of a tracker."""
    run = RunFolder(Path("runs"), RunKey("opencv:mil", dataset, protocol))
    random = np.random.default_rng(1)
    for repetition in range(1, repetitions + 1):
        for name in names:
            rows = [
                "10.25,20.0,30.0,40.0",
                *(",".join(map(repr, row)) for row in random.uniform(1, 99, (2, 4)).tolist()),
            ]
            put(run.file(name, ".txt", repetition), more.get("text") or "\n".join(rows) + "\n")
            put(run.file(name, ".time", repetition), "".join(f"{v:.8f}\n" for v in random.uniform(0.01, 1, FRAMES)))
    run.write_manifest({"tracker": "opencv:mil", "dataset": dataset, "protocol": protocol})
    return run


def test_got10k_round_trip(place: Path) -> None:
    got10k(place)
    run = stored("got10k-test", GOT10K, repetitions=3)
    told = document("pack", "got10k", "--tracker", "opencv:mil", "--root", ".")["package"]
    assert (told["sequences"], told["frames"], told["files"]) == (180, 540, 720)
    assert told["repetitions"] == {"one-pass": 3}
    archive = place / told["archive"]["path"]
    with zipfile.ZipFile(archive) as file:
        assert sorted(file.namelist())[:4] == [
            f"{GOT10K[0]}/{GOT10K[0]}_{ending}.txt" for ending in ("001", "002", "003", "time")
        ]
        assert file.read(f"{GOT10K[0]}/{GOT10K[0]}_time.txt").decode().count(",") == 2 * FRAMES
    trackbench("pack", "got10k", "--tracker", "opencv:mil", "--root", ".", "--out", "again.zip")
    assert (place / "again.zip").read_bytes() == archive.read_bytes()

    trackbench("import", str(archive), "--as", "back", "-d", "got10k-test", "--root", ".")
    back = RunFolder(Path("runs"), RunKey("back", "got10k-test", "one-pass"))
    assert back.repetitions() == 3
    for name in GOT10K[::30]:
        for repetition in (1, 2, 3):
            np.testing.assert_array_equal(back.boxes(name, repetition), run.boxes(name, repetition))
            np.testing.assert_array_equal(back.seconds(name, repetition), run.seconds(name, repetition))


def test_all_problems_are_named_at_once(place: Path) -> None:
    got10k(place)
    run = stored("got10k-test", GOT10K)
    first = "10,20,30,40\n"
    texts = {
        1: first * 2,
        2: first + "1,2,nan,4\n1,2,3,0\n",
        3: "12,20,30,40\n" + first * 2,
        4: first + "1,2,3\n" + first,
    }
    for number, text in texts.items():
        run.file(GOT10K[number]).write_text(text)
    run.file(GOT10K[0]).unlink()
    run.file(GOT10K[5], ".time").unlink()
    run.file(GOT10K[6], ".time").write_text("0.1\n0.1\n")
    put(run.file("GOT-10k_Test_000181"), first)
    told = document("pack", "got10k", "--tracker", "opencv-mil", "--root", ".", code=1)["package"]
    assert told["archive"] is None
    assert not list(place.glob("*.zip"))
    reasons = [problem["reason"] for problem in told["problems"]]
    assert reasons == [
        "is missing",
        "2 lines; the sequence has 3 frames",
        "3 times for 2 boxes; expected as many",
        "line 2: 1,2,nan,4 (and 1 more lines); expected finite numbers, width and height above 0; "
        "--repeat-last writes the box before",
        "line 1: 12,20,30,40; expected the given box 10,20,30,40",
        "line 2: 3 numbers in '1,2,3'; expected 1 (code), 4 (box) or 6, 8, .. (polygon)",
        "is missing: the server shows the speed; --without-times leaves all times out",
        "2 times for 3 boxes; expected as many",
        "'GOT-10k_Test_000181' is no sequence of got10k-test",
    ]
    result = trackbench("pack", "got10k", "--tracker", "opencv:mil", "--root", ".", code=1)
    assert "9 problems, nothing is written" in result.stderr
    assert f"3 times for 2 boxes; expected as many; likewise {run.file(GOT10K[6], '.time')}" in result.stderr


def test_ways_out(place: Path) -> None:
    got10k(place)
    run = stored("got10k-test", GOT10K, repetitions=4)
    run.file(GOT10K[1]).write_text("10,20,30,40\n11,2,nan,4\n1,2,3,0\n")
    for name in GOT10K:
        run.file(name, ".time").unlink()
    base = ("pack", "got10k", "--tracker", "opencv:mil", "--root", ".")
    (problem, *_) = document(*base, code=1)["package"]["problems"]
    assert problem["reason"] == "4 repetitions; the server takes 3, --repetition N chooses one"
    told = document(*base, "--repetition", "1", "--repeat-last", "--without-times")["package"]
    assert (told["files"], told["repetitions"]) == (180, {"one-pass": 1})
    with zipfile.ZipFile(told["archive"]["path"]) as file:
        assert file.read(f"{GOT10K[1]}/{GOT10K[1]}_001.txt").decode() == "10.0,20.0,30.0,40.0\n" * 3
    assert "exists" in trackbench(*base, "--repetition", "2", code=2).stderr
    document(*base, "--repetition", "2", "--out", "second.zip")


def test_frames_are_counted_in_all_without_images(place: Path) -> None:
    got10k(place, images=False)
    stored("got10k-test", GOT10K)
    (problem,) = document("pack", "got10k", "--tracker", "opencv:mil", "--root", ".", code=1)["package"]["problems"]
    assert problem["reason"] == "540 lines in all; GOT-10k (test) has 22834 frames"


def test_trackingnet(place: Path) -> None:
    names = [*TRACKINGNET[:-1], "00000000000_01"]  # the name of the first is a part of it
    for name in names:
        put(place / "TrackingNet/TEST/anno" / f"{name}.txt", "10,20,30,40\n")
        for frame in range(FRAMES):
            put(place / "TrackingNet/TEST/frames" / name / f"{frame}.jpg")
    run = stored("trackingnet", names)
    base = ("pack", "trackingnet", "--tracker", "opencv:mil", "--root", ".")
    (problem,) = document(*base, code=1)["package"]["problems"]
    assert problem == {
        "where": "00000000000_0",
        "reason": "its name is a part of 00000000000_01.txt: the scorer would count neither",
    }
    (place / "TrackingNet/TEST/anno/00000000000_01.txt").rename(place / f"TrackingNet/TEST/anno/{TRACKINGNET[-1]}.txt")
    (place / "TrackingNet/TEST/frames/00000000000_01").rename(place / "TrackingNet/TEST/frames" / TRACKINGNET[-1])
    for suffix in (".txt", ".time"):
        run.file("00000000000_01", suffix).rename(run.file(TRACKINGNET[-1], suffix))
    told = document(*base)["package"]
    with zipfile.ZipFile(told["archive"]["path"]) as file:
        assert sorted(file.namelist()) == [f"{name}.txt" for name in TRACKINGNET]
    trackbench("import", told["archive"]["path"], "--as", "back", "-d", "trackingnet", "--root", ".")
    back = RunFolder(Path("runs"), RunKey("back", "trackingnet", "one-pass"))
    np.testing.assert_array_equal(back.boxes(TRACKINGNET[7]), run.boxes(TRACKINGNET[7]))


def test_lasot(place: Path) -> None:
    names = [row["name"] for row in read_table(DATASETS.get("lasot"))]
    for name in names:
        folder = place / "LaSOT" / name.rpartition("-")[0] / name
        put(folder / "groundtruth.txt", "10,20,30,40\n" * FRAMES)
        for flags in ("full_occlusion", "out_of_view"):
            put(folder / f"{flags}.txt", "0,0,0")
    run = stored("lasot", names)
    told = document("pack", "lasot", "--tracker", "opencv:mil", "--root", ".")["package"]
    with zipfile.ZipFile(told["archive"]["path"]) as file:
        assert sorted(file.namelist()) == sorted(f"opencv-mil_tracking_result/{name}.txt" for name in names)
    trackbench("import", told["archive"]["path"], "--as", "back", "-d", "lasot", "--root", ".")
    back = RunFolder(Path("runs"), RunKey("back", "lasot", "one-pass"))
    np.testing.assert_array_equal(back.boxes(names[3]), run.boxes(names[3]))
    assert (
        "scores got10k-test or got10k-val, not lasot"
        in trackbench("pack", "got10k", "-d", "lasot", "--tracker", "opencv:mil", "--root", ".", code=2).stderr
    )


def write_vot(root: Path, names: list[str], anchors: str | None = None) -> None:
    put(root / "list.txt", "".join(f"{name}\n" for name in names))
    for name in names:
        put(root / name / "groundtruth.txt", "10,20,30,40\n" * FRAMES)
        put(root / name / "sequence", f"name={name}\nfps=30\nwidth=100\nheight=80\nlength={FRAMES}\n")
        if anchors is not None:
            put(root / name / "anchor.value", anchors)


def test_vot_supervised(place: Path) -> None:
    names = [row["name"] for row in read_table(DATASETS.get("vot2018"))] or [f"s{n:02d}" for n in range(60)]
    write_vot(place / "VOT2018", names)
    text = "1\n1,2,3,4\n5,6,7,8,9,10,11,12\n"
    runs = {
        protocol: stored("vot2018", names, count, protocol, text=text)
        for protocol, count in (("supervised", 3), ("realtime", 1), ("unsupervised", 1))
    }
    base = ("pack", "vot", "-d", "vot2018", "--tracker", "opencv:mil", "--root", ".")
    told = document(*base)["package"]
    assert told["repetitions"] == {"baseline": 3, "realtime": 1, "unsupervised": 1}
    assert (told["sequences"], told["files"]) == (60, 60 * 5 * 2 + 1)
    with zipfile.ZipFile(told["archive"]["path"]) as file:
        found = set(file.namelist())
        assert file.read(f"baseline/{names[0]}/{names[0]}_001.txt").decode().splitlines()[0] == "1"
        manifest = file.read("manifest.yml").decode()
    assert {f"realtime/{names[5]}/{names[5]}_001.txt", f"baseline/{names[5]}/{names[5]}_003_time.value"} <= found
    assert '"stack": "vot2018/shortterm"' in manifest
    assert '"identifier": "opencv-mil"' in manifest
    trackbench("import", told["archive"]["path"], "--as", "back", "-d", "vot2018", "--root", ".", "--only", "baseline")
    back = RunFolder(Path("runs"), RunKey("back", "vot2018", "supervised"))
    assert back.repetitions() == 3
    assert back.regions(names[9], 2) == runs["supervised"].regions(names[9], 2)

    runs["supervised"].file(names[0], ".txt", 2).write_text("1\n0\n50,60,7,8\n")  # no longer the same
    runs["supervised"].file(names[1], ".txt", 1).write_text("1,2,3,4\n1,2,3,4\n")
    runs["realtime"].file(names[2]).unlink()
    put(runs["realtime"].file("stranger"), text)
    for path in runs["unsupervised"].path.iterdir():
        path.unlink()
    reasons = [problem["reason"] for problem in document(*base, "--out", "x.zip", code=1)["package"]["problems"]]
    assert reasons == [
        "3 of 15 repetitions; 3 suffice only where they are the same",
        "2 lines; the run has 3 frames",
        "line 1 is a region; expected 1, the code of a start",
        "is missing",
        "'stranger' is no sequence of vot2018",
        "holds no results: experiment unsupervised of the challenge is missing",
    ]


def test_vot_multistart(place: Path) -> None:
    names = [f"s{number:02d}" for number in range(62)]
    write_vot(place / "VOT-STb2022", names, anchors="1\n0\n-1\n")
    anchored = [f"{name}_{anchor:08d}" for name in names for anchor in (0, 2)]
    text = "1\n1,2,3,4\n5,6,7,8\n"
    for protocol in ("multistart", "realtime"):
        run = stored("vot2022-box", anchored, 1, protocol, text=text)
    stored("vot2022-box", names, 1, "unsupervised", text=text)
    base = ("pack", "vot", "-d", "vot2022-box", "--tracker", "opencv:mil", "--root", ".")
    told = document(*base)["package"]
    with zipfile.ZipFile(told["archive"]["path"]) as file:
        assert "baseline/s00/s00_00000002.txt" in file.namelist()
    trackbench(
        "import", told["archive"]["path"], "--as", "back", "-d", "vot2022-box", "--root", ".", "--only", "baseline"
    )
    back = RunFolder(Path("runs"), RunKey("back", "vot2022-box", "multistart"))
    assert back.sequences() == set(anchored)
    run.file("s03_00000002").unlink()
    (problem,) = document(*base, "--out", "x.zip", code=1)["package"]["problems"]
    assert problem["where"].endswith("realtime/s03_00000002.txt")


def test_experiments_are_those_of_the_stacks() -> None:
    """The toolkit's stacks, read as text: experiments with their kind and repetitions."""
    package = importlib.util.find_spec("vot")
    assert package is not None
    assert package.submodule_search_locations
    stack = package.submodule_search_locations[0]
    challenges = [found for found in DATASETS.readable() if found.value.stack]
    assert len(challenges) == 8
    for found in challenges:
        record, name = found.value, found.value.stack
        lines = (Path(stack) / "stack" / f"{name}.yaml").read_text().splitlines()
        theirs = [line.strip(" :") for line in lines if line.startswith("  ") and line[2] not in " -"]
        ours = vot.experiments(Dataset(found.name, record, Path(), (), 0))
        assert list(ours) == theirs, name
        repetitions = [line.strip() for line in lines[: lines.index("  unsupervised:")] if "repetitions" in line]
        if record.protocol == "supervised":
            assert repetitions[0] == f"repetitions: {REPETITIONS}"


@pytest.mark.slow
def test_the_toolkit_finds_a_package_complete(place: Path) -> None:
    """vot-toolkit packs what its experiments find complete."""
    names = [f"s{number:02d}" for number in range(62)]
    sequences = place / "VOT-STb2022"
    image = cv2.imencode(".jpg", np.zeros((80, 100, 3), np.uint8))[1].tobytes()
    write_vot(sequences, names, anchors="1\n0\n-1\n")
    for name in names:
        for frame in range(FRAMES):
            path = sequences / name / "color" / f"{frame + 1:08d}.jpg"
            put(path)
            path.write_bytes(image)
        with (sequences / name / "sequence").open("a") as file:
            file.write("channels.color=color/%08d.jpg\n")
    anchored = [f"{name}_{anchor:08d}" for name in names for anchor in (0, 2)]
    for protocol, runs in (("multistart", anchored), ("realtime", anchored), ("unsupervised", names)):
        stored("vot2022-box", runs, 1, protocol, text="1\n1,2,3,4\n5,6,7,8\n")
    told = document("pack", "vot", "-d", "vot2022-box", "--tracker", "opencv:mil", "--root", ".")["package"]
    workspace = place / "workspace"
    with zipfile.ZipFile(told["archive"]["path"]) as archive:
        archive.extractall(workspace / "results" / "opencv-mil")
    put(workspace / "trackers.ini", "[opencv-mil]\nlabel=MIL\nprotocol=trax\ncommand=none\n")
    config = f"registry: [./trackers.ini]\nstack: vot2022/shorttermbox\nsequences: {sequences}\n"
    put(workspace / "config.yaml", config)
    from vot.workspace import Workspace

    loaded = Workspace.load(str(workspace))
    tracker = loaded.registry["opencv-mil"]
    assert [experiment.identifier for experiment in loaded.stack] == list(told["repetitions"])
    for experiment in loaded.stack:
        for sequence in experiment.transform(loaded.dataset):
            complete, files, _ = experiment.scan(tracker, sequence)
            assert complete, (experiment.identifier, sequence.name)
            assert files


def test_gaps_between_repetitions(place: Path) -> None:
    got10k(place)
    run = stored("got10k-test", GOT10K, repetitions=2)
    common = ("pack", "got10k", "--tracker", "opencv:mil", "--root", ".")
    run.file(GOT10K[3], ".txt", 2).unlink()
    run.file(GOT10K[5]).unlink()
    result = trackbench(*common, code=1)
    assert f"{run.file(GOT10K[5])}: is missing; repetition 2 is there" in result.stderr
    assert "trackbench: 1 problem, nothing is written" in result.stderr
    result = trackbench(*common, "--repetition", "3", code=2)
    assert f"--repetition 3: 2 of opencv:mil are stored in {run.path}" in result.stderr
