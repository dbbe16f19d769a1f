"""What our own recipe has and no paper: small jitter, pasted distractors, averaged weights, validation."""

from __future__ import annotations

from pathlib import Path
from typing import cast

import numpy as np
import pytest
import torch
from small import small_network, small_session, write_videos

from trackbench.trackers.zoo.simtrack.network import SimTrack
from trackbench.trackers.zoo.simtrack.vit_backbone import ViTBackbone
from trackbench.training.crops.distractors import paste_distractor
from trackbench.training.evaluation import Validation
from trackbench.training.loop import moving_average
from trackbench.training.recipe import CropOptions, ValidationOptions, load_recipe
from trackbench.training.tasks.stark import PARTS, SMALL, SMALLEST, SimTrackTask, part_of, resized


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_videos(tmp_path_factory.mktemp("own") / "videos", frames=8)


def test_half_of_the_samples_have_small_jitter(videos: Path) -> None:
    session = small_session("simtrack-b16", videos, **{"data.small_jitter": 0.5})
    assert isinstance(session.task, SimTrackTask)
    random = np.random.default_rng(0)
    strengths = [session.task.search_view(random).scale_jitter / 0.5 for _ in range(1000)]
    assert set(np.round(strengths, 6)) == {SMALL, 1.0}
    assert np.mean(np.isclose(strengths, SMALL)) == pytest.approx(0.5, abs=0.05)


def test_a_distractor_lies_beside_the_target_and_leaves_its_middle() -> None:
    frame, other = np.zeros((120, 160, 3), np.uint8), np.full((90, 90, 3), 200, np.uint8)
    box, source = np.array([60.0, 40, 30, 24]), np.array([20.0, 20, 40, 40])
    pasted = 0
    for seed in range(20):
        made = paste_distractor(frame, box, other, source, np.random.default_rng(seed))
        assert not made[48:56, 71:79].any()
        pasted += bool(made.any())
        assert not frame.any()
    assert pasted > 10


def test_a_distractor_without_pixels_or_larger_than_the_frame_is_left_out() -> None:
    frame, other = np.zeros((40, 40, 3), np.uint8), np.full((90, 90, 3), 200, np.uint8)
    random = np.random.default_rng(0)
    assert paste_distractor(frame, np.array([0.0, 0, 40, 40]), other, np.array([0.0, 0, 90, 9]), random) is frame
    assert paste_distractor(frame, np.array([9.0, 9, 9, 9]), other, np.array([-50.0, -50, 20, 20]), random) is frame


@pytest.mark.parametrize(("shrink", "stretch"), [(1.0, 1.0), (0.0, 2.5), (0.5, 2.0)])
def test_resizing_keeps_boxes_on_their_targets(shrink: float, stretch: float) -> None:
    frame = np.zeros((120, 160, 3), np.uint8)
    frame[30:90, 40:120] = 255
    boxes = np.array([[40, 30, 80, 60]], np.float32)
    random, sides, aspects = np.random.default_rng(1), [], []
    for _ in range(100):
        (new,), moved = resized([frame], boxes, CropOptions(shrink=shrink, stretch=stretch), random)
        x, y, w, h = moved[0]
        sides.append(np.sqrt(w * h) / np.sqrt(80 * 60))
        aspects.append(w / h / (80 / 60))
        lit = np.argwhere(new[:, :, 0] > 127)
        assert lit.min(0) == pytest.approx([y, x], abs=0.8)
        assert lit.max(0) + 1 == pytest.approx([y + h, x + w], abs=0.8)
    assert min(sides) == pytest.approx(SMALLEST / np.sqrt(80 * 60) if shrink else 1, abs=0.04)
    assert max(sides) == pytest.approx(1, abs=0.04)
    assert [min(aspects), max(aspects)] == pytest.approx([1 / stretch, stretch], rel=0.1)


def test_a_target_that_is_small_already_is_not_shrunk() -> None:
    boxes = np.array([[1, 1, 10, 10]], np.float32)
    (new,), kept = resized([np.zeros((12, 12, 3), np.uint8)], boxes, CropOptions(shrink=1), np.random.default_rng(1))
    assert new.shape == (12, 12, 3)
    assert kept.tolist() == boxes.tolist()


def test_parts_are_the_same_of_all_boxes_and_reach_little_beyond_them() -> None:
    boxes = np.array([[10, 20, 100, 50], [0, 0, 40, 200]], np.float32)
    random = np.random.default_rng(1)
    parts = np.stack([part_of(boxes, random) for _ in range(200)])
    corners = (parts[:, :, :2] - boxes[:, :2]) / boxes[:, 2:]
    shares = parts[:, :, 2:] / boxes[:, 2:]
    assert np.allclose(corners[:, 0], corners[:, 1], atol=1e-5)
    assert np.allclose(shares[:, 0], shares[:, 1], atol=1e-5)
    assert [shares.min(), shares.max()] == pytest.approx(PARTS, abs=0.02)
    inside = shares <= 1
    assert (corners[inside] >= -1e-6).all()
    assert ((corners + shares)[inside] <= 1 + 1e-6).all()
    assert (corners[~inside] <= 0).all()
    assert ((corners + shares)[~inside] >= 1 - 1e-6).all()


def test_a_late_position_embedding_hides_no_token_at_the_start(videos: Path) -> None:
    changes = {"options.separate_blocks": 1, "options.position_embedding": "late"}
    network = cast(SimTrack, small_session("simtrack-b16", videos, **changes).build_network())
    position = cast(ViTBackbone, network.backbone).pos_fc
    boxes = torch.rand(2, 4)
    assert not position.embed(boxes, 4).any()
    position.embed(boxes, 4).sum().backward()
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in position[2].parameters())


def test_averaged_weights_forget_the_start_and_copy_counters() -> None:
    rule = moving_average(0.9)
    value = torch.zeros(())
    for step in range(400):
        value = rule(value, torch.ones(()), step)
    assert float(value) == pytest.approx(1, abs=1e-6)
    assert rule(torch.tensor(3), torch.tensor(7), 5) == 7
    assert float(rule(torch.zeros(()), torch.ones(()), 10**6)) == pytest.approx(0.1)


def test_validation_measures_steps_from_the_true_box_and_whole_tracks(videos: Path) -> None:
    session = small_session("simtrack-b16", videos)
    validation = Validation(session, ValidationOptions(dataset=str(videos), sequences=("video0", "video1"), pairs=4))
    row = validation(small_network(session).state_dict())
    assert set(row) == {"one_step_iou", "size_ratio", "auc", "auc_video0", "auc_video1"}
    assert 0 <= row["one_step_iou"] <= 1
    assert row["size_ratio"] > 0
    assert row["auc"] == pytest.approx((row["auc_video0"] + row["auc_video1"]) / 2)


def test_our_network_freezes_its_separate_blocks_and_the_patches(videos: Path) -> None:
    found = load_recipe("simtrack-s14")
    assert found.optimiser.frozen
    assert found.ema > 0
    assert found.data.small_jitter == 0.5
