"""SBT as a tracker: batches, states, files of weights."""

from __future__ import annotations

import copy
import pickle
import subprocess
import sys
from collections import OrderedDict
from pathlib import Path
from types import ModuleType
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from official import official_names, official_state
from samples import box_of
from small_sbt import published_options, small_options

from trackbench.errors import DataError, TrackerError, UsageError
from trackbench.nn.crops.normalise import Normaliser
from trackbench.nn.crops.square import square_crop
from trackbench.nn.layers.windows import hann_window
from trackbench.regions import Box
from trackbench.trackers.base import Target
from trackbench.trackers.matching import read_weights
from trackbench.trackers.settings import resolve_settings
from trackbench.trackers.zoo.sbt.checkpoint import OFFICIAL
from trackbench.trackers.zoo.sbt.network import SBTNetwork
from trackbench.trackers.zoo.sbt.tracker import SBT

LENGTH = 5
FACTOR = 2.0
"""Random weights say that a target is about half as wide as its search window; with this it keeps its size."""


def sequence(seed: int) -> tuple[list[NDArray[np.uint8]], Box]:
    """Return smooth random frames, of another size for each seed, and a first box."""
    generator = np.random.default_rng(seed)
    height, width = 90 + 10 * seed, 120 + 7 * seed
    noise = generator.integers(0, 256, (LENGTH, height // 8, width // 8, 3), np.uint8)
    frames = [cv2.resize(frame, (width, height), interpolation=cv2.INTER_CUBIC) for frame in noise]
    return frames, Box(30 + seed, 25 + 2 * seed, 20 + seed, 34 - seed)


def follow(model: SBT, sequences: list[tuple[list[NDArray[np.uint8]], Box]]) -> NDArray[np.float64]:
    """Return the boxes of sequences followed together, (frames, sequences, 4)."""
    states = model.start([frames[0] for frames, _ in sequences], [Target(box) for _, box in sequences])
    boxes = []
    for index in range(1, LENGTH):
        predictions = model.step([frames[index] for frames, _ in sequences], states)
        boxes.append([box_of(prediction.region).array() for prediction in predictions])
    return np.array(boxes)


@pytest.fixture(scope="module")
def model() -> SBT:
    return SBT(small_options(search_factor=FACTOR))


@pytest.mark.parametrize("options", [{}, {"correlation": "depth-wise", "levels": (1, 2, 4)}], ids=["direct", "levels"])
def test_eight_sequences_at_once_give_the_boxes_of_eight_runs(options: dict[str, Any]) -> None:
    model = SBT(small_options(search_factor=FACTOR, **options))
    sequences = [sequence(seed) for seed in range(8)]
    together = follow(model, sequences)
    alone = np.concatenate([follow(model, [one]) for one in sequences], 1)
    np.testing.assert_allclose(together, alone, rtol=0, atol=1e-3)
    assert len(np.unique(together[:, :, 0].round(3))) > 20


def test_a_state_can_be_copied_and_goes_on_in_another_process(model: SBT, tmp_path: Path) -> None:
    frames, box = sequence(3)
    (state,) = model.start([frames[0]], [Target(box)])
    model.step([frames[1]], [state])
    kept = pickle.dumps(state)
    copied = copy.deepcopy(state)
    here = [model.step([frame], [state])[0].region for frame in frames[2:]]
    assert [model.step([frame], [copied])[0].region for frame in frames[2:]] == here
    (tmp_path / "state.pkl").write_bytes(kept)
    np.save(tmp_path / "frames.npy", np.stack(frames[2:]))
    script = (
        "import pickle, sys, numpy as np, torch\n"
        "torch.set_num_threads(int(sys.argv[3]))\n"
        f"sys.path.insert(0, {str(Path(__file__).parent)!r})\n"
        "from small_sbt import small_options\n"
        "from trackbench.trackers.zoo.sbt.tracker import SBT\n"
        f"model = SBT(small_options(search_factor={FACTOR}))\n"
        "state = pickle.load(open(sys.argv[1], 'rb'))\n"
        "for frame in np.load(sys.argv[2]):\n"
        "    print(*model.step([frame], [state])[0].region.numbers())\n"
    )
    arguments = [str(tmp_path / "state.pkl"), str(tmp_path / "frames.npy"), str(torch.get_num_threads())]
    done = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    there = [[float(number) for number in line.split()] for line in done.stdout.splitlines()]
    np.testing.assert_allclose(there, [box_of(region).numbers() for region in here], rtol=0, atol=1e-3)


def test_a_state_does_not_hold_on_to_the_batch_that_it_started_in(model: SBT) -> None:
    pairs = [sequence(seed) for seed in range(4)]
    states = model.start([frames[0] for frames, _ in pairs], [Target(box) for _, box in pairs])
    for state in states:
        for tensor in state.template.tensors():
            assert tensor.untyped_storage().nbytes() == tensor.numel() * 4


def test_the_chosen_token_has_the_largest_fused_score(model: SBT) -> None:
    frames, box = sequence(1)
    (state,) = model.start([frames[0]], [Target(box)])
    crops = square_crop([frames[1]], state.box[None], *model.search_view)
    with torch.inference_mode():
        found = model.respond(model.normalise(crops.images), [copy.deepcopy(state)])
    (prediction,) = model.step([frames[1]], [state])
    best = prediction.extras["token"]
    assert prediction.extras["fused_score"] == found.fused[0].max() == found.fused[0, best]
    assert prediction.score == found.scores[0, best]
    weight, window = model.options.window_weight, hann_window((8, 8)).flatten()
    np.testing.assert_allclose(found.fused[0], (1 - weight) * found.scores[0] + weight * window, rtol=1e-6)


def test_boxes_can_be_reported_as_in_the_official_files(model: SBT) -> None:
    frames, box = sequence(2)
    whole = SBT(small_options(search_factor=FACTOR, integer_boxes=True))
    (exact,), (rounded,) = (tracker.start([frames[0]], [Target(box)]) for tracker in (model, whole))
    for frame in frames[1:]:
        (one,), (other,) = model.step([frame], [exact]), whole.step([frame], [rounded])
        assert other.region == Box(*np.trunc(one.region.numbers()))  # type: ignore[union-attr]
        np.testing.assert_array_equal(exact.box, rounded.box)


def test_the_window_is_that_of_a_symmetric_hann() -> None:
    window = hann_window((32, 32)).numpy()
    assert window[0].max() == window[:, -1].max() == 0
    np.testing.assert_array_equal(window, window.T)
    assert window[15, 15] == window[16, 16] == window.max() == pytest.approx(np.cos(np.pi / 62) ** 4)


@pytest.mark.parametrize("box", [Box(10, 10, 0, 5), Box(10, 10, float("nan"), 5), Box(1000, 1000, 10, 10)])
def test_a_box_without_area_or_outside_of_the_frame_is_refused(model: SBT, box: Box) -> None:
    frames, _ = sequence(0)
    with pytest.raises(TrackerError, match="cannot cut a crop"):
        model.start([frames[0]], [Target(box)])


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"backbone": {"position": "relative"}},
        {"correlation": "depth-wise", "levels": (1, 4)},
        {"extractor": "resnet50", "correlation": "filter", "levels": (2, 3)},
    ],
    ids=["conditional", "relative", "levels", "resnet50"],
)
def test_preparing_the_network_does_not_change_its_numbers(changes: dict[str, Any]) -> None:
    options = small_options(changes.get("backbone"), **{key: v for key, v in changes.items() if key != "backbone"})
    torch.manual_seed(5)
    network = SBTNetwork(options).eval()
    crops = np.random.default_rng(0).integers(0, 256, (1, 64, 64, 3), np.uint8)
    search, template = Normaliser()(crops), Normaliser()(crops[:, :32, :32])
    with torch.inference_mode():
        plain = network(search.contiguous(), template.contiguous())
        prepared = SBT(options, weights=network.state_dict()).network(search, template)
    torch.testing.assert_close(plain.logits, prepared.logits, rtol=0, atol=1e-5)
    torch.testing.assert_close(plain.boxes, prepared.boxes, rtol=0, atol=1e-5)


