"""Groups of parameters and learning rates against the official code."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from official import official_names
from recorded import recording

from trackbench.trackers.classes import load_class
from trackbench.trackers.networks import Networked
from trackbench.trackers.settings import resolve_settings
from trackbench.training.optimisation import group_index, is_trained, learning_rate_factor
from trackbench.training.recipe import load_recipe

FAMILIES = {
    "simtrack": ("b16", "simtrack-b16", [1, 2, 0]),
    "aiatrack": ("baseline", "aiatrack", [1, 0]),
    "sbt": ("base", "sbt-base", [1, 0]),
    "sparsett": ("sparsett_fulldata", "sparsett", [0, 1]),
}
"""Variant, recipe, and the official number of each of our groups, the rest last."""


def our_groups(reference: Path, family: str, variant: str, recipe: str, record: dict[str, np.ndarray], key: str):
    """Yield our name and the recorded group of each official parameter, through the tracker's key map."""
    shapes = official_names(reference, family, variant)
    numbers = dict(zip(record["param_names"].tolist(), record[key].tolist(), strict=True))
    official = {
        name: torch.full(tuple(shapes[name]["shape"]), float(group))
        for name, group in numbers.items()
        if name in shapes
    }
    assert len(official) >= 0.99 * len(numbers)
    settings = resolve_settings(load_recipe(recipe).tracker)
    model = load_class(settings.definition)
    assert issubclass(model, Networked)
    ours, _ = model.key_map(settings.options).apply(official)
    for name, tensor in ours.items():
        first = tensor.reshape(-1)[0].item()
        assert (tensor == first).all()
        yield name, int(first)


@pytest.mark.parametrize("family", FAMILIES)
def test_parameters_are_in_the_official_groups(reference: Path, family: str) -> None:
    variant, recipe, order = FAMILIES[family]
    record, options = recording(reference, family), load_recipe(recipe).optimiser
    count = 0
    for name, group in our_groups(reference, family, variant, recipe, record, "param_group"):
        ours = order[group_index(name, options)] if is_trained(name, options, 0) else -1
        assert ours == group, name
        count += 1
    assert count > 190


@pytest.mark.parametrize("epoch", [0, 10])
def test_siamattn_trains_what_the_official_script_trains_and_the_modules_that_it_forgets(
    reference: Path, epoch: int
) -> None:
    record, options = recording(reference, "siamattn"), load_recipe("siamattn").optimiser
    forgotten = ("attention.", "box_features.", "mask_features.", "box_head.")
    for name, group in our_groups(reference, "siamattn", "siamattn", "siamattn", record, f"param_group_epoch{epoch}"):
        trained = is_trained(name, options, epoch)
        if name.startswith(forgotten):
            assert group == -1
            assert trained
        else:
            assert trained == (group != -1), name
        if trained:
            assert group_index(name, options) == (0 if name.startswith("backbone.") else 1)


@pytest.mark.parametrize(
    ("family", "key", "recipe"),
    [
        ("simtrack", "lr_paper", "simtrack-b16"),
        ("simtrack", "lr_yaml", "simtrack-got10k"),
        ("aiatrack", "lr_baseline", "aiatrack"),
        ("sbt", "lr_base", "sbt-base"),
        ("sbt", "lr_got", "sbt-got10k"),
        ("sbt", "lr_large", "sbt-large"),
    ],
)
def test_learning_rates_are_the_official_ones(reference: Path, family: str, key: str, recipe: str) -> None:
    record, found = recording(reference, family), load_recipe(recipe)
    factors = [1.0] + [group.factor for group in found.optimiser.groups]
    assert len(record[key]) == len(record[f"{key}_epoch"]) > 0
    # Our groups are pos_fc, backbone, rest; the official ones rest, pos_fc, backbone.
    columns = {"simtrack": [0, 1, 2]}.get(family, [0, 1])
    for epoch, rates in zip(record[f"{key}_epoch"], record[key], strict=True):
        if epoch > found.schedule.epochs:
            continue
        factor = learning_rate_factor(int(epoch) - 1, found.schedule)
        ours = [found.optimiser.lr * factors[column] * factor for column in columns]
        np.testing.assert_allclose(ours, rates, rtol=1e-12)
    defaults = record["optim_defaults"]
    np.testing.assert_allclose(defaults, [0.9, 0.999, 1e-8, found.optimiser.weight_decay])
    assert found.optimiser.clip_norm == pytest.approx(float(record["clip_norm"]))


@pytest.mark.parametrize(("family", "columns"), [("sparsett", [0.1, 1.0]), ("siamattn", [0.05, 1.0])])
def test_learning_rates_of_every_epoch_are_the_official_ones(
    reference: Path, family: str, columns: list[float]
) -> None:
    record, found = recording(reference, family), load_recipe(family)
    for epoch, rates in enumerate(record["lr"]):
        factor = found.optimiser.lr * learning_rate_factor(epoch, found.schedule)
        ours = [factor] if rates.shape == () else [factor * column for column in columns]
        np.testing.assert_allclose(ours, rates, rtol=1e-9)
