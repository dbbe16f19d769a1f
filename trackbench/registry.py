"""Registries: named things of one kind, from trackbench, from other packages and from the working folder.

A name is looked up in this order:

1. what trackbench itself registers;
2. entry points of installed packages in the registry's group (``trackbench.metrics``, ``trackbench.protocols``,
   ``trackbench.conventions``, ``trackbench.vot_conventions``, ``trackbench.formats``, ``trackbench.layouts``,
   ``trackbench.trackers``): in a package's ``pyproject.toml``::

       [project.entry-points."trackbench.metrics"]
       h_iou = "my_package.metrics:H_IOU"

3. ``module:name``: an attribute of a module in the working folder, or of an installed one.

Nothing is imported before it is asked for by name: standing in a folder runs none of its code.
"""

from __future__ import annotations

import ast
import importlib
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from importlib.machinery import PathFinder
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any, Generic, TypeVar, cast

from trackbench.errors import TrackbenchError, UsageError, fold_name, suggestion, unforeseen

T = TypeVar("T")


class Registry(Generic[T]):
    """The things of one kind, by name; case, ``_``, ``-``, ``.`` and blanks of names do not matter.

    Args:
        noun: what messages call one of them.
        group: the group of entry points; in it other packages register theirs.
        kind: the class that a registered object must be of, or a function that says so of an object.
        expected: what messages call that.
        own: what trackbench registers.
    """

    def __init__(
        self,
        noun: str,
        group: str,
        kind: type[T] | Callable[[object], bool],
        expected: str,
        own: Mapping[str, T] | None = None,
    ) -> None:
        self.noun, self.group, self._kind, self._expected = noun, group, kind, expected
        self._own: dict[str, T] = dict(own or {})
        self._loaded: dict[str, T] = {}

    def register(self, name: str, thing: T) -> T:
        """Add something of trackbench's own, or of a program that uses it as a library; returns it.

        Raises:
            ValueError: the name is taken.
        """
        if any(fold_name(name) == fold_name(known) for known in self._own):
            raise ValueError(f"{self.noun} '{name}' is registered already")
        self._own[name] = thing
        return thing

    def names(self) -> list[str]:
        """Return all names: trackbench's own in their order, then those of other packages."""
        return list(dict.fromkeys([*self._own, *(point.name for point in _points(self.group))]))

    def foreign_names(self) -> list[str]:
        """Return the names that other packages have registered."""
        own = set(map(fold_name, self._own))
        return [point.name for point in _points(self.group) if fold_name(point.name) not in own]

    def entry_point(self, name: str) -> EntryPoint:
        """Return the entry point by which another package has registered ``name``.

        Raises:
            LookupError: none has.
        """
        for point in _points(self.group):
            if point.name == name:
                return point
        raise LookupError(name)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and fold_name(name) in map(fold_name, self.names())

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())

    def __getitem__(self, name: str) -> T:
        return self.get(name)

    def items(self) -> list[tuple[str, T]]:
        """Return names and things; those of other packages are loaded."""
        return [(name, self.get(name)) for name in self.names()]

    def spelled(self, name: str, where: str | None = None) -> str:
        """Return ``name`` as it was registered; ``module:name`` stays as it is.

        Raises:
            UsageError: there is nothing of that name; the message suggests the nearest.
        """
        known = {fold_name(other): other for other in reversed(self.names())}
        if fold_name(name) in known:
            return known[fold_name(name)]
        if ":" in name:
            return name
        listed = ", ".join(self.names())
        raise UsageError(
            f"{where or f'unknown {self.noun}'} '{name}'{suggestion(name, self.names())} (known: {listed})"
        )

    def get(self, name: str, where: str | None = None) -> T:
        """Return what is called ``name``.

        Args:
            name: a registered name, or ``module:name``.
            where: what the message on an unknown name starts with; default: ``unknown NOUN``.

        Raises:
            UsageError: there is nothing of that name (the message suggests the nearest), or it is of another kind.
        """
        spelled = self.spelled(name, where)
        if spelled in self._own:
            return self._own[spelled]
        if spelled not in self._loaded:
            point = next((point for point in _points(self.group) if point.name == spelled), None)
            source = f"{self.noun} '{spelled}'" + (f" of {_package(point)}" if point else "")
            value = load_object(spelled, source) if point is None else _load(point, source)
            self._loaded[spelled] = self._checked(value, source)
        return self._loaded[spelled]

    def _checked(self, value: object, source: str) -> T:
        fits = isinstance(value, self._kind) if isinstance(self._kind, type) else self._kind(value)
        if not fits:
            raise UsageError(f"{source} is {type(value).__name__} {str(value)[:60]!r}; expected {self._expected}")
        return cast(T, value)


