"""``trackbench train`` as users call it, good and bad."""

from __future__ import annotations

import csv
import errno
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import torch
from command import document, trackbench
from lightning_fabric import Fabric
from safetensors import safe_open
from safetensors.torch import load_file
from small import write_videos

from trackbench.checkpoints.reader import read_state
from trackbench.training import state

RECIPE = """
title = "A small SBT"
same_as = "sbt-base"
replace = ["data"]
batch = 2
ema = 0.9

[options]
search_size = 64
template_size = 32
backbone = { dims = [8, 16, 32], heads = [1, 2, 4], depths = [1, 1, 2], cross = [[], [], [2]], expansions = [2, 2, 2] }

[data]
samples = 6
min_frames = 8
sets = { videos = { source = "./videos" } }

[schedule]
epochs = 2
drops = [1]
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("TRACKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.delenv("TRACKBENCH_DATA", raising=False)
    write_videos(tmp_path / "videos")
    recipes = tmp_path / "trackers" / "recipes"
    recipes.mkdir(parents=True)
    (recipes / "tiny.toml").write_text(RECIPE)
    return tmp_path


def train(*arguments: str, code: int = 0) -> str:
    return trackbench("train", "tiny", "--out", "out", "--workers", "0", *arguments, code=code).output


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_a_training_leaves_weights_that_the_tracker_takes_and_that_know_their_recipe(place: Path) -> None:
    made = document("train", "tiny", "--out", "out", "--workers", "0", "--log-every", "2")
    assert made["steps"] == 6
    log = rows(place / "out" / "log.csv")
    assert [row["step"] for row in log] == ["2", "4", "6"]
    assert float(log[-1]["lr"]) == pytest.approx(1e-4)
    assert {"loss", "ce", "l1", "giou", "iou", "samples_per_second", "network_share"} < set(log[0])
    weights = place / "out" / "weights.safetensors"
    with safe_open(weights, framework="numpy") as file:
        metadata = file.metadata()
    assert json.loads(metadata["recipe"])["batch"] == 2
    assert json.loads(metadata["data"])[0]["targets"] == 3
    assert "torch" in json.loads(metadata["versions"])
    assert any(name.startswith("box_head.class_head.layers_channle") for name in load_file(weights))
    options = [f"--set=backbone.{key}={value}" for key, value in (("dims", "[8,16,32]"), ("heads", "[1,2,4]"))]
    options += [
        "--set=backbone.depths=[1,1,2]",
        "--set=backbone.cross=[[],[],[2]]",
        "--set=backbone.expansions=[2,2,2]",
    ]
    options += ["--set=search_size=64", "--set=template_size=32"]
    ran = trackbench("run", "sbt-base", "-d", "./videos", "--limit", "1", "--weights", str(weights), *options)
    assert "12" in ran.output
    exported = document("train", "tiny", "--out", "out", "--export", "official.pth")
    assert exported["key"] == "net"
    assert set(torch.load("official.pth", weights_only=True)["net"]) == set(load_file(weights))


def test_small_weights_track_and_name_no_folder(place: Path) -> None:
    train("--set", f"data.sets.videos.source={place / 'videos'}")
    made = document("train", "tiny", "--out", "out", "--export", "small.safetensors")
    whole, small = load_file("out/weights.safetensors"), read_state(Path("small.safetensors"))
    assert set(small) == set(whole)
    assert made["tensors"] == len(whole)
    assert all(torch.allclose(small[name], whole[name].float(), atol=0.01, rtol=0.01) for name in whole)
    with safe_open("out/weights.safetensors", "pt") as before, safe_open("small.safetensors", "pt") as after:
        texts = [file.metadata() for file in (before, after)]
    assert str(place) in texts[0]["recipe"]
    assert not any(str(place) in text for text in texts[1].values())
    assert json.loads(texts[1]["recipe"])["data"]["sets"]["videos"]["source"] == "videos"


@pytest.mark.slow
def test_a_training_that_was_killed_gives_the_weights_of_an_undisturbed_one(place: Path) -> None:
    changes = ["--set", "data.samples=30", "--log-every", "1", "--save-every", "0"]
    trackbench("train", "tiny", "--out", "whole", "--workers", "1", *changes)
    command = [sys.executable, "-m", "trackbench", "train", "tiny", "--out", "out", "--workers", "0", *changes]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    log = place / "out" / "log.csv"
    deadline = time.monotonic() + 120
    while not (log.is_file() and len(rows(log)) >= 3) and time.monotonic() < deadline:
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert torch.load("out/state.pt", weights_only=True)["step"] < 30
    train("--resume", *changes)
    whole, continued = (load_file(place / name / "weights.safetensors") for name in ("whole", "out"))
    assert all(torch.equal(whole[name], continued[name]) for name in whole)
    steps = [int(row["step"]) for row in rows(log)]
    assert steps == list(range(1, 31))
    assert [row["loss"] for row in rows(log)] == [row["loss"] for row in rows(place / "whole" / "log.csv")]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_training_that_is_interrupted_ends_its_step_and_goes_on_from_there(
    place: Path, monkeypatch: pytest.MonkeyPatch, number: signal.Signals
) -> None:
    kept = [(each, signal.getsignal(each)) for each in (signal.SIGINT, signal.SIGTERM)]
    backward = Fabric.backward

    def interrupted(self: Fabric, *arguments: Any, **named: Any) -> None:
        os.kill(os.getpid(), number)
        backward(self, *arguments, **named)

    trackbench("train", "tiny", "--out", "whole", "--workers", "0")
    monkeypatch.setattr(Fabric, "backward", interrupted)
    try:
        train(code=130)
        assert torch.load("out/state.pt", weights_only=True)["step"] == 1
        monkeypatch.undo()
        monkeypatch.chdir(place)
        train("--resume")
    finally:
        for each, handler in kept:
            signal.signal(each, handler)
    whole, continued = (load_file(place / name / "weights.safetensors") for name in ("whole", "out"))
    assert all(torch.equal(whole[name], continued[name]) for name in whole)


def test_a_dry_run_says_what_would_be_trained_on_and_how_long(place: Path) -> None:
    plan = document("train", "tiny", "--out", "out", "--dry-run")
    assert plan["samples"] == 12
    assert plan["data"][0]["targets"] == 3
    assert plan["data"][0]["frames"] == 36
    assert [group["lr"] for group in plan["groups"]] == pytest.approx([1e-4, 1e-3, 0])
    assert plan["seconds"] == pytest.approx(12 / plan["samples_per_second"])
    assert not (place / "out").exists()


def test_a_changed_recipe_is_not_continued(place: Path) -> None:
    train("--set", "schedule.epochs=1")
    output = train("--resume", "--set", "optimiser.lr=2e-3", code=2)
    assert "optimiser.lr: was 0.001, is 0.002" in output
    assert "schedule.epochs: was 1, is 2" in output
    assert "--resume continues it" in train(code=2)


def test_the_folder_of_the_data_may_move_between_two_halves(place: Path) -> None:
    old = {"data": {"sets": {"coco": {"root": "a", "share": 1}}}}
    assert not state.recipe_differences(old, {"data": {"sets": {"coco": {"root": "b", "share": 1}}}})
    assert state.recipe_differences(old, {"data": {"sets": {"coco": {"root": "b", "share": 2}}}})


def test_a_learning_rate_that_ends_in_nan_stops_and_keeps_the_last_good_state(place: Path) -> None:
    output = train("--set", "optimiser.lr=1e30", "--save-every", "0", code=1)
    assert "Lower the learning rate: --set optimiser.lr=" in output
    if (place / "out" / "state.pt").exists():
        kept = torch.load("out/state.pt", weights_only=True)["network"]
        assert all(torch.isfinite(tensor).all() for tensor in kept.values() if tensor.is_floating_point())


def test_a_full_disk_keeps_the_state_before(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    train("--set", "schedule.epochs=1", "--set", "data.samples=2")
    before = (place / "out" / "state.pt").read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    monkeypatch.setattr("trackbench.training.loop.check_same", lambda *_: None)
    output = train("--resume", "--set", "schedule.epochs=2", "--set", "data.samples=2", code=1)
    assert "No space left on device" in output
    assert "continue with --resume" in output
    assert (place / "out" / "state.pt").read_bytes() == before


@pytest.mark.parametrize(
    ("arguments", "code", "message"),
    [
        (["--set", "optimizer.lr=1"], 2, "unknown key 'optimizer'; did you mean 'optimiser'?"),
        (["--set", "batch=0"], 2, "key 'batch'"),
        (["--set", "data.sets.videos.share=0"], 2, "nothing to train on"),
        (["--set", "data.sets.videos.source=./none"], 2, "training set 'videos'"),
        (["--set", "loss.weights.mask=1"], 2, "loss.weights has ce, l1, giou, mask: expected ce, l1, giou"),
        (["--set", "data.min_frames=100"], 1, "--set data.min_frames=N"),
        (["--set", "start=trackers/recipes/tiny.toml"], 1, "not a file of weights"),
        (["--set", 'optimiser.frozen=[""]'], 2, "leaves nothing to train"),
        (["--resume"], 2, "holds no state.pt"),
        (["--set", "tracker=dcf"], 2, "option"),
        (["--devices", "3"], 2, "no multiple"),
    ],
)
def test_bad_input_is_said_in_one_line(place: Path, arguments: list[str], code: int, message: str) -> None:
    output = train(*arguments, code=code)
    assert message in output
    assert "Traceback" not in output


def test_a_checkpoint_of_another_recipe_is_refused(place: Path) -> None:
    train("--set", "schedule.epochs=1", "--set", "data.samples=2")
    output = trackbench(
        "train",
        "simtrack-b16",
        "--out",
        "other",
        "--set=data.sets={videos={source='./videos'},lasot-all={share=0},got10k-train={share=0},coco={share=0},"
        "trackingnet-train={share=0}}",
        "--set=start=out/weights.safetensors",
        code=1,
    ).output
    assert "weights.safetensors" in output


def test_without_lightning_only_training_itself_is_refused(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("lightning_fabric", "trackbench.training.loop"):  # the second imports the first
        monkeypatch.setitem(sys.modules, name, None)
    assert "pip install 'trackbench[train]'" in train(code=2)
    assert document("train", "tiny", "--out", "out", "--dry-run")["samples"] == 12
    assert "out holds no weights.safetensors" in train("--export", "tiny.pth", code=2)


def test_an_unknown_recipe_names_the_known_ones() -> None:
    assert "did you mean 'sbt-light'?" in trackbench("train", "sbtlite", "--out", "x", code=2).output
