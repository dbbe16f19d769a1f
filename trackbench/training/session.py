"""From a recipe to all that a training needs: data, network with its starting weights, task."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import torch
from torch import Tensor, nn

from trackbench.errors import UsageError
from trackbench.trackers.classes import load_class
from trackbench.trackers.matching import read_weights
from trackbench.trackers.networks import Networked
from trackbench.trackers.settings import Settings, resolve_settings
from trackbench.training.data.sets import OpenSet, open_sets
from trackbench.training.recipe import Recipe
from trackbench.training.tasks.base import Batch, TrainingTask
from trackbench.training.tasks.kinds import task_class
from trackbench.version import VERSION


@dataclass(frozen=True)
class Session:
    """What is trained, by what, on what."""

    name: str
    """Name of the recipe."""
    recipe: Recipe
    settings: Settings
    model: type[Networked]
    sets: list[OpenSet]
    task: TrainingTask

    def build_network(self) -> nn.Module:
        """Return the network with the weights that training starts from.

        The random ones are drawn from the recipe's seed.

        Raises:
            DataError: a file of starting weights does not fit.
        """
        torch.manual_seed(self.recipe.seed)
        network = self.model.build_network(self.settings.options)
        if self.recipe.start is not None:
            match = read_weights(self.recipe.start, self.settings.name, self.model, self.settings.options)
            network.load_state_dict(match.weights)
        return network

    def describe_data(self) -> list[dict[str, Any]]:
        """Return of each data set its name, source, folder, number of targets and share of the samples."""
        total = sum(source.options.share for source in self.sets)
        return [
            {
                "set": source.name,
                "source": source.options.source or source.name,
                "split": source.options.split,
                "root": str(source.root),
                "targets": len(source.clips),
                "frames": source.clips.frame_count(),
                "share": source.options.share / total,
            }
            for source in self.sets
        ]


def open_session(name: str, recipe: Recipe) -> Session:
    """Open the data sets of a recipe and settle its tracker's options.

    Raises:
        UsageError: the tracker has no training, an option is wrong, a data set is not found, or a term of the loss has
            no weight.
        DataError: a data set has nothing to train on.
    """
    settings = resolve_settings(recipe.tracker, options=recipe.options)
    model = load_class(settings.definition)
    kind = task_class(model, recipe.tracker)
    lacking = [term for term in kind.TERMS if term not in recipe.loss.weights]
    unknown = [term for term in recipe.loss.weights if term not in kind.TERMS]
    if lacking or unknown:
        raise UsageError(
            f"recipe '{name}': loss.weights has {', '.join(recipe.loss.weights)}: expected {', '.join(kind.TERMS)}"
        )
    assert issubclass(model, Networked)
    sets = open_sets(recipe.data)
    return Session(name, recipe, settings, model, sets, kind(recipe, settings.options, sets))


class Objective(nn.Module):
    """A network and what is trained of it, called as one module so that processes average its gradients.

    Args:
        network: the tracker's.
        task: its training.
    """

    def __init__(self, network: nn.Module, task: TrainingTask) -> None:
        super().__init__()
        self.network, self.task = network, task

    def forward(self, batch: Batch) -> tuple[Tensor, dict[str, Tensor], Tensor]:
        """Return the loss, its terms and the mean IoU of a batch."""
        losses = self.task.losses(self.network, batch)
        return losses.total, losses.terms, losses.iou


def versions() -> dict[str, str]:
    """Return the versions that decide on the numbers of a training."""
    packages = ("torch", "lightning-fabric", "numpy", "opencv-python")
    return {"trackbench": VERSION, "python": platform.python_version()} | {name: version(name) for name in packages}


def describe_groups(network: nn.Module, optimiser: torch.optim.Optimizer) -> Sequence[dict[str, Any]]:
    """Return of each group of the optimiser its rate and number of trained numbers, and what is frozen."""
    rows: list[dict[str, Any]] = [
        {"lr": group["lr"], "numbers": sum(parameter.numel() for parameter in group["params"])}
        for group in optimiser.param_groups
    ]
    frozen = sum(parameter.numel() for parameter in network.parameters() if not parameter.requires_grad)
    return [*rows, {"lr": 0.0, "numbers": frozen}]
