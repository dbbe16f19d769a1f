import io
import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.sequence import Dataset
from trackbench.errors import DataError, TrackbenchError, UsageError
from trackbench.formats.alignment import ImportOptions
from trackbench.formats.evidence import to_boxes
from trackbench.formats.importing import ImportPlan, plan_import, store_import
from trackbench.formats.matlab import mat_file, read_mat
from trackbench.formats.names import Names
from trackbench.formats.reading import read_trajectory
from trackbench.regions import Special
from trackbench.results.store import RunFolder

OTB_TARGETS = ("Jogging_1", "Jogging_2", "Skating2_1", "Skating2_2", "Human4_2", "Basketball", "FaceOcc1", "Car1")


@pytest.fixture
def data(tmp_path: Path) -> Dataset:
    """Sequences a, b (4 frames) and car_1 (5 frames); the target moves by one pixel a frame."""
    return make_dataset(tmp_path / "data", {"a": 4, "b": 4, "car_1": 5})


def make_dataset(root: Path, lengths: dict[str, int]) -> Dataset:
    for name, frames in lengths.items():
        (root / name).mkdir(parents=True)
        (root / name / "groundtruth.txt").write_text("".join(f"{10 + i},20,30,40\n" for i in range(frames)))
    return open_dataset(str(root))


def lines(frames: int, separator: str = ",", x: float = 11) -> str:
    return "".join(separator.join((f"{x + i}", "20.5", "30", "40")) + "\n" for i in range(frames))


