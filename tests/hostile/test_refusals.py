"""Files that are refused in one line: what ends a process, is waited for, is nobody's message, or is wrong."""

from __future__ import annotations

import io
import os
import socket
import tempfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.io
from command import trackbench

from trackbench.checkpoints.reader import read_checkpoint
from trackbench.datasets.catalogue import open_dataset
from trackbench.definitions import TRACKERS
from trackbench.errors import DataError, UsageError
from trackbench.files import parse_toml, read_bytes, read_toml, read_yaml
from trackbench.formats.archives import open_files
from trackbench.formats.matlab import read_mat
from trackbench.formats.reading import read_trajectory
from trackbench.regions.files import read_boxes
from trackbench.regions.text import decode_runs
from trackbench.results.records import FailureRecord, ManifestRecord, read_record
from trackbench.trackers.settings import parse_setting
from trackbench.training.recipe import load_recipe

# What ends a process


@pytest.mark.parametrize(
    "runs", [[2**63, 2**63, 4], [0, 2**64 - 1], [2**62] * 5, [-1, 5], [0, 5], [10**5000, 1]], ids=range(6)
)
def test_run_lengths_are_added_before_anything_is_allocated(runs: list[int]) -> None:
    with pytest.raises(DataError, match="mask"):
        decode_runs(runs, 2, 2)


def test_runs_of_zeros_beyond_the_window_are_no_pixels() -> None:
    assert decode_runs([1, 2, 2**70], 2, 2).tolist() == [[False, True], [True, False]]


@pytest.mark.parametrize(
    "key",
    [b")" + b"\x85" * 100_000 + b"K\x01", b"(K\x01K\x02t" + b"2\x86" * 60 + b"K\x01"],
    ids=["deep", "of many paths"],
)
def test_keys_that_are_nested_deeply_are_refused(tmp_path: Path, key: bytes) -> None:
    (tmp_path / "x.pth").write_bytes(b"\x80\x02}" + key + b"s.")
    with pytest.raises(DataError, match="nested too deeply"):
        read_checkpoint(tmp_path / "x.pth")


# What is waited for


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in this file system")
def test_what_is_no_regular_file_is_refused_and_not_waited_for(workplace: Path) -> None:
    os.mkfifo("pipe")
    Path("link").symlink_to("pipe")
    for name, what in (("pipe", "a pipe"), ("link", "a pipe"), (".", "a folder"), ("/dev/zero", "a device")):
        with pytest.raises(DataError, match=f"is {what}; expected a file"):
            read_bytes(name)
    with tempfile.TemporaryDirectory() as short, socket.socket(socket.AF_UNIX) as bound:
        bound.bind(f"{short}/s")
        with pytest.raises(DataError, match="is a socket; expected a file"):
            read_bytes(f"{short}/s")
    for path in ("a\0b", "x" * 5000):
        with pytest.raises(DataError, match="cannot be read"):
            read_bytes(path)
    with pytest.raises(UsageError, match="a pipe"):
        read_toml(Path("pipe"))


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no pipes in this file system")
@pytest.mark.parametrize(
    ("pipe", "command"),
    [
        ("w.pth", "weights add dcfnet w.pth"),
        ("res/s1.txt", "import res --as T -d data"),
        ("res.zip", "import res.zip --as T -d data"),
        ("data/s1/img/0001.jpg", "check data --deep"),
        ("datasets/mine.toml", "check mine --root data"),
        ("trackers/mine.toml", "run mine -d data"),
        ("s.toml", "report -d data --style s.toml"),
        ("trackers.ini", "run trax:mine -d data"),
    ],
)
def test_no_command_waits_for_a_pipe(workplace: Path, pipe: str, command: str) -> None:
    path = workplace / pipe
    path.parent.mkdir(parents=True, exist_ok=True)
    path.unlink(missing_ok=True)
    os.mkfifo(path)
    for code in (1, 2):
        try:
            output = trackbench(*command.split(), code=code).output
        except AssertionError:
            continue
        assert "Traceback" not in output
        return
    raise AssertionError(f"{command} went through")


# What would be nobody's message


@pytest.mark.parametrize("value", ["2001-99-99", "!!int x", "!!timestamp x", "!!binary x", "&a [*a]", "[" * 500])
def test_yaml_with_anything_but_plain_values_is_one_line(tmp_path: Path, value: str) -> None:
    (tmp_path / "x.yaml").write_text(f"a: {value}\n")
    if value == "2001-99-99":
        assert read_yaml(tmp_path / "x.yaml") == {"a": value}  # no date: a text
        return
    with pytest.raises(UsageError, match=r"x\.yaml: not valid YAML: ") as caught:
        read_yaml(tmp_path / "x.yaml")
    assert len(str(caught.value)) < 400


