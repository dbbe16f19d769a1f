"""The binary form of trajectories."""

from __future__ import annotations

import json
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackbench.errors import DataError
from trackbench.regions import Box, Mask, Polygon, Region, Special, parse_region
from trackbench.regions.binary import format_trajectory, parse_trajectory, read_trajectory, write_trajectory

numbers = st.floats(-1e6, 1e6, width=32)
regions = st.one_of(
    st.builds(Special, st.integers(0, 2**32 - 1)),
    st.builds(Box, numbers, numbers, numbers, numbers),
    st.builds(Polygon, st.lists(st.tuples(numbers, numbers), min_size=3, max_size=20)),
    st.builds(
        lambda seed, h, w, x, y: Mask(np.random.default_rng(seed).random((h, w)) < 0.5, x, y),
        st.integers(0, 1000),
        st.integers(0, 12),
        st.integers(0, 12),
        st.integers(-1000, 1000),
        st.integers(-1000, 1000),
    ),
)

#: vot-toolkit erases masks whose pixels all lie in the first column of their window.
ERASED = {"m10,20,1,4,1,2,1", "m0,0,1,1,0,1", "m1,1,3,3,0,1,2,1,2,1,2"}


@given(st.lists(regions, max_size=6))
def test_comes_back(trajectory: list[Region]) -> None:
    assert parse_trajectory(format_trajectory(trajectory)) == trajectory


def test_same_bytes_as_vot_toolkit(reference: Path) -> None:
    compared = 0
    for case in json.loads((reference / "evaluation/vot/regions.json").read_text())["cases"]:
        if "binary_hex" not in case or case["type"] == "Point" or case["text"] in ERASED:
            continue
        assert format_trajectory([parse_region(case["text"])]).hex() == case["binary_hex"]
        assert parse_trajectory(bytes.fromhex(case["binary_hex"])) == [parse_region(case["binary_roundtrip"])]
        compared += 1
    assert compared == 30


def test_splits_long_runs() -> None:
    mask = Mask(np.ones((300, 300), bool), -4, 7)
    data = format_trajectory([mask])
    assert struct.unpack("<5H", data[-10:])[1:] == (0, 65025, 0, 90000 - 65025)
    assert parse_trajectory(data) == [mask]
    whole = Mask(np.ones((255, 255), bool))
    assert struct.unpack("<3H", format_trajectory([whole])[-6:]) == (2, 0, 65025)


def test_nan_is_unknown() -> None:
    assert parse_trajectory(format_trajectory([Box(np.nan, 1, 2, 3)])) == [Special(0)]


@given(st.lists(regions, min_size=1, max_size=4), st.data())
def test_shortened_or_lengthened(trajectory: list[Region], data: st.DataObject) -> None:
    whole = format_trajectory(trajectory)
    cut = data.draw(st.integers(0, len(whole) - 1))
    for wrong in (whole[:cut], whole + b"\0"):
        with pytest.raises(DataError) as error:
            parse_trajectory(wrong)
        assert "\n" not in str(error.value)


def regions_or_fault(data: bytes) -> list[Region] | str:
    try:
        return parse_trajectory(data)
    except DataError as error:
        return str(error)


@given(st.lists(regions, min_size=1, max_size=4), st.data())
def test_changed_bytes(trajectory: list[Region], data: st.DataObject) -> None:
    changed = bytearray(format_trajectory(trajectory))
    for _ in range(3):
        changed[data.draw(st.integers(0, len(changed) - 1))] = data.draw(st.integers(0, 255))
    found = regions_or_fault(bytes(changed))
    if isinstance(found, str):
        assert "\n" not in found
    else:
        assert len(found) == struct.unpack_from("<I", changed, 2)[0]


@given(st.binary(max_size=80))
def test_any_bytes(data: bytes) -> None:
    found = regions_or_fault(struct.pack("<hI", 1, len(data) // 5) + data)
    assert not isinstance(found, str) or "\n" not in found


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "0 bytes; expected a header of 6"),
        (struct.pack("<hI", 2, 0), "version 2 of the binary form; expected 1"),
        (struct.pack("<hI", 1, 4_000_000_000), "6 bytes cannot hold the 4000000000 regions that the header says"),
        (struct.pack("<hIB4f", 1, 1, 1, 1, 2, 3, 4) + b"12", "2 bytes after the last of 1 regions"),
        (struct.pack("<hIBIBf", 1, 2, 0, 1, 1, 1.0), "ends within region 2 of 2"),
        (struct.pack("<hIBI", 1, 1, 9, 0), "region 1: type 9; expected 0 (code), 1 (box), 2 (polygon) or 3 (mask)"),
        (struct.pack("<hIB2f", 1, 1, 4, 0, 0), "region 1: is a point; expected a box, a polygon, a mask or a code"),
        (struct.pack("<hIBH4f", 1, 1, 2, 2, 1, 2, 3, 4), "region 1: a polygon of 2 corners; expected at least 3"),
        (
            struct.pack("<hIBhhHHH2H", 1, 1, 3, 0, 0, 2, 2, 2, 0, 5),
            "region 1: mask runs cover 5 pixels, its window 2x2 has 4",
        ),
        (struct.pack("<hIBhhHHH", 1, 1, 3, 0, 0, 65535, 65535, 0), "region 1: mask window of 65535x65535 pixels"),
    ],
)
def test_malformed(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a.bin"
    path.write_bytes(data)
    with pytest.raises(DataError) as error:
        read_trajectory(path)
    assert str(error.value) == f"{path}: {message}"


@pytest.mark.parametrize(
    "region", [Special(-1), Special(1 << 32), Box(1e39, 0, 1, 1), Mask(np.ones((1, 1), bool), 40000, 0)]
)
def test_beyond_the_form(tmp_path: Path, region: Region) -> None:
    path = tmp_path / "a.bin"
    with pytest.raises(DataError, match=r"a\.bin: region 2: (Special|Box|Mask) has numbers beyond the binary form"):
        write_trajectory(path, [Special(1), region])
    assert not path.exists()


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read"):
        read_trajectory(tmp_path / "none.bin")


def test_read_only_file(tmp_path: Path) -> None:
    path = tmp_path / "a.bin"
    write_trajectory(path, [Box(1, 2, 3, 4)])
    path.chmod(0o400)
    assert read_trajectory(path) == [Box(1, 2, 3, 4)]