def write(folder: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def pack(path: Path, files: dict[str, str | bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def stored(plan: ImportPlan, runs: Path) -> RunFolder:
    assert not plan.faults
    return store_import(plan, runs)


def complete(separator: str = ",") -> dict[str, str | bytes]:
    return {"a.txt": lines(4, separator), "b.txt": lines(4, separator), "car_1.txt": lines(5, separator)}


# Layouts


def test_pytracking(data: Dataset, tmp_path: Path) -> None:
    files = {
        **complete("\t"),
        "a_time.txt": "0.5\n0.1\n0.1\n0.2\n",
        "a_object_presence_scores.txt": "1\n0.5\n0.25\n0\n",
    }
    source = write(tmp_path / "dimp", {f"default_000/{name}": content for name, content in files.items()})
    plan = plan_import(source, "mine", data)
    assert (plan.source["tool"], plan.missing, plan.warnings) == ("pytracking", [], [])
    run = stored(plan, tmp_path / "runs")
    assert run.sequences() == {"a", "b", "car_1"}
    assert run.boxes("a").tolist() == [[11 + i, 20.5, 30, 40] for i in range(4)]
    assert run.seconds("a").tolist() == [0.5, 0.1, 0.1, 0.2]  # type: ignore[union-attr]
    assert run.file("a", ".score").read_text().split() == ["1", "0.5", "0.25", "0"]
    assert run.seconds("b") is None


def test_runs_in_numbered_folders(data: Dataset, tmp_path: Path) -> None:
    for number in (0, 1, 2):
        write(
            tmp_path / f"ostrack/vitb_{number:03d}", {"a.txt": lines(4, "\t", number), "a_all_scores.txt": "0.5\n" * 3}
        )
    plan = plan_import(tmp_path / "ostrack", "mine", data)
    assert (plan.source["tool"], plan.source["group"], plan.missing) == ("ostrack", "ostrack/vitb", ["b", "car_1"])
    run = stored(plan, tmp_path / "runs")
    assert [run.boxes("a", n)[0, 0] for n in (1, 2, 3)] == [0, 1, 2]
    assert run.file("a", ".score").read_text() == "\n0.5\n0.5\n0.5\n"


def test_numbers_that_do_not_count_runs_are_names(data: Dataset, tmp_path: Path) -> None:
    for size in (256, 384):
        write(tmp_path / f"ostrack/vitb_{size}", {"a.txt": lines(4)})
    with pytest.raises(UsageError, match=r"holds results of 2 trackers \(ostrack/vitb_256, ostrack/vitb_384\); --only"):
        plan_import(tmp_path / "ostrack", "mine", data)
    assert plan_import(tmp_path / "ostrack", "mine", data, only="vitb_384").source["group"] == "ostrack/vitb_384"


def test_got10k_toolkit(data: Dataset, tmp_path: Path) -> None:
    source = write(tmp_path / "SiamFC", {**complete(), "times/a_time.txt": "0.00000001\n" * 4})
    plan = plan_import(source, "mine", data)
    assert plan.source["tool"] == "got10k"
    assert stored(plan, tmp_path / "runs").seconds("a").tolist() == [1e-8] * 4  # type: ignore[union-attr]


def test_got10k_runs_and_times_in_columns(data: Dataset, tmp_path: Path) -> None:
    files = {f"T/a/a_{run:03d}.txt": lines(4, x=run) for run in (1, 2, 3)}
    files |= {"T/a/a_time.txt": "1,2,3\n" * 4, "T/b/b_001.txt": lines(4), "T/b/b_time.txt": "7\n" * 4}
    plan = plan_import(pack(tmp_path / "T.zip", files), "mine", data)  # type: ignore[arg-type]
    assert plan.source["tool"] == "got10k"
    assert plan.warnings == ["fewer than 3 runs: b (1)"]
    run = stored(plan, tmp_path / "runs")
    assert [run.seconds("a", n)[0] for n in (1, 2, 3)] == [1, 2, 3]  # type: ignore[index]
    assert [run.boxes("a", n)[0, 0] for n in (1, 2, 3)] == [1, 2, 3]
    assert run.seconds("b")[0] == 7  # type: ignore[index]


def test_lasot_matlab_text(data: Dataset, tmp_path: Path) -> None:
    plan = plan_import(write(tmp_path / "ATOM_tracking_result", complete("   ")), "mine", data)
    assert (plan.source["tool"], plan.missing) == ("lasot", [])


def test_otb_matlab(data: Dataset, tmp_path: Path) -> None:
    boxes = np.array([[10.25, 20, 30, 40]] * 5)
    names = {"a_ECO_HC.mat": 4, "b_ECO_HC.mat": 4, "car_1_ECO_HC.mat": 5, "a_KCF.mat": 4}
    source = write(tmp_path / "results_OPE", {name: mat_file(boxes[:n], 1, 1, 50.0) for name, n in names.items()})
    with pytest.raises(UsageError, match=r"\(results_OPE/ECO_HC, results_OPE/KCF\); --only"):
        plan_import(source, "mine", data)
    plan = plan_import(source, "mine", data, only="ECO_HC")
    assert (plan.source["tool"], plan.missing) == ("otb-mat", [])
    np.testing.assert_array_equal(stored(plan, tmp_path / "runs").boxes("car_1"), boxes)


def test_own_store(data: Dataset, tmp_path: Path) -> None:
    first = stored(plan_import(write(tmp_path / "T", complete()), "mine", data), tmp_path / "runs")
    first.write("b", [Special(1), *first.regions("b")[1:]], [0.125] * 4, [None, 0.5, 0.5, 0.5])
    first.write("b", first.regions("b"), [], [None] * 4, repetition=2)
    plan = plan_import(first.path, "again", data)
    assert (plan.source["tool"], plan.missing) == ("trackbench", [])
    again = stored(plan, tmp_path / "runs")
    for name in ("b.txt", "b.time", "b.score", "a.txt", "repetition-002/b.txt"):
        assert (again.path / name).read_bytes() == (first.path / name).read_bytes()
    with pytest.raises(UsageError, match="need no --boxes"):
        plan_import(first.path, "again", data, how=ImportOptions(offset=1))


def test_a_single_file(data: Dataset, tmp_path: Path) -> None:
    write(tmp_path, {"a.txt": lines(4)})
    assert plan_import(tmp_path / "a.txt", "mine", data).sequences == {"a"}


def test_results_of_other_data_sets_beside(data: Dataset, tmp_path: Path) -> None:
    write(tmp_path / "results/mine/T", complete())
    write(tmp_path / "results/other/T", {"a.txt": lines(4), "x.txt": lines(4), "y.txt": lines(4)})
    assert plan_import(tmp_path / "results", "mine", data).source["group"] == "results/mine/T"


def test_forced_layout(data: Dataset, tmp_path: Path) -> None:
    source = write(tmp_path / "T", {**complete(), "a_X.mat": mat_file(np.ones((4, 4)), 1, 1, None)})
    assert plan_import(source, "mine", data, tool="ostrack").source["tool"] == "ostrack"
    assert plan_import(source, "mine", data, tool="otb-mat").sequences == {"a"}
    with pytest.raises(UsageError, match="holds no result files of the kind that trackbench writes"):
        plan_import(source, "mine", data, tool="trackbench")
    with pytest.raises(UsageError, match=r"--from 'pysto'; did you mean 'pysot'\? \(known: pytracking"):
        plan_import(source, "mine", data, tool="pysto")


# Files


@pytest.mark.parametrize("separator", [",", "\t", " ", "   ", ";", ", ", " ; "])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_separators(separator: str, newline: str) -> None:
    text = "\ufeff" + newline.join([separator.join(("1.50", "-2e1", " 3", "4"))] * 2) + newline * 3
    assert read_trajectory(text.encode(), "f").boxes.tolist() == [[1.5, -20, 3, 4]] * 2


def test_lines_may_differ_in_their_separator() -> None:
    assert read_trajectory(b"1,2,3,4\n5\t6\t7\t8\n", "f").boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_numbers_are_kept_exactly(data: Dataset, tmp_path: Path) -> None:
    boxes = np.random.default_rng(1).normal(100, 50, (4, 4))
    text = "".join(",".join(map(repr, row)) + "\n" for row in boxes.tolist())
    run = stored(plan_import(write(tmp_path / "T", {"a.txt": text}), "mine", data), tmp_path / "runs")
    np.testing.assert_array_equal(run.boxes("a"), boxes)


def test_polygons_corners_offset() -> None:
    assert read_trajectory(b"0,0,4,1,5,6,-1,2\n", "f").boxes.tolist() == [[-1, 0, 6, 6]]
    assert read_trajectory(b"0,0,4,1,5,nan,-1,2\n1,1,2,1,2,2,1,2\n", "f").boxes[1].tolist() == [1, 1, 1, 1]
    for form, numbers in (("xyxy", [9.5, 19.5, 40, 60]), ("cxcywh", [24.75, 39.75, 30.5, 40.5])):
        assert to_boxes(np.array([numbers]), form).tolist() == [[9.5, 19.5, 30.5, 40.5]]  # type: ignore[arg-type]
    assert to_boxes(np.array([[1.0, 2, 3, 4]]), "yxhw").tolist() == [[2, 1, 4, 3]]


def test_vot_code_on_line_1(data: Dataset, tmp_path: Path) -> None:
    run = stored(plan_import(write(tmp_path / "T", {"a.txt": "1\n" + lines(3)}), "mine", data), tmp_path / "runs")
    assert run.regions("a")[0] == Special(1)
    assert run.boxes("a")[1].tolist() == [11, 20.5, 30, 40]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "the file is empty; expected a line for each frame"),
        (b"\n\n", "the file is empty"),
        (b"1,2,3,4\n1,2,three,4\n", "line 2: 'three' is not a number"),
        (b"1,2,3,4\n\n1,2,3,4\n", "line 2 is blank; expected 4, as in line 1"),
        (b"1,2,3\n", r"line 1: 3 numbers; expected 4 \(x, y, w, h\) or 8 \(a polygon\)"),
        (b"1,2,3,4\n1,2,3,4,5\n", "line 2: 5 numbers; expected 4, as in line 1"),
        (b"1,2,3,4\n0\n", "line 2: 1 number; expected 4"),
        (b"1\n1\n1\n", "line 1: 1 number; expected 4"),
        (b"1,5;2,5;3,5;4,5\n", "line 1: '1,5' has a comma within; expected numbers with decimal points"),
        (b"20,05,30,10,24,00,18,25\n" * 4, "line 1: numbers with decimal commas; expected decimal points"),
        (b"1,2,3,4,0.9\n1,2,3,4,0.8\n", "line 1: 5 numbers.*a first line such as x,y,w,h"),
        (b"frame,x,y,w,h\n1,1,2,3,4\n3,1,2,3,4\n", "line 3: frame 3 after frame 1; expected a line for each"),
        (b"1,2,,4\n", "line 1: has an empty field between two separators"),
        (b"Tracker T\n1,2,3,4\n", "line 1: 'Tracker' is not a number; a first line such as x,y,w,h"),
        (b"1_0,2,3,4\n", "line 1: '1_0' is not a number"),
        ("1,2,3,4\n1,2,٣,4\n".encode(), "line 2: '٣' is not a number"),
        (b"\x89PNG\xff\xfe", "is not a text file"),
        ("1,2,3,4\n".encode("utf-16-le"), "is not a text file: it has bytes of value 0"),
        ("é: 1,2,3,4\n".encode("cp1252"), "line 1: byte 0xe9 is not UTF-8 text; save the file as UTF-8"),
    ],
)
def test_faulty_files(content: bytes, message: str, data: Dataset, tmp_path: Path) -> None:
    source = write(tmp_path / "T", {"a.txt": content, "b.txt": lines(4)})
    plan = plan_import(source, "mine", data)
    assert [fault.file for fault in plan.faults] == [str(source / "a.txt")]
    with pytest.raises(DataError, match=message):
        raise DataError(plan.faults[0].reason)
    with pytest.raises(DataError, match="1 files do not fit"):
        store_import(plan, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
    assert store_import(plan, tmp_path / "runs", skip_faulty=True).sequences() == {"b"}


def test_unusual_numbers_are_kept_and_said(data: Dataset, tmp_path: Path) -> None:
    text = "10,20,30,40\nnan,nan,nan,nan\ninf,20,30,40\n10,20,-30,40\n"
    plan = plan_import(write(tmp_path / "T", {"a.txt": text}), "mine", data)
    assert plan.warnings == [
        "NaN or infinity, kept as no answer: a (2 frames)",
        "width or height below 0: a (1 frames)",
    ]
    boxes = stored(plan, tmp_path / "runs").boxes("a")
    np.testing.assert_array_equal(boxes, np.array([[float(v) for v in row.split(",")] for row in text.split()]))


def test_one_pixel_off(data: Dataset, tmp_path: Path) -> None:
    files = {"a.txt": "9,19,30,40\n" * 4, "b.txt": "9,19,30,40\n" * 4, "car_1.txt": lines(5)}
    plan = plan_import(write(tmp_path / "T", files), "mine", data)  # type: ignore[arg-type]
    assert plan.warnings == [
        "2 of 3 first boxes miss the ground truth by -1 pixel in x and y (another origin? then --offset 1)"
    ]
    assert not plan_import(tmp_path / "T", "mine", data, how=ImportOptions(offset=1)).warnings


def test_corners_behind_a_first_box_that_was_given(data: Dataset, tmp_path: Path) -> None:
    """Tools write the first box as they were given it, and all others in their own form."""
    files = {"a.txt": "10,20,30,40\n" + "10,20,40,60\n" * 3, "b.txt": "10,20,30,40\n" + "10,20,40,60\n" * 3}
    plan = plan_import(write(tmp_path / "T", files), "mine", data)  # type: ignore[arg-type]
    (warning,) = plan.warnings
    assert "2 of 2 files fit as corners x1, y1, x2, y2: there the overlap with the ground truth is 0.88" in warning
    assert "--boxes xyxy reads them so, and leaves the first as it is" in warning
    plan = plan_import(tmp_path / "T", "mine", data, how=ImportOptions(boxes="xyxy"))
    assert plan.warnings == ["first box as x, y, width, height, and kept so: a, b"]
    boxes = stored(plan, tmp_path / "runs").boxes("a")
    np.testing.assert_array_equal(boxes, [[10, 20, 30, 40]] * 4)


def test_lengths(data: Dataset, tmp_path: Path) -> None:
    files = {"a.txt": lines(3), "b.txt": lines(6), "b_time.txt": "0.5\n" * 6, "a_time.txt": "0.5\n" * 3}
    source = write(tmp_path / "T", files)  # type: ignore[arg-type]
    plan = plan_import(source, "mine", data)
    assert [fault.reason for fault in plan.faults] == [
        "a: 3 lines, the ground truth has 4; "
        "line 1 fits the second frame better than the first: --first-missing puts the "
        "given box before it, --pad-missing fills up the end"
    ]
    assert plan.warnings == ["longer than the ground truth and cut: b (6 lines for 4 frames)"]
    plan = plan_import(source, "mine", data, how=ImportOptions(pad_missing=True))
    assert "shorter than the ground truth, the rest is without an answer: a (3 lines for 4 frames)" in plan.warnings
    run = stored(plan, tmp_path / "runs")
    assert np.isnan(run.boxes("a")[3]).all()
    assert [len(run.boxes(name)) for name in "ab"] == [4, 4]
    np.testing.assert_array_equal(run.seconds("a"), [0.5, 0.5, 0.5, np.nan])
    assert len(run.seconds("b")) == 4  # type: ignore[arg-type]


def test_lengths_where_the_truth_is_withheld(tmp_path: Path) -> None:
    name = "GOT-10k_Test_000001"
    folder = tmp_path / "data/test" / name
    write(folder, {"groundtruth.txt": "11,20,30,40\n", "../list.txt": name})
    source = write(tmp_path / "T", {f"{name}.txt": lines(4)})
    plan = plan_import(source, "mine", open_dataset("got10k-test", tmp_path / "data"))
    assert plan.warnings == [f"the number of frames is not known here, lengths are not checked: {name}"]
    assert len(plan.results[name, 1].boxes) == 4
    write(folder, {f"{number:08d}.jpg": b"" for number in range(1, 6)})
    plan = plan_import(source, "mine", open_dataset("got10k-test", tmp_path / "data"))
    assert plan.faults[0].reason.startswith(f"{name}: 4 lines, the ground truth has 5;")


def test_times_and_scores_that_do_not_fit_are_left_out(data: Dataset, tmp_path: Path) -> None:
    files = {**complete(), "a_time.txt": "0.1\n", "b_time.txt": "fast\n" * 4, "a_all_scores.txt": "1\n" * 9}
    plan = plan_import(write(tmp_path / "T", files), "mine", data)
    folder = tmp_path / "T"
    assert plan.warnings == [
        f"times that do not fit, left out: {folder}/a_time.txt (1 lines of 1 for 4 frames, run 1)",
        f"confidences that do not fit, left out: {folder}/a_all_scores.txt (9 for 4)",
        f"times that cannot be read, left out: {folder}/b_time.txt: line 1: 'fast' is not a number",
    ]
    assert stored(plan, tmp_path / "runs").seconds("a") is None


@pytest.mark.parametrize("word", ["-0.1", "1e999"])
def test_times_that_no_clock_gives_are_left_out(data: Dataset, tmp_path: Path, word: str) -> None:
    plan = plan_import(write(tmp_path / "T", {**complete(), "a_time.txt": f"0\n0.1\n{word}\n0.1\n"}), "mine", data)
    assert plan.warnings == [f"times below 0 or infinite, left out: {tmp_path}/T/a_time.txt"]


# Names


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        *[(name, name) for name in OTB_TARGETS],
        ("Jogging-1", "Jogging_1"),
        ("Jogging.2", "Jogging_2"),
        ("jogging_1", "Jogging_1"),
        ("Jogging1", "Jogging_1"),
        ("skating2-2", "Skating2_2"),
        ("Skating21", "Skating2_1"),
        ("Human4", "Human4_2"),
        ("human4.2", "Human4_2"),
        ("basketball", "Basketball"),
        ("faceocc1", "FaceOcc1"),
        ("faceOcc1", "FaceOcc1"),
        ("uav_car1", "Car1"),
        ("Skating2", None),
        ("Car", None),
    ],
)
def test_names_of_otb(written: str, meant: str | None) -> None:
    assert Names(OTB_TARGETS).match(written) == meant


