"""SiamAttn as a tracker: batches, states that travel, starts, options, ablations, checkpoint files."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from official import official_names
from small_siamattn import SMALL, scene, small_tracker

from trackbench.checkpoints.key_map import match
from trackbench.checkpoints.weight_cache import cache_weights
from trackbench.definitions import DATASETS
from trackbench.errors import DataError, TrackerError, UsageError
from trackbench.regions import Box, Polygon
from trackbench.trackers.base import Target
from trackbench.trackers.matching import read_weights
from trackbench.trackers.registry import find_tracker
from trackbench.trackers.settings import resolve_settings
from trackbench.trackers.zoo.siamattn.network import Parts
from trackbench.trackers.zoo.siamattn.tracker import SiamAttnOptions, SiamAttnState, SiamAttnTracker


@pytest.fixture(scope="module", autouse=True)
def _one_thread() -> Any:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def tracker() -> SiamAttnTracker:
    return small_tracker()


def test_batch_gives_the_boxes_of_single_runs(tracker: SiamAttnTracker) -> None:
    scenes = [scene(seed, 3, (120 + 16 * seed, 160 - 8 * seed)) for seed in range(4)]
    single = []
    for frames, box in scenes:
        states = tracker.start([frames[0]], [Target(box)])
        single.append([tracker.step([frame], states)[0] for frame in frames[1:]])
    states = tracker.start([frames[0] for frames, _ in scenes], [Target(box) for _, box in scenes])
    for index in (1, 2):
        batch = tracker.step([frames[index] for frames, _ in scenes], states)
        for alone, together in zip((run[index - 1] for run in single), batch, strict=True):
            assert numbers(together.region) == pytest.approx(numbers(alone.region), abs=1e-3)
            assert together.score == pytest.approx(alone.score, abs=1e-5)
            assert alone.mask is not None
            assert together.mask is not None
            assert (alone.mask.window(0, 0, 200, 200) != together.mask.window(0, 0, 200, 200)).sum() <= 2
    assert len({numbers(run[-1].region) for run in single}) == 4


def numbers(region: Any) -> tuple[float, ...]:
    return tuple(region.numbers())


def test_state_travels(tracker: SiamAttnTracker) -> None:
    frames, box = scene(1, 4)
    states = tracker.start([frames[0]], [Target(box)])
    tracker.step([frames[1]], states)
    copies: list[SiamAttnState] = [copy.deepcopy(states[0]), pickle.loads(pickle.dumps(states[0]))]
    expected = [numbers(tracker.step([frame], states)[0].region) for frame in frames[2:]]
    fresh = small_tracker()
    for state in copies:
        assert [numbers(fresh.step([frame], [state])[0].region) for frame in frames[2:]] == expected


def test_start_by_the_rules_of_the_test_scripts(tracker: SiamAttnTracker) -> None:
    frame = scene(0, 1)[0][0]
    state = tracker.start([frame], [Target(Box(50, 40, 32, 24))])[0]
    assert (state.x, state.y, state.w, state.h) == (66, 52, 32, 24)
    pixels = small_tracker(box_origin="pixel").start([frame], [Target(Box(50, 40, 32, 24))])[0]
    assert (pixels.x, pixels.y) == (65.5, 51.5)
    # A polygon is taken as it is: the mean of its corners.
    state = tracker.start([frame], [Target(Polygon([40, 50, 60, 30, 80, 50, 60, 70]))])[0]
    assert (state.x, state.y) == pytest.approx((60, 50))
    assert (state.w, state.h) == pytest.approx((40 * np.sqrt(0.5) + 1,) * 2)
    assert np.array_equal(state.colour, frame.mean((0, 1)))


@pytest.mark.parametrize("box", [Box(5, 5, 0, 10), Box(5, 5, 10, -1), Box(float("nan"), 5, 10, 10)])
def test_start_needs_an_area(tracker: SiamAttnTracker, box: Box) -> None:
    with pytest.raises(TrackerError, match=r"siamattn cannot start on box .*positive width and height"):
        tracker.start([scene(0, 1)[0][0]], [Target(box)])


def test_tiny_targets_and_targets_outside(tracker: SiamAttnTracker) -> None:
    frames, _ = scene(0, 2)
    boxes = [Box(70, 50, 0.05, 0.1), Box(-40, -30, 20, 20), Box(0, 0, 160, 120), Box(-500, 50, 1200, 2)]
    states = tracker.start([frames[0]] * 4, [Target(box) for box in boxes])
    for prediction in tracker.step([frames[1]] * 4, states):
        assert np.isfinite(numbers(prediction.region)).all()
        assert min(numbers(prediction.region)[2:]) >= 10


def test_untrained_weights_run_to_the_end() -> None:
    frames, box = scene(2, 3)
    options = SiamAttnOptions(**SMALL)
    wild = {name: tensor * 1e6 for name, tensor in SiamAttnTracker.build_network(options).state_dict().items()}
    for name in wild:
        if name.endswith("num_batches_tracked"):
            wild[name] = torch.tensor(0)
    model = SiamAttnTracker(options, weights=wild)
    states = model.start([frames[0]], [Target(box)])
    for frame in frames[1:]:
        assert np.isfinite(numbers(model.step([frame], states)[0].region)).all()
    again = [
        SiamAttnTracker(options, seed=3).start([frames[0]], [Target(box)])[0].template[0].features for _ in range(2)
    ]
    assert torch.equal(*again)
    assert again[0].abs().max() < 1e3


ABLATIONS: dict[str, dict[str, bool]] = {
    "baseline": {"self_attention": False, "cross_attention": False, "refine_box": False, "mask": False},
    "mask_learning": {"self_attention": False, "cross_attention": False, "refine_box": False},
    "region_refinement": {"self_attention": False, "cross_attention": False},
    "self_attention": {"cross_attention": False},
    "cross_attention": {"self_attention": False},
    "plain_layers": {"deform_conv": False, "deform_pool": False},
    "deformable_pooling": {"deform_conv": False},
    "deformable_convolution": {"deform_pool": False},
    "boxes_only": {"mask": False},
    "whole": {},
}


def ablations(*by_default: str) -> list[Any]:
    """Return the names of all ablations, those not named here marked as slow."""
    return [name if name in by_default else pytest.param(name, marks=pytest.mark.slow) for name in ABLATIONS]


@pytest.mark.parametrize("name", ablations("baseline", "plain_layers", "whole"))
def test_ablations_run_forward_and_backward(name: str) -> None:
    options = SiamAttnOptions(**SMALL, **ABLATIONS[name])
    network = SiamAttnTracker.build_network(options).train()
    generator = torch.Generator().manual_seed(0)
    # A gamma of zero, as training begins with, lets nothing through to what stands before it.
    for parameter_name, parameter in network.named_parameters():
        if parameter_name.endswith("gamma"):
            torch.nn.init.constant_(parameter, 0.5)
        if "conv_offset" in parameter_name or "offset_fc.4" in parameter_name:
            torch.nn.init.normal_(parameter, std=0.01, generator=generator)
    templates = torch.rand(2, 3, 127, 127, generator=generator) * 255
    searches = torch.rand(2, 3, 255, 255, generator=generator) * 255
    proposals = network(network.template(templates), searches)
    assert proposals.cls.shape == (2, 10, 25, 25)
    assert proposals.loc.shape == (2, 20, 25, 25)
    losses = [proposals.cls.square().mean(), proposals.loc.square().mean()]
    rois = torch.tensor([[0, 80.2, 90.1, 170.7, 150.3], [1, 60.0, 70.0, 200.0, 190.0]])
    assert (network.box_head is not None) == options.refine_box
    assert (network.mask_head is not None) == options.mask
    if network.box_head is not None:
        losses.append(network.box_head(proposals.box_features, rois).square().mean())
    if network.mask_head is not None:
        logits = network.mask_head(proposals.mask_features, rois)
        assert logits.shape == (2, 64, 64)
        losses.append(logits.square().mean())
    sum(losses, torch.zeros(())).backward()
    idle = {name for name, parameter in network.named_parameters() if parameter.grad is None}
    # The scalar of the channel attention serves whichever attention there is.
    assert not idle
    assert all(torch.isfinite(parameter.grad).all() for parameter in network.parameters() if parameter.grad is not None)
    has = {module for module, _ in network.named_modules()}
    assert any("spatial" in module for module in has) == options.self_attention
    assert any("conv_offset" in module for module in has) == (
        options.deform_conv and (options.self_attention or options.cross_attention)
    )
    assert any("offset_fc" in module for module in has) == (
        options.deform_pool and (options.refine_box or options.mask)
    )


@pytest.mark.parametrize("name", ablations("mask_learning"))
def test_ablations_track(name: str) -> None:
    model = small_tracker(**ABLATIONS[name])
    frames, box = scene(0, 3)
    states = model.start([frames[0]], [Target(box)])
    for frame in frames[1:]:
        prediction = model.step([frame], states)[0]
    assert np.isfinite(numbers(prediction.region)).all()
    assert (prediction.mask is not None) == model.options.mask


def official_small(reference: Path, options: SiamAttnOptions, variant: str = "siamattn") -> dict[str, torch.Tensor]:
    """Return a state dict with official names that fits a small network."""
    wanted = SiamAttnTracker.build_network(options).state_dict()
    names = list(official_names(reference, "siamattn", variant))
    ours, unused = SiamAttnTracker.key_map(options).apply({name: torch.tensor(i) for i, name in enumerate(names)})
    state = {names[int(index)]: wanted[name].clone() for name, index in ours.items()}
    return state | {name: torch.zeros(1) for name in unused}


def test_checkpoint_in_every_official_form(reference: Path, tmp_path: Path) -> None:
    options = SiamAttnOptions(**SMALL)
    state = official_small(reference, options)
    assert len(state) == 645
    wrapped = {
        "epoch": 19,
        "state_dict": {f"module.{name}": tensor for name, tensor in state.items()},
        "optimizer": {"state": {}, "param_groups": [{"lr": np.float64(0.005), "momentum": 0.9, "params": [0, 1]}]},
    }
    old = {name: tensor for name, tensor in state.items() if not name.endswith("num_batches_tracked")}
    path = tmp_path / "checkpoint_vot2018.pth"
    for document, zipped in ((wrapped, True), (old, False)):
        torch.save(document, path, _use_new_zipfile_serialization=zipped)
        found = read_weights(path, "siamattn", SiamAttnTracker, options)
        assert found.complete
    SiamAttnTracker(options, weights=found.weights)


def test_parts_that_are_switched_off_are_known(reference: Path) -> None:
    whole = SiamAttnOptions(**SMALL)
    state = official_small(reference, whole)
    for changes in (*ABLATIONS.values(), {"deform_pool": False, "mask": False}):
        options = SiamAttnOptions(**SMALL, **changes)
        network = SiamAttnTracker.build_network(options)
        found = match(state, SiamAttnTracker.key_map(options), network.state_dict())
        if options.deform_conv or not options.parts.attention:
            assert found.complete, found
        else:  # an ordinary convolution is another layer: its offsets are unknown, its bias is missing
            assert all("conv_offset" in name for name in found.unknown)
            assert {name.rpartition(".")[2] for name in found.missing} == {"bias"}


def test_baseline_checkpoint(reference: Path) -> None:
    options = SiamAttnOptions(**SMALL, **ABLATIONS["baseline"])
    state = official_small(reference, options, "baseline_siamrpnpp")
    network = SiamAttnTracker.build_network(options)
    assert len(state) == 458
    assert match(state, SiamAttnTracker.key_map(options), network.state_dict()).complete


def test_definitions() -> None:
    def values(name: str, dataset: str | None = None) -> tuple[float, float, float]:
        options = resolve_settings(name, dataset).options
        assert isinstance(options, SiamAttnOptions)
        return options.penalty_k, options.window_influence, options.lr

    vot, otb = (0.10, 0.25, 0.45), (0.20, 0.35, 0.50)
    assert values("siamattn", "vot2018") == values("siamattn-box", "vot2018") == vot
    assert values("siamattn", "otb100") == values("siamattn-box") == values("siamattn-box", "lasot") == otb
    assert values("siamattn") == otb  # of no challenge of VOT, as any data set of one's own
    for name, mask in (("siamattn", True), ("siamattn-box", False)):
        options = resolve_settings(name, "vot2018").options
        assert isinstance(options, SiamAttnOptions)
        assert options.parts == Parts(mask=mask)
        assert options.box_origin == "pixel"


def test_sizes_have_to_fit() -> None:
    with pytest.raises(UsageError, match="make a response of 9, but the network's is 25"):
        resolve_settings("siamattn", options={"base_size": -8})
    assert SiamAttnOptions(instance_size=287).response == 29


@pytest.mark.parametrize(
    "changed",
    [{"mask": False}, *(pytest.param({name: False}, marks=pytest.mark.slow) for name in ("refine_box", "deform_pool"))],
    ids=str,
)
def test_kept_weights_serve_a_network_without_some_parts(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, changed: dict[str, bool]
) -> None:
    monkeypatch.setenv("TRACKBENCH_CACHE", str(tmp_path))
    path, options = tmp_path / "checkpoint_vot2018.pth", SiamAttnOptions(**SMALL)
    torch.save(official_small(reference, options), path)
    cache_weights("siamattn", read_weights(path, "siamattn", SiamAttnTracker, options).weights, path)
    kept = find_tracker("siamattn", options=SMALL | changed)
    named = find_tracker("siamattn", options=SMALL | changed, weights=path)
    assert kept.label == named.label
    assert kept.identity() == named.identity()
    one, other = (spec.tracker.build("cpu").network.state_dict() for spec in (kept, named))
    assert one.keys() == other.keys()
    assert all(torch.equal(one[name], other[name]) for name in one)
    with pytest.raises(DataError, match=r"does not fit 'siamattn' with these options: .* unknown"):
        find_tracker("siamattn", options=SMALL | {"deform_conv": False}).build("cpu")


def test_a_named_file_gives_what_was_not_kept_of_it(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKBENCH_CACHE", str(tmp_path))
    path = tmp_path / "checkpoint_otb100.pth"
    torch.save(official_small(reference, SiamAttnOptions(**SMALL)), path)
    found = read_weights(path, "siamattn-box", SiamAttnTracker, SiamAttnOptions(**SMALL, mask=False))
    cache_weights("siamattn-box", found.weights, path)
    options = SMALL | {"mask": True}
    with pytest.raises(DataError, match=r"does not fit 'siamattn-box' with these options: .* missing"):
        find_tracker("siamattn-box", options=options).build("cpu")
    assert find_tracker("siamattn-box", options=options, weights=path).tracker.build("cpu").options.mask


def test_each_benchmark_has_the_values_of_its_kind() -> None:
    """VOT's years have those published for VOT2018, all others those published for OTB-100."""
    for dataset in DATASETS.names():
        vot = dataset.startswith("vot")
        for name in ("siamattn", "siamattn-otb100", "siamattn-box"):
            options = resolve_settings(name, dataset).options
            assert isinstance(options, SiamAttnOptions)
            chosen = (options.penalty_k, options.window_influence, options.lr, options.box_origin)
            assert chosen == ((0.10, 0.25, 0.45, "pixel") if vot else (0.20, 0.35, 0.50, "edge")), (name, dataset)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("config", 3, "key 'config' is 3: input is not a valid path"),
        ("penalty_k", float("inf"), "key 'penalty_k' is inf: input should be a finite number"),
    ],
)
def test_odd_values_of_options(key: str, value: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_settings("siamattn", options={key: value})
    assert message in str(caught.value)
