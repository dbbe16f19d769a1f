"""Rasterised overlaps and packed regions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trackbench.errors import DataError
from trackbench.metrics.vot.packed import PackedRegions
from trackbench.metrics.vot.raster import raster_overlaps
from trackbench.regions import Box, Mask, Polygon, Region, Special, format_region, overlap
from trackbench.regions.binary import write_trajectory

SIZE = (40, 30)
RULES = ("pysot", "matlab", "vot", "analytic")
coordinates = st.floats(-20, 60, width=32)
extents = st.floats(0, 40, width=32)
boxes = st.builds(Box, coordinates, coordinates, extents, extents)
polygons = st.builds(Polygon, st.lists(st.tuples(coordinates, coordinates), min_size=3, max_size=7))
masks = st.builds(
    lambda seed, h, w, x, y, share: Mask(np.random.default_rng(seed).random((h, w)) < share, x, y),
    st.integers(0, 100),
    st.integers(1, 15),
    st.integers(1, 15),
    st.integers(-10, 40),
    st.integers(-10, 30),
    st.floats(0, 1),
)
outlines = boxes | polygons
regions = outlines | masks | st.builds(Special, st.integers(0, 2))


@given(st.lists(st.tuples(outlines, outlines), min_size=1, max_size=5), st.sampled_from(RULES), st.booleans())
def test_symmetric_and_between_0_and_1(pairs: list[tuple[Region, Region]], rule: Any, bounded: bool) -> None:
    a, b = zip(*pairs, strict=True)
    bounds = SIZE if bounded else None
    found = raster_overlaps(a, b, rule, bounds)
    assert ((found >= 0) & (found <= 1 + 1e-12)).all()
    np.testing.assert_allclose(raster_overlaps(b, a, rule, bounds), found, rtol=0, atol=1e-12)
    one_by_one = [raster_overlaps([x], [y], rule, bounds)[0] for x, y in pairs]
    np.testing.assert_array_equal(found, one_by_one)


@given(regions, regions, st.booleans())
def test_vot_takes_all_kinds(a: Region, b: Region, bounded: bool) -> None:
    bounds = SIZE if bounded else None
    (found,) = raster_overlaps([a], [b], "vot", bounds)
    assert 0 <= found <= 1
    assert raster_overlaps([b], [a], "vot", bounds)[0] == found


@given(masks.filter(lambda m: m.array.any()), masks.filter(lambda m: m.array.any()), masks, st.booleans())
def test_masks_by_counting_pixels(a: Mask, b: Mask, ignored: Mask, bounded: bool) -> None:
    x, y, w, h = (0, 0, *SIZE) if bounded else (-30, -30, 120, 120)
    first, second, third = (mask.window(x, y, w, h) for mask in (a, b, ignored))
    found = raster_overlaps([a, a], [b, b], "vot", SIZE if bounded else None, [Special(0), ignored])
    for value, counted in zip(found, (np.ones_like(third), ~third), strict=True):
        union = ((first | second) & counted).sum()
        expected = (first & second & counted).sum() / union if union else 0.0
        # Windows of a single row or column have a value of their own, as has everything outside of the image.
        assert value == pytest.approx(expected) or value in (0.0, 1.0)


@pytest.mark.parametrize("rule", ["pysot", "matlab", "vot"])
def test_close_to_the_exact_overlap(rule: Any) -> None:
    draw = np.random.default_rng(5)
    corners = draw.uniform(0, 300, (200, 2, 2))
    sides = draw.uniform(100, 200, (200, 2, 2))
    a, b = ([Box.of([*c, *s]) for c, s in zip(corners[:, k], sides[:, k], strict=True)] for k in (0, 1))
    exact = np.array([overlap(x, y) for x, y in zip(a, b, strict=True)])
    np.testing.assert_allclose(raster_overlaps(a, b, "analytic"), exact, rtol=0, atol=1e-12)
    np.testing.assert_allclose(raster_overlaps(a, b, rule), exact, rtol=0, atol=0.025)
    turned = raster_overlaps([box.polygon() for box in a], [box.polygon() for box in b], rule)
    np.testing.assert_allclose(turned, exact, rtol=0, atol=0.025)


def test_codes_and_windows() -> None:
    box = Box(10, 5, 6, 8)
    assert np.isnan([raster_overlaps([Special(2)], [box], rule)[0] for rule in ("pysot", "matlab", "analytic")]).all()
    assert raster_overlaps([Special(2), Special(0), box], [box, Special(0), box], "vot").tolist() == [0, 1, 1]
    # A window one pixel high counts as agreement, and as none once the image cuts it.
    flat = Mask(np.ones((1, 4), bool), 3, 29)
    assert raster_overlaps([flat, flat], [Mask(np.ones((1, 4), bool), 20, 29)] * 2, "vot", SIZE).tolist() == [1, 1]
    tall = Mask(np.ones((4, 4), bool), 3, 29)
    assert raster_overlaps([tall], [tall], "vot", SIZE).tolist() == [0]


def test_rectangle_in_a_window_that_begins_left_of_the_image() -> None:
    # vot-toolkit 0.9.0 cuts the box here; by pixels it is 40 of 60.
    assert raster_overlaps([Box(-10, -10, 10, 5)], [Box(-8, -10, 10, 5)], "vot")[0] == pytest.approx(40 / 60)


def test_huge_and_infinite_coordinates() -> None:
    vast = Box(-1e30, -1e30, 3e30, 3e30)
    assert raster_overlaps([vast], [Box(0, 0, 40, 30)], "vot", SIZE)[0] == 1
    with pytest.raises(DataError, match=r"^frame 2: a coordinate is inf; expected finite numbers$"):
        PackedRegions.of([Special(1), Box(0, 0, np.inf, 1)])


def test_faults() -> None:
    mask = Mask(np.ones((2, 2), bool))
    with pytest.raises(
        DataError, match="frame 2: is a mask; 'pysot' compares boxes and polygons only, 'vot' also masks"
    ):
        raster_overlaps([Box(0, 0, 1, 1), mask], [Box(0, 0, 1, 1)] * 2, "pysot")
    with pytest.raises(DataError, match="2 regions against 1; expected as many"):
        raster_overlaps([mask, mask], [mask], "vot")


@given(st.lists(regions, min_size=1, max_size=8), st.lists(regions, min_size=1, max_size=8), st.data())
def test_packing_keeps_regions(first: list[Region], second: list[Region], data: st.DataObject) -> None:
    joined = PackedRegions.concatenate([PackedRegions.of(first), PackedRegions.of(second)])
    order = data.draw(st.lists(st.integers(0, len(first) + len(second) - 1), min_size=1, max_size=10))
    taken = joined.take(np.array(order))
    plain = [(first + second)[i] for i in order]
    assert len(taken) == len(order)
    assert taken.codes.tolist() == [r.code if isinstance(r, Special) else -1 for r in plain]
    others = plain[::-1]
    found = raster_overlaps(taken, others, "vot", SIZE)
    np.testing.assert_array_equal(found, raster_overlaps(plain, others, "vot", SIZE))


@given(st.lists(outlines | st.builds(Special, st.integers(0, 9)), min_size=1, max_size=8))
def test_numbers_are_read_as_regions_are(plain: list[Region]) -> None:
    read = PackedRegions.of_numbers("\n".join(map(format_region, plain)) + "\n")
    assert read is not None
    packed = PackedRegions.of(plain)
    for field in ("kinds", "codes", "numbers", "starts"):
        np.testing.assert_array_equal(getattr(read, field), getattr(packed, field))


@pytest.mark.parametrize(
    "line", ["1,2,3", "1,2,nan,4", "m0,0,1,1,0,1", "", "1.5", "-1", "a,b,c,d", "inf,0,1,1", "1,2,3,4,"]
)
def test_other_lines_are_left_to_the_parser(line: str) -> None:
    assert PackedRegions.of_numbers(f"1\n{line}\n1,2,3,4") is None


def test_reading_files(tmp_path: Path) -> None:
    plain: list[Region] = [Special(1), Box(1, 2, 3, 4), Mask(np.ones((2, 3), bool), 4, 5)]
    text, binary = tmp_path / "a.txt", tmp_path / "a.bin"
    text.write_text("\n".join(map(format_region, plain)))
    write_trajectory(binary, plain)
    for path in (text, binary):
        np.testing.assert_array_equal(raster_overlaps(PackedRegions.read(path), plain, "vot"), [1, 1, 1])
    text.write_text("1\n1,2,3\n")
    with pytest.raises(DataError, match=r"a\.txt: line 2: 3 numbers"):
        PackedRegions.read(text)