def test_names_of_others() -> None:
    assert Names(["bike1", "car1_1", "car11"]).match("uav_car11") == "car11"
    assert Names(["bike1", "car1_1", "car11"]).match("uav_car1_1") == "car1_1"
    assert Names(["nfs_dog"]).match("dog") == Names(["nfs_dog"]).match("nfs_dog") == "nfs_dog"
    assert Names(["dog"]).match("nfs_dog") == "dog"
    assert Names(["Jogging1", "Jogging2"]).match("Jogging1") == "Jogging1"
    with pytest.raises(DataError, match=r"'x\.1' can mean x-1 or x_1; rename the file"):
        Names(["x-1", "x_1"]).match("x.1")


def test_two_files_of_one_sequence(data: Dataset, tmp_path: Path) -> None:
    source = write(tmp_path / "T", {"car_1.txt": lines(5), "car-1.txt": lines(5)})
    reasons = [fault.reason for fault in plan_import(source, "mine", data).faults]
    assert reasons == [f"is car_1, and so is {source}/car-1.txt; remove one"]


def test_unknown_sequences(data: Dataset, tmp_path: Path) -> None:
    source = write(tmp_path / "T", {"a.txt": lines(4), "zebra.txt": lines(4), "README.txt": "read me"})
    plan = plan_import(source, "mine", data)
    assert [tuple(fault) for fault in plan.faults] == [(str(source / "zebra.txt"), "'zebra' is no sequence of data")]
    assert plan.warnings == [f"no result files, left aside: {source}/README.txt"]
    write(tmp_path / "U", {"zebra.txt": lines(4)})
    with pytest.raises(DataError, match=r"no file names a sequence of data \(found 'zebra', expected names like 'a'\)"):
        plan_import(tmp_path / "U", "mine", data)


