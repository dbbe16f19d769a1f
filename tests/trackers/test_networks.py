"""What holds for every tracker with a network: whose checkpoint is whose, and the whole way with random weights."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import document, trackbench
from samples import write_dataset

from trackbench import load
from trackbench.datasets.synthetic import make_scene
from trackbench.definitions import TRACKERS
from trackbench.nn.initialisation import Undrawn
from trackbench.regions import region_to_box
from trackbench.trackers.base import Options
from trackbench.trackers.classes import load_class
from trackbench.trackers.matching import match_checkpoint, trackers_with_weights
from trackbench.trackers.networks import Networked, cannot_compute
from trackbench.trackers.settings import resolve_settings

OWNERS = {
    ("aiatrack", "baseline"): {"aiatrack", "aiatrack-got10k"},
    ("aiatrack", "baseline_got"): {"aiatrack", "aiatrack-got10k"},
    ("aiatrack", "no_aia"): {"aiatrack-no-aia"},
    ("alpharefine", "only_mask_384"): {"alpharefine"},
    ("sbt", "light"): {"sbt-light", "sbt-light-got10k"},
    ("sbt", "small"): {"sbt-small", "sbt-small-got10k"},
    ("sbt", "base"): {"sbt-base", "sbt-got10k"},
    ("sbt", "large"): {"sbt-large", "sbt-large-got10k"},
    ("sbt", "huge"): {"sbt-huge"},
    ("siamattn", "siamattn"): {"siamattn", "siamattn-box", "siamattn-otb100"},
    ("siamattn", "baseline_siamrpnpp"): set(),  # an ablation, for --set
    ("simtrack", "b32"): {"simtrack-b32"},
    ("simtrack", "b16"): {"simtrack-b16", "simtrack-got10k"},
    ("simtrack", "b16star"): {"simtrack-b16star"},
    ("simtrack", "l14"): {"simtrack-l14", "simtrack-l14-got10k"},
    ("sparsett", "sparsett_fulldata"): {"sparsett", "sparsett-got10k"},
    ("sparsett", "sparsett_got10k"): {"sparsett", "sparsett-got10k"},
    **{
        ("sparsett", f"ablation_{part}"): set() for part in ("decoder1", "decoder3", "encoder0", "encoder1", "encoder3")
    },
}
"""Official network -> the definitions that take its checkpoints."""

FAMILIES = ("aiatrack", "simtrack-b32", "sbt-light", "sparsett", "siamattn-box")
QUICK = ("dcfnet", "sbt-light")


def networks() -> list[str]:
    """The trackers with a network, of those that differ in nothing but their weights one."""
    first: dict[str, str] = {}
    for name in trackers_with_weights():
        value = TRACKERS.get(name).value
        first.setdefault(repr((value.model, value.options)), name)
    return [*first.values()]


def shapes(entries: dict[str, Any]) -> dict[str, torch.Tensor]:
    return {
        name: torch.empty(entry["shape"], dtype=getattr(torch, entry["dtype"]), device="meta")
        for name, entry in entries.items()
    }


def test_whose_checkpoint_is_whose(reference: Path) -> None:
    """Names and shapes of every official network fit exactly the definitions that are meant for it."""
    trackers: dict[tuple[type[Networked], Options], set[str]] = {}
    """Those that differ in nothing but their weights are compared once."""
    for name in trackers_with_weights():
        settings = resolve_settings(name)
        model = load_class(settings.definition)
        assert issubclass(model, Networked), name
        trackers.setdefault((model, settings.options), set()).add(name)
    found = {}
    for path in sorted((reference / "trackers").glob("*_state_dict.json")):
        for variant, manifest in json.loads(path.read_text()).items():
            state = shapes(manifest["keys"])
            owners = [names for network, names in trackers.items() if match_checkpoint(state, *network).complete]
            found[path.name.removesuffix("_state_dict.json"), variant] = set().union(*owners)
    assert found == OWNERS


@pytest.mark.parametrize(
    "name", [*QUICK, *[pytest.param(n, marks=pytest.mark.slow) for n in networks() if n not in QUICK]]
)
def test_the_whole_way_with_random_weights(workplace: Path, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Run in batches, stop, continue, score; without weights it is refused in one line."""
    monkeypatch.setenv("TRACKBENCH_CACHE", str(workplace / "cache"))
    shutil.rmtree(workplace / "data")
    write_dataset(workplace / "data", frames=2)
    if name == "alpharefine":
        refused = trackbench("run", name, "-d", "data", "--random-weights", code=2).stderr
        assert len(refused.strip().splitlines()) == 1
        return
    refused = trackbench("run", name, "-d", "data", code=1).stderr
    assert f"{name} has no weights" in refused
    assert len(refused.strip().splitlines()) == 1
    arguments = ("run", name, "-d", "data", "--random-weights")
    (row,) = document(*arguments, "--batch", "3", "-s", "s1", "-s", "s2")["runs"]
    assert (row["tracker"], row["sequences"], row["failed"]) == (f"{name}@random-weights", 2, [])
    stored = {path.name: path.stat().st_mtime_ns for path in Path(row["folder"]).glob("*.txt")}
    (row,) = document(*arguments)["runs"]
    assert row["sequences"] == 3
    kept = {path.name: path.stat().st_mtime_ns for path in Path(row["folder"]).glob("*.txt")}
    assert stored.items() < kept.items()
    manifest = json.loads((Path(row["folder"]) / "manifest.json").read_text())
    assert manifest["identity"]["random_weights"] == 0
    assert "random-weights" in manifest["title"]
    (score,) = document("report", "-d", "data", "--no-plots")["rows"]
    assert score["sequences"] == 3
    assert 0 <= score["metrics"]["success_auc"] <= 1


