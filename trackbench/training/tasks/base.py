"""What every tracker's training has."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.utils.data import Dataset

from trackbench.errors import DataError
from trackbench.nn.crops.normalise import IMAGENET_MEAN, IMAGENET_STD
from trackbench.training.crops.square import Crop
from trackbench.training.data.sets import OpenSet
from trackbench.training.kept_tokens import NUMBER
from trackbench.training.recipe import Recipe
from trackbench.training.sampling import ATTEMPTS, Sampler, Shot

Arrays = dict[str, NDArray[Any]]
Batch = Mapping[str, Tensor]


@dataclass(frozen=True)
class Losses:
    """What a batch costs."""

    total: Tensor
    terms: dict[str, Tensor]
    """The terms without their weights, for the log."""
    iou: Tensor
    """Mean IoU of the predicted boxes, for the log; without gradient."""


class TrainingTask(ABC):
    """The training of one tracker.

    Args:
        recipe: its values.
        options: of the tracker, as the recipe has them.
        sets: what is trained on.
    """

    TERMS: tuple[str, ...]
    """Names of the loss's terms, which the recipe gives weights."""

    def __init__(self, recipe: Recipe, options: Any, sets: Sequence[OpenSet]) -> None:
        self.recipe, self.options = recipe, options
        self.sampler = Sampler(sets, recipe.data)

    def sample(self, random: np.random.Generator) -> Arrays:
        """Return one sample; what cannot be used is drawn again, from the choice of the data set on.

        Raises:
            DataError: nothing usable was found, or the last of many failures was one of reading.
        """
        failure = "no crop shows the target"
        for _ in range(ATTEMPTS):
            try:
                made = self.try_sample(random)
            except DataError as error:
                # One image that cannot be read does not end a training of days; a set without any does.
                failure = str(error)
                if "training set" in failure:
                    raise
                continue
            if made is not None:
                return made
        raise DataError(f"{ATTEMPTS} training samples failed one after the other; the last: {failure}")

    @abstractmethod
    def try_sample(self, random: np.random.Generator) -> Arrays | None:
        """Return one sample, or None where it has to be drawn again."""

    @abstractmethod
    def losses(self, network: nn.Module, batch: Batch) -> Losses:
        """Return what a batch of samples, on the network's device, costs."""

    def weighted(self, terms: dict[str, Tensor], iou: Tensor) -> Losses:
        """Return the sum of terms with the recipe's weights."""
        weights = self.recipe.loss.weights
        total = torch.stack([weights[name] * term for name, term in terms.items()]).sum()
        return Losses(total, {name: term.detach() for name, term in terms.items()}, iou)


class KeepsTokens(ABC):
    """The training of a tracker whose first blocks can be frozen, and then see each image alone."""

    @abstractmethod
    def check_tokens(self, network: nn.Module) -> None:
        """See that what :meth:`tokens` returns does not change in training.

        Raises:
            UsageError: it does.
        """

    @abstractmethod
    def tokens(self, network: nn.Module, batch: Batch) -> dict[str, Tensor]:
        """Return what the losses need of a batch in the place of its images, each (B, ...), without gradient."""


class SampleSet(Dataset[Arrays]):
    """The samples of a training by their number: each has a generator of its own, so any can be made again.

    Args:
        task: makes them.
        seed: of the recipe.
    """

    def __init__(self, task: TrainingTask, seed: int) -> None:
        self.task, self.seed = task, seed

    def __getitem__(self, index: int) -> Arrays:
        """Return the sample of this number, counted from the start of the training.

        Of a recipe that keeps tokens, samples have their number among the distinct ones, and nothing else once they
        come back.
        """
        data = self.task.recipe.data
        number = index if data.distinct is None else index % data.distinct
        own: Arrays = {NUMBER: np.array(number)} if data.keep_tokens else {}
        if own and index != number:
            return own
        return own | self.task.sample(np.random.default_rng([self.seed, number]))


def read_shots(shots: Sequence[Shot]) -> list[NDArray[np.uint8]]:
    """Return the images of frames; one that is asked for twice is read once."""
    images: dict[tuple[int, int], NDArray[np.uint8]] = {}
    for shot in shots:
        key = (id(shot.clip), shot.frame)
        if key not in images:
            images[key] = shot.clip.frame(shot.frame)
    return [images[id(shot.clip), shot.frame] for shot in shots]


def crop_arrays(name: str, crop: Crop) -> Arrays:
    """Return what the network needs of a crop: ``NAME`` (S, S, 3) uint8, ``NAME_brightness``, ``NAME_box`` (4,)."""
    return {name: crop.image, f"{name}_brightness": np.array([crop.brightness], np.float32), f"{name}_box": crop.label}


def normalised(batch: Batch, name: str) -> Tensor:
    """Return crops of a batch as networks with ImageNet's mean and deviation take them, float32 (B, 3, S, S).

    Values are multiplied by the crop's brightness and clamped to [0, 1] before they are normalised.
    """
    images = batch[name]
    mean, std = (
        torch.tensor(values, device=images.device).view(1, 3, 1, 1) for values in (IMAGENET_MEAN, IMAGENET_STD)
    )
    values = images.permute(0, 3, 1, 2).float() * (batch[f"{name}_brightness"] / 255).view(-1, 1, 1, 1)
    return values.clamp_(0, 1).sub_(mean).div_(std)
