"""vot-toolkit runs our trackers over TraX, and comes to the trajectories that our own engine comes to."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from trackbench.cli.app import app
from trackbench.regions import Mask, Region, Special, region_to_box
from trackbench.regions.binary import read_trajectory
from trackbench.regions.files import read_regions

#: libtrax writes four decimals.
WIRE = 6e-5

STACK = """
title: Local
experiments:
  baseline:
    type: supervised
    repetitions: 2
    skip_initialize: 5
    analyses:
      - type: supervised_average_ar
        sensitivity: 30
  anchored:
    type: multistart
    analyses:
      - type: multistart_average_ar
"""

MASK_TRACKER = '''
"""Segments what looks like the target's mean colour around the place where it was last."""

import numpy as np

from trackbench.regions import Mask, mask_to_box, region_to_box, region_to_mask
from trackbench.trackers.base import Options, Prediction, TrackerModel


class ColourOptions(Options):
    margin: int = 6


class Colours(TrackerModel):
    Options = ColourOptions
    takes = (Mask,)

    def start(self, frames, targets):
        states = []
        for frame, target in zip(frames, targets):
            region = target.region
            size = frame.shape[1::-1]
            inside = region_to_mask(region, size).window(0, 0, *size)
            states.append({"mean": frame[inside].mean(0), "box": region_to_box(region)})
        print("started", len(states))
        return states

    def step(self, frames, states):
        return [self.follow(frame, state) for frame, state in zip(frames, states)]

    def follow(self, frame, state):
        box, margin = state["box"], self.options.margin
        left, top = max(0, int(box.x) - margin), max(0, int(box.y) - margin)
        patch = frame[top : int(box.y + box.h) + margin, left : int(box.x + box.w) + margin].astype(float)
        near = np.linalg.norm(patch - state["mean"], axis=2) if patch.size else np.zeros((0, 0))
        mask = Mask(near < np.quantile(near, 0.4), left, top).cropped() if near.size else Mask(np.zeros((0, 0)))
        if mask.array.size:
            state["box"] = mask_to_box(mask)
        return Prediction(state["box"], 0.5, mask=mask)
