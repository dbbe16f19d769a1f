"""Tables whose first line names their columns, and MATLAB files read from a script of one's own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from trackbench.errors import DataError
from trackbench.formats.json_results import read_json_result
from trackbench.formats.matlab import mat_file, read_mat
from trackbench.formats.reading import read_trajectory
from trackbench.regions.files import read_boxes


@pytest.mark.parametrize(
    "text",
    [
        "x,y,w,h\n1,2,3,4\n5,6,7,8\n",
        "frame,x,y,w,h,score\n0,1,2,3,4,.5\n1,5,6,7,8,.5\n",
        '\ufeff"Left";"Top";"Width";"Height"\n1;2;3;4\n5;6;7;8\n',
        "xmin ymin xmax ymax\n1 2 4 6\n5 6 12 14\n",
        "left,top,right,bottom,conf\n1,2,4,6,.5\n5,6,12,14,.5\n",
        "frame,x_center,y_center,width,height\n1,2.5,4,3,4\n2,8.5,10,7,8\n",
        "id\ty1\tx1\th\tw\n9\t2\t1\t4\t3\n9\t6\t5\t8\t7\n",
    ],
)
def test_columns_are_found_by_their_names(text: str) -> None:
    assert read_trajectory(text.encode(), "f").boxes.tolist() == [[1, 2, 3, 4], [5, 6, 7, 8]]


def test_columns_that_are_named_as_corners_may_be_asked_for_as_such() -> None:
    assert read_trajectory(b"x1,y1,x2,y2\n1,2,4,6\n", "f", raw=True).boxes.tolist() == [[1, 2, 4, 6]]
    document = b'[{"x1": 1, "y1": 2, "x2": 4, "y2": 6}]'
    assert read_json_result(document, "f", raw=True).boxes.tolist() == [[1, 2, 4, 6]]
    assert read_json_result(document, "f").boxes.tolist() == [[1, 2, 3, 4]]


def test_an_annotation_may_name_its_columns_as_corners(tmp_path: Path) -> None:
    (tmp_path / "groundtruth.txt").write_text("x1,y1,x2,y2\n1,2,4,6\n")
    assert read_boxes(tmp_path / "groundtruth.txt").tolist() == [[1, 2, 3, 4]]


def test_polygons_after_the_code_of_vot_have_no_speed() -> None:
    made = read_trajectory(b"1\n1,2,4,2,4,6,1,6\n1,2,4,2,4,6,1,6\n", "f")
    assert made.fps is None
    assert made.polygons


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a,b,c,d\n1,2,3,4\n", "line 1: 'a' is not a number"),
        ("x,y,w,h\n1,2,3,4\n1,2,3\n", "line 3: 3 numbers; expected as many as names in line 1"),
        ("x,y,w,h\n1,2,3,z\n", "line 2: 'z' is not a number"),
        ("x,y,w,h\n", "the file is empty"),
        ("x,x,y,w,h\n1,2,3,4,5\n", "line 1: 'x' is not a number"),
    ],
)
def test_what_is_wrong_in_such_a_table_is_named(text: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        read_trajectory(text.encode(), "f")


def test_matlab_files_are_read_in_a_script_without_a_guard(tmp_path: Path) -> None:
    """A process of multiprocessing would run the script a second time."""
    (tmp_path / "a.mat").write_bytes(mat_file(np.ones((3, 4)), 1, 1, 20.0))
    script = tmp_path / "script.py"
    script.write_text(
        "from trackbench.formats.matlab import read_mat\n"
        "print('once')\n"
        "print(read_mat(open('a.mat', 'rb').read(), 'a.mat')[0].fps)\n"
    )
    (tmp_path / "scipy.py").write_text("raise SystemExit('the working folder was imported')\n")
    done = subprocess.run([sys.executable, "-P", str(script)], cwd=tmp_path, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("once\n20.0\n", "")


def test_a_crash_of_the_reader_costs_one_file() -> None:
    from trackbench.formats import matlab

    reader = matlab._reader()
    good = mat_file(np.ones((3, 4)), 1, 1, None)
    assert len(read_mat(good, "f")) == 1
    assert reader._process is not None
    reader._process.kill()
    with pytest.raises(DataError, match="f: is not a readable MATLAB file: it makes the reader crash"):
        read_mat(good, "f")
    assert read_mat(good, "f")[0].boxes.shape == (3, 4)
