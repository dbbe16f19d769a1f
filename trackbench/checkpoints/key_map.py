"""Map the names of an official checkpoint to those of our networks, strictly: every key is accounted for."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

Convert = Callable[[dict[str, Tensor]], dict[str, Tensor]]


#: What wrappers put before every name, and what none but they put anywhere into one.
PREFIXES = ("module.", "_orig_mod.", "_fsdp_wrapped_module.", "_forward_module.")
WITHIN = r"(?<![^.])(?:_orig_mod|_fsdp_wrapped_module|_checkpoint_wrapped_module)\."

#: What torch's AveragedModel counts beside the weights.
AVERAGED = "n_averaged"

#: What modules that train a network call it.
ATTRIBUTES = ("model", "_model", "net", "network", "tracker", "student", "ema_model")


@dataclass(frozen=True)
class KeyMap:
    """How an official state dict becomes that of our network.

    The steps, in order: what wrappers put before every name goes; names that match ``unused`` are set aside; each
    ``rename`` is substituted in every name; names that match ``off`` are set aside too; ``convert`` may then split,
    join or transpose tensors.
    """

    rename: tuple[tuple[str, str], ...] = ()
    """Regular expressions and what takes the place of each (``re.sub``)."""
    unused: tuple[str, ...] = ()
    """Regular expressions that match whole official names: known, and not needed by the network."""
    convert: Convert | None = None
    """For what a change of names cannot say; gets and returns all tensors under our names."""
    off: tuple[str, ...] = ()
    """Regular expressions that match whole names of ours: parts that options switch off in a network that is otherwise
    the same. Weights that are kept under our names have them too."""

    def apply(self, official: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], list[str]]:
        """Return the tensors under our names, and the official names that were set aside."""
        ours: dict[str, Tensor] = {}
        unused: list[str] = []
        for name, tensor in without_wrappers(official).items():
            if any(re.fullmatch(pattern, name) for pattern in self.unused):
                unused.append(name)
                continue
            ours_name = name
            for pattern, replacement in self.rename:
                ours_name = re.sub(pattern, replacement, ours_name)
            if any(re.fullmatch(pattern, ours_name) for pattern in self.off):
                unused.append(name)
                continue
            # Of two that would become the same, the second keeps its name and is reported as unknown.
            ours[name if ours_name in ours else ours_name] = tensor
        return (self.convert(ours) if self.convert else ours), unused


@dataclass(frozen=True)
class Match:
    """How a checkpoint fits a network."""

    weights: dict[str, Tensor]
    """The tensors that fit, under our names."""
    unused: list[str] = field(default_factory=list)
    """Official names that are known and not needed."""
    unknown: list[str] = field(default_factory=list)
    """Names that the network does not have."""
    missing: list[str] = field(default_factory=list)
    """Names that the network needs and the checkpoint lacks."""
    misshapen: list[str] = field(default_factory=list)
    """``name: has (1, 2), needs (3, 2)``; also tensors of whole numbers where others are needed."""

    @property
    def complete(self) -> bool:
        """Whether every name is accounted for."""
        return not (self.unknown or self.missing or self.misshapen)


def match(official: Mapping[str, Tensor], keys: KeyMap, wanted: Mapping[str, Tensor]) -> Match:
    """Return how ``official`` fits a network with the state dict ``wanted``.

    A batch counter (``num_batches_tracked``) may be absent: networks do not need it, and older files have none.
    Floating-point tensors take the precision that the network has.

    Args:
        official: names and tensors of a checkpoint.
        keys: how its names become ours.
        wanted: of the network; only shapes and types count, so that its tensors may be on the device ``meta``.
    """
    try:
        ours, unused = keys.apply(official)
    except (RuntimeError, IndexError, TypeError, ValueError) as error:
        # `convert` may fail on tensors whose shapes are not the official ones.
        return Match({}, [], list(official), list(wanted), [f"the tensors cannot be rearranged: {error}"])
    present = {name: tensor for name, tensor in ours.items() if name in wanted}
    misshapen = [
        f"{name}: has {_form(tensor)}, needs {_form(wanted[name])}"
        for name, tensor in present.items()
        if tensor.shape != wanted[name].shape or tensor.is_floating_point() < wanted[name].is_floating_point()
    ]
    fits = not misshapen  # what does not fit may be a view of any size, and is not copied
    weights = {name: _cast(tensor, wanted[name].dtype) if fits else tensor for name, tensor in present.items()}
    missing = [name for name in wanted if name not in ours and not name.endswith("num_batches_tracked")]
    for name in wanted:
        if name not in ours and name not in missing:
            weights[name] = torch.zeros((), dtype=wanted[name].dtype)
    return Match(weights, unused, [name for name in ours if name not in wanted], missing, misshapen)


def _form(tensor: Tensor) -> str:
    kind = "" if tensor.is_floating_point() else f" {str(tensor.dtype).removeprefix('torch.')}"
    return f"{tuple(tensor.shape)}{kind}"


def _cast(tensor: Tensor, dtype: torch.dtype) -> Tensor:
    return tensor.to(dtype) if tensor.is_floating_point() and dtype.is_floating_point else tensor


def without_wrappers(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Return a state dict without what wrappers of networks put into every name: DataParallel, torch.compile, FSDP.

    The names keep their order. A prefix that is a wrapper's only by what stands before every name is taken off only
    there.
    """
    if any(name != AVERAGED for name in state):
        state = {name: tensor for name, tensor in state.items() if name != AVERAGED}
    while state and any(all(name.startswith(prefix) for name in state) for prefix in PREFIXES):
        prefix = next(prefix for prefix in PREFIXES if all(name.startswith(prefix) for name in state))
        state = {name.removeprefix(prefix): tensor for name, tensor in state.items()}
    plain = {re.sub(WITHIN, "", name): tensor for name, tensor in state.items()}
    return plain if len(plain) == len(state) else dict(state)


def without_attribute(state: Mapping[str, Tensor]) -> dict[str, Tensor] | None:
    """Return a state dict without what a training module calls its network, as Lightning's ``model.``, or None.

    Other parts that all names share stay: they may be what tells one network from another.
    """
    parts = {name.partition(".")[0] for name in state}
    if len(parts) != 1 or not parts <= set(ATTRIBUTES) or not all("." in name for name in state):
        return None
    return {name.partition(".")[2]: tensor for name, tensor in state.items()}


def renamed(state: Mapping[str, Tensor], pairs: Sequence[tuple[str, str]]) -> dict[str, Tensor]:
    """Return a state dict in which parts of names are called otherwise.

    Args:
        state: names and tensors.
        pairs: FROM and TO; FROM is a whole part of a name, or several with dots between, at any place in it.
    """
    names = {name: name for name in state}
    for old, new in pairs:
        inner, wanted = re.escape(old.strip(".")), new.strip(".")
        pattern = re.compile(rf"(^|(?<=\.)){inner}(\.|$)")
        for name, written in names.items():
            names[name] = pattern.sub(lambda written_key, to=wanted: f"{to}{written_key[2]}" if to else "", written)  # type: ignore[misc]
    return {names[name]: tensor for name, tensor in state.items()}
