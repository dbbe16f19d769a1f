"""Definitions of trackers and data sets: TOML files that a researcher edits.

The built-in ones travel with the package; a file ``trackers/NAME.toml`` or ``datasets/NAME.toml`` in the working folder
wins over the built-in one of that name. Only the file that is asked for is read, so a broken one harms nothing else.
A file with ``same_as = "OTHER"`` is another definition under a second name; what else it says takes the place of what
the other says, option by option. Where that changes neither class nor options nor weights, both share one checkpoint.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from trackbench.errors import UsageError, fold_name, suggestion
from trackbench.files import read_toml
from trackbench.quoting import shown
from trackbench.registry import Registry as Installed
from trackbench.schemas import FAMILIES, DatasetDefinition, RegionKind, TrackerDefinition

__all__ = [
    "DATASETS",
    "FAMILIES",
    "TRACKERS",
    "DatasetDefinition",
    "DefinitionRegistry",
    "RegionKind",
    "ResolvedDefinition",
    "TrackerDefinition",
    "content_folder",
    "describe_invalid",
]

#: The tables of a tracker's definition that say where its options differ.
_LAYERS = ("protocols", "families", "datasets")

D = TypeVar("D", TrackerDefinition, DatasetDefinition)


@dataclass(frozen=True)
class ResolvedDefinition(Generic[D]):
    """A definition and the file it comes from."""

    name: str
    path: Path
    value: D
    builtin: bool
    same_as: str
    """The name under which its weights are kept: its own, unless it only is another definition's second name."""


class DefinitionRegistry(Generic[D]):
    """All definitions of one kind, the working folder's first.

    Args:
        kind: ``trackers`` or ``datasets``.
        schema: what each file must hold.
        noun: what messages call one of them.
    """

    def __init__(self, kind: str, schema: type[D], noun: str) -> None:
        self.kind, self.noun = kind, noun
        self.schema: type[D] = schema
        self._installed: Installed[object] = Installed(
            noun,
            f"trackbench.{kind}",
            lambda value: isinstance(value, type | schema | dict),
            f"a class, a {schema.__name__}, or its keys as a dict",
        )

    def folders(self) -> Iterator[tuple[Path, bool]]:
        """Yield the folders in the order in which they win, and whether each is the built-in one."""
        builtin = content_folder(self.kind)
        own = Path.cwd() / self.kind
        if own.is_dir() and not own.samefile(builtin):
            yield own, False
        yield builtin, True

    def names(self) -> list[str]:
        """Return the names of all definitions, sorted."""
        return sorted(self._files() | set(self._installed.names()))

    def readable(self) -> Iterator[ResolvedDefinition[D]]:
        """Yield every definition whose file is as it should be, by name."""
        for name in self.names():
            with contextlib.suppress(UsageError):  # reported when that definition is asked for
                yield self.get(name)

    def get(self, name: str) -> ResolvedDefinition[D]:
        """Return the definition called ``name`` (case, ``_`` and ``-`` do not matter).

        Raises:
            UsageError: there is none (the message suggests the nearest), or its file is not as it should be.
        """
        found = self._file(name)
        if found is None and name in self._installed:
            return self._of_package(self._installed.spelled(name))
        path, builtin = found or self._find(name)
        raw, same_as = self._read(path), path.stem
        if "same_as" in raw:
            raw, same_as = self._on_another(raw, path)
        return ResolvedDefinition(path.stem, path, self._validated(raw, path), builtin, same_as)

    def _files(self) -> set[str]:
        return {path.stem for folder, _ in self.folders() for path in folder.glob("*.toml")}

    def _of_package(self, name: str) -> ResolvedDefinition[D]:
        """Return what another package has registered by an entry point: a definition, or the class of a tracker."""
        installed, point = self._installed.get(name), self._installed.entry_point(name)
        path = Path(f"entry point {name}")
        if isinstance(installed, type):
            installed = {"title": getattr(installed, "title", name), "class": point.value}
        value = installed if isinstance(installed, self.schema) else self._validated(dict(installed), path)  # type: ignore[call-overload]
        if isinstance(value, DatasetDefinition):
            value = value.called(name)
        return ResolvedDefinition(name, path, value, False, name)

    def _file(self, name: str) -> tuple[Path, bool] | None:
        """Return the file that defines ``name`` and whether it is a built-in one; None: there is none."""
        folded = fold_name(name)
        for folder, builtin in self.folders():
            with contextlib.suppress(OSError):
                for file in sorted(os.listdir(folder)):
                    stem, suffix = os.path.splitext(file)
                    if suffix == ".toml" and fold_name(stem) == folded:
                        return folder / file, builtin
        return None

    def _find(self, name: str) -> tuple[Path, bool]:
        found = self._file(name)
        if found is not None:
            return found
        raise UsageError(f"unknown {self.noun} '{name}'{self._hint(name)} (`trackbench list {self.kind}` shows all)")

    def _hint(self, name: str) -> str:
        """Return what somebody may have meant by a name that there is not."""
        if "," in name and all(part.strip() in self for part in name.split(",")):
            parts = [part.strip() for part in name.split(",")]
            return f"; did you mean {self._as_typed(parts)}?"
        if fold_name(name) in {"all", "*"}:
            return f"; no word stands for all of them, name each: {self._as_typed(['NAME', 'NAME'])}"
        if near := suggestion(name, self.names()):
            return near
        other = next(registry for registry in (TRACKERS, DATASETS) if registry is not self)
        if name in other or (self is TRACKERS and name and Path(name).is_dir()):
            return f"; it is a {other.noun}: {other._as_typed([name])}"
        if self is TRACKERS:
            return (
                "; a tracker that is not built in runs from its repository: pytracking:NAME:CONFIG, sam2:, hf:, trax:"
            )
        return ""

    def _as_typed(self, names: Sequence[str]) -> str:
        """Return names as ``trackbench run`` takes them."""
        return " ".join(names) if self.kind == "trackers" else " ".join(f"-d {name}" for name in names)

    def __contains__(self, name: object) -> bool:
        return isinstance(name, str) and fold_name(name) in map(fold_name, self.names())

    def _on_another(self, raw: dict[str, Any], path: Path) -> tuple[dict[str, Any], str]:
        """Return the content of a file with ``same_as``, and the name of the definition whose weights it shares."""
        name = raw["same_as"]
        if not isinstance(name, str):
            raise UsageError(f"{path}: key 'same_as' is {shown(name)}: expected the name of a definition")
        other = self._find(name)[0] if fold_name(name) != fold_name(path.stem) else path
        under = self._read(other)
        if "same_as" in under:
            raise UsageError(f"{path}: key 'same_as' is '{name}': expected a definition that stands by itself")
        own = {key: value for key, value in raw.items() if key != "same_as"}
        tables = {key: _over(under.get(key), own[key]) for key in ("options", "card") if key in own}
        if any(layer in own for layer in _LAYERS):  # settings for one kind of benchmark stand or fall together
            under = {key: value for key, value in under.items() if key not in _LAYERS}
        return {**under, **own, **tables}, path.stem if {"class", "options", "weights"} & set(own) else other.stem

    def _read(self, path: Path) -> dict[str, Any]:
        return read_toml(path)

    def _validated(self, raw: dict[str, Any], path: Path) -> D:
        try:
            valid: D = self.schema.model_validate(raw)
            if isinstance(valid, DatasetDefinition):
                valid = valid.called(path.stem)
        except ValidationError as error:
            raise UsageError(describe_invalid(error, str(path), keys_of(self.schema))) from None
        return valid


