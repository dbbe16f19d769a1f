import warnings
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.io

from trackbench.datasets.catalogue import open_dataset, read_table
from trackbench.definitions import DATASETS
from trackbench.errors import DataError, UsageError
from trackbench.formats.exporting import export_run, find_run
from trackbench.formats.importing import plan_import, store_import
from trackbench.formats.names import Names, written_name
from trackbench.formats.writers import FORMATS
from trackbench.regions import Box, Polygon, Region, Special
from trackbench.results.store import RunFolder, RunKey

TARGETS = [name for name, form in FORMATS.items() if form.files is not None]
NAMES = {"otb100": ("Basketball", "Jogging_1", "Human4_2", "FaceOcc1", "Tiger1"), "uav123": ("bike1", "bird1_2")}


def make_run(runs: Path, dataset: str, names: tuple[str, ...], repetitions: int = 1, frames: int = 6) -> RunFolder:
    run = RunFolder(runs, RunKey("opencv:mil", dataset, "one-pass"))
    random = np.random.default_rng(0)
    for repetition in range(1, repetitions + 1):
        for name in names:
            boxes = random.uniform(1, 500, (frames, 4))
            seconds = random.uniform(0.01, 0.1, frames).round(6).tolist()
            run.write(name, [Box.of(row) for row in boxes], seconds, [None, *[0.25] * (frames - 1)], repetition)
    run.write_manifest({"tracker": "opencv:mil", "dataset": dataset, "protocol": "one-pass"})
    return run


