"""The base class of trackers and refiners that have a neural network."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Any, Concatenate, Literal, ParamSpec, TypeVar

import torch
from torch import Tensor, nn

from trackbench.checkpoints.key_map import KeyMap
from trackbench.errors import UsageError
from trackbench.nn.crops.normalise import Normaliser
from trackbench.trackers.base import Options, State, TrackerModel

P = ParamSpec("P")
R = TypeVar("R")
N = TypeVar("N", bound="Networked")


class NetworkOptions(Options):
    """Options that every tracker with a network has."""

    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    """In what the network's products are computed (autocast); all but float32 need a CUDA device, and move the boxes:
    ``benchmarks/trackers.py`` says by how much."""


def inference(method: Callable[Concatenate[N, P], R]) -> Callable[Concatenate[N, P], R]:
    """Wrap a method of a :class:`Networked`: it runs without gradients, in the precision that its options ask for."""

    @functools.wraps(method)
    def wrapped(self: N, /, *args: P.args, **kwargs: P.kwargs) -> R:
        dtype = getattr(torch, self.options.precision)
        with (
            torch.inference_mode(),
            torch.autocast(torch.device(self.device).type, dtype, enabled=dtype != torch.float32),
        ):
            return method(self, *args, **kwargs)

    return wrapped


class Networked(ABC):
    """Base of everything with a network: subclasses say how it is built and how official files name its parameters.

    Args:
        options: an instance of the class's ``Options``.
        device: torch device.
        weights: the network's state dict under our names; None draws random weights.
        seed: of the random weights.

    Raises:
        UsageError: the device cannot compute in the precision that the options ask for.
    """

    def __init__(
        self, options: Any, device: str = "cpu", *, weights: Mapping[str, Tensor] | None = None, seed: int = 0
    ) -> None:
        self.options = options
        self.device = device
        if options.precision != "float32" and not device.startswith("cuda"):
            raise UsageError(f"precision={options.precision}: computed on CUDA devices only, not on '{device}'")
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            network = self.build_network(options)
            if weights is None:
                network = self.calibrate_random_weights(network)
        if weights is not None:
            network.load_state_dict(weights)
        if device.startswith("cuda"):
            # Published numbers are those of float32; TF32 keeps ten bits of a product.
            torch.backends.cudnn.allow_tf32 = False
        self.network = self.prepare(network.eval().requires_grad_(False)).to(device)
        self.normalise = self.normaliser().to(device)

    @classmethod
    @abstractmethod
    def build_network(cls, options: Any) -> nn.Module:
        """Return the network with its initial weights, on the CPU; checkpoints are matched to its state dict."""

    @classmethod
    @abstractmethod
    def key_map(cls, options: Any) -> KeyMap:
        """Return how the names of an official checkpoint become ours."""

    @classmethod
    def normaliser(cls) -> Normaliser:
        """Return what makes the network's input of crops: by default ImageNet's mean and standard deviation."""
        return Normaliser()

    def calibrate_random_weights(self, network: Any) -> Any:
        """Return the network with random weights that give outputs of an ordinary size; torch's generator is seeded.

        By default the weights are those that the network begins training with.
        """
        return network

    def prepare(self, network: Any) -> Any:
        """Return the network as tracking uses it: what inference can fold together is folded here, in evaluation mode.

        The network still has float32 parameters on the CPU.
        """
        return network


class NetworkModel(Networked, TrackerModel[State]):
    """A tracker with a network."""
