"""Every tracker on a device that refuses what a GPU refuses: the CUDA path, without CUDA."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from small_trackers import SMALL_TRACKERS, scene
from strict_device import Traffic, recorded, strict_device

from trackbench.regions import region_to_box
from trackbench.trackers.base import Prediction, Target, TrackerModel

STEPS = 3
MASK_BYTES = {"siamattn": 64 * 64 * 8, "static+alpharefine": 64 * 64 * 4}
"""What a step brings back for each target's mask."""


def follow(model: TrackerModel[Any], batch: int) -> tuple[list[list[Prediction]], list[Traffic]]:
    """Return the answers, [step][target], and the traffic of each step, for targets in frames of different sizes."""
    sequences = [scene(seed, STEPS + 1, (120 + 8 * seed, 160 - 12 * seed)) for seed in range(batch)]
    states = model.start([frames[0] for frames, _ in sequences], [Target(box) for _, box in sequences])
    answers, traffics = [], []
    for index in range(1, STEPS + 1):
        with recorded() as traffic:
            answers.append(model.step([frames[index] for frames, _ in sequences], states))
        traffics.append(traffic)
    return answers, traffics


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", SMALL_TRACKERS)
def test_a_step_on_a_device_gives_the_boxes_of_the_cpu_and_waits_once(
    name: str, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = follow(SMALL_TRACKERS[name]("cpu"), batch)
    with strict_device(monkeypatch) as device:
        answers, traffics = follow(SMALL_TRACKERS[name](device), batch)
    for ours, theirs in zip(answers, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            box = region_to_box(one.region)
            np.testing.assert_allclose(box.numbers(), region_to_box(other.region).numbers(), rtol=0, atol=1e-2)
            assert (one.mask is None) == (other.mask is None)
            if one.mask is not None and other.mask is not None:
                difference = one.mask.window(0, 0, 160, 136) != other.mask.window(0, 0, 160, 136)
                assert difference.mean() < 0.01
    # The first step also makes what depends on sizes alone, such as the tables of a Swin transformer's windows.
    for traffic in traffics[1:]:
        assert not traffic.waits
        assert len(traffic.downloads) == (0 if name == "static" else 1)
        assert sum(traffic.downloads) <= batch * (64 + MASK_BYTES.get(name, 0))
        assert len(traffic.uploads) <= 2


def test_the_device_refuses_what_a_gpu_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    with strict_device(monkeypatch) as device:
        here, there = torch.ones(2), torch.ones(2, device=device)
        with pytest.raises(RuntimeError, match="one device"):
            here + there
        with pytest.raises((TypeError, RuntimeError)):
            there.numpy()
        assert (there + torch.tensor(1.0)).cpu().tolist() == [2.0, 2.0]  # a scalar of the host may join


def test_the_device_records_copies_and_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    with strict_device(monkeypatch) as device, recorded() as traffic:
        numbers = torch.zeros(3).to(device)
        numbers[1:] += 1  # a view shares its memory
        assert numbers.sum().item() == 2
        numbers[numbers > 0].cpu()
        numbers[torch.tensor([0, 2])].cpu()
    assert traffic.uploads == [12]
    assert traffic.downloads == [8, 8]
    assert len(traffic.waits) == 3
