"""The variants that are defined: their sizes, and the names of their parameters."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from official import official_names
from torch import Tensor

from trackbench.checkpoints.key_map import match
from trackbench.definitions import TRACKERS
from trackbench.trackers.networks import NetworkOptions
from trackbench.trackers.settings import resolve_settings
from trackbench.trackers.zoo.simtrack.options import SimTrackOptions
from trackbench.trackers.zoo.simtrack.tracker import SimTrackTracker

VARIANTS = [name for name in TRACKERS.names() if name.split("-")[0] == "simtrack"]

#: Parameters as published, less CLIP's projection, which the network never uses.
PUBLISHED = {
    "simtrack": 88_643_458 - 768 * 512,
    "simtrack-b16": 88_643_458 - 768 * 512,
    "simtrack-b16star": 60_291_970 - 768 * 512,
    "simtrack-b32": 90_300_034 - 768 * 512,
    "simtrack-l14": 306_712_706 - 1024 * 768,
}


def wanted(name: str) -> dict[str, Tensor]:
    options = resolve_settings(name).options
    assert isinstance(options, SimTrackOptions)
    with torch.device("meta"):
        state: dict[str, Tensor] = SimTrackTracker.build_network(options).state_dict()
    return state


@pytest.mark.parametrize("name", VARIANTS)
def test_a_definition_writes_out_every_option_of_simtrack(name: str) -> None:
    written = TRACKERS.get(name).value.options
    own = set(SimTrackOptions.model_fields) - set(NetworkOptions.model_fields)
    assert set(written) - set(NetworkOptions.model_fields) == own - {"backbone_file"}
    assert resolve_settings(name, dataset="got10k-test").options == resolve_settings(name).options


@pytest.mark.parametrize(("name", "count"), PUBLISHED.items())
def test_variants_have_the_published_number_of_parameters(name: str, count: int) -> None:
    state = wanted(name).items()
    parts = ("running_mean", "running_var", "num_batches_tracked")
    assert sum(tensor.numel() for key, tensor in state if not key.endswith(parts)) == count


def options_of(variant: str) -> SimTrackOptions:
    options = resolve_settings(f"simtrack-{variant}").options
    assert isinstance(options, SimTrackOptions)
    return options


def test_a_checkpoint_fits_its_own_variant_alone(reference: Path) -> None:
    variants = ("b16", "b16star", "b32", "l14")
    networks = {variant: wanted(f"simtrack-{variant}") for variant in variants}
    for variant in variants:
        entries = official_names(reference, "simtrack", variant)
        state = {name: torch.empty(entry["shape"], device="meta") for name, entry in entries.items()}
        fits = [
            other
            for other, network in networks.items()
            if match(state, SimTrackTracker.key_map(options_of(other)), network).complete
        ]
        assert fits == [variant]