def tree(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


@pytest.mark.parametrize(
    ("target", "dataset", "files"),
    [
        (
            "pytracking",
            "otb100",
            [
                "opencv-mil/default/Jogging_1.txt",
                "opencv-mil/default/Jogging_1_object_presence_scores.txt",
                "opencv-mil/default/Jogging_1_time.txt",
            ],
        ),
        ("pytracking", "uav123", ["opencv-mil/default/uav_bird1_2.txt"]),
        ("pytracking", "nfs30", ["opencv-mil/default/nfs_dog.txt"]),
        ("ostrack", "otb100", ["opencv-mil/default/Human4_2.txt", "opencv-mil/default/Human4_2_all_scores.txt"]),
        ("ostrack", "got10k-test", ["opencv-mil/default/got10k/GOT-10k_Test_000001_time.txt"]),
        ("ostrack", "trackingnet", ["opencv-mil/default/trackingnet/-3TIfnTSM6c_2.txt"]),
        ("pysot", "otb100", ["OTB100/opencv-mil/Jogging-1.txt", "OTB100/opencv-mil/Human4-2.txt"]),
        ("pysot", "otb2013", ["CVPR13/opencv-mil/Jogging-1.txt"]),
        ("pysot", "got10k-test", ["GOT-10k/opencv-mil/GOT-10k_Test_000001/GOT-10k_Test_000001_001.txt"]),
        (
            "got10k",
            "otb100",
            [
                "OTBtb100/opencv-mil/Human4.txt",
                "OTBtb100/opencv-mil/Jogging.1.txt",
                "OTBtb100/opencv-mil/times/Jogging.1_time.txt",
            ],
        ),
        ("got10k", "tc128", ["TColor128/opencv-mil/Jogging1.txt"]),
        ("got10k", "nfs240", ["NfS/240/opencv-mil/dog.txt"]),
        ("got10k", "trackingnet", ["opencv-mil/-3TIfnTSM6c_2.txt"]),
        (
            "got10k",
            "got10k-test",
            [
                "GOT-10k/opencv-mil/GOT-10k_Test_000001/GOT-10k_Test_000001_001.txt",
                "GOT-10k/opencv-mil/GOT-10k_Test_000001/GOT-10k_Test_000001_time.txt",
            ],
        ),
        ("lasot", "lasot", ["opencv-mil_tracking_result/airplane-1.txt"]),
        ("otb-mat", "otb100", ["faceocc1_opencv-mil.mat", "jogging-1_opencv-mil.mat", "human4.2_opencv-mil.mat"]),
        ("otb-mat", "uav123", ["bird1_2_opencv-mil.mat"]),
        ("trackingnet", "trackingnet", ["opencv-mil/-3TIfnTSM6c_2.txt"]),
    ],
)
def test_file_names(target: str, dataset: str, files: list[str], tmp_path: Path) -> None:
    others = {
        "otb2013": ("Jogging_1",),
        "nfs30": ("dog",),
        "nfs240": ("dog",),
        "tc128": ("Jogging1",),
        "lasot": ("airplane-1",),
        "got10k-test": ("GOT-10k_Test_000001",),
        "trackingnet": ("-3TIfnTSM6c_2",),
    }
    run = make_run(tmp_path / "runs", dataset, {**NAMES, **others}[dataset])
    export = export_run(run, target, tmp_path / "out")
    written = tree(tmp_path / "out")
    assert set(files) <= set(written)
    assert export.files == len(written)


def test_runs(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs", "uav123", ("bike1",), repetitions=2)
    for target, expected in {
        "pytracking": ["opencv-mil/default_000/uav_bike1.txt", "opencv-mil/default_001/uav_bike1.txt"],
        "pysot": ["UAV123/opencv-mil_001/bike1.txt", "UAV123/opencv-mil_002/bike1.txt"],
        "lasot": ["opencv-mil_001_tracking_result/bike1.txt", "opencv-mil_002_tracking_result/bike1.txt"],
        "otb-mat": ["bike1_opencv-mil_001.mat", "bike1_opencv-mil_002.mat"],
    }.items():
        export_run(run, target, tmp_path / target)
        assert [name for name in tree(tmp_path / target) if "time" not in name and "scores" not in name] == expected


def test_numbers(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "runs", RunKey("t", "otb100", "one-pass"))
    run.write("Car1", [Box(1, 2.5, 3.14159, 4), Box(1.5, 3.5, 1e-7, 4)], [0.5, 0.012345678], [None, 0.123456])
    content = {
        target: {path.name: path.read_text() for path in export_files(run, target, tmp_path)}
        for target in TARGETS
        if target != "otb-mat"
    }
    assert content["pytracking"] == {
        "Car1.txt": "1.0\t2.5\t3.14159\t4.0\n1.5\t3.5\t1e-07\t4.0\n",
        "Car1_time.txt": "0.500000\n0.012346\n",
        "Car1_object_presence_scores.txt": "1.000000\n0.123456\n",
    }
    assert content["ostrack"]["Car1_all_scores.txt"] == "1.00\n0.12\n"
    assert content["pysot"] == {"Car1.txt": "1.0,2.5,3.14159,4.0\n1.5,3.5,1e-07,4.0\n"}
    assert content["got10k"] == {
        "Car1.txt": "1.000,2.500,3.142,4.000\n1.500,3.500,0.000,4.000\n",
        "Car1_time.txt": "0.50000000\n0.01234568\n",
    }
    rounded = {
        target: next(path.read_text() for path in export_files(run, target, tmp_path, True) if path.stem == "Car1")
        for target in ("pytracking", "pysot", "got10k")
    }
    assert rounded == {
        "pytracking": "1\t2\t3\t4\n2\t4\t0\t4\n",
        "pysot": "1,2,3,4\n2,4,0,4\n",
        "got10k": "1,2,3,4\n2,4,0,4\n",
    }


def export_files(run: RunFolder, target: str, folder: Path, whole_numbers: bool = False) -> list[Path]:
    out = folder / f"{target}{whole_numbers}"
    export_run(run, target, out, whole_numbers=whole_numbers)
    return sorted(path for path in out.rglob("*") if path.is_file())


def test_matlab_struct(tmp_path: Path) -> None:
    run = make_run(tmp_path / "runs", "otb100", ("Tiger1", "David"))
    export_run(run, "otb-mat", tmp_path / "out")
    for name, start in (("tiger1", 6), ("david", 300)):
        content = scipy.io.loadmat(tmp_path / f"out/{name}_opencv-mil.mat")["results"]
        assert content.shape == (1, 1)
        result = content[0, 0]
        assert {key: result[key][0, 0].item() for key in ("len", "annoBegin", "startFrame")} == {
            "len": 6,
            "annoBegin": start,
            "startFrame": start,
        }
        assert result["type"][0, 0].item() == "rect"
        boxes, seconds = run.boxes(name.capitalize()), run.seconds(name.capitalize())
        assert seconds is not None
        np.testing.assert_array_equal(result["res"][0, 0], boxes)
        assert result["fps"][0, 0].item() == pytest.approx(6 / seconds.sum())


@pytest.mark.parametrize("target", TARGETS)
@pytest.mark.parametrize("repetitions", [1, 3])
def test_round_trip(target: str, repetitions: int, tmp_path: Path) -> None:
    """What is exported comes back the same, to the precision that the tool writes."""
    names = ("GOT-10k_Val_000001", "GOT-10k_Val_000002")
    for name in names:
        folder = tmp_path / "data/val" / name
        folder.mkdir(parents=True)
        (folder / "groundtruth.txt").write_text("1,2,3,4\n" * 6)
        for label in ("absence", "cover", "cut_by_image"):
            (folder / f"{label}.label").write_text("0\n" * 6)
    (tmp_path / "data/val/list.txt").write_text("\n".join(names))
    run = make_run(tmp_path / "runs", "got10k-val", names, repetitions)
    out = tmp_path / "out"
    export_run(run, target, out)
    data = open_dataset("got10k-val", tmp_path / "data")
    several = repetitions > 1 and target in {"lasot", "otb-mat"}
    for repetition in range(1, repetitions + 1):
        # Tools that know one run a tracker get a tracker for each.
        only = f"opencv-mil_{repetition:03d}{'_tracking_result' if target == 'lasot' else ''}" if several else None
        back = store_import(plan_import(out, f"back{only}", data, only=only), tmp_path / "runs")
        for name in names:
            found = back.boxes(name, 1 if several else repetition)
            expected = run.boxes(name, repetition)
            assert np.abs(found - expected).max() <= (0.0005 if target == "got10k" else 0)
            seconds, scores = run.seconds(name, repetition), back.file(name, ".score")
            if target in {"pytracking", "ostrack", "pysot", "got10k"}:
                np.testing.assert_allclose(back.seconds(name, repetition), seconds, atol=5e-7)  # type: ignore[arg-type]
            assert scores.is_file() == (target in {"pytracking", "ostrack"})


@pytest.mark.parametrize("target", TARGETS)
def test_names_come_back(target: str, tmp_path: Path) -> None:
    for dataset in ("otb100", "uav123", "uav20l", "lasot", "tnl2k", "tc128", "dtb70"):
        found = DATASETS.get(dataset)
        names = [row["name"] for row in read_table(found)]
        known = Names(names)
        assert [known.match(written_name(name, target, found.value)) for name in names] == names


def test_folders_of_data_sets() -> None:
    assert DATASETS.get("otb50").value.names_in("got10k").folder == "OTBtb50"
    assert DATASETS.get("got10k-val").value.names_in("pysot").folder == "GOT-10k"
    assert DATASETS.get("dtb70").value.names_in("pysot").folder is None


def test_what_a_tool_would_misread(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "runs", RunKey("t", "otb100", "one-pass"))
    nan = float("nan")
    boxes = [Box(1, 2, 3, 4), Box(nan, nan, nan, nan), Box(5, 6, -7, 8), Box(9, 9, 9, 9)]
    run.write("Car1", list(boxes), [], [None] * 4)
    where = r"t/otb100/one-pass/Car1.txt: line 2: nan,nan,nan,nan is not"
    for target in ("pytracking", "ostrack", "trackingnet"):
        with pytest.raises(DataError, match=f"{where} what {target} reads; --repeat-last writes the box before"):
            export_run(run, target, tmp_path / target)
        assert not (tmp_path / target).exists()
    with pytest.raises(DataError, match=f"{where} an integer; --repeat-last"):
        export_run(run, "pysot", tmp_path / "pysot", whole_numbers=True)
    export_run(run, "pytracking", tmp_path / "pytracking", repeat_last=True)
    loaded = np.loadtxt(tmp_path / "pytracking/t/default/Car1.txt", delimiter="\t")
    assert loaded.tolist() == [[1, 2, 3, 4], [1, 2, 3, 4], [1, 2, 3, 4], [9, 9, 9, 9]]
    export_run(run, "got10k", tmp_path / "got10k")
    assert "nan,nan,nan,nan\n5.000,6.000,-7.000,8.000" in (tmp_path / "got10k/OTBtb100/t/Car1.txt").read_text()
    run.write("Car1", [Special(1), *boxes[:1]], [], [None] * 2)
    with pytest.raises(DataError, match=r"line 1: .*no box before to repeat"):
        export_run(run, "pytracking", tmp_path / "again", repeat_last=True)


def test_polygons_become_boxes(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "runs", RunKey("t", "mine", "one-pass"))
    regions: list[Region] = [Box(1, 1, 2, 2), Polygon([0, 0, 4, 1, 5, 6, -1, 2])]
    run.write("a", regions, [], [None] * 2)
    export_run(run, "lasot", tmp_path / "out")
    assert (tmp_path / "out/t_tracking_result/a.txt").read_text() == "1.0,1.0,2.0,2.0\n-1.0,0.0,6.0,6.0\n"


def test_refusals(tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    run = make_run(runs, "uav123", NAMES["uav123"])
    export = export_run(run, "pysot", tmp_path / "out")
    assert (len(export.sequences), export.of, len(export.missing)) == (2, 123, 121)
    assert export.warnings == ["2 of 123 sequences are stored; the tool may refuse an incomplete set"]
    with pytest.raises(UsageError, match=r"out/UAV123/opencv-mil/bike1.txt: exists; remove it, or give another --out"):
        export_run(run, "pysot", tmp_path / "out")
    with pytest.raises(UsageError, match=r"--to 'pysto'; did you mean 'pysot'\? \(known: pytracking, ostrack"):
        export_run(run, "pysto", tmp_path / "out")
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match=r"file/UAV123.*cannot be written"):
        export_run(run, "pysot", tmp_path / "file")
    assert find_run(runs, "opencv_mil", "UAV-123").key == run.key
    with pytest.raises(
        UsageError, match=r"holds no one-pass results of 'opencv:mli' on uav123; did you mean 'opencv:mil'"
    ):
        find_run(runs, "opencv:mli", "uav123")
    with pytest.raises(UsageError, match="unknown data set 'uav124'"):
        find_run(runs, "opencv:mil", "uav124")


# What is imported from a tool and exported to it again is what the tool wrote, byte by byte.


@pytest.fixture(scope="module")
def got10k_like(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("got10k")
    with zipfile.ZipFile(reference / "evaluation/ope/got10k_like.zip") as archive:
        archive.extractall(folder)
    return folder


@pytest.mark.parametrize("tracker", ["DiMP50", "mix3"])
def test_files_of_the_got10k_toolkit(tracker: str, got10k_like: Path, tmp_path: Path) -> None:
    data = open_dataset("got10k-val", got10k_like / "data")
    original = got10k_like / "results/GOT-10k" / tracker
    run = store_import(plan_import(original, tracker, data), tmp_path / "runs")
    export_run(run, "got10k", tmp_path / "out")
    exported = tmp_path / "out/GOT-10k" / tracker
    assert tree(exported) == tree(original)
    for name in tree(original):
        assert (exported / name).read_bytes() == (original / name).read_bytes(), name


def test_the_got10k_toolkit_reads_them(got10k_like: Path, tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from got10k.experiments import ExperimentGOT10k
    names = ["GOT-10k_Val_000003", "GOT-10k_Val_000007"]
    for name in names:
        folder = tmp_path / "data/val" / name
        folder.mkdir(parents=True)
        for path in (got10k_like / "data/val" / name).iterdir():
            (folder / path.name).write_bytes(path.read_bytes())
        for frame in range(200):  # only counted
            (folder / f"{frame + 1:08d}.jpg").touch()
    (tmp_path / "data/val/list.txt").write_text("\n".join(names))
    data = open_dataset("got10k-val", tmp_path / "data")
    original = got10k_like / "results"
    run = store_import(plan_import(original, "mix3", data, only="mix3"), tmp_path / "runs", skip_faulty=True)
    export_run(run, "got10k", tmp_path / "out")
    overall = [
        ExperimentGOT10k(str(tmp_path / "data"), "val", str(results), str(tmp_path / "reports")).report(["mix3"])
        for results in (original, tmp_path / "out")
    ]
    assert overall[0] == overall[1]


def test_files_of_pysot(reference: Path, tmp_path: Path) -> None:
    archive = reference / "evaluation/ope/dtb70_results.zip"
    with zipfile.ZipFile(reference / "evaluation/ope/dtb70_gt.zip") as ground_truth:
        ground_truth.extractall(tmp_path)
    data = open_dataset("dtb70", tmp_path / "DTB70")
    run = store_import(plan_import(archive, "nano", data, only="NanoTrack"), tmp_path / "runs")
    export_run(run, "pysot", tmp_path / "out")
    with zipfile.ZipFile(archive) as original:
        for name in sorted(run.sequences()):
            exported = (tmp_path / f"out/dtb70/nano/{name}.txt").read_bytes()
            assert exported == original.read(f"DTB70/NanoTrack/{name}.txt"), name