@pytest.mark.parametrize("has", [True, False])
def test_bfloat16_on_a_cpu_needs_its_instructions(has: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cpu, "_is_avx512_bf16_supported", lambda: has)
    monkeypatch.setattr(torch.cpu, "_is_amx_tile_supported", lambda: False)
    assert (cannot_compute("bfloat16", "cpu") is None) == has
    assert cannot_compute("float32", "cpu") is None
    assert cannot_compute("float16", "cpu") == "computed on CUDA devices only, not on 'cpu'"


def test_graphs_need_cuda(workplace: Path) -> None:
    arguments = ("run", "dcfnet", "-d", "data", "--random-weights", "--device", "cpu", "--set", "execution=graph")
    assert "execution=graph: CUDA graphs need a CUDA device, not 'cpu'" in trackbench(*arguments, code=2).stderr


def test_half_precision_needs_cuda(workplace: Path) -> None:
    arguments = ("run", "dcfnet", "-d", "data", "--random-weights", "--device", "cpu")
    refused = trackbench(*arguments, "--set", "precision=float16", code=2).stderr
    assert refused.splitlines()[-1].endswith("precision=float16: computed on CUDA devices only, not on 'cpu'")
    assert "'float32', 'float16' or 'bfloat16'" in trackbench(*arguments, "--set", "precision=int8", code=2).stderr


@pytest.mark.cuda
@pytest.mark.parametrize("name", ["dcfnet", *FAMILIES])
def test_cuda_gives_the_boxes_of_the_cpu(name: str) -> None:
    scene = make_scene(0, 30)
    frames = [scene.image(index) for index in range(5)]
    boxes = {}
    for device in ("cpu", "cuda:0"):
        tracker = load(name, device=device, random_weights=True)
        tracker.init(frames[0], scene.ground_truth(0).box)
        boxes[device] = np.array([region_to_box(tracker.track(frame).region).array() for frame in frames[1:]])
    assert np.abs(boxes["cpu"] - boxes["cuda:0"]).max() < 0.1


@pytest.mark.slow
@pytest.mark.parametrize("name", FAMILIES)
def test_a_real_sequence_with_random_weights(
    workplace: Path, crossing: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKBENCH_CACHE", str(workplace / "cache"))
    arguments = ("-d", "otb100", "--root", str(crossing))
    (row,) = document("run", name, *arguments, "--random-weights")["runs"]
    assert (row["sequences"], row["frames"], row["failed"]) == (1, 120, [])
    (score,) = document("report", *arguments, "--no-plots")["rows"]
    assert score["tracker"] == f"{name}@random-weights"


def test_no_random_number_is_drawn_for_weights_that_a_file_replaces() -> None:
    before = torch.get_rng_state()
    with Undrawn():
        layer = torch.nn.Linear(4, 4)
        torch.nn.init.xavier_uniform_(layer.weight)
        torch.nn.init.trunc_normal_(layer.weight, std=0.02)
    assert torch.equal(torch.get_rng_state(), before)
    torch.nn.Linear(4, 4)
    assert not torch.equal(torch.get_rng_state(), before)


@pytest.mark.parametrize("name", QUICK)
def test_a_network_whose_weights_were_not_drawn_is_the_same(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The network is the same as one whose weights were drawn before they were replaced, with all its buffers."""
    settings = resolve_settings(name)
    model: Any = load_class(settings.definition)
    drawn = model.build_network(settings.options)
    weights = {key: value.clone() for key, value in drawn.state_dict().items()}
    monkeypatch.setattr(model, "prepare", Networked.prepare)
    network = model(settings.options, "cpu", weights=weights).network
    for ours, theirs in zip(network.parameters(), drawn.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    for (key, ours), (_, theirs) in zip(network.named_buffers(), drawn.named_buffers(), strict=True):
        assert torch.equal(ours, theirs), key
