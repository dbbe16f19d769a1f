"""What a training would do, and how long it would take here."""

from __future__ import annotations

import time
from typing import Any

import torch
from torch.utils.data import default_collate

from trackbench.training.optimisation import learning_rate_factor, make_optimiser, set_learning_rates, set_trained
from trackbench.training.session import Objective, Session, describe_groups
from trackbench.training.tasks.base import SampleSet

MEASURED = 4
"""Samples of a measured step on a CPU, where time grows with their number; on a GPU it is the whole batch."""
STEPS = 3


def make_plan(session: Session, accelerator: str) -> dict[str, Any]:
    """Return the data, groups and steps of a training, and its time by three steps that are really made.

    Raises:
        DataError: no sample can be made, or starting weights do not fit.
    """
    recipe = session.recipe
    network = session.build_network()
    set_trained(network, recipe.optimiser, 0)
    optimiser = make_optimiser(network.named_parameters(), recipe.optimiser)
    set_learning_rates(optimiser, recipe.optimiser.lr, learning_rate_factor(0, recipe.schedule))
    steps = recipe.steps_per_epoch * recipe.schedule.epochs
    count = recipe.batch if accelerator == "cuda" else min(recipe.batch, MEASURED)
    seconds = _measure(session, Objective(network, session.task).to(accelerator), count, accelerator)
    return {
        "recipe": session.name,
        "tracker": session.settings.name,
        "data": session.describe_data(),
        "groups": describe_groups(network, optimiser),
        "epochs": recipe.schedule.epochs,
        "steps_per_epoch": recipe.steps_per_epoch,
        "batch": recipe.batch,
        "steps": steps,
        "samples": steps * recipe.batch,
        "samples_per_second": count / seconds,
        "seconds": steps * recipe.batch * seconds / count,
    }


def _measure(session: Session, objective: Objective, count: int, device: str) -> float:
    """Return the seconds of a step of ``count`` samples: the fastest of three, forwards and backwards."""
    samples = SampleSet(session.task, session.recipe.seed)
    batch = {name: part.to(device) for name, part in default_collate([samples[i] for i in range(count)]).items()}
    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        objective(batch)[0].backward()
        if device == "cuda":
            torch.cuda.synchronize()
        times.append(time.perf_counter() - start)
    return min(times)
