"""From ``module:name`` in a definition to the object."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

from trackbench.definitions import ResolvedDefinition, TrackerDefinition
from trackbench.errors import UsageError, suggestion
from trackbench.trackers.base import TrackerModel
from trackbench.trackers.refiner import Refiner


def load_class(definition: ResolvedDefinition[TrackerDefinition]) -> type[TrackerModel[Any]] | type[Refiner[Any]]:
    """Import the class that a definition names; a definition in the working folder may name a module that lies there.

    Raises:
        UsageError: no such module or class, or neither a TrackerModel nor, of a refiner's definition, a Refiner.
    """
    if not definition.builtin and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    loaded = load_object(definition.value.model, f"{definition.path}: key 'class'")
    base: type[Any] = Refiner if definition.value.refiner else TrackerModel
    if not (isinstance(loaded, type) and issubclass(loaded, base)):
        raise UsageError(
            f"{definition.path}: key 'class' is '{definition.value.model}': expected a subclass of {base.__name__}"
        )
    fitting: type[TrackerModel[Any]] | type[Refiner[Any]] = loaded
    return fitting


def load_object(path: str, where: str) -> Any:
    """Return the object at ``module:name``.

    Raises:
        UsageError: there is none; the message starts with ``where``.
    """
    module_name, colon, name = path.partition(":")
    if not colon:
        raise UsageError(f"{where} is '{path}': expected module:name")
    try:
        module = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and not (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise  # the module is there, but something that it imports is not
        raise UsageError(f"{where} is '{path}': there is no module '{error.name}'") from None
    if not hasattr(module, name):
        raise UsageError(f"{where} is '{path}': module '{module_name}' has no '{name}'{suggestion(name, dir(module))}")
    return getattr(module, name)
