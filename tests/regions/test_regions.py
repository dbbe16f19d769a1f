import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from trackbench.errors import DataError
from trackbench.regions import (
    Box,
    Mask,
    Polygon,
    Region,
    Special,
    box_iou,
    format_region,
    mask_to_box,
    mask_to_rotated_box,
    overlap,
    parse_region,
    polygon_to_box,
    polygon_to_box_vot,
    region_to_box,
    region_to_mask,
)
from trackbench.regions.files import read_boxes, read_regions
from trackbench.regions.text import decode_runs, encode_runs

numbers = st.floats(-1e6, 1e6, allow_nan=False)
regions = st.one_of(
    st.builds(Box, numbers, numbers, numbers, numbers),
    st.lists(numbers, min_size=6, max_size=16).filter(lambda n: len(n) % 2 == 0).map(Polygon),
    st.builds(Special, st.integers(0, 9)),
    st.builds(
        lambda h, w, bits, x, y: Mask(np.array(bits[: h * w]).reshape(h, w), x, y),
        st.integers(1, 6),
        st.integers(1, 6),
        st.lists(st.booleans(), min_size=36, max_size=36),
        st.integers(-50, 50),
        st.integers(-50, 50),
    ),
)


@given(regions)
def test_text_round_trip(region: Region) -> None:
    assert parse_region(format_region(region)) == region