'''

COLOURS = 'title = "Colours"\nclass = "colour_tracker:Colours"\n'


def call(*words: str | Path) -> str:
    """Run one of our commands in this process and return its output."""
    done = CliRunner().invoke(app, [str(word) for word in words])
    assert done.exit_code == 0, done.output
    return done.stdout


def toolkit(workspace: Path, command: str, *words: str) -> None:
    """Run a command of vot-toolkit; whether it worked is read from the files, never from the exit code."""
    environment = os.environ | {"VOT_WORKER_POOL_SIZE": "1", "VOT_PERSISTENT_CACHE": "0"}
    line = [sys.executable, "-m", "vot", command, "--workspace", str(workspace), *words]
    subprocess.run(line, env=environment, check=False, capture_output=True, timeout=300)


def assert_same(found: list[Region], expected: list[Region]) -> None:
    """Check that trajectories are equal, boxes and polygons as far as TraX can tell."""
    assert len(found) == len(expected)
    for a, b in zip(found, expected, strict=True):
        assert type(a) is type(b)
        if isinstance(a, Special | Mask):
            assert a == b
        else:
            assert np.allclose(region_to_box(a).numbers(), region_to_box(b).numbers(), rtol=0, atol=2 * WIRE)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a tracker that has masks."""
    (tmp_path / "trackers").mkdir()
    (tmp_path / "trackers" / "colours.toml").write_text(COLOURS)
    (tmp_path / "colour_tracker.py").write_text(MASK_TRACKER)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "colour_tracker", raising=False)
    monkeypatch.delenv("TRACKBENCH_RUNS", raising=False)
    return tmp_path


@pytest.mark.slow
@pytest.mark.parametrize("ground_truth", ["polygon", "mask"])
def test_toolkit_and_engine_agree(place: Path, ground_truth: str) -> None:
    trackers = ("static", "colours")
    size = ("--sequences", "2", "--frames", "30", "--size", "160x120", "--seed", "1")
    call("synthesize", "set", *size, "--truth", ground_truth, "-q")
    (place / "own.yaml").write_text(STACK)
    chosen = [word for name in trackers for word in ("--tracker", name)]
    call("vot", "workspace", "ws", "--stack", "own.yaml", *chosen, "--sequences", "set", "--device", "cpu", "-q")
    toolkit(place / "ws", "evaluate", *trackers)
    call("run", *trackers, "-d", "./set", "--protocol", "supervised", "--convention", "vot", "-q")
    call("run", *trackers, "-d", "./set", "--protocol", "multistart", "-q")

    failures = 0
    for tracker in trackers:
        for ours in sorted((place / "runs" / tracker / "set").rglob("synth*.txt")):
            expected = read_regions(ours)
            sequence, _, anchor = ours.stem.partition("_0000")
            if anchor:
                stems = [f"anchored/{sequence}/{ours.stem}"]
            else:
                stems = [f"baseline/{sequence}/{sequence}_{number:03d}" for number in (1, 2)]
                failures += expected.count(Special(2))
            for stem in stems:
                assert_same(read_trajectory(place / "ws" / "results" / tracker / f"{stem}.bin"), expected)
            assert any(isinstance(region, Mask) for region in expected) == (ground_truth == "mask")
    assert failures > 0
    files = list((place / "ws" / "results").rglob("*.bin"))
    assert len(files) == len(trackers) * 2 * (2 + 2)  # two repetitions, two anchors of each sequence

    words = ("-d", "./set", "--runs", "imported", "-q")
    call("import", "ws", "--only", "colours", "--as", "colours", "--protocol", "supervised", *words)
    call("import", "ws/results/colours/anchored", "--as", "colours", "--protocol", "multistart", *words)
    for ours in sorted((place / "runs" / "colours" / "set").rglob("synth*.txt")):
        assert_same(read_regions(place / "imported" / ours.relative_to(place / "runs")), read_regions(ours))

    toolkit(place / "ws", "analysis", "--format", "json", *trackers)
    (report,) = (place / "ws" / "analysis").glob("*.json")
    found = json.loads(report.read_text())["results"]
    for experiment, protocol in (("baseline", "supervised"), ("anchored", "multistart")):
        accuracy, robustness = found[experiment]["results"][0][trackers.index("colours")][:2]
        asked = ("--protocol", protocol, "--convention", "vot", "--runs", "imported", "--no-plots", "--json")
        metrics = json.loads(call("report", "colours", "-d", "./set", *asked))["rows"][0]["metrics"]
        assert metrics["accuracy"] == pytest.approx(accuracy, abs=1e-9)
        assert metrics["robustness"] == pytest.approx(robustness, abs=1e-9)


def test_a_failing_tracker_shows_its_traceback(place: Path) -> None:
    text = MASK_TRACKER.replace("box, margin = ", 'raise KeyError("no such layer")\n        box, margin = ')
    (place / "colour_tracker.py").write_text(text)
    call("synthesize", "set", "--sequences", "1", "--frames", "3", "--size", "160x120", "-q")
    words = [sys.executable, "-m", "trackbench", "vot", "serve", "colours", "--device", "cpu"]
    image = next((place / "set").rglob("00000001.jpg"))
    request = f'@@TRAX:initialize "10,10,20,20"\n@@TRAX:frame "file://{image}"\n' + f'@@TRAX:frame "file://{image}"\n'
    done = subprocess.run(words, input=request, capture_output=True, text=True, check=False, timeout=100)
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "in follow" in done.stderr
    assert done.stderr.rstrip().endswith("KeyError: 'no such layer'")
    assert "started 1" in done.stderr  # what a tracker prints stays out of the protocol
    assert "started" not in done.stdout
    assert "no such layer" in done.stdout  # the client is told


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--stack", "vot2018/shortern", "--sequences", "set"], "did you mean 'vot2018/shortterm'?"),
        (["--stack", "vot2018/shortterm", "--sequences", "nowhere"], "nowhere/list.txt: is missing"),
        (["--stack", "vot2018/shortterm", "--tracker", "statik"], "did you mean 'static'?"),
    ],
)
def test_wrong_workspaces_are_refused(place: Path, words: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["vot", "workspace", "ws", "--tracker", "static", *words])
    assert done.exit_code == 2
    assert message in done.output.replace("\n", "")
    assert not (place / "ws").exists()


def test_a_workspace_is_not_overwritten(place: Path) -> None:
    words = ["vot", "workspace", "ws", "--stack", "vot2018/shortterm", "--tracker", "static"]
    call(*words)
    ini = (place / "ws" / "trackers.ini").read_text()
    assert "--region polygon --dataset vot2018" in ini
    assert (place / "ws" / "config.yaml").read_text().splitlines() == [
        'registry: ["./trackers.ini"]',
        'stack: "vot2018/shortterm"',
        'sequences: "sequences"',
    ]
    done = CliRunner().invoke(app, words)
    assert done.exit_code == 2
    assert "exists" in done.output


def test_options_of_one_of_the_trackers_reach_it_alone(place: Path) -> None:
    words = ["vot", "workspace", "ws", "--stack", "vot2018/shortterm", "--tracker", "dcf", "--tracker", "static"]
    call(*words, "--set", "dcf.learning_rate=0.02")
    text = (place / "ws/trackers.ini").read_text()
    of_dcf, of_static = text.split("[static]")
    assert "--set learning_rate=0.02" in of_dcf
    assert "--set" not in of_static
