"""SimTrack's geometry and interface."""

from __future__ import annotations

import copy
import math
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from samples import box_of
from small_simtrack import PVT, SWIN, scene, small

from trackbench.errors import TrackerError
from trackbench.regions import Box
from trackbench.trackers.base import Target
from trackbench.trackers.zoo.simtrack.position import cell_inputs, foveal_positions, foveal_start
from trackbench.trackers.zoo.simtrack.tracker import SimTrackTracker, exemplar_boxes


def test_cells_know_how_much_of_them_the_target_covers() -> None:
    # A 4x4 grid; the target covers x 0.25..0.625 and y 0.5..1.5, of which only up to 1 counts.
    inputs = cell_inputs(torch.tensor([[0.25, 0.5, 0.375, 1.0]]), 4)[0].view(4, 4, 3)
    ratio = inputs[..., 0] * 2 - 1
    expected = torch.zeros(4, 4)
    expected[2:, 1], expected[2:, 2] = 1.0, 0.5
    torch.testing.assert_close(ratio, expected)
    torch.testing.assert_close(inputs[0, :, 1], torch.tensor([0.125, 0.375, 0.625, 0.875]))
    torch.testing.assert_close(inputs[:, 0, 2], inputs[0, :, 1])


def test_the_foveal_window_lies_between_the_lines_of_the_exemplar() -> None:
    # Sim-B/16, Sim-L/14, Sim-B/32 (Sec. 3.3 and appendix), and the last as the official code computes it.
    assert foveal_start(7, 4, 16, shift=True) == foveal_start(7, 4, 16, shift=False) == 24
    assert foveal_start(6, 3, 14, shift=True) == foveal_start(6, 3, 14, shift=False) == 21
    assert foveal_start(4, 2, 32, shift=True) == 48
    assert foveal_start(4, 2, 32, shift=False) == 32


def test_foveal_positions_are_means_along_the_diagonal() -> None:
    grid = torch.arange(49.0).view(1, 49, 1)
    means = foveal_positions(grid, 7, 4)[0, :, 0].view(4, 4)
    assert means[0].tolist() == [(8 + 16) / 2, (9 + 17) / 2, (10 + 18) / 2, (11 + 19) / 2]
    assert means[3, 3] == (32 + 40) / 2