def test_a_sequence_called_like_a_file_beside(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"car": 4, "car_time": 4})
    assert plan_import(write(tmp_path / "T", {"car.txt": lines(4), "car_time.txt": lines(4)}), "m", data).missing == []


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("nothing", "there is no such file or folder"),
        ("data", "holds no result files"),
        ("x.tar", "is an archive that is not read here; unpack it"),
        ("x.zip", "is not a readable zip archive"),
    ],
)
def test_nothing_to_import(path: str, message: str, data: Dataset, tmp_path: Path) -> None:
    write(tmp_path, {"x.tar": b"no archive", "x.zip": b"cut short"})
    with pytest.raises(TrackbenchError, match=message):
        plan_import(tmp_path / path, "mine", data)


# Archives


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("../a.txt", "member '../a.txt' would leave the archive's folder"),
        ("T/../../a.txt", "would leave"),
        ("/a.txt", "would leave"),
        ("C:\\a.txt", "would leave"),
        ("..\\a.txt", "would leave"),
    ],
)
def test_archives_that_would_leave_their_folder(name: str, message: str, data: Dataset, tmp_path: Path) -> None:
    path = pack(tmp_path / "T.zip", {"a.txt": lines(4), name: lines(4)})
    with pytest.raises(DataError, match=message):
        plan_import(path, "mine", data)


