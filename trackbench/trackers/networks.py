"""The base class of trackers and refiners that have a neural network."""

from __future__ import annotations

import functools
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from typing import Annotated, Any, Concatenate, Literal, ParamSpec, TypeVar

import torch
from pydantic import Field
from torch import Tensor, nn

from trackbench.checkpoints.key_map import KeyMap
from trackbench.errors import UsageError
from trackbench.nn.crops.normalise import Normaliser
from trackbench.nn.graphs import DeviceCalls, Execution, can_record
from trackbench.nn.initialisation import Undrawn
from trackbench.trackers.base import Options, State, TrackerModel

P = ParamSpec("P")
R = TypeVar("R")
N = TypeVar("N", bound="Networked")


class NetworkOptions(Options):
    """Options that every tracker with a network has."""

    precision: Literal["float32", "float16", "bfloat16"] = "float32"
    """In what the network's products are computed (autocast). float16 needs a CUDA device, bfloat16 one or a CPU that
    has its arithmetic. Both move the boxes: ``benchmarks/trackers.py`` says by how much."""
    execution: Annotated[Execution, Field(exclude=True)] = "eager"
    """How the network is called. ``graph``: as a CUDA graph, recorded once a shape, with the numbers of ``eager``;
    ``compile``: by torch.compile, which moves their last digits. Sessions record it; it makes no other run."""


def cannot_compute(precision: str, device: str) -> str | None:
    """Return why a device does not compute in a precision, None where it does."""
    if precision == "float32" or device.startswith("cuda"):
        return None
    if precision == "bfloat16" and device == "cpu":
        # Elsewhere a CPU would convert each number there and back, and be slower for it.
        has = torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
        return None if has else "this CPU has no instructions for it (AVX512_BF16 or AMX)"
    return f"computed on CUDA devices only, not on '{device}'"


def inference(method: Callable[Concatenate[N, P], R]) -> Callable[Concatenate[N, P], R]:
    """Wrap a method of a :class:`Networked`: it runs without gradients, in the precision that its options ask for."""

    @functools.wraps(method)
    def wrapped(self: N, /, *args: P.args, **kwargs: P.kwargs) -> R:
        dtype = getattr(torch, self.options.precision)
        with (
            torch.inference_mode(),
            # What autocast keeps of converted weights would not be there when a recorded graph is replayed.
            torch.autocast(
                torch.device(self.device).type,
                dtype,
                enabled=dtype != torch.float32,
                cache_enabled=self.options.execution != "graph",
            ),
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
        if reason := cannot_compute(options.precision, device):
            raise UsageError(f"precision={options.precision}: {reason}")
        if options.execution == "graph" and not can_record(device):
            raise UsageError(f"execution=graph: CUDA graphs need a CUDA device, not '{device}'")
        self.on_device = DeviceCalls(options.execution, device)
        """Calls functions of tensors as the option ``execution`` says."""
        if weights is None:
            with torch.random.fork_rng(devices=[]):
                torch.manual_seed(seed)
                network = self.calibrate_random_weights(self.build_network(options))
        else:
            with torch.random.fork_rng(devices=[]), Undrawn():
                torch.manual_seed(seed)  # for what a network draws and no file holds
                network = self.build_network(options)
            network.load_state_dict(weights)
        if device.startswith("cuda"):
            # Published numbers are those of float32; TF32 keeps ten bits of a product.
            torch.backends.cudnn.allow_tf32 = False
        self.network = self.prepare(network.eval().requires_grad_(False)).to(device)
        self.normalise = self.normaliser().to(device)

    @property
    def packs(self) -> bool:
        """Whether weights are laid out for a CPU's float32 arithmetic."""
        return self.device == "cpu" and self.options.precision == "float32"

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
