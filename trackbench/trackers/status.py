"""All trackers there are, and which are ready to run; no network is built and torch is not needed for it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from trackbench.checkpoints.weight_cache import file_sha256, origin
from trackbench.definitions import TRACKERS, ResolvedDefinition, TrackerDefinition
from trackbench.errors import TrackbenchError, UsageError
from trackbench.registry import class_fault, load_object


def list_trackers(names: Iterable[str] | None = None) -> list[dict[str, Any]]:
    """Return ``name``, ``title``, ``ready`` and ``why_not`` of every tracker, or of those of the definitions ``names``.

    Those with a network also have ``weights``, None or the ``source`` and ``sha256`` of what is kept, and a ``note`` on
    their checkpoint.
    """
    rows: list[dict[str, Any]] = []
    for name in TRACKERS.names() if names is None else names:
        try:
            resolved = TRACKERS.get(name)
        except UsageError as error:
            rows.append({"name": name, "title": name, "ready": False, "why_not": str(error)})
            continue
        value = resolved.value
        if value.weights is not None:
            rows.append(_with_weights(resolved))
        elif fault := class_fault(value.model, f"{resolved.path}: key 'class'", here=not resolved.builtin):
            rows.append({"name": name, "title": value.title, "ready": False, "why_not": fault})
        elif value.variants and not resolved.builtin:
            # Listing its variants would run code of the working folder.
            rows.append({"name": name, "title": value.title, "ready": False, "why_not": f"{name}:NAME: name one"})
        elif value.variants:
            for variant, why_not in load_object(value.variants, f"{resolved.path}: key 'variants'", here=False)():
                title = f"{value.title} {variant}"
                rows.append({"name": f"{name}:{variant}", "title": title, "ready": not why_not, "why_not": why_not})
        else:
            why_not = f"{name}:{value.argument.upper()}: name one after the colon" if value.argument else None
            if why_not and value.runs:
                why_not += f" (runs {', '.join(value.runs)})"
            rows.append({"name": name, "title": value.title, "ready": not why_not, "why_not": why_not})
    return rows


def _with_weights(resolved: ResolvedDefinition[TrackerDefinition]) -> dict[str, Any]:
    name, value, kept, why_not = resolved.name, resolved.value, None, None
    try:
        made = origin(resolved.same_as)
        if fault := class_fault(value.model, f"{resolved.path}: key 'class'", here=not resolved.builtin):
            why_not = fault
        elif made is None and (shipped := shipped_file(resolved)):
            kept = {"source": shipped.name, "sha256": file_sha256(shipped)}
        elif made is None:
            why_not = how_to_get_weights(name, value)
        else:
            kept = {"source": made.source, "sha256": made.sha256}
    except TrackbenchError as error:
        why_not = str(error)
    row = {"name": name, "title": _title(value), "ready": not why_not, "why_not": why_not, "weights": kept}
    return row | {"note": value.weights.note if value.weights else ""}


def _title(value: TrackerDefinition) -> str:
    return f"{value.title} (refiner: masks for any tracker)" if value.refiner else value.title


def shipped_file(resolved: ResolvedDefinition[TrackerDefinition]) -> Path | None:
    """Return the weights that came with a definition, or None where none did."""
    weights = resolved.value.weights
    return resolved.path.parent / weights.shipped if weights and weights.shipped else None


def how_to_get_weights(name: str, value: TrackerDefinition) -> str:
    """Return in one line what to download for a tracker, from where, and where to put it."""
    assert value.weights is not None
    wanted = value.weights
    add = f"`trackbench weights add {name} FILE`"
    if not wanted.files:
        return f"no checkpoint of it is published; {add} takes one of your own"
    known = [f"{wanted.size / 1e6:.1f} MB" if wanted.size >= 1e6 else f"{wanted.size} bytes"] if wanted.size else []
    known += [f"sha256 {wanted.sha256}"] if wanted.sha256 else []
    facts = f" ({', '.join(known)})" if known else ""
    at = f", {wanted.url}" if wanted.url else ""
    return f"get {' or '.join(wanted.files)}{facts} from {wanted.source}{at}, then {add}"
