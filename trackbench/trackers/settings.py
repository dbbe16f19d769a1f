"""The settings of a tracker, layer over layer.

Its definition's options come first; over them those for the protocol, for the family of the benchmark, for this very
benchmark, and what the user set.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pydantic import ValidationError

from trackbench.definitions import (
    DATASETS,
    TRACKERS,
    DatasetDefinition,
    ResolvedDefinition,
    TrackerDefinition,
    describe_invalid,
)
from trackbench.errors import UsageError, fold_name
from trackbench.files import parse_toml
from trackbench.quoting import shown
from trackbench.trackers.base import Options
from trackbench.trackers.classes import load_class

REAL_TIME = "realtime"


@dataclass(frozen=True)
class Settings:
    """A tracker's definition and its options, validated."""

    name: str
    """In canonical spelling: ``dcf``, ``opencv:mil``."""
    definition: ResolvedDefinition[TrackerDefinition]
    options: Options
    changed: Mapping[str, Any]
    """The options that the user set, dotted name -> value."""


def resolve_settings(
    name: str,
    dataset: DatasetDefinition | str | None = None,
    options: Mapping[str, Any] | None = None,
    *,
    protocol: str | None = None,
) -> Settings:
    """Return the settings of the tracker called ``name``.

    Args:
        name: a definition's name, or ``DEFINITION:ARGUMENT`` (``opencv:mil``, ``got10k:my_module:MyTracker``).
        dataset: record of the benchmark whose settings count, or its name; None: those of no benchmark.
        options: dotted option name -> value.
        protocol: whose settings count; by default the benchmark's own.

    Raises:
        UsageError: unknown name, data set or option, or a value that does not fit.
    """
    record = DATASETS.get(dataset).value if isinstance(dataset, str) else dataset
    head, colon, argument = name.partition(":")
    resolved = find_definition(head)
    definition = resolved.value
    merged = defined_options(definition, record, protocol)
    if definition.argument:
        if not argument:
            raise UsageError(
                f"tracker '{name}' needs a name after a colon: {resolved.name}:{definition.argument.upper()}"
            )
        merged[definition.argument] = argument
    elif colon:
        raise UsageError(f"unknown tracker '{name}': '{resolved.name}' takes nothing after a colon")
    if definition.dataset_name is not None and record is not None:
        called = record.names_in(definition.dataset_name.tool).dataset or record.name
        merged.setdefault(definition.dataset_name.option, called or None)
    if definition.pixel_origin is not None and record is not None:
        merged[definition.pixel_origin] = record.origin
    changed = dict(options or {})
    schema = load_class(resolved).Options
    for key, value in changed.items():
        merge(merged, nested(key, value))
    merge(merged, schema.implied(merged))
    for key, value in changed.items():
        merge(merged, nested(key, value))
    try:
        valid = schema.model_validate(merged)
    except ValidationError as error:
        # After validation, because a section of a file may have given what is required.
        needed = [str(item["loc"][0]) for item in error.errors() if item["type"] == "missing" and len(item["loc"]) == 1]
        if needed:
            raise UsageError(f"tracker '{name}' needs its option '{needed[0]}': --set {needed[0]}=VALUE") from None
        known = [key for key in schema.model_fields if key != definition.argument]
        raise UsageError(describe_invalid(error, f"options of tracker '{name}'", known)) from None
    # The options know the argument's canonical spelling, so opencv:MIL and opencv:mil are one identity.
    full = f"{resolved.name}:{getattr(valid, definition.argument)}" if definition.argument else resolved.name
    return Settings(full, resolved, valid, changed)


def defined_options(
    definition: TrackerDefinition, record: DatasetDefinition | None = None, protocol: str | None = None
) -> dict[str, Any]:
    """Return the options that a definition states for a benchmark, as tables; see `resolve_settings`."""
    merged: dict[str, Any] = {}
    for layer in _layers(definition, record, protocol):
        merge(merged, layer)
    return merged


def find_definition(name: str) -> ResolvedDefinition[TrackerDefinition]:
    """Return the definition called ``name``.

    Raises:
        UsageError: there is none; the message names the command where a door runs the tracker's repository.
    """
    if (command := door_to(name)) is not None:
        raise UsageError(f"'{name}' is not built in, but its repository runs as it is: trackbench run {command}")
    return TRACKERS.get(name)


def door_to(name: str) -> str | None:
    """Return how to run a tracker that has no definition through the door that knows its name; None: no door does."""
    wanted = fold_name(name)
    definitions = TRACKERS.names()
    if wanted in map(fold_name, definitions):
        return None
    for definition in definitions:
        try:
            known = TRACKERS.get(definition).value.runs
        except UsageError:
            continue  # a broken file harms nothing else
        for tracker, command in known.items():
            if fold_name(tracker) == wanted:
                return f"{definition}:{command}"
    return None


def _layers(
    definition: TrackerDefinition, record: DatasetDefinition | None, protocol: str | None
) -> Iterator[Mapping[str, Any]]:
    yield definition.options
    own = None if record is None else record.protocol
    # A real-time run is one by the benchmark's own protocol, with the clock.
    for name in (own if protocol in (None, REAL_TIME) else None, protocol):
        yield definition.protocols.get(name or "", {})
    if record is not None:
        yield definition.families.get(record.family, {})
        yield definition.datasets.get(record.name, {})


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
        raise UsageError(f"--set {shown(text)}: expected KEY=VALUE")
    if not text.isprintable():
        raise UsageError(f"--set {shown(text)}: expected KEY=VALUE on one line")
    try:
        return key.strip(), parse_toml(f"value = {value}", "--set")["value"]
    except UsageError:
        return key.strip(), value


def nested(dotted: str, value: Any) -> dict[str, Any]:
    """Return ``{"a": {"b": value}}`` for ``a.b``."""
    for key in reversed(dotted.split(".")):
        value = {key: value}
    tables: dict[str, Any] = value
    return tables


def merge(into: dict[str, Any], layer: Mapping[str, Any]) -> None:
    """Put the entries of ``layer`` in the place of those of ``into``, table by table."""
    for key, value in layer.items():
        if isinstance(value, Mapping) and isinstance(into.get(key), dict):
            merge(into[key], value)
        else:
            into[key] = deepcopy(value)
