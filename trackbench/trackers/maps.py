"""What a network looked at: maps over the search region that a tracker offers by name, made only when asked for.

A tracker says of each map which module's call shows it, and how to compute it from the arguments and the result of that
call (:meth:`TrackerModel.maps`); a step without maps does nothing of the kind. ``trackbench figure --map`` draws them.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from trackbench.errors import UsageError, suggestion
from trackbench.regions import Box
from trackbench.trackers.base import Frame, Prediction, TrackerModel


class NetworkMap(NamedTuple):
    """One map, as it stands in ``Prediction.extras`` under its name."""

    values: NDArray[np.float32]
    """(h, w), row by row."""
    window: Box
    """What the map covers of the frame, in pixels; each value one cell of it."""


class ModuleCall(NamedTuple):
    """One call of a module."""

    arguments: tuple[Any, ...]
    named: Mapping[str, Any]
    output: Any


class MapReader(NamedTuple):
    """How a map is read from a network."""

    module: nn.Module
    read: Callable[[ModuleCall], Tensor]
    """Turns the last call of the module in a step into the map of each target, (B, h, w)."""
    share: float = 1.0
    """Side of what the map covers over that of the search region; their centres are the same."""


def check_maps(model: TrackerModel[Any], names: Sequence[str], tracker: str) -> None:
    """Check that a tracker offers the maps called ``names``.

    Raises:
        UsageError: one that it does not offer; the message lists those that it does.
    """
    offered = model.maps()
    for name in names:
        if name not in offered:
            if not offered:
                raise UsageError(f"--map {name}: {tracker} offers no maps")
            hint = suggestion(name, offered)
            raise UsageError(f"--map {name}: {tracker} has none of this name{hint}; it offers {', '.join(offered)}")


def step_with_maps(
    model: TrackerModel[Any], frames: list[Frame], states: list[Any], names: Sequence[str]
) -> list[Prediction]:
    """Track each target into its next frame as :meth:`TrackerModel.step` does; its ``extras`` have the maps ``names``.

    Boxes and scores are those of a step without maps.

    Raises:
        UsageError: the tracker does not offer one of them.
    """
    check_maps(model, names, type(model).__name__)
    offered = model.maps()
    windows = [model.search_window(state) for state in states]
    with _calls([offered[name].module for name in names]) as calls:
        predictions = model.step(frames, states)
    maps: list[dict[str, Any]] = [dict(prediction.extras) for prediction in predictions]
    with torch.no_grad():
        for name in names:
            reader = offered[name]
            if reader.module not in calls:  # a recorded or compiled network does not call its modules
                raise UsageError(f"--map {name}: needs a network that is called as it is, --set execution=eager")
            values = reader.read(calls[reader.module]).float().cpu().numpy()
            for extras, window, own in zip(maps, windows, values, strict=True):
                extras[name] = NetworkMap(np.ascontiguousarray(own), _middle(window, reader.share))
    return [replace(prediction, extras=extras) for prediction, extras in zip(predictions, maps, strict=True)]


def as_square(cells: Tensor) -> Tensor:
    """Return values of the cells of square maps, (B, side²) row by row, as (B, side, side)."""
    side = round(cells.shape[1] ** 0.5)
    return cells.view(len(cells), side, side)


def attention_weights(queries: Tensor, keys: Tensor) -> Tensor:
    """Return the weights of keys (B, heads, M, d) for queries (B, heads, N, d), (B, heads, N, M): rows sum to one."""
    products: Tensor = queries.float() @ keys.float().transpose(-1, -2) * queries.shape[-1] ** -0.5
    return products.softmax(-1)


@contextmanager
def _calls(modules: Sequence[nn.Module]) -> Iterator[dict[nn.Module, ModuleCall]]:
    calls: dict[nn.Module, ModuleCall] = {}

    def keep(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any], output: Any) -> None:
        calls[module] = ModuleCall(arguments, named, output)

    def copied(module: nn.Module, arguments: tuple[Any, ...], named: dict[str, Any]) -> Any:
        # Layers that work in place would change what was given to them before it is read.
        return _clone(arguments), _clone(named)

    handles = []
    for module in dict.fromkeys(modules):
        handles.append(module.register_forward_pre_hook(copied, with_kwargs=True))
        handles.append(module.register_forward_hook(keep, with_kwargs=True))
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


def _clone(value: Any) -> Any:
    if isinstance(value, Tensor):
        return value.clone()
    if isinstance(value, dict):
        return {key: _clone(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*map(_clone, value))
    if isinstance(value, tuple | list):
        return type(value)(map(_clone, value))
    return value


def _middle(window: Box, share: float) -> Box:
    w, h = window.w * share, window.h * share
    return Box(window.x + (window.w - w) / 2, window.y + (window.h - h) / 2, w, h)


def numbered(name: str, modules: Sequence[nn.Module], read: Callable[..., Tensor]) -> dict[str, MapReader]:
    """Return readers ``name:1``, ``name:2``, ... of layers; ``read`` is given the layer, then its call."""
    return {f"{name}:{k}": MapReader(module, functools.partial(read, module)) for k, module in enumerate(modules, 1)}