@pytest.mark.parametrize(
    ("size", "side", "expected"),
    [((10, 200), 90, (49, -68, 12.444, 248.889)), ((300, 9), 104, (-105, 51, 323.077, 9.692))],
)
def test_corners_of_exemplar_boxes_are_cut_towards_zero(
    size: tuple[int, int], side: int, expected: tuple[float, ...]
) -> None:
    assert math.ceil(math.sqrt(size[0] * size[1]) * 2) == side
    boxes = exemplar_boxes(np.array([[50.0, 60.0, *size]]), np.array([112 / side]), 112)
    assert boxes.dtype == np.float32
    np.testing.assert_allclose(boxes[0] * 112, expected, atol=5e-4)


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"search_size": 60}, "search_size 60 is not a multiple of the stride 8"),
        ({"heads": (0,)}, "greater than 0"),
        ({"heads": (5,)}, "width 32 is not a multiple of heads 5"),
        ({"width": (32, 64)}, r"width \[32, 64\] of a vit: expected 1 numbers"),
        ({"pretraining": "imagenet"}, "no pretraining 'imagenet' of a vit"),
        ({"foveal_size": 32}, "foveal_size 32"),
        ({"interaction_ratio": 0.3}, "expected 1, 1/2, 1/3"),
        ({"transformer_head": True, "decoder_layers": 1}, "decoder_layers 1"),
        (SWIN | {"asymmetric": False}, "a swin is True"),
        (SWIN | {"position_embedding": "pretrained"}, "a swin has no pre-trained positions"),
        (SWIN | {"width": (16, 32, 32)}, "twice the channels"),
        (PVT | {"foveal_size": 8}, "a pvt has no foveal window"),
        (PVT | {"interaction_ratio": 0.5}, "interaction_ratio 0.5 of a pvt"),
    ],
)
def test_options_that_do_not_fit_are_refused(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        small(**changed)


VARIANTS = {"plain": {}, "asymmetric": {"asymmetric": True, "decoder_layers": 1}, "swin": SWIN, "pvt": PVT}


@pytest.fixture(scope="module", params=list(VARIANTS.values()), ids=list(VARIANTS))
def tracker(request: pytest.FixtureRequest) -> SimTrackTracker:
    return SimTrackTracker(small(**request.param), seed=3)


def follow(tracker: SimTrackTracker, seeds: list[int]) -> np.ndarray:
    """Return the boxes of the scenes, tracked as one batch: (frames, scenes, 4)."""
    scenes = [scene(seed) for seed in seeds]
    states = tracker.start([frames[0] for frames, _ in scenes], [Target(Box.of(box)) for _, box in scenes])
    rows = []
    for index in range(1, len(scenes[0][0])):
        found = tracker.step([frames[index] for frames, _ in scenes], states)
        rows.append([box_of(prediction.region).array() for prediction in found])
    return np.array(rows)


def test_a_batch_gives_the_boxes_of_single_runs(tracker: SimTrackTracker) -> None:
    together = follow(tracker, list(range(8)))
    single = np.concatenate([follow(tracker, [seed]) for seed in range(8)], axis=1)
    np.testing.assert_allclose(together, single, rtol=0, atol=1e-3)
    assert len(np.unique(together.round(3), axis=1)[0]) > 1


def test_a_copied_state_goes_on_alike(tracker: SimTrackTracker) -> None:
    frames, box = scene(5)
    states = tracker.start([frames[0]], [Target(Box.of(box))])
    tracker.step([frames[1]], states)
    copies = [copy.deepcopy(states), pickle.loads(pickle.dumps(states))]
    expected = box_of(tracker.step([frames[2]], states)[0].region).array()
    for other in copies:
        np.testing.assert_array_equal(box_of(tracker.step([frames[2]], other)[0].region).array(), expected)


def test_a_state_goes_on_in_another_process(tmp_path: Path) -> None:
    tracker = SimTrackTracker(small(), seed=3)
    frames, box = scene(6)
    states = tracker.start([frames[0]], [Target(Box.of(box))])
    tracker.step([frames[1]], states)
    (tmp_path / "state").write_bytes(pickle.dumps((tracker.options, frames[2], states)))
    program = (
        "import pickle, sys\n"
        "from trackbench.trackers.zoo.simtrack.tracker import SimTrackTracker\n"
        "options, frame, states = pickle.load(open(sys.argv[1], 'rb'))\n"
        "print(*SimTrackTracker(options, seed=3).step([frame], states)[0].region.numbers())"
    )
    told = subprocess.run(
        [sys.executable, "-c", program, tmp_path / "state"], capture_output=True, text=True, check=True
    )
    expected = box_of(tracker.step([frames[2]], states)[0].region).array()
    np.testing.assert_allclose([float(number) for number in told.stdout.split()], expected, rtol=0, atol=1e-3)


def test_a_box_without_area_is_refused(tracker: SimTrackTracker) -> None:
    frames, _ = scene(0)
    with pytest.raises(TrackerError, match="it has no area"):
        tracker.start([frames[0]], [Target(Box(5, 5, 0, 10))])


@pytest.mark.parametrize("changed", list(VARIANTS.values()), ids=list(VARIANTS))
def test_tracking_is_what_the_network_says(changed: dict[str, Any]) -> None:
    """The prepared network in two steps equals the one that is trained, in one."""
    torch.manual_seed(1)
    options = small(**changed)
    network = SimTrackTracker.build_network(options).eval()
    for name, buffer in network.named_buffers():
        if "running" in name:
            buffer.uniform_(0.5, 1.5)
    tracker = SimTrackTracker(options, weights=network.state_dict())
    exemplar, search = torch.randn(2, 3, 32, 32), torch.randn(2, 3, 64, 64)
    boxes = torch.tensor([[0.3, 0.3, 0.4, 0.4], [0.1, 0.4, 0.8, 0.2]])
    with torch.inference_mode():
        whole = network(exemplar, boxes, search)
        steps = tracker.network.locate(search, tracker.network.exemplar(exemplar, boxes))
    torch.testing.assert_close(steps.boxes, whole.boxes, rtol=0, atol=1e-5)
    torch.testing.assert_close(steps.top_left, whole.top_left, rtol=1e-4, atol=1e-4)
