"""From the name of a tracker to its model: definition, options, device, class."""

from __future__ import annotations

import hashlib
import importlib
import sys
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from trackbench.definitions import TRACKERS, Found, TrackerDefinition, describe_invalid
from trackbench.errors import UsageError, suggestion
from trackbench.trackers.base import Options, TrackerModel


@dataclass(frozen=True)
class TrackerSpec:
    """A tracker with every setting decided, before any network is built."""

    name: str
    """As typed, in canonical spelling: ``dcf``, ``opencv:mil``."""
    definition: Found[TrackerDefinition]
    options: Options
    changed: Mapping[str, Any]
    """The options that the user set, dotted name -> value."""

    @property
    def label(self) -> str:
        """The name of this identity: ``dcf``, or with options set ``dcf@learning_rate=0.05``.

        Long or odd settings become a short hash; the manifest holds them in full.
        """
        if not self.changed:
            return self.name
        text = ",".join(f"{key}={value}" for key, value in sorted(self.changed.items()))
        plain = all(c.isalnum() or c in "=,._-+" for c in text)
        return f"{self.name}@" + (text if plain and len(text) <= 60 else hashlib.sha256(text.encode()).hexdigest()[:8])

    @property
    def title(self) -> str:
        """The name as tables print it."""
        title = self.definition.value.title
        if self.definition.value.argument:
            title = f"{title} {self.name.partition(':')[2]}"
        return title if not self.changed else f"{title} {self.label.removeprefix(self.name)}"

    def identity(self) -> dict[str, Any]:
        """Return what decides the tracker's numbers, for the manifest: no two identities may share stored results."""
        options = self.options.model_dump(mode="json")
        files = {
            key: hashlib.sha256(value.read_bytes()).hexdigest()
            for key, value in self.options.model_dump().items()
            if isinstance(value, Path) and value.is_file()
        }
        value = self.definition.value
        # A file is known by what it holds, not by where it lies.
        kept = {key: option for key, option in options.items() if key not in files}
        return {
            "tracker": self.name,
            "class": value.model,
            "version": value.version,
            "options": kept,
            "files_sha256": files,
        }

    def build(self, device: str = "cpu") -> TrackerModel[Any]:
        """Build the model on ``device``.

        Raises:
            UsageError: the class is not what its definition says.
        """
        model: TrackerModel[Any] = load_class(self.definition)(self.options, resolve_device(device))
        return model


def find_tracker(name: str, dataset: str | None = None, options: Mapping[str, Any] | None = None) -> TrackerSpec:
    """Return the tracker called ``name`` with its settings for ``dataset`` and the user's ``options`` over them.

    Args:
        name: a definition's name, or ``DEFINITION:ARGUMENT`` (``opencv:mil``, ``got10k:my_module:MyTracker``).
        dataset: name of the data set whose settings count.
        options: dotted option name -> value.

    Raises:
        UsageError: unknown name or option, or a value that does not fit.
    """
    head, colon, argument = name.partition(":")
    found = TRACKERS.get(head)
    definition = found.value
    merged: dict[str, Any] = {}
    for layer in (definition.options, definition.datasets.get(dataset or "", {})):
        _merge(merged, layer)
    if definition.argument:
        if not argument:
            raise UsageError(f"tracker '{name}' needs a name after a colon: {found.name}:{definition.argument.upper()}")
        merged[definition.argument] = argument
    elif colon:
        raise UsageError(f"unknown tracker '{name}': '{found.name}' takes nothing after a colon")
    changed = dict(options or {})
    for key, value in changed.items():
        _merge(merged, _nested(key, value))
    schema = load_class(found).Options
    try:
        valid = schema.model_validate(merged)
    except ValidationError as error:
        known = [key for key in schema.model_fields if key != definition.argument]
        raise UsageError(describe_invalid(error, f"options of tracker '{name}'", known)) from None
    # The options know the argument's canonical spelling, so opencv:MIL and opencv:mil are one identity.
    full = f"{found.name}:{getattr(valid, definition.argument)}" if definition.argument else found.name
    return TrackerSpec(full, found, valid, changed)