def test_archives_with_links_bombs_doubles_secrets(data: Dataset, tmp_path: Path) -> None:
    link = zipfile.ZipInfo("a.txt")
    link.external_attr = 0o120777 << 16
    path = tmp_path / "T.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(link, "/etc/passwd")
    with pytest.raises(DataError, match=r"member 'a.txt' is a link; refused"):
        plan_import(path, "mine", data)
    pack(path, {"a.txt": b"0" * (65 << 20)})
    with pytest.raises(DataError, match="more than 30 times; refused"):
        plan_import(path, "mine", data)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.txt", lines(4))
        with pytest.warns(UserWarning, match="Duplicate"):
            archive.writestr("a.txt", lines(4))
    with pytest.raises(DataError, match=r"two members called 'a.txt'"):
        plan_import(path, "mine", data)
    content = bytearray(pack(path, {"a.txt": lines(4)}).read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    path.write_bytes(content)
    with pytest.raises(DataError, match=r"'a.txt' is encrypted"):
        plan_import(path, "mine", data)


def test_a_header_that_lies_about_the_size(data: Dataset, tmp_path: Path) -> None:
    content = bytearray(pack(tmp_path / "T.zip", {"a.txt": b"1,2,3,4\n" * 100_000}).read_bytes())
    at = content.index(b"PK\x01\x02") + 24
    content[at : at + 4] = (32).to_bytes(4, "little")
    (tmp_path / "T.zip").write_bytes(content)
    assert "cannot be unpacked" in plan_import(tmp_path / "T.zip", "mine", data).faults[0].reason


def test_clutter_of_archives(data: Dataset, tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        "T/a.txt": lines(4),
        "__MACOSX/T/._a.txt": b"\x00",
        "T/.DS_Store": b"\x00",
        "T\\b.txt": lines(4),
    }
    plan = plan_import(pack(tmp_path / "T.zip", files), "mine", data)
    assert (plan.sequences, plan.faults, plan.warnings) == ({"a", "b"}, [], [])


# The store


def test_manifest(data: Dataset, tmp_path: Path) -> None:
    source = write(tmp_path / "T", complete())
    run = stored(plan_import(source, "mine", data), tmp_path / "runs")
    manifest = json.loads((run.path / "manifest.json").read_text())
    assert (manifest["tracker"], manifest["imported"]) == ("mine", True)
    assert manifest["source"] == {
        "tool": "pysot",
        "path": str(source),
        "group": "T",
        "files": 3,
        "sha256": manifest["identity"]["files_sha256"],
        "options": {"boxes": "xywh", "offset": 0.0, "pad_missing": False},
    }
    assert "weights_sha256" not in manifest["identity"]
    # The same again changes nothing; other files under this name are refused, or replace.
    stored(plan_import(source, "mine", data), tmp_path / "runs")
    write(source, {"b.txt": lines(4, x=50)})
    with pytest.raises(
        UsageError, match=r"holds results of other settings \(files_sha256: .*--restart.*--as NAME keeps both"
    ):
        store_import(plan_import(source, "mine", data), tmp_path / "runs")
    (source / "a.txt").unlink()
    run = store_import(plan_import(source, "mine", data), tmp_path / "runs", restart=True)
    assert run.sequences() == {"b", "car_1"}


@pytest.mark.parametrize("offset", [float("nan"), float("inf")])
def test_offsets_that_would_wipe_out_every_box(offset: float, data: Dataset, tmp_path: Path) -> None:
    source = write(tmp_path / "T", {"a.txt": lines(4)})
    with pytest.raises(UsageError, match=f"--offset {offset}: expected a finite number"):
        plan_import(source, "mine", data, how=ImportOptions(offset=offset))


@pytest.mark.parametrize("name", ["", " ", ".x", "a\nb", "x" * 256])
def test_names_of_trackers(name: str, data: Dataset, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="--as"):
        plan_import(write(tmp_path / "T", complete()), name, data)


# MATLAB files


def test_faulty_matlab_files() -> None:
    import scipy.io

    def packed(**variables: object) -> bytes:
        file = io.BytesIO()
        scipy.io.savemat(file, variables)  # type: ignore[arg-type]
        return file.getvalue()

    cell = np.empty((1, 3), object)
    cell[0, :] = [{"res": np.ones((2, 4)), "type": "rect"}] * 3
    shifted = np.empty((1, 3), object)
    shifted[0, :] = [{"res": np.ones((2, 4)), "type": "rect", "shiftType": "left"}] * 3
    boxes = np.ones((2, 4))
    assert len(read_mat(packed(results=cell), "f.mat")) == 3
    for content, message in [
        (b"no matlab", "is a text file, no MATLAB file"),
        (packed(x=1), "holds no variable 'results'"),
        (packed(results=shifted), "holds 3 runs of a spatial robustness evaluation"),
        (packed(results={"res": boxes + 1j, "type": "rect"}), "'res' holds no real numbers"),
        (packed(results=1.0), "'results' is no struct with 'res'"),
        (packed(results={"res": boxes, "type": "ivtAff"}), "'res' is 2 x 4; expected N x 6"),
        (packed(results={"res": np.ones((2, 6)), "type": "rect"}), "'res' is 2 x 6; expected N x 4"),
        (packed(results={"res": "text", "type": "rect"}), "'res' holds no real numbers"),
        (packed(results={"res": boxes, "type": "rect", "len": 7}), "'res' has 2 lines, 'len' says 7"),
        (mat_file(np.zeros((3_000_000, 4)), 1, 1, None), "expands to more than 64 MiB"),
    ]:
        with pytest.raises(DataError, match=message):
            read_mat(content, "f.mat")


# Nothing but the documented error comes out


def mutate(content: bytes, cuts: list[tuple[int, int, bytes]]) -> bytes:
    for at, length, new in cuts:
        at %= len(content) + 1
        content = content[:at] + new + content[at + length :]
    return content


MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, 1 << 16),
        st.integers(0, 12),
        st.one_of(
            st.binary(max_size=8), st.sampled_from([b",", b"\n", b"nan", b"-", b"1e999", b"\x00", b"\t", b";", b"."])
        ),
    ),
    min_size=1,
    max_size=6,
)
FUZZ = settings(suppress_health_check=list(HealthCheck))


