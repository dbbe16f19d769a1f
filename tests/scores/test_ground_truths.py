"""Annotations kept beside the runs are those of the data set, and are read again when their files change."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

from trackbench.datasets.sequence import GroundTruth, VideoSequence
from trackbench.errors import DataError
from trackbench.regions import Special
from trackbench.regions.files import read_boxes
from trackbench.scoring.cache import ground_truth_stamps
from trackbench.scoring.ground_truths import read_ground_truths


def sequence(path: Path, read: list[str], **more: object) -> VideoSequence:
    def read_ground_truth() -> GroundTruth:
        read.append(path.stem)
        return GroundTruth(read_boxes(path), **more)  # type: ignore[arg-type]

    return VideoSequence(path.stem, list, read_ground_truth, sources=(path,))


def give_truths(sequences: list[VideoSequence], path: Path) -> None:
    read_ground_truths(sequences, ground_truth_stamps(sequences), path)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "a.txt"
    path.write_text("1,2,3,4\nNaN,NaN,NaN,NaN\n")
    return path


@pytest.mark.parametrize("absent", [None, np.array([False, True])])
def test_an_annotation_is_read_once(file: Path, absent: np.ndarray | None) -> None:
    read: list[str] = []
    first, second = (sequence(file, read, absent=absent) for _ in range(2))
    cache = file.with_name(".data.truth")
    give_truths([first], cache)
    give_truths([second], cache)
    np.testing.assert_array_equal(second.ground_truth.boxes, first.ground_truth.boxes)
    if absent is None:
        assert second.ground_truth.absent is None
    else:
        assert second.ground_truth.absent is not None
        assert second.ground_truth.absent.tolist() == absent.tolist()
    assert read == ["a"]


def test_a_changed_file_is_read_again(file: Path) -> None:
    read: list[str] = []
    cache = file.with_name(".data.truth")
    give_truths([sequence(file, read)], cache)
    file.write_text("5,2,3,4\n1,1,1,1\n")
    os.utime(file, ns=(1, 1))
    again = sequence(file, read)
    give_truths([again], cache)
    assert again.ground_truth.boxes.tolist() == [[5, 2, 3, 4], [1, 1, 1, 1]]
    assert read == ["a", "a"]


def test_others_stay_in_the_cache(file: Path) -> None:
    read: list[str] = []
    cache = file.with_name(".data.truth")
    other = file.with_name("b.txt")
    other.write_text("9,9,9,9\n")
    for paths in ([file], [other], [file, other]):
        give_truths([sequence(path, read) for path in paths], cache)
    assert read == ["a", "b"]


def test_more_than_boxes_is_not_kept(file: Path) -> None:
    read: list[str] = []
    cache = file.with_name(".data.truth")
    for _ in range(2):
        give_truths([sequence(file, read, regions=(Special(1), Special(2)))], cache)
    assert read == ["a", "a"]
    assert not cache.exists()


def test_an_error_comes_to_who_asks(file: Path) -> None:
    file.write_text("1,2,3\n")
    broken = sequence(file, [])
    give_truths([broken], file.with_name(".data.truth"))
    with pytest.raises(Exception, match=r"a\.txt: line 1: 3 numbers"):
        _ = broken.ground_truth


def test_files_that_are_not_there_have_no_stamp(file: Path) -> None:
    missing = sequence(file.with_name("b.txt"), [])
    assert list(ground_truth_stamps([sequence(file, []), missing])) == ["a"]
    give_truths([missing], file.with_name(".data.truth"))
    with pytest.raises(DataError, match=r"b\.txt: cannot be read"):
        _ = missing.ground_truth
