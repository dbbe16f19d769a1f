"""From the network's outputs to box and polygon, against slices of the official code's recordings."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from trackbench.nn.crops.context import context_side
from trackbench.nn.layers.windows import hann_window
from trackbench.protocols.region_policy import RegionPolicy
from trackbench.regions import Box, Polygon
from trackbench.trackers.base import Prediction
from trackbench.trackers.zoo.siamattn.anchors import anchor_boxes, choose_proposals
from trackbench.trackers.zoo.siamattn.masks import paste_mask, paste_probability
from trackbench.trackers.zoo.siamattn.network import Proposals
from trackbench.trackers.zoo.siamattn.tracker import SiamAttnOptions, SiamAttnTracker

GOLDEN = np.load(Path(__file__).parents[3] / "golden" / "siamattn" / "decoding.npz")
FRAME = (320, 240)
ANCHORS = anchor_boxes(25, 8, (0.33, 0.5, 1.0, 2.0, 3.0), (8.0,))
WINDOW = hann_window((25, 25)).flatten().repeat(5)


def test_anchors() -> None:
    sizes = ANCHORS.view(5, 25, 25, 4)[:, 0, 0, 2:].tolist()
    assert sizes == [[104, 32], [88, 40], [64, 64], [40, 80], [32, 96]]
    assert ANCHORS[2 * 625 + 3 * 25 + 24].tolist() == [96, -72, 64, 64]
    window = WINDOW.view(5, 25, 25)
    assert window[:, 12, 12].tolist() == [1] * 5
    assert not window[:, 0].any()


class RecordedHead:
    """In the place of a head: takes the regions, answers as recorded."""

    def __init__(self, answer: Tensor) -> None:
        self.answer = answer
        self.rois = torch.empty(0)

    def __call__(self, features: Tensor, rois: Tensor) -> Tensor:
        self.rois = rois
        return self.answer


def test_box_from_recorded_outputs() -> None:
    tracker = SiamAttnTracker(SiamAttnOptions(channels=8, backbone_width=8))
    box_head = RecordedHead(torch.from_numpy(GOLDEN["bbox_delta"])[None])
    mask_head = RecordedHead(torch.zeros(1, 64, 64))
    tracker.network._modules |= {"box_head": None, "mask_head": None}
    tracker.network.__dict__ |= {"box_head": box_head, "mask_head": mask_head}
    cls, loc = torch.from_numpy(GOLDEN["cls"])[None], torch.from_numpy(GOLDEN["loc"])[None]
    x, y, w, h = GOLDEN["init_state"].astype(np.float64)
    exact = context_side(w, h, 0.5)
    geometry = [x, y, w, h, 127 / exact, round(exact * (255 / 127)), *FRAME]
    nothing = torch.empty(0)
    found = tracker._locate(Proposals(cls, loc, nothing, nothing), torch.tensor([geometry], dtype=torch.float64))[0]
    cx, cy, width, height, score, anchor = found[:6].tolist()
    assert anchor == GOLDEN["anchor"]
    assert score == pytest.approx(float(GOLDEN["score"]), abs=1e-5)
    assert [cx - width / 2, cy - height / 2, width, height] == pytest.approx(GOLDEN["box"].tolist(), abs=1e-3)
    assert box_head.rois[0].tolist() == pytest.approx(GOLDEN["box_roi"].tolist(), abs=1e-3)
    assert mask_head.rois[0].tolist() == pytest.approx(GOLDEN["mask_roi"].tolist(), abs=1e-3)
    assert found[6:].tolist() == [0.5] * 4096
    scale = 127 / exact
    sizes = torch.tensor([[w * scale, h * scale]])
    choice = choose_proposals(cls, loc, ANCHORS, WINDOW, sizes, 0.10, 0.25)
    assert np.abs(choice.ranking[0, ::5].numpy() - GOLDEN["pscore"]).max() < 1e-5


def test_numbers_beyond_all_bounds_lose() -> None:
    cls, loc = torch.zeros(1, 10, 25, 25), torch.zeros(1, 20, 25, 25)
    loc[0, 10:, 3:9] = torch.inf
    cls[0, 5:, 20] = torch.nan
    choice = choose_proposals(cls, loc, ANCHORS, WINDOW, torch.tensor([[64.0, 64.0]]), 0.1, 0.25)
    assert choice.anchor.item() == 2 * 625 + 12 * 25 + 12
    assert choice.box[0].tolist() == [0, 0, 64, 64]


@pytest.mark.parametrize("case", [0, 1, 2, 3])
def test_polygons_of_pasted_masks(case: int) -> None:
    x, y, w, h = GOLDEN["polygon_boxes"][case].tolist()
    mask = paste_mask(GOLDEN["polygon_masks"][case].astype(np.float32), (x, y, w, h), FRAME, 0.2)
    polygon = RegionPolicy("polygon").report(Prediction(Box(x, y, w, h), mask=mask), FRAME)
    assert isinstance(polygon, Polygon)
    expected = GOLDEN["polygons"][case].reshape(4, 2)
    distance = np.abs(polygon.points[:, None] - expected).max(-1)
    assert distance.min(0).max() < 0.5
    assert distance.min(1).max() < 0.5


def test_paste_is_bilinear_and_stays_in_the_frame() -> None:
    generator = np.random.default_rng(0)
    probability = generator.random((64, 64)).astype(np.float32)
    for box in ((10.3, 20.7, 64.0, 32.0), (-40.0, -20.0, 200.5, 90.0), (300.0, 200.0, 99.0, 99.0), (-500.0, 0, 9, 9)):
        pasted, left, top = paste_probability(probability, box, FRAME)
        height, width = pasted.shape
        assert 0 <= left <= left + width <= 320
        assert 0 <= top <= top + height <= 240
        x, y, w, h = box
        for row in range(0, height, 7):
            for column in range(0, width, 7):
                u = ((left + column) * 320 / 319 - x) * 64 / w
                v = ((top + row) * 240 / 239 - y) * 64 / h
                assert abs(pasted[row, column] - bilinear(probability, u, v)) < 0.07
        inside = (max(x, 0) + 1, max(y, 0) + 1, min(x + w, 320) - 1, min(y + h, 240) - 1)
        if inside[0] < inside[2] and inside[1] < inside[3]:
            assert left <= inside[0]
            assert top <= inside[1]
            assert left + width >= inside[2]
            assert top + height >= inside[3]


def bilinear(values: np.ndarray, x: float, y: float) -> float:
    """One sample with zeros outside; a place is off by up to 1/64 cell, whatever the noise does there."""
    padded = np.pad(values, 2)
    column, row = int(np.floor(x)), int(np.floor(y))
    if not (-2 < column < 64 and -2 < row < 64):
        return 0.0
    u, v = x - column, y - row
    part = padded[row + 2 : row + 4, column + 2 : column + 4]
    return float(np.array([1 - v, v]) @ part @ np.array([1 - u, u]))