@given(st.text(alphabet="m0123456789.,-+enaif \t", max_size=40))
def test_parser_raises_only_its_own_error(text: str) -> None:
    try:
        region = parse_region(text)
    except DataError:
        return
    assert isinstance(region, Box | Polygon | Mask | Special)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty line"),
        ("1,2", "2 numbers"),
        ("1,2,3,4,5", "5 numbers"),
        ("1,2,x,4", "'x' is not a number"),
        ("1.5", "not a whole number"),
        ("m1,2,3", "expected x, y, w, h"),
        ("m0,0,2,2,0,5", "cover 5 pixels, its window 2x2 has 4"),
        ("m0,0,2,2,-1,5", "negative run"),
        ("m0,0,-2,2,1", "window of -2x2"),
        ("m0,0,999999999,999999999,1", "mask window"),
    ],
)
def test_malformed_text(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        parse_region(text)


def test_the_official_cases(reference: Path) -> None:
    """Every text is read as vot-toolkit reads it, up to its rounding to float32.

    Left out: points and negative codes, which no result holds and we refuse, and masks all of whose pixels lie in one
    column, which vot-toolkit erases by mistake.
    """
    cases = json.loads((reference / "evaluation/vot/regions.json").read_text())["cases"]
    one_column = {"m0,0,1,1,0,1", "m10,20,1,4,1,2,1", "m1,1,3,3,0,1,2,1,2,1,2"}
    kinds = {"Special": Special, "Rectangle": Box, "Polygon": Polygon, "Mask": Mask}
    checked = 0
    for case in cases:
        if case["text"] in one_column:
            continue
        if case.get("type") in (None, "Point") or case["text"] == "-1":
            with pytest.raises(DataError):
                parse_region(case["text"])
            continue
        region = parse_region(case["text"])
        assert type(region) is kinds[case["type"]]
        if isinstance(region, Box | Polygon):
            numbers = region.array() if isinstance(region, Box) else region.points.ravel()
            assert numbers.astype(np.float32).tolist() == np.array(case["float32"], np.float32).tolist()
        else:
            assert format_region(region) == case["format"]
        checked += 1
    assert checked > 25


def test_official_run_lengths(reference: Path) -> None:
    for case in json.loads((reference / "evaluation/vot/regions.json").read_text())["rle"]:
        array = np.array(case["mask"], bool)
        runs = encode_runs(array)
        assert runs == case["rle"]
        np.testing.assert_array_equal(decode_runs(runs, array.shape[1], array.shape[0]), array)


def test_nan_in_a_box_is_the_code_for_unknown() -> None:
    assert parse_region("nan,1,2,3") == Special(0)


def test_conversions_of_a_polygon() -> None:
    diamond = Polygon([[10, 0], [20, 10], [10, 20], [0, 10]])
    assert polygon_to_box(diamond) == Box(0, 0, 20, 20)
    # Sides of sqrt(200), min-max area 400: scale sqrt(1/2).
    side = 20 / np.sqrt(2) + 1
    box = polygon_to_box_vot(diamond)
    assert box.numbers() == pytest.approx((10 - (side - 1) / 2, 10 - (side - 1) / 2, side, side))


def test_conversions_of_a_mask() -> None:
    mask = Mask(np.pad(np.ones((20, 30), bool), 5), 100, 50)
    assert mask_to_box(mask) == Box(105, 55, 30, 20)
    rotated = mask_to_rotated_box(mask)
    assert rotated is not None
    # The contour runs through pixel centres: 29 by 19.
    assert polygon_to_box(rotated).numbers() == pytest.approx((105, 55, 29, 19))
    assert mask_to_rotated_box(Mask(np.ones((5, 5), bool))) is None
    assert mask_to_box(Mask(np.zeros((5, 5), bool))) == Box(0, 0, 0, 0)


def test_rotated_boxes_equal_the_official_ones(reference: Path) -> None:
    """Corner order differs between versions of OpenCV: compare as sets, to 0.02 px."""
    cases = json.loads((reference / "evaluation/vot/rotated_boxes.json").read_text())["cases"]
    for case in cases:
        mask = parse_region(case["mask"])
        assert isinstance(mask, Mask)
        rotated = mask_to_rotated_box(mask)
        if case["rbox"] is None:
            assert rotated is None
            continue
        assert rotated is not None
        expected = np.reshape(case["rbox"], (-1, 2))
        distances = np.linalg.norm(rotated.points[:, None] - expected[None], axis=-1)
        assert distances.min(0).max() < 0.02
        assert distances.min(1).max() < 0.02
    assert sum(case["rbox"] is not None for case in cases) > 5


def test_overlaps() -> None:
    a, b = Box(0, 0, 10, 10), Box(5, 0, 10, 10)
    assert overlap(a, b) == pytest.approx(1 / 3)
    assert overlap(a.polygon(), b) == pytest.approx(1 / 3)
    assert overlap(region_to_mask(a), b) == pytest.approx(1 / 3)
    assert overlap(a, Special(0)) == 0
    assert overlap(a, Box(np.nan, 0, 1, 1)) == 0
    assert overlap(a, b, size=(10, 10)) == pytest.approx(50 / 100)
    assert overlap(region_to_mask(a), region_to_mask(b), size=(10, 10)) == pytest.approx(50 / 100)
    assert box_iou(a.array()[None], b.array()[None]) == pytest.approx(1 / 3)


@given(st.lists(st.floats(0.5, 100), min_size=8, max_size=8))
def test_box_iou_is_the_overlap(values: list[float]) -> None:
    a, b = Box(*values[:4]), Box(*values[4:])
    assert box_iou(a.array(), b.array()) == pytest.approx(overlap(a, b), abs=1e-9)


def test_special_gives_a_box_without_answer() -> None:
    assert np.isnan(region_to_box(Special(2)).array()).all()


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "truth.txt"
    path.write_bytes(b"\xef\xbb\xbf1,2,3,4\r\n5\t6\t7\t8\r\n9 10 11 NaN\r\n\r\n")
    np.testing.assert_array_equal(read_boxes(path), [[1, 2, 3, 4], [5, 6, 7, 8], [9, 10, 11, np.nan]])
    path.write_text("1,2,3,4\n0\n1,2,3,4,5,6\n")
    assert read_regions(path) == [Box(1, 2, 3, 4), Special(0), Polygon([1, 2, 3, 4, 5, 6])]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("1,2,3,4\n1,2,abc,4\n", r"truth.txt: line 2: 'abc' is not a number"),
        ("1,2,3,4\n1,2,3\n", r"truth.txt: line 2: 3 numbers; expected 4"),
        ("1,2,3,4\n\n1,2,3,4\n", r"truth.txt: line 2: 0 numbers; expected 4"),
        ("1,2,3,4\n1,,3,4\n", r"truth.txt: line 2: has an empty field"),
        ("1,2,3,4\nTrue,2,3,4\n", r"truth.txt: line 2: 'True' is not a number"),
        ("1_0,2,3,4\n", r"truth.txt: line 1: '1_0' is not a number"),
        ("1;2;3\n", r"truth.txt: line 1: 3 numbers"),
        ("", r"truth.txt: the file is empty"),
    ],
)
def test_faulty_files(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "truth.txt"
    path.write_text(content)
    with pytest.raises(DataError, match=message):
        read_boxes(path)


@given(
    st.lists(st.lists(st.floats(allow_nan=False), min_size=4, max_size=4), min_size=1, max_size=5),
    st.sampled_from([",", "\t", " ", ";", ", ", "  ", " ,\t"]),
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from(["", "\n", "\n\n \n"]),
)
def test_every_spelling_gives_the_same_numbers(
    tmp_path_factory: pytest.TempPathFactory, rows: list[list[float]], separator: str, newline: str, end: str
) -> None:
    """The fast parser and the careful one read every float64 exactly, whatever separates."""
    path = tmp_path_factory.getbasetemp() / "boxes.txt"
    path.write_bytes((newline.join(separator.join(map(repr, row)) for row in rows) + end).encode())
    np.testing.assert_array_equal(read_boxes(path), rows)


@given(st.text(alphabet="0123456789.,;-+eEnaif \t\n\r_xT", max_size=60))
def test_the_file_reader_raises_only_its_own_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.getbasetemp() / "fuzz.txt"
    path.write_text(text)
    try:
        boxes = read_boxes(path)
    except DataError:
        return
    assert boxes.ndim == 2
    assert boxes.shape[1] == 4
    assert len(boxes) == len(text.rstrip().splitlines())


small = st.integers(0, 4).map(float)
outlines = st.builds(Box, small, small, small, small) | st.lists(small, min_size=6, max_size=10).filter(
    lambda n: len(n) % 2 == 0
).map(Polygon)


@given(outlines, outlines, st.sampled_from([None, (3, 2)]))
@example(Polygon([48, 0, 32, 0, 0, 58, 31, -2]), Box(-4, -17, 0, 18), (40, 30))
def test_overlap_of_flat_and_crossing_outlines(a: Region, b: Region, size: tuple[int, int] | None) -> None:
    found = overlap(a, b, size)
    assert 0 <= found <= 1 + 1e-9
    assert overlap(b, a, size) == pytest.approx(found)
