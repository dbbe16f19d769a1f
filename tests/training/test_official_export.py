"""Trained weights go back to the official names."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
import torch
from official import official_names

from trackbench.checkpoints.key_map import match
from trackbench.trackers.classes import load_class
from trackbench.trackers.networks import Networked
from trackbench.trackers.settings import resolve_settings
from trackbench.training.export import official_weights

CASES = [
    ("simtrack", "b16", "simtrack-b16"),
    ("sbt", "base", "sbt-base"),
    ("aiatrack", "baseline", "aiatrack"),
    ("sparsett", "sparsett_fulldata", "sparsett"),
    ("siamattn", "siamattn", "siamattn"),
]


def numbered(reference: Path, family: str, variant: str) -> dict[str, torch.Tensor]:
    """Return an official state dict in which every entry of a tensor has a number of its own, and every tensor has."""
    state = {}
    for index, (name, entry) in enumerate(official_names(reference, family, variant).items()):
        numbers = torch.arange(index, index + math.prod(entry["shape"])).reshape(entry["shape"])
        state[name] = numbers.to(getattr(torch, entry["dtype"]))
    return state


@pytest.mark.parametrize(("family", "variant", "name"), CASES)
def test_official_weights_survive_the_way_to_our_names_and_back(
    reference: Path, family: str, variant: str, name: str
) -> None:
    settings = resolve_settings(name)
    model = load_class(settings.definition)
    assert issubclass(model, Networked)
    official = numbered(reference, family, variant)
    with torch.device("meta"):
        wanted = model.build_network(settings.options).state_dict()
    found = match(official, model.key_map(settings.options), wanted)
    assert found.complete
    back = official_weights(model, found.weights)
    constants = [key for key in official if key.endswith(("relative_position_index", "fm_ctr", "visual.proj"))]
    assert set(official) - set(back) == set(constants)
    assert set(back) <= set(official)
    for key, tensor in back.items():
        assert torch.equal(tensor, official[key].to(tensor.dtype)), key
