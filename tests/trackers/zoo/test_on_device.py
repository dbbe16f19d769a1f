"""Every tracker on a device that refuses what a GPU refuses: the CUDA path, without CUDA."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from small_trackers import SMALL_TRACKERS, scene
from strict_device import Traffic, recorded, strict_device

from trackbench.nn.graphs import DeviceCalls
from trackbench.regions import region_to_box
from trackbench.trackers.base import Prediction, Target, TrackerModel
from trackbench.trackers.networks import Networked
from trackbench.trackers.refined import RefinedModel

STEPS = 3
MASK_BYTES = {"siamattn": 64 * 64 * 8, "static+alpharefine": 64 * 64 * 4}
"""What a step brings back for each target's mask."""


def follow(model: TrackerModel[Any], batch: int, steps: int = STEPS) -> tuple[list[list[Prediction]], list[Traffic]]:
    """Return the answers, [step][target], and the traffic of each step, for targets in frames of different sizes."""
    sequences = [scene(seed, steps + 1, (120 + 8 * seed, 160 - 12 * seed)) for seed in range(batch)]
    states = model.start([frames[0] for frames, _ in sequences], [Target(box) for _, box in sequences])
    answers, traffics = [], []
    for index in range(1, steps + 1):
        with recorded() as traffic:
            answers.append(model.step([frames[index] for frames, _ in sequences], states))
        traffics.append(traffic)
    return answers, traffics


@cache
def on_cpu(name: str) -> TrackerModel[Any]:
    """Return a tracker to compare with; what it knows of a target is in the target's state."""
    return SMALL_TRACKERS[name]("cpu")


@pytest.mark.parametrize("batch", [pytest.param(1, marks=pytest.mark.slow), 3])
@pytest.mark.parametrize(
    "name",
    # Their larger forms are among the others.
    [
        pytest.param(n, marks=pytest.mark.slow) if n in ("siamattn-box", "aiatrack-one-branch") else n
        for n in SMALL_TRACKERS
    ],
)
def test_a_step_on_a_device_gives_the_boxes_of_the_cpu_and_waits_once(
    name: str, batch: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected, _ = follow(on_cpu(name), batch, steps=2)
    with strict_device(monkeypatch) as device:
        answers, traffics = follow(SMALL_TRACKERS[name](device), batch, steps=2)
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


NETWORKS = ["dcfnet", "siamattn", "sbt", "sparsett", "simtrack", "aiatrack", "static+alpharefine"]
"""Their networks are called as the option ``execution`` says."""


def recording(model: TrackerModel[Any], patch: pytest.MonkeyPatch) -> DeviceCalls:
    """Let a tracker record its calls; a recording is replaced by calls that fill the same memory.

    What uploads, reads or waits within such a call could not be recorded on a GPU.
    """

    def record(call: Callable[[], list[Any]], device: str) -> tuple[Callable[[], None], list[Any]]:
        outputs = [leaf.clone() if isinstance(leaf, torch.Tensor) else leaf for leaf in call()]

        def replay() -> None:
            with recorded() as traffic:
                fresh = call()
            assert traffic == Traffic()
            for old, new in zip(outputs, fresh, strict=True):
                if isinstance(old, torch.Tensor):
                    old.copy_(new)

        return replay, outputs

    patch.setattr("trackbench.nn.graphs.record", record)
    part = model.refiner if isinstance(model, RefinedModel) else model
    assert isinstance(part, Networked)
    part.on_device = DeviceCalls("graph", part.device)
    return part.on_device


@pytest.mark.parametrize("name", NETWORKS)
def test_recorded_calls_give_the_numbers_of_eager_ones(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    model = SMALL_TRACKERS[name]("cpu")
    calls = recording(model, monkeypatch)
    expected, _ = follow(on_cpu(name), 2)
    answers, _ = follow(model, 2)
    for ours, theirs in zip(answers, expected, strict=True):
        for one, other in zip(ours, theirs, strict=True):
            assert one.region == other.region
            assert one.score == other.score
    assert calls.recorded >= 1


@pytest.mark.parametrize("name", NETWORKS)
def test_recorded_calls_neither_upload_nor_wait(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with strict_device(monkeypatch) as device:
        model = SMALL_TRACKERS[name](device)
        calls = recording(model, monkeypatch)
        follow(model, 1)
    assert calls.recorded >= 1


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
