"""Whose checkpoint is it? Fits files of weights to trackers, and says what does not fit."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from trackbench.checkpoints.key_map import KeyMap, Match, match
from trackbench.checkpoints.reader import read_state
from trackbench.definitions import TRACKERS
from trackbench.errors import DataError, TrackbenchError
from trackbench.quoting import listed
from trackbench.trackers.base import Options
from trackbench.trackers.classes import load_class
from trackbench.trackers.networks import Networked
from trackbench.trackers.settings import resolve_settings

_SHOWN = 5
_RELATED = 0.1
"""A file of which less than this share fits a tracker has nothing to do with it."""


def read_weights(path: Path, name: str, model: type[Networked], options: Options) -> Match:
    """Return the weights in an official file for one tracker.

    Args:
        path: the file.
        name: the tracker's name.
        model: its class.
        options: its options, which decide on the network.

    Raises:
        DataError: not a file of weights, another tracker's, or one that does not fit name by name.
    """
    state = read_state(path)
    found = match_checkpoint(state, model, options)
    if found.complete:
        _check_numbers(path, found.weights)
        return found
    owners = [other for other in trackers_with_weights() if other != name and _fits(state, other)]
    if owners:
        raise DataError(f"{path}: is a checkpoint of '{' or '.join(owners)}', not of '{name}'")
    if len(found.weights) - len(found.misshapen) < _RELATED * len(state):
        raise DataError(f"{path}: its {len(state)} tensors ({listed(state, _SHOWN)}) belong to no tracker known here")
    raise DataError(f"{path}: does not fit '{name}': {describe(found)}")


def match_checkpoint(state: dict[str, Tensor], model: type[Networked], options: Options) -> Match:
    """Return how an official state dict fits the network of a tracker's class with ``options``."""
    return match(state, model.key_map(options), _wanted(model, options))


def match_cached(weights: dict[str, Tensor], model: type[Networked], options: Options) -> Match:
    """Return how kept weights, under our names, fit the network of a tracker's class with ``options``."""
    return match(weights, KeyMap(off=model.key_map(options).off), _wanted(model, options))


def describe(found: Match) -> str:
    """Return in one line which names of a checkpoint do not fit."""
    parts = [f"{len(found.weights) - len(found.misshapen)} names fit"]
    for label, names in (("missing", found.missing), ("unknown", found.unknown), ("of another shape", found.misshapen)):
        if names:
            parts.append(f"{len(names)} {label}: {listed(names, _SHOWN)}")
    return "; ".join(parts)


def trackers_with_weights() -> list[str]:
    """Return the names of all trackers whose definition asks for a checkpoint, each by one name."""
    names = []
    for name in TRACKERS.names():
        try:
            found = TRACKERS.get(name)
            if found.value.weights is not None and found.same_as == found.name:
                names.append(name)
        except TrackbenchError:
            continue  # a broken definition of another tracker is reported where that tracker is used
    return names


def _wanted(model: type[Networked], options: Options) -> dict[str, Tensor]:
    with torch.device("meta"):  # names and shapes are all that is wanted
        state: dict[str, Tensor] = model.build_network(options).state_dict()
    return state


def _fits(state: dict[str, Tensor], name: str) -> bool:
    settings = resolve_settings(name)
    model = load_class(settings.definition)
    return issubclass(model, Networked) and match_checkpoint(state, model, settings.options).complete


def _check_numbers(path: Path, weights: dict[str, Tensor]) -> None:
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise DataError(f"{path}: tensor '{name}' holds values that are not numbers")