def official_file(path: Path, state: dict[str, torch.Tensor], monkeypatch: pytest.MonkeyPatch) -> None:
    """Write a checkpoint as the official trainer does, with objects of its own classes in it."""
    for name in ("lib", "lib.train", "lib.train.admin", "lib.train.admin.stats", "lib.train.admin.settings"):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    made = {}
    for module, name in (("stats", "AverageMeter"), ("settings", "Settings")):
        kind = made[name] = type(name, (), {"__module__": f"lib.train.admin.{module}"})
        setattr(sys.modules[f"lib.train.admin.{module}"], name, kind)
    settings = made["Settings"]()
    settings.device = torch.device("cpu")
    stats = OrderedDict(train=OrderedDict({"Loss/total": made["AverageMeter"]()}))
    torch.save(
        {
            "epoch": 500, "actor_type": "SBTActor", "net_type": "SBTtrack", "net": state, "net_info": None,
            "constructor": None, "optimizer": {"state": {}, "param_groups": []}, "stats": stats, "settings": settings,
        },
        path,
    )  # fmt: skip
    for name in [name for name in sys.modules if name == "lib" or name.startswith("lib.train")]:
        monkeypatch.delitem(sys.modules, name)


def test_an_official_file_is_read_and_every_name_in_it_used(
    reference: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    state, options = official_state(reference, "sbt", "light"), resolve_settings("sbt-light").options
    path = tmp_path / "SBTtrack_ep0500.pth.tar"
    official_file(path, {f"module.{name}": tensor for name, tensor in state.items()}, monkeypatch)
    found = read_weights(path, "sbt-light", SBT, options)
    assert found.complete
    ours, _ = OFFICIAL.apply(state)
    assert found.weights.keys() == ours.keys()
    assert all(torch.equal(found.weights[name], tensor) for name, tensor in ours.items())
    with pytest.raises(DataError, match="is a checkpoint of 'sbt-light' or 'sbt-light-got10k', not of 'sbt-base'"):
        read_weights(path, "sbt-base", SBT, resolve_settings("sbt-base").options)
    del state["box_head.class_head.layers_channle.1.bias"]
    official_file(path, state, monkeypatch)
    with pytest.raises(DataError, match=r"1 missing: head\.class_head\.channel\.1\.bias"):
        read_weights(path, "sbt-light", SBT, options)


def classification_state(reference: Path) -> dict[str, torch.Tensor]:
    """Return a state dict with PVT v2's names, of the stages' shapes of SBT-light and with more blocks and stages."""
    names = {
        name.removeprefix("backbone."): torch.Size(entry["shape"])
        for name, entry in official_names(reference, "sbt", "light").items()
        if name.startswith("backbone.")
    }
    more = {name.replace("block3.1.", f"block3.{i}."): names[name] for name in names for i in (6, 10, 17)}
    further = {name.replace("3", "4", 1): names[name] for name in names if name.startswith(("block3.0", "norm3"))}
    names |= {**more, **further, "head.weight": torch.Size([1000, 8]), "head.bias": torch.Size([1000])}
    generator = torch.Generator().manual_seed(0)
    return {name: torch.randn(shape, generator=generator) for name, shape in names.items()}


def test_a_classification_file_starts_the_backbone(reference: Path, tmp_path: Path) -> None:
    state, path = classification_state(reference), tmp_path / "pvt_v2.pth"
    torch.save(state, path)
    plain = SBT.build_network(published_options("sbt-light"))
    network = SBT.build_network(published_options("sbt-light", backbone_file=str(path)))
    loaded = network.backbone.state_dict()
    for name, tensor in loaded.items():
        assert torch.equal(tensor, state[name.replace(".mlp.position.", ".mlp.dwconv.dwconv.")])
    assert len(loaded) == len(plain.backbone.state_dict())


def test_a_classification_file_of_another_form_is_refused(reference: Path, tmp_path: Path) -> None:
    path = tmp_path / "pvt_v2.pth"
    torch.save(classification_state(reference), path)
    with pytest.raises(DataError, match=r"does not fit this backbone: .* of another shape"):
        SBT.build_network(published_options("sbt-small", backbone_file=str(path)))
    resnet: dict[str, Any] = {
        "extractor": "resnet50",
        "correlation": "filter",
        "levels": [3],
        "backbone_file": str(path),
    }
    with pytest.raises(UsageError, match="extractor 'resnet50' takes none"):
        SBT.build_network(published_options("sbt-small", **resnet))


def test_the_papers_own_settings_can_be_chosen() -> None:
    paper: dict[str, Any] = {
        "search_factor": 4.0,
        "window_weight": 0.0,
        "backbone.expansions": [4, 4, 4],
        "head": "mix-mlp-paper",
    }
    options = published_options("sbt", **paper)
    with torch.device("meta"):
        network = SBT.build_network(options)
    assert network.backbone.get_submodule("block1")[0].mlp.fc1.out_features == 256  # type: ignore[index]


def test_the_headline_variant_is_the_base_size() -> None:
    assert (
        resolve_settings("sbt").options
        == resolve_settings("sbt-base").options
        == resolve_settings("sbt-got10k").options
    )
