import os
from pathlib import Path

import numpy as np
import pytest

from trackbench.errors import DataError
from trackbench.regions import Box
from trackbench.regions.files import read_boxes
from trackbench.results.cache import FILE, read_all
from trackbench.results.store import RunFolder, RunKey


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for index in range(3):
        (tmp_path / f"s{index}.txt").write_text(f"{index},1,2,3\n" * (index + 1))
    return tmp_path


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*.txt"))


def refuse(path: Path) -> np.ndarray:
    raise AssertionError(f"{path} was parsed again")


def test_a_file_is_parsed_once(folder: Path) -> None:
    first = read_all(folder, names(folder), read_boxes)
    second = read_all(folder, names(folder), refuse)
    assert [len(boxes) for boxes in second.values() if not isinstance(boxes, DataError)] == [1, 2, 3]
    for name in names(folder):
        np.testing.assert_array_equal(first[name], second[name])


@pytest.mark.parametrize("change", ["size", "time"])
def test_a_changed_file_is_parsed_again(folder: Path, change: str) -> None:
    read_all(folder, names(folder), read_boxes)
    path = folder / "s1.txt"
    path.write_text("9,1,2,3\n" * (2 if change == "time" else 4))
    os.utime(path, ns=(1, 1))
    parsed: list[str] = []

    def spy(path: Path) -> np.ndarray:
        parsed.append(path.name)
        return read_boxes(path)

    boxes = read_all(folder, names(folder), spy)["s1.txt"]
    assert parsed == ["s1.txt"]
    assert not isinstance(boxes, DataError)
    assert boxes[0, 0] == 9
    read_all(folder, names(folder), refuse)


def test_errors_are_returned_and_never_cached(folder: Path) -> None:
    (folder / "s0.txt").write_text("what\n")
    for _ in range(2):
        found = read_all(folder, [*names(folder), "none.txt"], read_boxes)
        assert "line 1: 'what' is not a number" in str(found["s0.txt"])
        assert "none.txt: cannot be read" in str(found["none.txt"])
        assert len(found["s2.txt"]) == 3  # type: ignore[arg-type]


@pytest.mark.parametrize("content", [b"", b"not a cache", b"[]\n", b'{"s0.txt": [8, 1, 0, 1]}\n', b"PK\x03\x04 broken"])
def test_a_broken_cache_is_no_cache(folder: Path, content: bytes) -> None:
    (folder / FILE).parent.mkdir()
    (folder / FILE).write_bytes(content)
    read_all(folder, names(folder), read_boxes)
    read_all(folder, names(folder), refuse)


def test_the_store_uses_it(tmp_path: Path) -> None:
    run = RunFolder(tmp_path, RunKey("t", "d", "one-pass"))
    run.write("a", [Box(1, 2, 3, 4)], [], [None])
    run.all_boxes(["a"])
    assert (run.path / FILE).is_file()
    assert run.sequences() == {"a"}
    run.write("a", [Box(5, 2, 3, 4)], [], [None])
    boxes = run.all_boxes(["a"])["a"]
    assert not isinstance(boxes, DataError)
    assert boxes.tolist() == [[5, 2, 3, 4]]
    run.write("a", [Box(5, 2, 3, 4)], [0.5], [None])
    for _ in range(2):
        assert run.all_seconds(["a", "b"])["a"].tolist() == [0.5]
    run.file("a", ".time").write_text("0.25\n")
    assert list(run.all_seconds(["a", "b"])) == ["a"]
    assert run.all_seconds(["a"])["a"].tolist() == [0.25]
    run.file("a", ".time").write_text("soon\n")
    with pytest.raises(DataError, match=r"a\.time: .*'soon'; expected seconds"):
        run.all_seconds(["a"])
    run.clear()
    assert not list(run.path.iterdir())
