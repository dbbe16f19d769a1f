"""Import the object that ``module:name`` in a definition means."""

from __future__ import annotations

from typing import Any

from trackbench.definitions import ResolvedDefinition, TrackerDefinition
from trackbench.errors import UsageError
from trackbench.registry import load_object
from trackbench.trackers.base import TrackerModel
from trackbench.trackers.refiner import Refiner


def load_class(definition: ResolvedDefinition[TrackerDefinition]) -> type[TrackerModel[Any]] | type[Refiner[Any]]:
    """Import the class that a definition names; a definition in the working folder may name a module there.

    Raises:
        UsageError: no such module or class, or neither a TrackerModel nor, of a refiner's definition, a Refiner.
    """
    where = f"{definition.path}: key 'class'"
    loaded = load_object(definition.value.model, where, here=not definition.builtin)
    base: type[Any] = Refiner if definition.value.refiner else TrackerModel
    if not (isinstance(loaded, type) and issubclass(loaded, base)):
        raise UsageError(
            f"{definition.path}: key 'class' is '{definition.value.model}': expected a subclass of {base.__name__}"
        )
    fitting: type[TrackerModel[Any]] | type[Refiner[Any]] = loaded
    return fitting
