"""What a training leaves in its folder: its state, its weights, its recipe.

``state.pt`` continues it, ``weights.safetensors`` is used by trackers. Each file appears complete or not at all.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from trackbench.checkpoints.quantised import quantised
from trackbench.errors import DataError, UsageError
from trackbench.files import reading, replacing
from trackbench.training.recipe import Recipe

STATE, WEIGHTS = "state.pt", "weights.safetensors"


def save_state(folder: Path, state: Mapping[str, Any]) -> None:
    """Write the state of a training; the earlier one stays until the new one is complete.

    Raises:
        DataError: there is no space, or the folder cannot be written.
    """
    try:
        with replacing(folder / STATE) as file:
            torch.save(dict(state), file)
    except (OSError, RuntimeError) as error:
        # torch reports a full disk as a RuntimeError of its zip writer.
        raise _cannot_write(folder / STATE, error) from None


def save_weights(folder: Path, weights: Mapping[str, Tensor], metadata: Mapping[str, str]) -> Path:
    """Write weights under the official names as safetensors.

    Raises:
        DataError: there is no space, or the folder cannot be written.
    """
    path = folder / WEIGHTS
    solid = {name: tensor.detach().cpu().clone().contiguous() for name, tensor in weights.items()}
    try:
        with replacing(path) as file:
            file.write(save(solid, {"format": "pt", **metadata}))
    except OSError as error:
        raise _cannot_write(path, error) from None
    return path


def _cannot_write(path: Path, error: Exception) -> DataError:
    reason = getattr(error, "strerror", None) or str(error).splitlines()[0]
    return DataError(
        f"{path}: cannot be written: {reason}; "
        "the last state that was written is kept: make room, then continue with --resume"
    )


def load_state(folder: Path) -> dict[str, Any]:
    """Return the state of a training.

    Raises:
        UsageError: there is none.
        DataError: it is damaged.
    """
    path = folder / STATE
    if not path.is_file():
        raise UsageError(f"--resume: {folder} holds no {STATE}; without --resume the training starts there")
    try:
        state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:
        # A damaged file may fail in any way.
        raise DataError(f"{path}: damaged: {str(error).splitlines()[0]}") from None
    return state


def recipe_document(recipe: Recipe) -> dict[str, Any]:
    """Return a recipe as plain values, for JSON."""
    document: dict[str, Any] = recipe.model_dump(mode="json")
    return document


def recipe_differences(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Return ``name: was a, is b`` for each value of two recipes that differs, folders of data apart."""
    before, after = _flat(old), _flat(new)
    names = [name for name in sorted({*before, *after}) if not _is_free(name)]
    return [
        f"{name}: was {_shown(before.get(name))}, is {_shown(after.get(name))}"
        for name in names
        if before.get(name) != after.get(name)
    ]


def check_same(old: Mapping[str, Any], new: Mapping[str, Any]) -> None:
    """Refuse to continue another training.

    Raises:
        UsageError: the recipes differ; the message names the values.
    """
    differences = recipe_differences(old, new)
    if differences:
        raise UsageError(
            f"--resume: the recipe has changed: {'; '.join(differences[:5])}"
            f"{f' and {len(differences) - 5} more' if len(differences) > 5 else ''}; "
            f"a changed recipe starts anew in another folder, --set start=FOLDER/{WEIGHTS} from these weights"
        )


def _flat(table: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in table.items():
        if isinstance(value, Mapping):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[f"{prefix}{key}"] = value
    return flat


def _is_free(name: str) -> bool:
    return name.startswith("data.sets.") and name.endswith(".root")


def _shown(value: Any) -> str:
    return json.dumps(value)


OFFICIAL_KEYS = {"sparsett": "model_state_dict", "siamattn": "state_dict"}
"""Key of the weights in official files by the recipe's family; the others', of STARK's line, is ``net``."""


def export_official(recipe: Recipe, folder: Path, path: Path) -> dict[str, Any]:
    """Write the weights of a training as the official program saves them, with ``torch.save`` under its key.

    Raises:
        UsageError: the folder holds no weights, or the file cannot be written.
    """
    weights, _ = _trained(folder)
    key = next((key for family, key in OFFICIAL_KEYS.items() if recipe.tracker.startswith(family)), "net")
    try:
        with replacing(path) as file:
            torch.save({key: weights}, file)
    except (OSError, RuntimeError) as error:
        raise UsageError(f"{path}: cannot be written: {error}") from None
    return {"file": str(path), "key": key, "tensors": len(weights)}


def export_small(folder: Path, path: Path) -> dict[str, Any]:
    """Write the weights of a training as int8 safetensors, to be given away: of folders only the last part is named.

    Raises:
        UsageError: the folder holds no weights, or the file cannot be written.
    """
    weights, metadata = _trained(folder)
    named = metadata | {key: json.dumps(_without_folders(json.loads(metadata[key]))) for key in ("recipe", "data")}
    try:
        with replacing(path) as file:
            file.write(save(quantised(weights), named))
    except OSError as error:
        raise UsageError(f"{path}: cannot be written: {error}") from None
    return {"file": str(path), "key": None, "tensors": len(weights)}


def _without_folders(value: Any) -> Any:
    """Return plain values in which an absolute path is its last part."""
    if isinstance(value, dict):
        return {key: _without_folders(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_without_folders(each) for each in value]
    return Path(value).name if isinstance(value, str) and Path(value).is_absolute() else value


def _trained(folder: Path) -> tuple[dict[str, Tensor], dict[str, str]]:
    """Return the weights that a training left, and their metadata."""
    source = folder / WEIGHTS
    if not source.is_file():
        raise UsageError(f"--export: {folder} holds no {WEIGHTS}")
    with reading(source), safe_open(source, framework="pt") as file:
        return {name: file.get_tensor(name) for name in file.keys()}, dict(file.metadata())  # noqa: SIM118
