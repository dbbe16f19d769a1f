"""Match checkpoints with trackers, and say what does not fit."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from trackbench.checkpoints.key_map import KeyMap, Match, match, renamed, without_attribute
from trackbench.checkpoints.reader import find_state, read_checkpoint, states_in
from trackbench.checkpoints.unpickler import InertObject, attributes
from trackbench.definitions import TRACKERS, ResolvedDefinition, TrackerDefinition
from trackbench.errors import DataError, TrackbenchError
from trackbench.quoting import NAME, listed, printable
from trackbench.trackers.base import Options
from trackbench.trackers.classes import load_class
from trackbench.trackers.networks import Networked
from trackbench.trackers.settings import resolve_settings

_SHOWN = 5
_RELATED = 0.1
"""A file of which less than this share fits a tracker has nothing to do with it."""


def read_weights(
    path: Path,
    name: str,
    model: type[Networked],
    options: Options,
    rename: Sequence[tuple[str, str]] = (),
    key: str | None = None,
) -> Match:
    """Return the weights in an official file for one tracker.

    Args:
        path: the file.
        name: the tracker's name.
        model: its class.
        options: its options, which decide on the network.
        rename: FROM and TO, parts of the names in the file that are called otherwise.
        key: under which key of the file the weights are, where it has several.

    Raises:
        DataError: not a file of weights, another tracker's, or one that does not fit name by name.
    """
    definition = TRACKERS.get(name.partition(":")[0])
    asked = definition.value.weights
    document = read_checkpoint(path, asked.files if asked else ())
    state = renamed(find_state(document, path, key), rename)
    matched = match_checkpoint(state, model, options)
    bare = state
    while not matched.complete and (inner := without_attribute(bare)) is not None:
        bare = inner
        if (other := match_checkpoint(bare, model, options)).complete:
            matched = other
    if matched.complete:
        _check_numbers(path, matched.weights)
        if key is None:
            _tell_of_others(path, document)
        _check_origin(path, document, definition)
        return matched
    _check_kind(path, state, matched, _wanted(model, options))
    owners = [other for other in trackers_with_weights() if other != name and _fits(state, other)]
    if owners:
        raise DataError(f"{path}: is a checkpoint of {' or '.join(map(repr, owners))}, not of '{name}'")
    if len(matched.weights) - len(matched.misshapen) < _RELATED * len(state):
        whole = f"is a whole module ({printable(document.path, NAME)}); " if isinstance(document, InertObject) else ""
        names = listed(state, _SHOWN)
        raise DataError(f"{path}: {whole}its {len(state)} tensors ({names}) belong to no tracker known here")
    hint = "; --rename FROM=TO calls parts of its names otherwise" if matched.missing and matched.unknown else ""
    raise DataError(f"{path}: does not fit '{name}': {describe(matched)}{hint}")


def _tell_of_others(path: Path, document: Any) -> None:
    """Warn where a file has the same weights several times, as a moving average has beside those that are trained."""
    states = states_in(document)
    taken, *others = states
    twins = [name for name in others if len(states[name]) == len(states[taken])]
    if twins:
        warnings.warn(
            f"{path}: holds weights under '{taken}', which are taken, and under {listed(map(repr, twins))} (a moving "
            f"average?): --key {twins[0]} takes those",
            stacklevel=3,
        )


def _check_kind(path: Path, state: Mapping[str, Tensor], matched: Match, wanted: Mapping[str, Tensor]) -> None:
    """Refuse a checkpoint of whole numbers, which is a quantised one, by saying so."""
    whole = [n for n, t in matched.weights.items() if not t.is_floating_point() and wanted[n].is_floating_point()]
    if 2 * len(whole) > len(state):
        kind = str(matched.weights[whole[0]].dtype).removeprefix("torch.")
        raise DataError(
            f"{path}: its weights are {kind}, not floating-point numbers, in {len(whole)} of {len(state)} tensors "
            f"({listed(whole, _SHOWN)}): expected the checkpoint before it was quantised"
        )


def match_checkpoint(state: dict[str, Tensor], model: type[Networked], options: Options) -> Match:
    """Return how an official state dict fits the network of a tracker's class with ``options``."""
    return match(state, model.key_map(options), _wanted(model, options))


def match_cached(weights: dict[str, Tensor], model: type[Networked], options: Options) -> Match:
    """Return how kept weights, under our names, fit the network of a tracker's class with ``options``."""
    return match(weights, KeyMap(off=model.key_map(options).off), _wanted(model, options))


def describe(matched: Match) -> str:
    """Return in one line which names of a checkpoint do not fit."""
    parts = [f"{len(matched.weights) - len(matched.misshapen)} names fit"]
    for label, names in (
        ("missing", matched.missing),
        ("unknown", matched.unknown),
        ("of another shape", matched.misshapen),
    ):
        if names:
            parts.append(f"{len(names)} {label}: {listed(names, _SHOWN)}")
    return "; ".join(parts)


def trackers_with_weights() -> list[str]:
    """Return the names of the built-in trackers whose definition asks for a checkpoint, each by one name.

    Those of the working folder are left out: to match a file with them, their code would have to be run.
    """
    names = []
    for name in TRACKERS.names():
        try:
            resolved = TRACKERS.get(name)
            if resolved.builtin and resolved.value.weights is not None and resolved.same_as == resolved.name:
                names.append(name)
        except TrackbenchError:
            continue  # a broken definition of another tracker is reported where that tracker is used
    return names


@cache
def _wanted(model: type[Networked], options: Options) -> dict[str, Tensor]:
    """Return the names and shapes of a network's tensors; a file of unknown origin is compared with all of them."""
    with torch.device("meta"):  # names and shapes are all that is wanted
        state: dict[str, Tensor] = model.build_network(options).state_dict()
    return state


def _fits(state: dict[str, Tensor], name: str) -> bool:
    settings = resolve_settings(name)
    model = load_class(settings.definition)
    return issubclass(model, Networked) and match_checkpoint(state, model, settings.options).complete


def _check_origin(path: Path, document: Any, resolved: ResolvedDefinition[TrackerDefinition]) -> None:
    """Warn where a file says of itself that it was trained for another tracker, whose network is the same."""
    settings = document.get("settings") if isinstance(document, Mapping) else None
    said = attributes(settings).get("project_path") if isinstance(settings, InertObject) else None
    configuration = resolved.value.weights.configuration if resolved.value.weights else ""
    if not configuration or not isinstance(said, str) or (last := said.rpartition("/")[2]) == configuration:
        return
    twins = [
        name
        for name in TRACKERS.names()
        if (other := TRACKERS.get(name)).builtin and other.value.weights and other.value.weights.configuration == last
    ]
    whose = f", which is {' or '.join(twins)}'s" if twins else ""
    warnings.warn(
        f"{path}: says that it was trained as '{printable(said, NAME)}'{whose}; {resolved.name}'s is '{configuration}'",
        stacklevel=2,
    )


def _check_numbers(path: Path, weights: dict[str, Tensor]) -> None:
    for name, tensor in weights.items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            raise DataError(f"{path}: tensor '{name}' holds values that are not numbers")