@pytest.mark.parametrize("content", ["a = " + "[" * 5000, "a = " + "9" * 5000, "a." * 5000 + "b = 1"])
def test_toml_that_python_cannot_hold_is_one_line(content: str) -> None:
    with pytest.raises(UsageError, match="f: not valid TOML"):
        parse_toml(content, "f")


@pytest.mark.parametrize(
    "content",
    [
        *("[]", "3", '{"identity": 3}', '{"sessions": {"a": 1}}', '{"sessions": [3]}', '{"sessions": [{"of": "x"}]}'),
        *('{"identity": {"refiner": 3}}', '{"identity": {"options": "x"}}', '{"sessions": [{"hardware": "x"}]}'),
    ],
)
def test_manifests_of_other_types_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "manifest.json").write_text(content)
    with pytest.raises(DataError, match=r"manifest\.json: "):
        read_record(tmp_path / "manifest.json", ManifestRecord)


@pytest.mark.parametrize("content", ["[]", '{"reason": 3}', "{}", '{"reason": "x", "traceback": []}'])
def test_failures_of_other_types_are_named(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(DataError, match=r"a\.json: "):
        read_record(tmp_path / "a.json", FailureRecord)


@pytest.mark.parametrize(
    "line", ["options = 3", "card = []", "same_as = 3", "count = 1", "class = 3", "weights = true"]
)
def test_definitions_of_another_shape_are_one_line(workplace: Path, line: str) -> None:
    model = "" if line.startswith("class") else 'class = "a:B"\n'
    (workplace / "trackers/odd.toml").write_text(f'title = "Odd"\n{model}{line}\n')
    with pytest.raises(UsageError, match=r"odd\.toml: "):
        TRACKERS.get("odd")


@pytest.mark.parametrize("name", ["..x:Y", ".:Y", "images", "a:", ":B", "a b:C", "os:system"])
def test_classes_of_strange_names_are_one_line(workplace: Path, name: str) -> None:
    (workplace / "trackers/odd.toml").write_text(f'title = "Odd"\nclass = "{name}"\n')
    output = trackbench("run", "odd", "-d", "data", code=2).output
    assert "Traceback" not in output
    assert "odd.toml" in output
    assert "not ready" not in output
    assert "odd" in trackbench("list", "trackers").output


@pytest.mark.parametrize("layout", ["..x", "images", "os", "datasets.layouts.vot", ""])
def test_layouts_of_strange_names_are_one_line(workplace: Path, layout: str) -> None:
    (workplace / "datasets").mkdir()
    (workplace / "datasets/odd.toml").write_text(f'title = "Odd"\nlayout = "{layout}"\n')
    with pytest.raises(UsageError, match="layout"):
        open_dataset("odd", workplace / "data")


def test_recipes_that_stand_for_each_other_are_refused(workplace: Path) -> None:
    for name, other in (("one", "two"), ("two", "one")):
        path = workplace / f"trackers/recipes/{name}.toml"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f'same_as = "{other}"\n')
    with pytest.raises(UsageError, match="each the same as the other"):
        load_recipe("one")


# What would be accepted, and wrong


def matlab(res: object) -> bytes:
    stream: Any = io.BytesIO()  # the stubs of scipy know paths alone
    scipy.io.savemat(stream, {"results": {"type": "rect", "res": res, "len": 3.0}})
    return stream.getvalue()


@pytest.mark.parametrize("res", [np.ones((3, 4)) * 1j, np.array(["abcd"] * 3)])
def test_boxes_of_matlab_that_are_no_real_numbers_are_refused(res: object) -> None:
    with pytest.raises(DataError, match=r"f: 'res' (holds no real numbers|is )"):
        read_mat(matlab(res), "f")


@pytest.mark.parametrize("number", ["9" * 1_000_000, "1" + "0" * 400, "1_0", "0x10", "1e", "٣"])
def test_numbers_that_no_tool_writes_are_refused(tmp_path: Path, number: str) -> None:
    (tmp_path / "x.txt").write_text(f"1,2,{number},4\n", encoding="utf-8")
    if len(number) in (401, 1):  # infinity, or a digit of another script, is what Python makes of it
        return
    with pytest.raises(DataError, match=r"line 1: "):
        read_boxes(tmp_path / "x.txt")
    with pytest.raises(DataError, match=r"line 1: "):
        read_trajectory((tmp_path / "x.txt").read_bytes(), "x.txt")


def test_a_line_break_in_a_setting_sets_no_second_key() -> None:
    with pytest.raises(UsageError, match="on one line"):
        parse_setting("a=1\nb=2")


@pytest.mark.parametrize("name", ["/etc/x.txt", "../x.txt", "a/../../x.txt", "C:/x.txt", "C:\\x.txt"])
def test_members_that_would_leave_the_archive_are_refused(tmp_path: Path, name: str) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        archive.writestr("T/a.txt", "1,2,3,4\n")
        archive.writestr(name, "1,2,3,4\n")
    with pytest.raises(DataError, match="would leave the archive's folder"):
        open_files(tmp_path / "a.zip")
