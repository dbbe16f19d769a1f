"""A training step on a device that refuses what a GPU refuses: the CUDA path, without CUDA."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from small import OPTIONS, small_network, small_session, write_videos
from strict_device import strict_device
from torch.utils.data import default_collate

from trackbench.training.optimisation import set_trained
from trackbench.training.session import Objective, Session
from trackbench.training.tasks.base import SampleSet


@pytest.fixture(scope="module")
def videos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_videos(tmp_path_factory.mktemp("device") / "videos")


def losses(session: Session, device: str) -> tuple[float, dict[str, float], float]:
    """Return the loss of a step, its terms and the IoU."""
    torch.manual_seed(0)
    network = small_network(session)
    set_trained(network, session.recipe.optimiser, 0)
    objective = Objective(network, session.task).to(device)
    samples = SampleSet(session.task, 1)
    batch = {name: part.to(device) for name, part in default_collate([samples[index] for index in range(2)]).items()}
    torch.manual_seed(1)  # dropout and drawn regions
    total, terms, iou = objective(batch)
    return float(total.detach()), {name: float(term) for name, term in terms.items()}, float(iou)


@pytest.mark.parametrize("name", OPTIONS)
def test_the_losses_of_a_training_step_on_a_device_are_those_of_the_cpu(
    videos: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    session = small_session(name, videos, **{"loss.inverted": "box"})
    expected, terms, iou = losses(session, "cpu")
    with strict_device(monkeypatch) as device:  # torch calculates no gradients on a device written in Python
        found = losses(session, device)
    assert found[0] == pytest.approx(expected, rel=1e-4)
    assert found[1] == pytest.approx(terms, rel=1e-4)
    assert found[2] == pytest.approx(iou, abs=1e-4)
