"""``profile``: counts against the recorded ones, speeds, and what of it stands in papers' tables."""

from __future__ import annotations

import math
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from command import document, trackbench
from torch import nn
from torch.overrides import TorchFunctionMode

from trackbench.datasets.catalogue import open_dataset
from trackbench.engine import profiling
from trackbench.engine.profiling import Clock, TimedNetwork, count_operations, count_parameters, speed_of
from trackbench.frames import Frame, read_frame
from trackbench.reports.profiles import columns
from trackbench.trackers.base import TrackerModel
from trackbench.trackers.registry import TrackerSpec, find_tracker

#: Millions of parameters of the official networks (their dossiers), the manifests of their checkpoints added up.
PARAMETERS = {
    "sbt-light": 3.824, "sbt-small": 13.819, "sbt-base": 22.000, "sbt-large": 35.251, "siamattn": 140.24,
    "sparsett": 46.330, "aiatrack": 17.953, "aiatrack-no-aia": 16.976,
}  # fmt: skip


@pytest.mark.parametrize(("name", "millions"), PARAMETERS.items())
def test_parameters_are_those_of_the_official_networks(name: str, millions: float) -> None:
    found = count_parameters(find_tracker(name, random_weights=True))
    assert found is not None
    assert found / 1e6 == pytest.approx(millions, abs=6e-3)


def test_without_a_network_there_is_nothing_to_count() -> None:
    assert count_parameters(find_tracker("dcf")) is None


def test_speeds() -> None:
    speed = speed_of([0.01] * 19 + [0.11])
    assert speed["fps"] == pytest.approx(20 / 0.3, abs=1e-3)
    assert speed["p50_ms"] == 10
    assert speed["p95_ms"] == pytest.approx(15)


def test_calls_within_calls_of_a_network_count_once() -> None:
    class Slow(nn.Module):
        def part(self) -> None:
            time.sleep(0.01)

        def forward(self) -> int:
            self.part()
            return 3

        def two(self) -> int:
            self.part()
            return self() + self()

    class Whole(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.slow = Slow()
            self.side = 7

    clock = Clock(lambda: None)
    network = TimedNetwork(Whole(), clock)
    assert network.slow.two() == 6
    assert 0.03 <= clock.seconds < 0.3
    assert network.side == 7
    assert network.slow() == 3


def test_a_profile_is_kept_and_fills_a_papers_columns(workplace: Path) -> None:
    told = document(
        "profile", "sbt-light", "--random-weights", "--frames", "2", "--warm-up", "1", "--device", "cpu",
        "--set", "search_size=64", "--set", "template_size=32",
    )  # fmt: skip
    assert told["speeds"].keys() == {"network", "tracker", "evaluation"}
    assert told["speeds"]["evaluation"]["fps"] > 0
    assert told["speeds"]["network"]["p50_ms"] < told["speeds"]["tracker"]["p50_ms"]
    assert told["memory"]["peak_bytes"] > 0
    assert told["template_flops"] > 0 < told["frame_flops"]
    assert told["search_size"] == 64
    assert (workplace / "runs" / "sbt-light@search_size=64,template_size=32" / "profile.json").is_file()
    assert columns(told)["flops (G)"] == pytest.approx((told["template_flops"] + told["frame_flops"]) / 2e9)
    # Other sizes are not the row of the table.
    rows = document("report", "--paper", "sbt:2")["paper"]
    assert all(row["measured"] is None for row in rows)


def test_a_tracker_without_a_network_has_speeds_alone(workplace: Path) -> None:
    result = trackbench("profile", "static", "-d", "data", "--frames", "5", "--warm-up", "1")
    assert "the tracker" in result.stdout
    assert "the network" not in result.stdout


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "official"),
    [("sbt-light", 3.47), ("sbt-base", 20.73), ("simtrack-b32", 11.08)],
)
def test_operations_are_those_of_the_official_code(name: str, official: float, crossing: Path) -> None:
    """Billions of multiply-adds, counted on the official code; ours leaves out a few percent that change nothing."""
    (sequence,) = open_dataset(str(crossing)).sequences
    images: list[Frame] = [read_frame(path) for path in sequence.frames[:3]]
    found = count_operations(find_tracker(name, random_weights=True), images, sequence)
    assert found is not None
    assert 0.95 * official < sum(found) / 2e9 < 1.005 * official
    assert torch.is_grad_enabled()


class Shapes(TorchFunctionMode):
    """Counts multiply-adds by the shapes of what Python calls, where torch's counter sees the kernels below."""

    def __init__(self) -> None:
        super().__init__()
        self.total = 0

    def __torch_function__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        out = function(*args, **(kwargs or {}))
        match function.__name__:
            case "conv2d":
                self.total += out.numel() * args[1][0].numel()
            case "conv_transpose2d":
                self.total += args[0].numel() * args[1][0].numel()
            case "linear" | "matmul" | "__matmul__" | "bmm":
                self.total += out.numel() * args[0].shape[-1]
            case "scaled_dot_product_attention":
                queries, keys, values = args[:3]
                self.total += queries[..., 0].numel() * keys.shape[-2] * (keys.shape[-1] + values.shape[-1])
            case "einsum":
                names = args[0].partition("->")[0].split(",")
                sides: dict[str, int] = {}
                for term, x in zip(names, args[1:], strict=True):
                    sides |= zip(term, x.shape, strict=True)
                self.total += math.prod(sides.values())
        return out


SMALL: dict[str, dict[str, Any]] = {
    "aiatrack": {"network.search_size": 96, "network.channels": 32, "network.heads": 2, "network.inner_channels": 16},
    "sbt-light": {"search_size": 64, "template_size": 32},
    "siamattn": {"channels": 16, "backbone_width": 8},
}


@pytest.mark.parametrize("name", [*SMALL, pytest.param("sparsett", marks=pytest.mark.slow)])
def test_operations_are_those_of_the_shapes(name: str, workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No kernel is left out: the counter agrees with products counted by the shapes of what is called."""
    (sequence, *_) = open_dataset(str(workplace / "data")).sequences
    images: list[Frame] = [read_frame(path) for path in sequence.frames[:3]]
    spec = find_tracker(name, None, SMALL.get(name, {}), random_weights=True)
    built = profiling._plain_model

    def build(spec: TrackerSpec) -> TrackerModel[Any]:
        model = built(spec)
        shapes.total = 0  # drawing weights may take a network's products, too
        return model

    monkeypatch.setattr(profiling, "_plain_model", build)
    with Shapes() as shapes:
        start, step = count_operations(spec, images, sequence) or (0, 0)
    assert start + 2 * step == 2 * shapes.total  # all steps are counted by the shapes, the last by the counter
    assert step > 0