TRACKERS = DefinitionRegistry("trackers", TrackerDefinition, "tracker")
DATASETS = DefinitionRegistry("datasets", DatasetDefinition, "data set")


def _over(under: Any, own: Any) -> Any:
    """Return ``under`` with the entries of ``own`` in their place, table by table; what is no table is replaced."""
    if not isinstance(under, dict) or not isinstance(own, dict):
        return own
    return under | {key: _over(under.get(key), value) for key, value in own.items()}


@cache
def content_folder(kind: str) -> Path:
    """Return the built-in folder ``trackers``, ``datasets`` or ``reports``.

    It is inside an installed package, and at the top level of a source tree.
    """
    package = Path(__file__).resolve().parent
    installed = package / "content" / kind
    return installed if installed.is_dir() else package.parent / kind


def keys_of(schema: type[BaseModel]) -> list[str]:
    """Return the keys of a document of ``schema``, as they are written in it."""
    return [field.alias or name for name, field in schema.model_fields.items()]


def describe_invalid(
    error: ValidationError, where: str, known: list[str], tables: Mapping[str, list[str]] | None = None
) -> str:
    """Return one line that says which keys of ``where`` are wrong, what was found and what was expected.

    Args:
        error: what is wrong.
        where: the file, or what else holds the keys.
        known: the keys that there are.
        tables: dotted name of a table, or of an array of them -> its keys; ``trackers.*`` are all tables within one.
    """
    problems = []
    for item in error.errors():
        key, keys, place = ".".join(map(str, item["loc"])), known, ""
        if not key:  # what is said of the whole
            problems.append(item["msg"].removeprefix("Value error, "))
            continue
        above = [part for part in item["loc"][:-1] if isinstance(part, str)]
        table = next((name for name in (".".join(above), ".".join([*above[:-1], "*"])) if name in (tables or ())), None)
        if tables is not None and table is not None:
            key, keys, place = str(item["loc"][-1]), tables[table], f" in {_numbered(item['loc'][:-1])}"
        if item["type"] == "extra_forbidden":
            problems.append(f"unknown key '{key}'{place}{suggestion(key, keys)} (known: {', '.join(keys) or 'none'})")
        elif item["type"] == "missing":
            problems.append(f"key '{key}' is missing{place}")
        else:
            message = f"{item['msg'][0].lower()}{item['msg'][1:]}"
            problems.append(f"key '{key}'{place} is {shown(item['input'])}: {message}")
    more = f"; and {len(problems) - 6} more" if len(problems) > 6 else ""
    return f"{where}: " + "; ".join(problems[:6]) + more


def _numbered(place: Sequence[str | int]) -> str:
    """Return a table, or a place in arrays of tables, as people find it.

    Example:
        >>> _numbered(("run", 0, "variants", 1))
        '[[run]] number 1, [[run.variants]] number 2'
        >>> _numbered(("trackers", "dcf"))
        '[trackers.dcf]'
    """
    names: list[str] = []
    parts: list[str] = []
    for part in place:
        if isinstance(part, str):
            names.append(part)
        else:
            parts.append(f"[[{'.'.join(names)}]] number {part + 1}")
    return ", ".join(parts) or f"[{'.'.join(names)}]"
