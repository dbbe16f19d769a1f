"""Repositories of the trackit line run as they are: constants, mixins, weights, batches, ends of targets, traps."""

from __future__ import annotations

import gc
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from foreign_samples import target
from foreign_trackit import FILES
from safetensors.torch import save_file

from trackbench.errors import TrackerError
from trackbench.regions import Box, Mask
from trackbench.trackers.foreign.model import ForeignModel
from trackbench.trackers.foreign.worker.process import DoorError
from trackbench.trackers.foreign.worker.trackit import Door
from trackbench.trackers.registry import find_tracker


@pytest.fixture
def repo(write: Callable[[str, str], Path], here: Path) -> Path:
    """The repository, and a checkpoint ``full.safetensors`` with the step of 2 pixels a frame."""
    for name, text in FILES.items():
        write("repo/" + name, text)
    weights = {"dx": torch.full((1,), 2.0), "backbone": torch.zeros(1)}
    save_file(weights, here / "full.safetensors")
    save_file({"dx": weights["dx"]}, here / "trained.safetensors")
    return here / "repo"


def model(weights: str = "full.safetensors", name: str = "Tiny:S-8", **options: Any) -> ForeignModel:
    built = find_tracker(f"trackit:{name}", options={"repo": "repo", **options}, weights=Path(weights)).build("cpu")
    assert isinstance(built, ForeignModel)
    return built


def test_targets_are_tracked_in_one_call_from_their_second_frame_on_until_they_are_forgotten(
    repo: Path, frames: list[np.ndarray]
) -> None:
    tracker = model(max_batch=2)
    missing = [name for name in ("wandb", "zmq") if find_spec(name) is None]
    assert tracker.record()["stand_ins"] == missing
    assert (tracker.record()["precision"], tracker.record()["pretrained_backbone"]) == ("float16", False)
    assert not (repo / "consts.yaml").exists()
    states = tracker.start([frames[0]], [target(Box(5, 6, 20, 10))])
    assert tracker.step([frames[1]], states)[0].region == Box(7, 8, 21, 10)
    # The second target starts on its own first frame, with a mask, while the first goes on.
    states += tracker.start([frames[0]], [target(Mask(np.ones((4, 5), bool), 10, 12))])
    first, second = tracker.step([frames[3], frames[2]], states)
    assert (first.region, second.region) == (Box(9, 10, 23, 10), Box(12, 14, 7, 4))
    assert first.score == pytest.approx(2.02)  # two in the call, two alive
    assert (first.mask, second.mask is not None and second.mask.window(0, 0, 60, 40).sum()) == (None, 20)
    with pytest.raises(TrackerError, match=r"more than 2 targets at once: --set max_batch=4"):
        tracker.start([frames[0]], [target(Box(5, 6, 20, 10))])
    del states, first, second
    gc.collect()
    states = tracker.start([frames[0]] * 2, [target(Box(5, 6, 20, 10))] * 2)
    assert tracker.step([frames[1]] * 2, states)[0].score == pytest.approx(2.02)


@pytest.mark.slow
def test_a_network_that_cannot_let_go_of_a_target_costs_no_other(repo: Path, frames: list[np.ndarray]) -> None:
    """SPMTrack's raises KeyError at the end of each sequence."""
    [evaluator] = repo.rglob("tracker_evaluator/default/evaluator.py")
    evaluator.write_text(evaluator.read_text().replace("live.pop(task.task_index)", "live.pop(str(task.task_index))"))
    tracker = model()
    for failed in (None, 1):
        states = tracker.start([frames[0]], [target(Box(5, 6, 20, 10))])
        assert tracker.step([frames[1]], states)[0].region == Box(7, 8, 21, 10)
        del states
        gc.collect()
        tracker.start([frames[0]], [target(Box(5, 6, 20, 10))])
        assert tracker.record().get("targets_not_released") == failed


def test_a_batch_gives_what_each_target_gives_alone(repo: Path, frames: list[np.ndarray]) -> None:
    (repo / "consts.yaml").write_text("workers: 1\n")  # the user's own are left alone
    tracker = model(mixin=["double"], precision="float32", constants={"workers": 1})
    assert tracker.record()["precision"] == "float32"
    boxes = [Box(i, 2 * i, 10 + i, 8) for i in range(8)]

    def run(which: list[Box]) -> list[Any]:
        states = tracker.start([frames[0]] * len(which), [target(box) for box in which])
        return [[answer.region for answer in tracker.step([frame] * len(which), states)] for frame in frames[1:]]

    together, alone = run(boxes), [run([box]) for box in boxes]
    assert [[step[i] for step in together] for i in range(8)] == [[step[0] for step in one] for one in alone]
    assert together[0][0] == Box(2, 2, 12, 8)  # the mixin doubles the growth
    assert (repo / "consts.yaml").read_text() == "workers: 1\n"


def test_a_checkpoint_of_the_trained_weights_alone_takes_the_rest_from_pretraining(repo: Path) -> None:
    with pytest.raises(TrackerError, match=r"the checkpoint lacks backbone .*cannot be had: no route to the hub"):
        model("trained.safetensors")
    (repo / "pretrained.pt").write_text("")
    assert model("trained.safetensors").record()["pretrained_backbone"]


@pytest.mark.slow
def test_what_the_repository_lacks_is_said_in_one_line(repo: Path) -> None:
    with pytest.raises(TrackerError, match="--set mixin: mixin config not found: triple"):
        model(mixin=["triple"])
    with pytest.raises(TrackerError, match=r"no task 'train' of evaluation \(there: eval\)"):
        model(task="train")
    builder = repo / "trackit/models/methods/builder.py"
    builder.write_text("import nowhere_to_be_found\n" + builder.read_text())
    with pytest.raises(TrackerError, match="needs the package 'nowhere_to_be_found': pip install nowhere_to_be_found"):
        model()


@pytest.mark.parametrize(
    ("name", "message"),
    [("Tiny:B-8", r"no configuration 'Tiny:B-8' \(there: Tiny:S-8\)"), ("Big:S-8", r"no configuration 'Big:S-8'")],
)
def test_an_unknown_configuration_lists_those_that_are_there(repo: Path, name: str, message: str) -> None:
    method, _, config = name.partition(":")
    with pytest.raises(DoorError, match=message):
        Door({"repo": str(repo), "method": method, "config": config}, "cpu")


def test_what_is_no_repository_of_the_line_or_an_older_one_is_refused(repo: Path) -> None:
    (repo / "trackit/runners").rename(repo / "trackit/runner")
    with pytest.raises(DoorError, match=r"an older trackit, without 'trackit/runners'.*LoRAT repository holds"):
        Door({"repo": str(repo), "method": "SPMTrack"}, "cpu")
    with pytest.raises(DoorError, match=r"which this door does not know$"):
        Door({"repo": str(repo), "method": "GOLA"}, "cpu")
    with pytest.raises(DoorError, match="no folder 'trackit': expected a repository of the trackit line"):
        Door({"repo": str(repo.parent)}, "cpu")
