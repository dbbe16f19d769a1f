"""The whole way of a tracker with masks over a benchmark of rotated boxes: run, resets, EAO, picture."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from command import document, trackbench

from trackbench.regions import Polygon, Special
from trackbench.results.store import RunFolder, stored_runs

DEFINITION = """
title = "Tiny"
class = "trackbench.trackers.zoo.siamattn.tracker:SiamAttnTracker"

[options]
channels = 16
backbone_width = 8

[weights]
source = "none: random weights only"
"""


@pytest.fixture
def threads() -> object:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def run(batch: int, folder: str) -> RunFolder:
    result = trackbench(
        *("run", "tiny", "-d", "./vot", "--random-weights", "--runs", folder),
        *("--batch", str(batch), "--device", "cpu"),
    )
    assert "random weights" in result.stderr
    return stored_runs(Path(folder))[0]


@pytest.mark.usefixtures("threads")
def test_rotated_boxes_resets_and_score(workplace: Path) -> None:
    (workplace / "trackers" / "tiny.toml").write_text(DEFINITION)
    trackbench("synthesize", "vot", "--sequences", "2", "--frames", "7", "--seed", "1")
    single, batched = run(1, "single"), run(8, "batched")
    polygons = codes = masks = rotated = 0
    for name in sorted(single.sequences()):
        regions = single.regions(name)
        assert len(regions) == 7
        for index, (one, other) in enumerate(zip(regions, batched.regions(name), strict=True)):
            if isinstance(one, Special):
                assert one == other
                codes += one.code == 2
                continue
            assert isinstance(one, Polygon)
            assert isinstance(other, Polygon)
            assert abs(one.points - other.points).max() < 1e-3
            polygons += 1
            rotated += len(set(one.points[:, 0].round(3))) == 4
            masks += single.mask(name, index) is not None
    assert polygons > 3
    assert rotated > 0
    assert codes > 0
    assert masks == polygons
    name = min(single.sequences())
    rows = document("report", "-d", "./vot", "--runs", "single", "--no-plots", "--frame", name)["rows"]
    assert rows[0]["tracker"] == "tiny@random-weights"
    assert 0 <= rows[0]["metrics"]["eao"] <= 1
    assert list(Path("single/report/vot").glob(f"frame_{name}_*.png"))
