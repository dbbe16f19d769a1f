"""What a worker changes in torch: how checkpoints load, and that a tracker which asks for CUDA can run on the CPU."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import os
import sys
from typing import Any, Callable

from .process import UNFIT, DoorError, unfit

#: Functions that make tensors on a device.
_FACTORIES = (
    *("zeros", "ones", "empty", "full", "tensor", "as_tensor", "arange", "linspace", "eye", "rand", "randn", "randint"),
    *("zeros_like", "ones_like", "empty_like", "full_like", "rand_like", "randn_like", "range", "randperm", "logspace"),
)


#: What ``torch.load`` returned last: the file, and the keys of the dictionary in it.
_loaded: list[tuple[str, list[str]]] = []


def without_entry(error: KeyError) -> DoorError | None:
    """Return what to say of a KeyError: that the checkpoint which was read last has no such entry, if that is why."""
    if not _loaded or not error.args or not isinstance(error.args[0], str):
        return None
    file, keys = _loaded[-1]
    if error.args[0] in keys:
        return None
    message = "{} has no entry '{}' (there: {}); expected a checkpoint that this repository wrote"
    return DoorError(message.format(file, error.args[0], ", ".join(keys[:6]) or "none"))


def load_safely(trust: bool) -> None:
    """Let ``torch.load`` execute what a checkpoint asks for only where the user trusts it, and load onto the CPU."""
    import torch

    original = torch.load
    knows = "weights_only" in inspect.signature(original).parameters

    @functools.wraps(original)
    def load(file: Any, map_location: Any = None, *args: Any, **kwargs: Any) -> Any:
        if knows:
            kwargs["weights_only"] = not trust
        if not torch.cuda.is_available():
            map_location = "cpu"
        try:
            document = original(file, map_location, *args, **kwargs)
        except Exception as error:
            if knows and not trust and "weights_only" in str(error).lower():
                message = "{}: loading it executes code of its own; --trust-checkpoint allows that"
                raise DoorError(message.format(getattr(file, "name", file))) from error
            raise
        if isinstance(document, dict):
            _loaded[:] = [(str(getattr(file, "name", file)), [str(key) for key in document])]
        return document

    torch.load = load  # type: ignore[assignment]


def pretend_cuda() -> None:
    """Let code that moves everything to CUDA run on the CPU: moving there does nothing."""
    import torch

    def stay(self: Any, *args: Any, **kwargs: Any) -> Any:
        return self

    torch.Tensor.cuda = stay  # type: ignore[method-assign]
    torch.nn.Module.cuda = stay  # type: ignore[method-assign]
    torch.Tensor.to = _on_cpu(torch.Tensor.to)  # type: ignore[method-assign]
    torch.nn.Module.to = _on_cpu(torch.nn.Module.to)  # type: ignore[method-assign]
    for name in _FACTORIES:
        original = getattr(torch, name)
        setattr(torch, name, _on_cpu(original))
        _scripted_as(original, getattr(torch, name))
    for name in ("synchronize", "set_device", "empty_cache", "manual_seed_all", "reset_peak_memory_stats"):
        setattr(torch.cuda, name, _nothing())
    torch.cuda.current_device = lambda: 0


def _scripted_as(original: Any, stand_in: Any) -> None:
    """Let torch.jit, which knows functions by identity, take one for the other."""
    with contextlib.suppress(ImportError):
        known: Any = importlib.import_module("torch.jit._builtins")
        operator = known._find_builtin(original)
        if operator is not None:
            known._register_builtin(stand_in, operator)


def _nothing() -> Callable[..., None]:
    def nothing(*args: Any, **kwargs: Any) -> None:
        return None

    return nothing  # a new one each time: torch.compile wants different functions to be different objects


def _on_cpu(function: Callable[..., Any]) -> Callable[..., Any]:
    import torch

    def cpu(value: Any) -> Any:
        if isinstance(value, str) and value.startswith("cuda"):
            return "cpu"
        if isinstance(value, torch.device) and value.type == "cuda":
            return torch.device("cpu")
        return value

    @functools.wraps(function)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        if "device" in kwargs:
            # A bare number is a CUDA device too.
            device = kwargs["device"]
            kwargs["device"] = "cpu" if isinstance(device, int) else cpu(device)
        return function(*[cpu(arg) for arg in args], **kwargs)

    return wrapped


class Pretraining:
    """Skips files of pre-training that are not there, while a network is built whose checkpoint holds every weight.

    Use as a context manager around the building; afterwards :meth:`check` says whether the checkpoint did.

    Args:
        package: prefix of the repository's modules, whose ``load_pretrained`` may look for such a file.
    """

    def __init__(self, package: str) -> None:
        self._package = package
        self.skipped: list[str] = []
        """Files that were not there."""
        self._last_missing: list[str] | None = None
        self._loading = 0
        self._bound: list[tuple[Any, str]] = []

    def __enter__(self) -> Pretraining:
        import torch

        self._load, self._load_state = torch.load, torch.nn.Module.load_state_dict
        self._load_url = torch.hub.load_state_dict_from_url
        pretraining = self

        def load(file: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(file, (str, os.PathLike)) and not os.path.exists(file):
                return pretraining._skip(str(file))
            return pretraining._load(file, *args, **kwargs)

        def load_url(url: str, *args: Any, **kwargs: Any) -> Any:
            try:
                return pretraining._load_url(url, *args, **kwargs)
            except OSError:
                return pretraining._skip(url)

        def load_state(module: Any, state: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(state, _Absent) or not state:
                return torch.nn.modules.module._IncompatibleKeys([], [])
            result = pretraining._load_state(module, state, *args, **kwargs)
            pretraining._last_missing = list(result.missing_keys)
            return result

        torch.load, torch.nn.Module.load_state_dict = load, load_state  # type: ignore[assignment,method-assign]
        # Modules hold the function under names of their own: torchvision, timm, torch.utils.model_zoo.
        self._bound = [
            (module, name)
            for module in list(sys.modules.values())
            for name in ("load_state_dict_from_url", "load_url")
            if getattr(module, "__dict__", {}).get(name) is self._load_url
        ]
        for module, name in self._bound:
            setattr(module, name, load_url)
        for name, module in list(sys.modules.items()):
            own = vars(module).get("load_pretrained") if name.startswith(self._package) else None
            if callable(own):
                module.load_pretrained = self._unless_absent(own)  # type: ignore[attr-defined]
        return self

    def __exit__(self, *raised: Any) -> None:
        import torch

        torch.load, torch.nn.Module.load_state_dict = self._load, self._load_state  # type: ignore[method-assign]
        for module, name in self._bound:
            setattr(module, name, self._load_url)
        message = " ".join(str(raised[1]).split())
        if self.skipped and message.startswith(UNFIT):
            raise DoorError(f"the file of pre-training {self.skipped[0]} is not there; {unfit(message)}") from raised[1]

    def _skip(self, file: str) -> _Absent:
        self.skipped.append(file)
        if self._loading:
            raise _Skipped
        return _Absent()

    def _unless_absent(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return ``load_pretrained``, which does nothing with a file that is not there."""
        if getattr(function, "unless_absent", False):
            return function

        @functools.wraps(function)
        def wrapped(*args: Any, **kwargs: Any) -> Any:
            if any(isinstance(value, _Absent) for value in [*args, *kwargs.values()]):
                return None
            self._loading += 1
            try:
                return function(*args, **kwargs)
            except _Skipped:
                return None
            finally:
                self._loading -= 1

        wrapped.unless_absent = True  # type: ignore[attr-defined]
        return wrapped

    def check(self, checkpoint: str) -> None:
        """Raise DoorError where a file was skipped and the checkpoint does not hold every weight.

        Raises:
            DoorError: the message names the file.
        """
        if self.skipped and self._last_missing != []:
            missing = "it holds no weights" if self._last_missing is None else "it lacks " + self._last_missing[0]
            message = "the file of pre-training {} is not there, and {} cannot replace it: {}; put the file there"
            raise DoorError(message.format(self.skipped[0], checkpoint, missing))


class _Skipped(BaseException):
    """Leaves a ``load_pretrained`` whose file is not there; none of its own handlers takes it for an error."""


class _Absent(dict):  # type: ignore[type-arg]
    """The content of a file that is not there: empty however deep one looks."""

    def __missing__(self, key: Any) -> Any:
        return _Absent()

    def state_dict(self) -> Any:
        """Return it itself, as a module would its weights."""
        return self