def load_model(name: str, *, device: str = "auto", options: Mapping[str, Any] | None = None) -> TrackerModel[Any]:
    """Return the model of the tracker called ``name``; see :func:`find_tracker`."""
    return find_tracker(name, options=options).build(device)


def load_class(found: Found[TrackerDefinition]) -> type[TrackerModel[Any]]:
    """Import the class that a definition names; a definition in the working folder may name a module that lies there.

    Raises:
        UsageError: no such module or class, or not a TrackerModel.
    """
    if not found.builtin and str(Path.cwd()) not in sys.path:
        sys.path.insert(0, str(Path.cwd()))
    loaded = load_object(found.value.model, f"{found.path}: key 'class'")
    if not (isinstance(loaded, type) and issubclass(loaded, TrackerModel)):
        raise UsageError(f"{found.path}: key 'class' is '{found.value.model}': expected a subclass of TrackerModel")
    return loaded


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


def parse_setting(text: str) -> tuple[str, Any]:
    """Return key and value of one ``--set KEY=VALUE``; the value is read as TOML, or as a string where it is none.

    Raises:
        UsageError: there is no ``=``.

    Example:
        >>> parse_setting("scale.steps=3"), parse_setting("window=hann"), parse_setting("sizes=[1, 2]")
        (('scale.steps', 3), ('window', 'hann'), ('sizes', [1, 2]))
    """
    key, equals, value = text.partition("=")
    if not equals or not key.strip():
        raise UsageError(f"--set '{text}': expected KEY=VALUE")
    try:
        return key.strip(), tomllib.loads(f"value = {value}")["value"]
    except tomllib.TOMLDecodeError:
        return key.strip(), value


def resolve_device(device: str) -> str:
    """Return the torch device for ``auto``, ``cpu``, ``cuda`` or ``cuda:N``.

    Raises:
        UsageError: not a device, or one that this machine does not have.
    """
    if device == "cpu":
        return device
    import torch

    if device == "auto":
        return "cuda:0" if torch.cuda.is_available() else "cpu"
    kind, _, number = device.partition(":")
    if kind != "cuda" or (number and not number.isdigit()):
        raise UsageError(f"--device '{device}': expected auto, cpu, cuda or cuda:N")
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if int(number or 0) >= count:
        raise UsageError(f"--device '{device}': this machine has {count} CUDA devices")
    return f"cuda:{int(number or 0)}"


def _nested(dotted: str, value: Any) -> dict[str, Any]:
    for key in reversed(dotted.split(".")):
        value = {key: value}
    nested: dict[str, Any] = value
    return nested


def _merge(into: dict[str, Any], layer: Mapping[str, Any]) -> None:
    for key, value in layer.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            _merge(into[key], value)
        else:
            into[key] = value


def list_trackers() -> list[dict[str, Any]]:
    """Return every tracker with ``name``, ``title``, ``ready`` and ``why_not``, for ``trackbench list trackers``."""
    rows: list[dict[str, Any]] = []
    for name in TRACKERS.names():
        try:
            found = TRACKERS.get(name)
        except UsageError as error:
            rows.append({"name": name, "title": name, "ready": False, "why_not": str(error)})
            continue
        value = found.value
        if value.variants:
            for variant, why_not in load_object(value.variants, f"{found.path}: key 'variants'")():
                title = f"{value.title} {variant}"
                rows.append({"name": f"{name}:{variant}", "title": title, "ready": not why_not, "why_not": why_not})
        else:
            why_not = f"{name}:{value.argument.upper()}: name one after the colon" if value.argument else None
            rows.append({"name": name, "title": value.title, "ready": not why_not, "why_not": why_not})
    return rows