@FUZZ
@given(cuts=MUTATIONS)
def test_fuzzed_text(cuts: list[tuple[int, int, bytes]]) -> None:
    content = mutate(lines(6).encode(), cuts)
    try:
        trajectory = read_trajectory(content, "f")
    except TrackbenchError as error:
        complaint = str(error)
    else:
        complaint = ""
        assert trajectory.boxes.ndim == 2
        assert trajectory.boxes.shape[1] == 4
    assert "\n" not in complaint


KINDS = st.sampled_from(["text", "time", "score", "own", "mat", "zip"])


@settings(FUZZ, max_examples=25)
@given(cuts=MUTATIONS, kind=KINDS)
def test_fuzzed_sources(
    cuts: list[tuple[int, int, bytes]], kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    check_fuzzed(cuts, kind, tmp_path_factory.mktemp("fuzz"))


@pytest.mark.slow
@settings(FUZZ, max_examples=100)
@given(cuts=MUTATIONS, kind=KINDS)
def test_many_more_fuzzed_sources(
    cuts: list[tuple[int, int, bytes]], kind: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    check_fuzzed(cuts, kind, tmp_path_factory.mktemp("fuzz"))


def test_an_empty_file_of_times_is_left_out(tmp_path: Path) -> None:
    data = make_dataset(tmp_path / "data", {"a": 4})
    plan = plan_import(write(tmp_path, {"T/a.txt": lines(4), "T/a_time.txt": ""}) / "T", "mine", data)
    assert (plan.faults, plan.results["a", 1].seconds) == ([], [])


def check_fuzzed(cuts: list[tuple[int, int, bytes]], kind: str, folder: Path) -> None:
    data = make_dataset(folder / "data", {"a": 4, "b": 4})
    files: dict[str, str | bytes] = {"T/a.txt": lines(4), "T/b.txt": lines(4), "T/a_time.txt": "0.1\n" * 4}
    files["T/a_scores.txt"] = "0.5\n" * 4
    if kind == "zip":
        path = pack(folder / "T.zip", files)
        path.write_bytes(mutate(path.read_bytes(), cuts))
    else:
        if kind == "own":
            files["T/manifest.json"] = "{}"
        if kind == "mat":
            files = {"T/a_X.mat": mat_file(np.ones((4, 4)), 1, 1, 5.0)}
        target = {"time": "T/a_time.txt", "score": "T/a_scores.txt", "mat": "T/a_X.mat"}.get(kind, "T/a.txt")
        content = files[target]
        files[target] = mutate(content.encode() if isinstance(content, str) else content, cuts)
        path = write(folder, files) / "T"
    try:
        plan = plan_import(path, "mine", data)
        complaints = [fault.reason for fault in plan.faults]
        store_import(plan, folder / "runs", skip_faulty=True)
    except TrackbenchError as error:
        complaints = [str(error)]
    assert all("\n" not in complaint for complaint in complaints)


# Published results


@pytest.fixture(scope="session")
def ground_truths(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the folder with the unpacked ground truth of a benchmark."""
    folders: dict[str, Path] = {}

    def unpacked(name: str) -> Path:
        if name not in folders:
            folders[name] = tmp_path_factory.mktemp(name)
            with zipfile.ZipFile(reference / f"evaluation/ope/{name}_gt.zip") as archive:
                archive.extractall(folders[name])
        return folders[name]

    return unpacked


def numbers(archive: zipfile.ZipFile, member: str) -> NDArray[np.float64]:
    return np.loadtxt(io.StringIO(archive.read(member).decode().replace(",", " ")), ndmin=2)


PUBLISHED = [
    *[("otb100", t, "otb100", "otb/OTB") for t in ("ATOM", "DaSiamRPN", "SiamFC", "SiamRPN++", "SiamRPN")],
    *[("uav123", t, "uav123", "uav/UAV123") for t in ("ARCF", "AutoTrack")],
    *[("uav20l", t, "uav20l", "uav/UAV123") for t in ("AutoTrack", "ECO_HC", "SRDCF")],
    *[("dtb70", t, "dtb70", "dtb70/DTB70") for t in ("AutoTrack", "ECO_HC", "NanoTrack", "SiamAPN")],
]
BY_DEFAULT = ("ATOM", "SiamRPN++", "ARCF", "ECO_HC", "NanoTrack")


@pytest.mark.parametrize(
    ("archive", "tracker", "dataset", "root"),
    [pytest.param(*case, marks=() if case[1] in BY_DEFAULT else pytest.mark.slow) for case in PUBLISHED],
)
def test_published_results(
    archive: str,
    tracker: str,
    dataset: str,
    root: str,
    ground_truths: Callable[[str], Path],
    reference: Path,
    tmp_path: Path,
) -> None:
    ground_truth, _, folder = root.partition("/")
    data = open_dataset(dataset, ground_truths(ground_truth) / folder)
    path = reference / f"evaluation/ope/{archive}_results.zip"
    plan = plan_import(path, tracker, data, only=tracker)
    assert (plan.missing, plan.source["tool"]) == ([], "pysot")
    run = stored(plan, tmp_path)
    assert len(run.sequences()) == data.of
    with zipfile.ZipFile(path) as source:
        members = [name for name in source.namelist() if f"/{tracker}/" in name and name.endswith(".txt")]
        names = Names(sequence.name for sequence in data.sequences)
        matched = {names.match(Path(member).stem): member for member in members}
        assert len(matched) == len(members) == data.of
        for name in list(matched)[::7]:
            assert name is not None
            np.testing.assert_array_equal(run.boxes(name), numbers(source, matched[name]))


def test_published_short_files(ground_truths: Callable[[str], Path], reference: Path, tmp_path: Path) -> None:
    data = open_dataset("otb100", ground_truths("otb") / "OTB")
    path = reference / "evaluation/ope/otb100_results.zip"
    plan = plan_import(path, "mdnet", data, only="MDNet")
    assert [fault.reason.partition(";")[0] for fault in plan.faults] == [
        "Board: 697 lines, the ground truth has 698",
        "Twinnings: 471 lines, the ground truth has 472",
    ]
    assert plan.missing == ["Board", "Twinnings"]
    plan = plan_import(path, "mdnet", data, only="MDNet", how=ImportOptions(pad_missing=True))
    boxes = stored(plan, tmp_path).boxes("Board")
    assert boxes.shape == (698, 4)
    assert np.isnan(boxes[697]).all()
    assert np.isfinite(boxes[:697]).all()
    with pytest.raises(UsageError, match="holds results of 6 trackers"):
        plan_import(path, "mdnet", data)
    # A benchmark's subset: what is not in it is left aside.
    plan = plan_import(path, "atom", open_dataset("otb50", data.root), only="ATOM")
    assert (len(plan.faults), plan.missing) == (0, [])


def test_tiger1_with_the_frames_that_otb_omits(ground_truths: Callable[[str], Path], tmp_path: Path) -> None:
    data = open_dataset("otb100", ground_truths("otb") / "OTB")
    plan = plan_import(write(tmp_path / "T", {"tiger1.txt": lines(354)}), "mine", data)
    assert "the first 5 lines, which the benchmark omits, were dropped: Tiger1" in plan.warnings
    assert stored(plan, tmp_path / "runs").boxes("Tiger1")[[0, -1], 0].tolist() == [16, 364]
    plan = plan_import(write(tmp_path / "U", {"tiger1.txt": lines(355)}), "mine", data)
    assert "longer than the ground truth and cut: Tiger1 (355 lines for 349 frames)" in plan.warnings


@pytest.mark.parametrize(
    "tracker", ["SiamRPNpp", *(pytest.param(name, marks=pytest.mark.slow) for name in ("ATOM", "DiMP50"))]
)
def test_published_lasot(
    tracker: str, ground_truths: Callable[[str], Path], reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = open_dataset("lasot", ground_truths("lasot") / "LaSOT")
    path = reference / f"evaluation/ope/lasot_results_{tracker}.zip"
    plan = plan_import(path, tracker, data)
    assert (plan.missing, plan.faults, len(plan.results)) == ([], [], 280)
    with zipfile.ZipFile(path) as source:
        for name in ("airplane-1", "zebra-17"):
            member = next(member for member in source.namelist() if member.endswith(f"/{name}.txt"))
            expected = numbers(source, member)
            np.testing.assert_array_equal(plan.results[name, 1].boxes, expected[: len(data[name])])


def test_published_matlab_files(ground_truths: Callable[[str], Path], reference: Path, tmp_path: Path) -> None:
    data = open_dataset("uav20l", ground_truths("uav") / "UAV123")
    ope = reference / "evaluation/ope"
    plan = plan_import(ope / "uav20l_mat_sample.zip", "eco-hc", data)
    assert (plan.source["tool"], plan.sequences) == ("otb-mat", {"bike1", "bird1", "car1", "car16"})
    run = stored(plan, tmp_path)
    with zipfile.ZipFile(ope / "uav20l_results.zip") as source:
        for name in plan.sequences:
            np.testing.assert_array_equal(run.boxes(name), numbers(source, f"UAV20L/ECO_HC/{name}.txt"))


def test_published_got10k(reference: Path, tmp_path: Path) -> None:
    path = reference / "evaluation/ope/got10k_like.zip"
    with zipfile.ZipFile(path) as source:
        source.extractall(tmp_path)
        data = open_dataset("got10k-val", tmp_path / "data")
        for tracker, runs in (("DiMP50", 1), ("mix3", 3)):
            plan = plan_import(path, tracker, data, only=tracker)
            assert (plan.source["tool"], plan.faults, len(plan.sequences)) == ("got10k", [], 56)
            assert max(repetition for _, repetition in plan.results) == runs
            name = data.sequences[10].name
            times = numbers(source, f"results/GOT-10k/{tracker}/{name}/{name}_time.txt")
            for run in range(1, runs + 1):
                result = plan.results[name, run]
                expected = numbers(source, f"results/GOT-10k/{tracker}/{name}/{name}_{run:03d}.txt")
                np.testing.assert_array_equal(result.boxes, expected)
                np.testing.assert_array_equal(result.seconds, times[:, run - 1])


def test_published_submission_without_truth(reference: Path, tmp_path: Path) -> None:
    """The layout of a submission: 180 folders, one run, times. Only the ground truth's lengths are made up here."""
    path = reference / "evaluation/ope/got10k_val_results_NanoTrackV3_no_gt.zip"
    with zipfile.ZipFile(path) as source:
        members = [name for name in source.namelist() if name.endswith("_001.txt")]
        lengths = {Path(name).parent.name: len(numbers(source, name)) for name in members}
    plan = plan_import(path, "nano", make_dataset(tmp_path / "data", lengths))
    assert (plan.source["tool"], plan.faults, plan.missing) == ("got10k", [], [])
    assert [warning.partition(",")[0] for warning in plan.warnings] == [
        "180 of 180 first boxes are far from the given ones"
    ]
    assert len(plan.results) == 180
    assert all(result.seconds for result in plan.results.values())


def test_published_trackingnet(reference: Path, tmp_path: Path) -> None:
    ope = reference / "evaluation/ope"
    with zipfile.ZipFile(ope / "trackingnet_dummy_GT.zip") as source:
        source.extractall(tmp_path / "TEST/anno")
    data = open_dataset("trackingnet", tmp_path)
    plan = plan_import(ope / "trackingnet_dummy_subm.zip", "dummy", data)
    assert plan.source["tool"] == "trackingnet"
    assert [fault.reason for fault in plan.faults] == [
        "a8v0k4Bz_QA_0: 432 lines, the ground truth has 480; "
        "--pad-missing fills up the file with frames without an answer"
    ]
    assert len(plan.sequences) == 7
    assert "-3TIfnTSM6c_2" in plan.sequences


def test_a_mat_file_that_crashes_scipy() -> None:
    """Some damaged files make scipy's reader end the process that reads; ours goes on."""
    import random

    draw = random.Random(0)
    good = mat_file(np.ones((4, 4)), 1, 1, 5.0)
    complaints = set()
    for _ in range(120):
        data = bytearray(good)
        for _ in range(draw.randrange(1, 5)):
            data[draw.randrange(128, len(data))] = draw.choice([0, 1, 5, 9, 14, 15, 255])
        try:
            read_mat(bytes(data), "x.mat")
        except DataError as error:
            complaints.add(str(error).partition(":")[2])
    assert complaints
    assert read_mat(good, "x.mat")[0].boxes.shape == (4, 4)