def load_object(path: str, where: str, *, here: bool = True) -> Any:
    """Return the object at ``module:name``.

    Args:
        path: ``module:name``; the name may have dots.
        where: what the message starts with.
        here: whether the module may lie in the working folder.

    Raises:
        UsageError: there is none; the message starts with ``where``.
    """
    module_name, colon, name = path.partition(":")
    if not colon or not all(part.isidentifier() for part in [*module_name.split("."), *name.split(".")]):
        raise UsageError(f"{where} is '{path}': expected module:name")
    if here and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    try:
        value: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name and not (module_name == error.name or module_name.startswith(f"{error.name}.")):
            raise UsageError(f"{where}: module '{module_name}' imports '{error.name}', which is not there") from error
        raise UsageError(f"{where} is '{path}': there is no module '{error.name}'") from None
    except TrackbenchError:
        raise
    except (Exception, SystemExit) as error:  # a user's module may fail in any way, and end a program
        raise UsageError(f"{where}: module '{module_name}' cannot be imported: {unforeseen(error)}") from error
    for part in name.split("."):
        if not hasattr(value, part):
            hint = suggestion(part, dir(value))
            raise UsageError(f"{where} is '{path}': module '{module_name}' has no '{name}'{hint}")
        value = getattr(value, part)
    return value


def class_fault(path: str, where: str, *, here: bool) -> str | None:
    """Return why there can be nothing at ``module:name``, or None; nothing is imported for it, only read.

    Args:
        path: ``module:name``.
        where: what the message starts with.
        here: whether the module may lie in the working folder.
    """
    module_name, colon, name = path.partition(":")
    parts = module_name.split(".")
    if not colon or not all(part.isidentifier() for part in [*parts, *name.split(".")]):
        return f"{where} is '{path}': expected module:name"
    places: Sequence[str] | None = [*([str(Path.cwd())] if here else []), *sys.path]
    spec = None
    for index in range(len(parts)):
        spec = PathFinder.find_spec(".".join(parts[: index + 1]), places)
        if spec is None:
            return f"{where} is '{path}': there is no module '{'.'.join(parts[: index + 1])}'"
        places = spec.submodule_search_locations
    if spec is None or spec.origin is None or not spec.origin.endswith(".py"):
        return None
    try:
        tree = ast.parse(Path(spec.origin).read_bytes())
    except (OSError, SyntaxError, ValueError, RecursionError) as error:
        return f"{where}: module '{module_name}' cannot be read: {error}"
    names = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.alias)}
    names |= {node.asname for node in ast.walk(tree) if isinstance(node, ast.alias) and node.asname}
    names |= {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    if name.partition(".")[0] in names or "*" in names:
        return None
    return f"{where} is '{path}': module '{module_name}' has no '{name}'{suggestion(name, names)}"


def _load(point: EntryPoint, source: str) -> Any:
    """Load an entry point: a package that is broken is named, and ends nothing but what asked for it."""
    try:
        return point.load()
    except Exception as error:
        raise UsageError(f"{source} cannot be loaded: {type(error).__name__}: {error}") from error


def _package(point: EntryPoint) -> str:
    return f"package {point.dist.name}" if point.dist else f"entry point {point.value}"


@cache
def _found(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    return tuple(sorted(entry_points(group=group), key=lambda point: point.name))


def _points(group: str) -> tuple[EntryPoint, ...]:
    return _found(group, tuple(sys.path))
