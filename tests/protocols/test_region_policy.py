"""What trackers are given and what is made of their answers, by kind of benchmark."""

import numpy as np
import pytest

from trackbench.protocols.region_policy import RegionPolicy
from trackbench.regions import Box, Mask, Polygon, Region, Special, polygon_to_box, polygon_to_box_vot
from trackbench.trackers.base import Prediction

SIZE = (60, 40)
POLYGON = Polygon([10, 12, 28, 10, 30, 28, 12, 30])
MASK = Mask(np.ones((20, 30)), 5, 6)
SMALL = Mask(np.ones((11, 11)), 5, 6)  # its contour has an area of 100, which is not above 100
BOX = Box(4.5, 6.5, 30, 20)
NUMB = Box(np.nan, 0, 3, 3)
OVER = Box(-5.4, 30.2, 20, 1e9)


@pytest.mark.parametrize(
    ("kind", "region", "expected"),
    [
        ("box", POLYGON, polygon_to_box(POLYGON)),
        ("polygon", POLYGON, polygon_to_box_vot(POLYGON)),
        ("polygon", BOX, BOX),
        ("mask", MASK, Box(5, 6, 30, 20)),
        ("box", MASK, Box(5, 6, 30, 20)),
    ],
)
def test_targets_of_box_trackers(kind: str, region: Region, expected: Box) -> None:
    region_policy = RegionPolicy(kind)  # type: ignore[arg-type]
    assert region_policy.target(region, (Box,)) == expected
    assert region_policy.target(region, (Box, Polygon, Mask)) is region


@pytest.mark.parametrize(
    ("kind", "prediction", "expected"),
    [
        ("box", Prediction(BOX), BOX),
        ("box", Prediction(BOX, mask=MASK), BOX),
        ("box", Prediction(MASK), Box(5, 6, 30, 20)),
        ("box", Prediction(POLYGON), POLYGON),
        ("polygon", Prediction(BOX), BOX),
        ("polygon", Prediction(POLYGON), POLYGON),
        ("polygon", Prediction(BOX, mask=SMALL), BOX.polygon()),
        ("polygon", Prediction(NUMB), Special(0)),
        ("polygon", Prediction(Special(0)), Special(0)),
        # Corners are rounded half to even, the far ones exclusive: 4.5 -> 4, 34.5 -> 34, 6.5 -> 6, 26.5 -> 26.
        ("mask", Prediction(BOX), Mask(np.ones((20, 30)), 4, 6)),
        ("mask", Prediction(BOX, mask=SMALL), SMALL),
        ("mask", Prediction(Mask(np.ones((5, 5)), 58, -2)), Mask(np.ones((3, 2)), 58, 0)),
        ("mask", Prediction(OVER), Mask(np.ones((10, 15)), 0, 30)),
        ("mask", Prediction(Box(70, 0, 5, 5)), Mask(np.zeros((0, 0)))),
        ("mask", Prediction(NUMB), Special(0)),
        ("mask", Prediction(Special(0)), Special(0)),
    ],
)
def test_reports(kind: str, prediction: Prediction, expected: Region) -> None:
    assert RegionPolicy(kind).report(prediction, SIZE) == expected  # type: ignore[arg-type]


def test_rotated_box_of_a_mask() -> None:
    for prediction in (Prediction(BOX, mask=MASK), Prediction(MASK)):
        found = RegionPolicy("polygon").report(prediction, SIZE)
        assert isinstance(found, Polygon)
        # Through the centres of the pixels: 29 x 19.
        corners = {tuple(corner) for corner in found.points.round(4).tolist()}
        assert corners == {(5, 6), (34, 6), (34, 25), (5, 25)}


def test_a_mask_stays_where_a_rotated_box_was_made_of_it() -> None:
    given = Prediction(BOX, 0.5, {"anchor": 3}, MASK)
    answers = {kind: RegionPolicy(kind).answer(given, SIZE) for kind in ("box", "polygon", "mask")}
    assert {kind: answer.mask for kind, answer in answers.items()} == {"box": None, "polygon": MASK, "mask": None}
    assert isinstance(answers["polygon"].region, Polygon)
    assert answers["mask"].region == MASK
    assert all((answer.score, answer.extras) == (0.5, {"anchor": 3}) for answer in answers.values())
