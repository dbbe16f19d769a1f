"""``trackbench show``: one definition, with its card, where its files come from and whether it is ready."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from trackbench.cli import completion
from trackbench.cli.shared import Debug, Json, print_json, print_line


def show(
    name: Annotated[
        str,
        typer.Argument(help="A name of `trackbench list trackers|datasets`.", autocompletion=completion.definitions),
    ],
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Print the definition of a tracker or a data set: options, checkpoint, source, card, and what it lacks.

    [bold]Examples[/bold]

    trackbench show siamattn

    trackbench show vot2018 --json
    """
    from trackbench.definitions import DATASETS, TRACKERS

    is_dataset = name in DATASETS and name not in TRACKERS
    document = _dataset(name) if is_dataset else _tracker(name.partition("+")[0])
    if json:
        print_json(document)
        return
    for key, value in document.items():
        _print(key, value)


def _tracker(name: str) -> dict[str, Any]:
    from trackbench.trackers.settings import find_definition
    from trackbench.trackers.status import list_trackers

    resolved = find_definition(name.partition(":")[0])
    rows = list_trackers([resolved.name])
    value = resolved.value
    ready = any(row["ready"] for row in rows)
    document: dict[str, Any] = {
        "name": resolved.name,
        "kind": "refiner" if value.refiner else "tracker",
        "title": value.title,
        "file": str(resolved.path),
        "class": value.model,
        "version": value.version,
        "deterministic": value.deterministic,
        "offline": value.offline,
        "ready": ready,
        "why_not": None if ready else next((row["why_not"] for row in rows), None),
        "options": value.options,
        "options_by_protocol": value.protocols,
        "options_by_family": value.families,
        "options_by_dataset": value.datasets,
    }
    if len(rows) > 1:
        document["variants"] = {row["name"]: row["why_not"] or "ready" for row in rows}
    if value.weights is not None:
        document["weights"] = value.weights.model_dump(exclude_none=True) | {
            "kept": next((row.get("weights") for row in rows), None)
        }
    if value.runs:
        document["runs"] = {known: f"{resolved.name}:{command}" for known, command in value.runs.items()}
    return document | {"card": {key: text for key, text in value.card.model_dump().items() if text}}


def _dataset(name: str) -> dict[str, Any]:
    from trackbench.datasets.catalogue import how_to_get_dataset, readiness
    from trackbench.definitions import DATASETS

    resolved = DATASETS.get(name)
    value, state = resolved.value, readiness(name)
    return {
        "name": resolved.name,
        "kind": "data set",
        "title": value.title,
        "file": str(resolved.path),
        "ready": state.ready,
        "why_not": state.why_not,
        "root": None if state.root is None else str(state.root),
        "sequences": state.sequences,
        "of": state.of,
        "frames": value.frames,
        "family": value.family,
        "protocol": value.protocol,
        "convention": value.convention,
        "truth": value.truth,
        "server": value.server,
        "eao_lengths": value.eao_lengths,
        "attributes": value.attributes,
        "folders": list(value.folders),
        "home": value.home,
        "url": value.url,
        "size": value.size,
        "how_to_get": how_to_get_dataset(value),
        "tree": value.tree.strip("\n"),
    }


def _print(key: str, value: Any, indent: str = "") -> None:
    """Print a key with its value; tables line by line, what is empty not at all."""
    if value is None or value == "" or value == {} or value == []:
        return
    if isinstance(value, dict):
        print_line(f"{indent}{key}")
        for inner, item in value.items():
            _print(str(inner), item, indent + "  ")
    elif isinstance(value, str) and "\n" in value:
        print_line(f"{indent}{key}")
        for line in value.splitlines():
            print_line(f"{indent}  {line}")
    else:
        text = {True: "yes", False: "no"}.get(value, value) if isinstance(value, bool) else value
        print_line(f"{indent}{key}: {', '.join(map(str, text)) if isinstance(text, list | tuple) else text}")
