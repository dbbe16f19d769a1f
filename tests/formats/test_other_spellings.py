"""Results in the spellings of other tools are read, or refused with what mends them; nothing is misread in silence."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from numpy.typing import NDArray

from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.sequence import Dataset
from trackbench.errors import DataError, UsageError
from trackbench.formats.alignment import ImportOptions
from trackbench.formats.importing import ImportPlan, plan_import, trackers_in
from trackbench.formats.json_results import read_json_result
from trackbench.formats.matlab import read_mat
from trackbench.formats.names import without_copy_mark
from trackbench.formats.reading import read_trajectory
from trackbench.regions.files import read_boxes

Boxes = NDArray[np.float64]
FRAMES = {"car_a": 12, "car_b": 14, "dog": 10}


def truth(name: str) -> Boxes:
    t = np.arange(FRAMES[name])[:, None]
    return np.hstack([20 + 2.5 * t, 30 + 1.5 * t, 24 + 0.3 * t, 18 + 0.2 * t])


def text(boxes: Iterable[Iterable[float]], separator: str = ",", end: str = "") -> str:
    return "".join(separator.join(f"{v:.4f}" for v in row) + end + "\n" for row in boxes)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    root = tmp_path_factory.mktemp("spellings") / "data"
    for name in FRAMES:
        (root / name).mkdir(parents=True)
        (root / name / "groundtruth.txt").write_text(text(truth(name)))
    return open_dataset(str(root))


def plan(folder: Path, files: dict[str, str | bytes], data: Dataset, **how: Any) -> ImportPlan:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return plan_import(folder, "T", data, how=ImportOptions(**how))


def assert_right(made: ImportPlan) -> None:
    assert not made.faults
    assert made.sequences == FRAMES.keys()
    for (name, _), result in made.results.items():
        np.testing.assert_allclose(result.boxes, truth(name), atol=1e-3)


LINES: dict[str, Callable[[int, list[str]], str]] = {
    "a number before each box": lambda i, row: f"{i + 1} {' '.join(row)}",
    "numbers from 0": lambda i, row: f"{i},{','.join(row)}",
    "MOT": lambda i, row: f"{i + 1},1,{','.join(row)},0.9,-1,-1,-1",
    "brackets": lambda i, row: f"[{', '.join(row)}]",
    "parentheses": lambda i, row: f"({', '.join(row)})",
    "quotes": lambda i, row: ",".join(f'"{word}"' for word in row),
    "two separators at the end": lambda i, row: ",".join(row) + ",,",
    "mixed separators": lambda i, row: f"{row[0]},{row[1]} {row[2]}\t{row[3]};",
    "no-break spaces": lambda i, row: "\u00a0".join(row),
}
HEADS = {
    "X,Y,W,H": "{1},{2},{3},{4}",
    "# x y w h": "{1} {2} {3} {4}",
    "% made by a script\n%": "{1},{2},{3},{4}",
    "frame_id;bbox_x;bbox_y;bbox_w;bbox_h": "{0};{1};{2};{3};{4}",
    "x,y,w,h,score": "{1},{2},{3},{4},0.5",
}


@pytest.mark.parametrize("form", LINES)
def test_lines_of_other_tools(form: str, tmp_path: Path, data: Dataset) -> None:
    files: dict[str, str | bytes] = {}
    for name in FRAMES:
        files[f"{name}.txt"] = "\n".join(LINES[form](i, [f"{v:.4f}" for v in r]) for i, r in enumerate(truth(name)))
    assert_right(plan(tmp_path, files, data))


@pytest.mark.parametrize("head", HEADS)
def test_named_columns(head: str, tmp_path: Path, data: Dataset) -> None:
    lines = {name: [HEADS[head].format(i + 7, *row) for i, row in enumerate(truth(name))] for name in FRAMES}
    assert_right(plan(tmp_path, {f"{name}.csv": "\n".join([head, *rows]) for name, rows in lines.items()}, data))


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig"])
def test_encodings_with_a_mark(encoding: str, tmp_path: Path, data: Dataset) -> None:
    assert_right(plan(tmp_path, {f"{name}.txt": text(truth(name)).encode(encoding) for name in FRAMES}, data))
    (tmp_path / "groundtruth.txt").write_bytes(text(truth("dog")).encode(encoding))
    np.testing.assert_allclose(read_boxes(tmp_path / "groundtruth.txt"), truth("dog"), atol=1e-3)


@pytest.mark.parametrize("word", ["-nan", "nan(ind)", "-nan(snan)", "-1.#IND", "1.#QNAN", "None", "null", "NA"])
def test_numbers_that_are_none(word: str, tmp_path: Path) -> None:
    boxes = read_trajectory(f"1,2,3,4\n{','.join([word] * 4)}\n".encode(), "f").boxes
    assert np.isnan(boxes[1]).all()
    (tmp_path / "f.txt").write_text(f"1,2,3,4\n{','.join([word] * 4)},\n")
    assert np.isnan(read_boxes(tmp_path / "f.txt")[1]).all()


def test_polygons_of_points_are_no_decimal_commas() -> None:
    assert read_trajectory(b"0,10,4,10,5,60,1,20\n" * 2, "f").polygons
    assert read_trajectory(b"0.5,1 4,1 5,6 1,2\n", "f").boxes.tolist() == [[0.5, 1, 4.5, 5]]


JSON: dict[str, Callable[[list[list[float]]], Any]] = {
    "boxes in objects": lambda b: [{"frame": i, "bbox": row} for i, row in enumerate(b)],
    "frames of an object": lambda b: {"video": "v", "frames": [{"box": row, "score": 0.5} for row in b]},
    "x, y, w, h": lambda b: [dict(zip("xywh", row, strict=True)) for row in b],
    "two lists": lambda b: {"scores": [[0.5]] * len(b), "bboxes": b},
    "numbered": lambda b: {str(i): row for i, row in sorted(enumerate(b, 1), key=lambda item: str(item[0]))},
    "texts": lambda b: [[str(v) for v in row] for row in b],
    "corners by name": lambda b: [{"xyxy": [x, y, x + w, y + h]} for x, y, w, h in b],
}


@pytest.mark.parametrize("form", JSON)
def test_json_of_other_tools(form: str, tmp_path: Path, data: Dataset) -> None:
    assert_right(plan(tmp_path, {f"{n}.json": json.dumps(JSON[form](truth(n).tolist())) for n in FRAMES}, data))


def test_json_lines_and_answers_that_are_none(tmp_path: Path, data: Dataset) -> None:
    lines = {name: "\n".join(json.dumps({"bbox": row}) for row in truth(name).tolist()) for name in FRAMES}
    assert_right(plan(tmp_path, {f"{name}.jsonl": content for name, content in lines.items()}, data))
    assert np.isnan(read_json_result(b"[[1,2,3,4],null,[1,2,null,4]]", "f").boxes[1:]).any(1).all()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"1": [1,2,3,4], "3": [1,2,3,4]}', "box 2: frame 3 after frame 1"),
        (b"[[1,2,3,4],\n[1,2,", "not valid JSON|line 1: .* is not valid JSON"),
        (b"[[1,2,3,true]]", "box 1 is .1, 2, 3, True.; expected numbers"),
        (b'{"a": [[1,2,3,4]], "b": [[1,2,3,4]]}', "holds 2 lists of boxes"),
    ],
)
def test_json_that_is_no_trajectory(content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_json_result(content, "f")


def test_one_file_of_all_sequences(tmp_path: Path, data: Dataset) -> None:
    boxes = {name: truth(name).tolist() for name in FRAMES}
    assert_right(plan(tmp_path / "json", {"T.json": json.dumps({"tracker": "T", "results": boxes})}, data))
    runs = plan(tmp_path / "runs", {"T.json": json.dumps({name: [rows, rows] for name, rows in boxes.items()})}, data)
    assert_right(runs)
    assert ("dog", 2) in runs.results
    rows = [f"{name},{i},{','.join(map(str, row))}" for name in boxes for i, row in enumerate(boxes[name])]
    assert_right(plan(tmp_path / "csv", {"T.csv": "\n".join(["video,frame,x,y,w,h", *rows])}, data))


@pytest.mark.parametrize(
    "name", ["T_{}.txt", "{}_T.txt", "{}_bbox.txt", "x-{}-results.txt", "{}/result.txt", "otb/{}.TXT"]
)
def test_names_with_something_added(name: str, tmp_path: Path, data: Dataset) -> None:
    files: dict[str, str | bytes] = {name.format(each): text(truth(each)) for each in FRAMES}
    assert_right(plan(tmp_path / "T", files | {f"{each}_fps.txt": "30\n" for each in FRAMES}, data))


def test_two_trackers_in_one_folder_are_told_apart(tmp_path: Path, data: Dataset) -> None:
    files: dict[str, str | bytes] = {f"{name}_{t}.txt": text(truth(name)) for name in FRAMES for t in ("A", "B")}
    with pytest.raises(UsageError, match="holds results of 2 trackers"):
        plan(tmp_path / "T", files, data)
    assert trackers_in(tmp_path / "T", data) == ["T/A", "T/B"]


def test_annotations_are_no_results(tmp_path: Path, data: Dataset) -> None:
    with pytest.raises(UsageError, match="holds no result files"):
        plan(tmp_path / "T", {f"{name}/groundtruth.txt": text(truth(name)) for name in FRAMES}, data)


def test_copies_are_left_aside_only_where_they_are_equal(tmp_path: Path, data: Dataset) -> None:
    files: dict[str, str | bytes] = {f"{name}.txt": text(truth(name)) for name in FRAMES}
    made = plan(tmp_path / "T", files | {"dog (1).txt": files["dog.txt"], "dog - Copy.txt": files["dog.txt"]}, data)
    assert_right(made)
    assert made.warnings[0].startswith("copies of a file beside, left aside")
    made = plan(tmp_path / "T", {"dog (1).txt": text(truth("dog") + 1)}, data)
    assert "is called like a copy, and differs from" in made.faults[0].reason
    assert [without_copy_mark(name) for name in ("a(2)", "a copy", "a (x)")] == ["a", "a", "a (x)"]


def test_tables_of_scores_beside_results_are_no_second_tracker(tmp_path: Path, data: Dataset) -> None:
    files: dict[str, str | bytes] = {f"T/{name}.txt": text(truth(name)) for name in FRAMES}
    scores: dict[str, str | bytes] = {
        "T/summary.csv": "seq,auc,x,y\n" + "".join(f"{name},0.5,1,2\n" for name in FRAMES),
        "T/scores.json": json.dumps(dict.fromkeys(FRAMES, 0.5)),
        "T/metrics.json": json.dumps({name: {"auc": 0.5, "precision": 0.7} for name in FRAMES}),
    }
    assert_right(plan(tmp_path, files | scores, data))


FORMS: dict[str, tuple[Callable[[Boxes], Boxes], str]] = {
    "corners, y first": (lambda b: np.hstack([b[:, :2], b[:, :2] + b[:, 2:]])[:, [1, 0, 3, 2]], "--boxes yxyx"),
    "y before x": (lambda b: b[:, [1, 0, 2, 3]], "--boxes yxwh"),
    "another scale": (lambda b: b / 3, "far from the given ones, and no other meaning"),
    "one frame late": (lambda b: np.vstack([b[:1], b[:-1]]), "one frame late"),
    "one frame early": (lambda b: np.vstack([b[:1], b[2:], b[-1:]]), "one frame early"),
    "a line too many": (lambda b: np.vstack([b[:1], b]), "one frame late .a line too many"),
}


@pytest.mark.parametrize("form", FORMS)
def test_numbers_of_another_meaning_are_told(form: str, tmp_path: Path, data: Dataset) -> None:
    change, said = FORMS[form]
    made = plan(tmp_path, {f"{name}.txt": text(change(truth(name))) for name in FRAMES}, data)
    assert any(said.split(" .")[0] in warning for warning in made.warnings), made.warnings


def test_forms_that_are_named_are_read_and_not_doubted(tmp_path: Path, data: Dataset) -> None:
    for form, order in {"yxwh": [1, 0, 2, 3], "xyhw": [0, 1, 3, 2]}.items():
        files: dict[str, str | bytes] = {f"{name}.txt": text(truth(name)[:, order]) for name in FRAMES}
        made = plan(tmp_path / form, files, data, boxes=form)
        assert_right(made)
        assert not made.warnings


def test_a_file_unlike_the_rest_is_named(tmp_path: Path, data: Dataset) -> None:
    files: dict[str, str | bytes] = {f"{name}.txt": text(truth(name)) for name in FRAMES}
    corners = truth("dog")
    corners[:, 2:] += corners[:, :2]
    made = plan(tmp_path, files | {"dog.txt": text(corners)}, data)
    assert any("corners x1, y1, x2, y2, in 1 of 3 files, unlike the rest: dog" in line for line in made.warnings)


def test_zeros_are_no_fractions(tmp_path: Path, data: Dataset) -> None:
    made = plan(tmp_path, {f"{name}.txt": "0,0,0,0\n" * frames for name, frames in FRAMES.items()}, data)
    assert not any("fractions" in warning for warning in made.warnings)


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("T.rar", b"Rar!", "unpack the archive within"),
        ("car_a.npy", b"\x93NUMPY", "numpy.savetxt"),
        ("T.zip", b"PK", "unpack the archive within"),
    ],
)
def test_files_of_other_kinds_within_a_folder(
    name: str, content: bytes, said: str, tmp_path: Path, data: Dataset
) -> None:
    with pytest.raises(UsageError, match=said):
        plan(tmp_path, {name: content}, data)


@pytest.mark.parametrize(("content", "said"), [(b"<!doctype html>", "web page"), (b"Rar!", "of another kind")])
def test_what_is_called_zip_and_is_none(content: bytes, said: str, tmp_path: Path, data: Dataset) -> None:
    (tmp_path / "r.zip").write_bytes(content)
    with pytest.raises(DataError, match=said):
        plan_import(tmp_path / "r.zip", "T", data)


def test_what_systems_add_to_archives_is_no_result(tmp_path: Path, data: Dataset) -> None:
    with zipfile.ZipFile(tmp_path / "r.zip", "w") as archive:
        for name in FRAMES:
            archive.writestr(f"T/{name}.txt", text(truth(name)))
            archive.writestr(f"__MACOSX/T/._{name}.txt", b"\0\5\x16\7")
        for name in ("T/.DS_Store", "T/Thumbs.db", "T/desktop.ini"):
            archive.writestr(name, b"\0")
    made = plan_import(tmp_path / "r.zip", "T", data)
    assert_right(made)
    assert not made.warnings


def mat(**variables: Any) -> bytes:
    file = io.BytesIO()
    scipy.io.savemat(file, variables)  # type: ignore[arg-type]
    return file.getvalue()


def test_matlab_files_of_other_spellings() -> None:
    boxes = np.round(truth("dog"))
    x, y, w, h = boxes.T
    corners = np.stack([x, x + w, x + w, x, y, y, y + h, y + h], 1)
    last = corners - [[0, 1, 1, 0, 0, 0, 1, 1]]  # of the toolkit's own, the last pixels
    in_turn = corners.reshape(-1, 2, 4).transpose(0, 2, 1).reshape(-1, 8)
    for results in (
        boxes,
        {"type": "Rect", "res": boxes},
        {"type": "4corner", "res": last.reshape(-1, 4)},
        {"type": "affine", "res": last.reshape(-1, 4)},
        {"type": "4corner", "res": in_turn},
    ):
        np.testing.assert_allclose(read_mat(mat(results=results), "f")[0].boxes, boxes)


def test_templates_under_affine_maps_have_the_boxes_of_otbs_toolkit() -> None:
    # By hand. A template of 4 columns and 3 rows; MATLAB counts pixels from 1 and rounds halves away from zero.
    turned = [0.0, -1.0, 1.0, 0.0]  # by 90 degrees, as [a b; c d]
    for kind, res, tmplsize, expected in (
        # Corners (10.5 -+ 2, 20.25 -+ 1.5) with w = 4, h = 3: floored 8, 18 and 12, 21.
        ("ivtAff", [[10.5, 20.25, 1, 0, 0, 1]], [4, 3], [8, 18, 4, 3]),
        # Scaled by 1.5 in x: 10.5 -+ 3 are 7.5 and 13.5, floored 7 and 13.
        ("ivtAff", [[10.5, 20.25, 1.5, 0, 0, 1]], [4, 3], [7, 18, 6, 3]),
        # Rows 1..3 and columns 1..4, shifted by 20 rows and 10 columns.
        ("L1Aff", [[1, 0, 0, 1, 20, 10]], [3, 4], [11, 21, 4, 3]),
        # Rows 2 r + 0.5 are 2.5 and 6.5, rounded 3 and 7; columns 1..4.
        ("L1Aff", [[2, 0, 0, 1, 0.5, 0]], [3, 4], [1, 3, 4, 5]),
        # x + 9, y + 19 of points 1..4 and 1..3; the identity is not in the parameters.
        ("LK_Aff", [[0, 0, 9], [0, 0, 19]], [3, 4], [10, 20, 4, 3]),
        # 2 x: 2 to 8; y: 1 to 3.
        ("LK_Aff", [[1, 0, 0], [0, 0, 0]], [3, 4], [2, 1, 7, 3]),
        # Twice as large, shifted by 10 and 20: x 12 to 18, y 22 to 26.
        ("SIMILARITY", [[2, 0, 10, 20]], [3, 4], [12, 22, 7, 5]),
        # Turned by 90 degrees: x is 10 - y, 7 to 9; y is 20 + x, 21 to 24.
        ("similarity", [[1, np.pi / 2, 10, 20]], [3, 4], [7, 21, 3, 4]),
        ("L1Aff", [[*turned, 20, 10]], [3, 4], [11, 19, 3, -2]),  # first and last corner, as they come
    ):
        made = read_mat(mat(results={"type": kind, "res": res, "tmplsize": tmplsize, "len": 1}), "f")[0].boxes
        np.testing.assert_array_equal(made, [expected], err_msg=kind)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (mat(bboxes=np.ones((3, 4))), "no variable 'results' with OTB's struct .it holds bboxes"),
        (b"\x89HDF\r\n\x1a\n" + bytes(100), "is a MATLAB 7.3 .HDF5. file; save it again with -v7"),
        (b"# Created by Octave 6.4\n# name: results\n", "is a text file, no MATLAB file"),
        (b"", "is empty"),
        (mat(results={"type": "LK_Aff", "res": np.ones((3, 3)), "tmplsize": [3, 4]}), "has 3 lines; expected two a fr"),
        (mat(results={"type": "L1Aff", "res": np.ones((3, 6))}), "'tmplsize' is 1 x 0; expected N x 2"),
        (mat(results={"type": "polar", "res": np.ones((3, 6))}), "of type 'polar'; expected 'rect' or 'ivtAff' or"),
    ],
)
def test_matlab_files_that_are_not_read(content: bytes, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_mat(content, "f.mat")


def test_long_first_lines_are_no_headers() -> None:
    with pytest.raises(DataError, match="line 1: 60000 characters; expected a few numbers"):
        read_trajectory(b"x," * 30_000, "f")
