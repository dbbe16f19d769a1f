"""Runs of a box tracker with Alpha-Refine behind it, over synthetic data sets of masks, rotated boxes and boxes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from command import document, trackbench

from trackbench.datasets.synthetic import synthesize
from trackbench.regions import Box, Mask, Polygon, Region, Special, parse_region
from trackbench.trackers.zoo.alpharefine.tracker import AlphaRefine, AlphaRefineOptions

#: Small, and with a threshold above which random weights leave a part of the crop.
SMALL = ["--random-weights", "--set", "alpharefine.size=64", "--set", "alpharefine.threshold=0.6", "--device", "cpu"]
FRAMES = 6


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a cache of its own."""
    monkeypatch.chdir(tmp_path)
    for name in ("CACHE", "DATA", "RUNS"):
        monkeypatch.delenv(f"TRACKBENCH_{name}", raising=False)
    monkeypatch.setenv("TRACKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    return tmp_path


def run(*arguments: str) -> dict[str, Any]:
    (row,) = document("run", *arguments)["runs"]
    assert not row["failed"]
    return dict(row)


def stored(row: dict[str, Any]) -> dict[str, list[str]]:
    """Return the lines of every trajectory of a run."""
    folder = Path(row["folder"])
    return {path.name: path.read_text().splitlines() for path in sorted(folder.glob("*.txt"))}


def regions(lines: list[str]) -> list[Region]:
    return [parse_region(line) for line in lines]


@pytest.mark.slow
def test_masks_where_the_benchmark_has_masks(place: Path) -> None:
    synthesize(place / "masks", 2, FRAMES, 0, "vot", (100, 80), "mask")
    asked = ["-d", "./masks", "--protocol", "multistart"]
    row = run("dcf", "--refine", "alpharefine", *asked, *SMALL, "--runs", "one")
    assert row["tracker"].startswith("dcf+alpharefine@")
    assert row["tracker"].endswith("random-weights")
    one = stored(row)
    assert len(one) >= 4
    answers = [region for lines in one.values() for region in regions(lines)[1:]]
    assert all(isinstance(region, Mask) for region in answers)
    assert sum(isinstance(region, Mask) and region.array.any() for region in answers) > len(answers) / 2
    # A batch of four stores the masks of single runs.
    assert stored(run("dcf+alpharefine", *asked, *SMALL, "--batch", "4", "--runs", "four")) == one
    # What is missing is run again, and only that.
    lost, kept = sorted(Path(row["folder"]).glob("*.txt"))[:2]
    lost.unlink()
    before = kept.stat().st_mtime_ns
    (plan,) = document("run", "dcf+alpharefine", *asked, *SMALL, "--runs", "one", "--dry-run")["runs"]
    assert len(plan["to_run"]) == 1
    assert stored(run("dcf+alpharefine", *asked, *SMALL, "--runs", "one")) == one
    assert kept.stat().st_mtime_ns == before
    manifest = json.loads((Path(row["folder"]) / "manifest.json").read_text())
    assert manifest["title"].startswith("DCF+Alpha-Refine @")
    assert manifest["title"].endswith("random-weights")


@pytest.mark.slow
def test_rotated_boxes_where_the_benchmark_has_rotated_boxes(place: Path) -> None:
    synthesize(place / "rotated", 2, FRAMES, 0, "vot", (100, 80), "polygon")
    row = run("dcf+alpharefine", "-d", "./rotated", "--protocol", "supervised", *SMALL)
    answers = [region for lines in stored(row).values() for region in regions(lines)]
    polygons = [region for region in answers if isinstance(region, Polygon)]
    assert len(polygons) >= len(answers) / 2
    assert all(isinstance(region, (Polygon, Special)) for region in answers)
    assert any(not axis_aligned(polygon) for polygon in polygons)


def axis_aligned(polygon: Polygon) -> bool:
    return len({round(float(x), 3) for x in polygon.points[:, 0]}) == 2


def test_the_trackers_own_boxes_where_the_benchmark_has_boxes(place: Path) -> None:
    synthesize(place / "boxes", 1, FRAMES, 0, "otb", (100, 80))
    alone = stored(run("dcf", "-d", "./boxes", "--device", "cpu"))
    row = run("dcf+alpharefine", "-d", "./boxes", *SMALL)
    assert stored(row) == alone
    assert all(isinstance(region, Box) for lines in alone.values() for region in regions(lines))


@pytest.mark.slow
def test_an_official_file_is_kept_and_used(place: Path) -> None:
    """In the form of the official trainer: the state dict under ``net``, beside pickled objects of its own classes."""
    synthesize(place / "masks", 1, 2, 0, "vot", (100, 80), "mask")
    torch.manual_seed(0)
    network = AlphaRefine.build_network(AlphaRefineOptions())
    classifier = {
        "feature_extractor.fc.weight": torch.randn(1000, 2048),
        "feature_extractor.fc.bias": torch.randn(1000),
    }
    net = {**network.state_dict(), **classifier}
    file = place / "ARnet_seg_mask_ep0040.pth.tar"
    torch.save({"epoch": 40, "net_type": "ARnet_seg_mask", "net": net, "constructor": Constructor()}, file)
    asked = ["static+alpharefine", "-d", "./masks", "--protocol", "unsupervised", "--device", "cpu"]
    refused = trackbench("run", *asked, code=1)
    assert "alpharefine has no weights: get ARnet_seg_mask_ep" in refused.stderr
    added = document("weights", "add", "alpharefine", str(file))
    assert sorted(added["unused"]) == sorted(classifier)
    assert added["tensors"] == 475
    row = run(*asked)
    assert row["tracker"] == "static+alpharefine"
    manifest = json.loads((Path(row["folder"]) / "manifest.json").read_text())
    assert manifest["identity"]["refiner"]["weights_sha256"] == added["sha256"]
    (score,) = document("report", "-d", "./masks", "--protocol", "unsupervised", "--no-plots")["rows"]
    assert score["run"]["refiner_weights_sha256"] == added["sha256"]
    # The same file, named for a tracker without a network, is the refiner's: nothing is left to do.
    assert document("run", *asked, "--weights", str(file), "--dry-run")["runs"][0]["to_run"] == []


class Constructor:
    """Stands for the object from which the official loader builds the network."""

    def __init__(self) -> None:
        self.fun_name, self.fun_module = "ARnet_seg_mask_resnet50", "ltr.models"
        self.args: list[Any] = []
        self.kwds: dict[str, Any] = {}
