"""SparseTT as a tracker: settings, batches, states that travel, a recorded run without the reference material."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from small_sparsett import SmallSparseTT, sequences
from sparsett_records import SETTINGS, choices

from trackbench.errors import TrackerError
from trackbench.regions import Box
from trackbench.trackers.base import Target
from trackbench.trackers.settings import resolve_settings
from trackbench.trackers.zoo.sparsett.tracker import SparseTT, SparseTTOptions, _side

GOLDEN = Path(__file__).parents[3] / "golden" / "sparsett"


def boxes_of(predictions):
    return np.array([prediction.region.numbers() for prediction in predictions])


@pytest.fixture(scope="module")
def tracker():
    return SmallSparseTT(SparseTTOptions())


@pytest.mark.parametrize("name", ["sparsett", "sparsett-got10k"])
def test_definitions_write_out_every_option(name):
    definition = resolve_settings(name).definition.value
    assert definition.options == SparseTTOptions().model_dump(exclude={"backbone_file"})
    assert definition.weights is not None
    assert resolve_settings(name).definition.value.model == f"{SparseTT.__module__}:SparseTT"


@pytest.mark.parametrize(
    ("dataset", "expected"),
    [
        *((name, (0.626, 0.2549, 0.053)) for name in ("otb100", "otb50", "otb2013")),
        ("uav123", (0.7364, 0.2398, 0.0734)),
        *((name, (0.95, 0.21, 0.04)) for name in ("lasot", "trackingnet", "nfs30", None)),
    ],
)
def test_settings_of_each_data_set(dataset, expected):
    options = resolve_settings("sparsett", dataset).options
    assert isinstance(options, SparseTTOptions)
    assert (options.test_lr, options.window_influence, options.penalty_k) == expected
    got10k = resolve_settings("sparsett-got10k", "got10k-test").options
    assert isinstance(got10k, SparseTTOptions)
    assert (got10k.test_lr, got10k.window_influence, got10k.penalty_k) == (0.95, 0.21, 0.04)


def test_a_batch_gives_the_boxes_of_single_runs(tracker):
    frames, boxes = sequences(8, 3)
    states = tracker.start([f[0] for f in frames], [Target(Box.of(box)) for box in boxes])
    together = [boxes_of(tracker.step([f[t] for f in frames], states)) for t in (1, 2)]
    for i in range(8):
        state = tracker.start([frames[i][0]], [Target(Box.of(boxes[i]))])
        for t in (1, 2):
            alone = boxes_of(tracker.step([frames[i][t]], state))[0]
            np.testing.assert_allclose(alone, together[t - 1][i], rtol=0, atol=1e-3)
    moved = np.abs(together[1] - boxes).max(1)
    assert (moved > 0.5).all()


def test_a_copied_state_goes_on_alone(tracker):
    frames, boxes = sequences(1, 5)
    states = tracker.start([frames[0][0]], [Target(Box.of(boxes[0]))])
    tracker.step([frames[0][1]], states)
    twin = copy.deepcopy(states)
    first = [boxes_of(tracker.step([frames[0][t]], states)) for t in (2, 3)]
    second = [boxes_of(tracker.step([frames[0][t]], twin)) for t in (2, 3)]
    np.testing.assert_array_equal(first, second)


RESUME = """
import pickle, sys
import torch
torch.set_num_threads(1)
from small_sparsett import SmallSparseTT, sequences
from trackbench.trackers.zoo.sparsett.tracker import SparseTTOptions
states = pickle.loads(sys.stdin.buffer.read())
frames, _ = sequences(2, 3)
found = SmallSparseTT(SparseTTOptions()).step([f[2] for f in frames], states)
sys.stdout.buffer.write(pickle.dumps([p.region.numbers() for p in found]))
"""


def test_a_state_goes_on_in_another_process(tracker):
    frames, boxes = sequences(2, 3)
    states = tracker.start([f[0] for f in frames], [Target(Box.of(box)) for box in boxes])
    tracker.step([f[1] for f in frames], states)
    travelling = pickle.dumps(states)
    here = boxes_of(tracker.step([f[2] for f in frames], states))
    found = subprocess.run(
        [sys.executable, "-c", RESUME], input=travelling, capture_output=True, check=True, cwd=Path(__file__).parent
    )
    np.testing.assert_allclose(pickle.loads(found.stdout), here, rtol=0, atol=1e-3)


@pytest.mark.parametrize("numbers", [(1, 2, 0, 4), (1, 2, 3, float("nan"))])
def test_boxes_without_area_are_refused(tracker, numbers):
    with pytest.raises(TrackerError, match=r"sparsett cannot start on box with box x=1 .*positive width"):
        tracker.start([np.zeros((50, 50, 3), np.uint8)], [Target(Box(*numbers))])


def test_boxes_stay_within_the_frame(tracker):
    """A target at a corner, a frame smaller than the least size, a box far outside."""
    frame = np.random.default_rng(0).integers(0, 256, (9, 12, 3), dtype=np.uint8)
    for numbers in ((0, 0, 3, 3), (10, 7, 2, 2), (-500, 300, 20, 2)):
        states = tracker.start([frame], [Target(Box(*numbers))])
        for _ in range(2):
            x, y, w, h = tracker.step([frame], states)[0].region.numbers()
            centre = x + (w - 1) / 2, y + (h - 1) / 2
            assert 0 <= centre[0] <= 12
            assert 0 <= centre[1] <= 9
            assert 10 <= w <= 12
            assert h == 9


@pytest.mark.parametrize(("cpu", "kind"), [(True, torch.float32), (False, torch.float64)])
def test_what_is_folded_for_tracking_changes_nothing(cpu, kind):
    plain, folded = (SmallSparseTT.build_network(SparseTTOptions()).eval().requires_grad_(False) for _ in range(2))
    plain, folded = plain.to(kind), folded.for_inference(cpu).to(kind)
    assert not any(isinstance(module, torch.nn.BatchNorm2d) for module in folded.modules())
    assert len(folded.backbone.stages) == 3
    generator = torch.Generator().manual_seed(0)
    template, search = (torch.randn(2, 3, side, side, generator=generator).to(kind) for side in (127, 289))
    with torch.inference_mode():
        heads = plain(template, search)
        scores, boxes = folded.track(search, folded.encode(template))
    fc, conv = (heads[name].logits.sigmoid() for name in ("fc", "conv"))
    tolerance = 1e-5 if kind == torch.float32 else 1e-6  # folded parameters are kept in float32
    torch.testing.assert_close(scores, fc + conv * (1 - fc), rtol=tolerance, atol=tolerance)
    torch.testing.assert_close(boxes, heads["conv"].boxes, rtol=tolerance, atol=100 * tolerance)


def test_recorded_run(tracker):
    """The small network's run, recorded when the whole one met the official code's records."""
    golden = np.load(GOLDEN / "small.npz")
    frames, boxes = sequences(2, 4)
    states = tracker.start([f[0] for f in frames], [Target(Box.of(box)) for box in boxes])
    for t in range(1, 4):
        found = tracker.step([f[t] for f in frames], states)
        np.testing.assert_allclose(boxes_of(found), golden["boxes"][t - 1], rtol=0, atol=0.02)
        np.testing.assert_allclose([p.score for p in found], golden["scores"][t - 1], rtol=0, atol=1e-4)
        assert [p.extras["cell"] for p in found] == golden["cells"][t - 1].tolist()


@pytest.mark.parametrize("settings", SETTINGS)
def test_choice_of_a_cell_as_officially_recorded(settings):
    """Scores and boxes of all cells, and what the official code made of them under three settings."""
    golden = np.load(GOLDEN / "choice.npz")
    found = choices(SETTINGS[settings], golden["score_maps"], golden["bbox_maps"], golden["last"])
    np.testing.assert_allclose(boxes_of(found), golden[f"{settings}_boxes"], rtol=0, atol=1e-4)
    scores: list[Any] = [p.score for p in found]
    np.testing.assert_allclose(scores, golden[f"{settings}_scores"], rtol=0, atol=1e-6)
    assert [p.extras["cell"] for p in found] == golden[f"{settings}_cells"].tolist()


@pytest.mark.parametrize("size", [1e-3, 0.2, 0.5])
def test_a_target_smaller_than_a_pixel(tracker, size):
    """Its window of the template rounds to one pixel or none, which would be no window or a mirrored one."""
    frames, _ = sequences(1, 2)
    states = tracker.start([frames[0][0]], [Target(Box(30, 20, size, size))])
    assert np.isfinite(boxes_of(tracker.step([frames[0][1]], states))).all()
    assert _side(127, tracker._scale(np.full((1, 2), size))) == 2
