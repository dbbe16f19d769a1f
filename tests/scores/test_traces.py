"""Runs frame by frame, as pages show them."""

from pathlib import Path

import numpy as np
import pytest
from command import trackbench

from trackbench.datasets.catalogue import open_dataset
from trackbench.regions import Box, Mask, Polygon, Region, Special
from trackbench.scoring import score_runs
from trackbench.scoring.scoring import read_traces
from trackbench.scoring.traces import Contours


def test_outlines_of_all_kinds() -> None:
    block = np.ones((6, 8), bool)
    two = np.zeros((10, 30), bool)
    two[:5, :6] = two[4:9, 20:27] = True
    regions: list[Region] = [
        Box(1, 2, 3, 4),
        Special(2),
        Polygon([[0, 0], [4, 0], [4, 4]]),
        Mask(block, 10, 20),
        Mask(two),
    ]
    outlines = Contours.of_regions([*regions, Box(np.nan, 0, 1, 1)])
    assert outlines.counts[:4].tolist() == [4, 0, 6, 8]
    assert outlines.counts[5] == 0
    corners = outlines.numbers[10:18].reshape(-1, 2)
    assert corners.min(axis=0).tolist() == [10.5, 20.5]
    assert corners.max(axis=0).tolist() == [17.5, 25.5]
    assert np.isnan(outlines.numbers[18:]).sum() == 2  # one border between two rings


def test_one_pass(workplace: Path) -> None:
    (workplace / "data/s1/groundtruth.txt").write_text(
        "10,12,8,6\n11,12,8,6\nnan,nan,nan,nan\n40,12,8,6\n80,12,8,6\n15,12,8,6\n"
    )
    trackbench("run", "static", "drift", "-d", "data")
    data = open_dataset("data")
    scores = score_runs(data, workplace / "runs")
    entries = {entry.name: entry for entry in read_traces(data, workplace / "runs", scores)}
    assert set(entries) == {"s1", "s2", "s3"}
    # The hardest comes first.
    assert next(iter(entries)) == "s1"
    static = entries["s1"].traces["static"]
    assert static.overlaps[[0, 1]] == pytest.approx([1, 7 / 9])
    assert np.isnan(static.overlaps[2])
    assert np.flatnonzero(static.failed).tolist() == [3]  # lost once, though it stays lost in frame 4
    assert entries["s1"].ground_truth.counts.tolist() == [4, 4, 0, 4, 4, 4]
    assert entries["s2"].traces["drift"].overlaps == pytest.approx(np.ones(7))


def test_short_and_broken_results(workplace: Path) -> None:
    trackbench("run", "static", "drift", "-d", "data")
    runs = workplace / "runs"
    (runs / "static/data/one-pass/s1.txt").write_text("10,12,8,6\n10,12,8,6\n")
    (runs / "static/data/one-pass/s2.txt").write_text("what\n")
    data = open_dataset("data")
    entries = {e.name: e for e in read_traces(data, runs, score_runs(data, runs, rules="got10k"))}
    assert entries["s1"].traces["static"].outlines.counts.tolist() == [4, 4, 0, 0, 0, 0]
    assert list(entries["s2"].traces) == ["drift"]


@pytest.mark.parametrize("protocol", ["supervised", "multistart", "unsupervised"])
def test_vot_protocols(workplace: Path, protocol: str) -> None:
    trackbench("synthesize", "vot", "--sequences", "2", "--frames", "30", "--size", "160x120", "--layout", "vot")
    trackbench("run", "static", "drift", "-d", "./vot", "--protocol", protocol)
    data = open_dataset("./vot")
    scores = score_runs(data, workplace / "runs", protocol=protocol)
    entries = list(read_traces(data, workplace / "runs", scores))
    assert len(entries) >= 2
    for entry in entries:
        assert set(entry.traces) == {"static", "drift"}
        for trace in entry.traces.values():
            assert len(trace.overlaps) == len(trace.outlines.counts) == len(entry.ground_truth.counts) == 30
    if protocol == "supervised":
        failures = sum(int(entry.traces["static"].failed.sum()) for entry in entries)
        (static,) = [score for score in scores if score.tracker == "static"]
        assert failures == sum(row["failures"] or 0 for row in static.per_sequence.values())


def test_nothing_scored_nothing_traced(workplace: Path) -> None:
    assert list(read_traces(open_dataset("data"), workplace / "runs", [])) == []
