"""Checkpoints with the official names and shapes and deterministic values, as the recorded outputs were made with."""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch


@cache
def _rule(reference: Path) -> Callable[..., np.ndarray]:
    spec = importlib.util.spec_from_file_location("parity_reference", reference / "parity" / "reference.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    rule: Callable[..., np.ndarray] = module.reference_tensor
    return rule


def official_names(reference: Path, tracker: str, variant: str) -> dict[str, Any]:
    """Return the official parameter names of a variant -> ``{"shape": [...], "dtype": "float32"}``."""
    document = json.loads((reference / "trackers" / f"{tracker}_state_dict.json").read_text())
    keys: dict[str, Any] = document[variant]["keys"]
    return keys


def official_state(
    reference: Path, tracker: str, variant: str, salt: str = "", skip: Callable[[str], bool] | None = None
) -> dict[str, torch.Tensor]:
    """Return the deterministic official state dict of a variant; integer entries are zeros.

    Args:
        reference: the folder of reference material.
        tracker: ``aiatrack``, ``sbt``, …: the manifest ``trackers/<tracker>_state_dict.json``.
        variant: key of that manifest.
        salt: put before every name when the values are drawn.
        skip: names to leave out.
    """
    rule = _rule(reference)
    state = {}
    for name, entry in official_names(reference, tracker, variant).items():
        if skip is not None and skip(name):
            continue
        shape = tuple(entry["shape"])
        if entry["dtype"].startswith("float"):
            state[name] = torch.from_numpy(np.asarray(rule(name, shape, salt)))
        else:
            state[name] = torch.zeros(shape, dtype=getattr(torch, entry["dtype"]))
    return state
