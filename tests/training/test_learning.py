"""Each network over-fits one batch, and gradients reach what the paper trains and nothing that it freezes."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from small import OPTIONS, small_network, small_session, write_videos
from torch.utils.data import default_collate

from trackbench.training.optimisation import set_trained
from trackbench.training.session import Objective
from trackbench.training.tasks.base import SampleSet

# Learning rate, steps, and the share of the first loss that is left.
BUDGETS = {
    "simtrack-b16": (1e-3, 20, 0.5),
    "sbt-base": (3e-3, 30, 0.6),
    "aiatrack": (2e-3, 15, 0.6),
    "siamattn": (3e-3, 6, 0.7),
    "sparsett": (3e-3, 15, 0.75),
}


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_videos(tmp_path_factory.mktemp("train") / "videos")


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in ("aiatrack", "siamattn") else name for name in OPTIONS],
)
def test_a_network_over_fits_one_batch(videos: Path, name: str) -> None:
    # With the official rule an inverted box among two would leave out the GIoU of both.
    session = small_session(name, videos, **{"loss.inverted": "box"})
    torch.manual_seed(0)
    network = small_network(session)
    set_trained(network, session.recipe.optimiser, 0)
    samples = SampleSet(session.task, 1)
    batch = default_collate([samples[index] for index in range(2)])
    objective = Objective(network, session.task)
    lr, steps, left = BUDGETS[name]
    optimiser = torch.optim.AdamW([p for p in network.parameters() if p.requires_grad], lr)
    losses = []
    for _ in range(steps):
        optimiser.zero_grad()
        total, _, iou = objective(batch)
        total.backward()
        torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimiser.step()
        losses.append(float(total.detach()))
    assert np.mean(losses[-3:]) < left * losses[0], losses
    assert 0 <= float(iou) <= 1


@pytest.mark.parametrize("name", OPTIONS)
@pytest.mark.parametrize("epoch", [0, 10])
def test_gradients_reach_all_that_is_trained_and_nothing_that_is_frozen(videos: Path, name: str, epoch: int) -> None:
    if epoch and name != "siamattn":
        pytest.skip("its frozen parameters are the same in every epoch")
    session = small_session(name, videos)
    torch.manual_seed(0)
    network = small_network(session)
    set_trained(network, session.recipe.optimiser, epoch)
    samples = SampleSet(session.task, 1)
    batch = default_collate([samples[index] for index in range(2)])
    if name == "siamattn":
        batch["mask_weight"][:] = 1  # these videos have no masks
    Objective(network, session.task)(batch)[0].backward()
    reached = {key for key, parameter in network.named_parameters() if parameter.grad is not None}
    wanted = {key for key, parameter in network.named_parameters() if parameter.requires_grad}
    unused = {
        "sbt-base": ("backbone.norm1.", "backbone.norm2."),
        "sparsett": ("backbone.stages.3.", "backbone.stages.2.downsample.", "backbone.norm3."),
    }.get(name, ())
    # The official networks have parts that nothing uses either.
    assert reached == {key for key in wanted if not key.startswith(unused or ("-",))}
    frozen = {key for key, _ in network.named_parameters()} - wanted
    stem = {key for key in frozen if key.startswith(("backbone.conv1", "backbone.bn1", "backbone.layer1"))}
    if name == "aiatrack":
        assert frozen == stem != set()
    elif name == "siamattn":
        backbone = {key for key, _ in network.named_parameters() if key.startswith("backbone.")}
        assert frozen == (backbone if epoch == 0 else stem)
        norm = network.get_submodule("backbone.layer2.0.bn1")
        assert norm.training == (epoch == 10)
        assert not network.get_submodule("backbone.bn1").training
    else:
        assert not frozen
