"""``trackbench weights`` and runs with a checkpoint, with none, and with random weights."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from command import document, trackbench
from samples import write_dataset


@pytest.fixture
def official(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A file as DCFNet's authors publish theirs, in a working folder with a cache of its own and few frames."""
    shutil.rmtree(workplace / "data")
    write_dataset(workplace / "data", sequences=1, frames=3)
    monkeypatch.setenv("TRACKBENCH_CACHE", str(workplace / "cache"))
    path = workplace / "param.pth"
    torch.save(dcfnet_weights(), path, _use_new_zipfile_serialization=False)
    return path


def dcfnet_weights() -> dict[str, torch.Tensor]:
    torch.manual_seed(0)
    shapes = {"0.weight": (32, 3, 3, 3), "0.bias": (32,), "2.weight": (32, 32, 3, 3), "2.bias": (32,)}
    return {f"feature.{name}": 0.1 * torch.randn(shape) for name, shape in shapes.items()}


def run(*arguments: str) -> dict[str, Any]:
    runs = document("run", "dcfnet", "-d", "data", *arguments)["runs"]
    assert len(runs) == 1
    assert not runs[0]["failed"]
    row: dict[str, Any] = runs[0]
    return row


def test_add_list_check_and_run(official: Path) -> None:
    added = document("weights", "add", "dcfnet", str(official))
    assert added["tensors"] == 4
    assert added["unused"] == []
    (row,) = document("weights", "list")["weights"]
    assert (row["tracker"], row["source"], row["sha256"]) == ("dcfnet", "param.pth", added["sha256"])
    assert document("weights", "check")["weights"] == [{"tracker": "dcfnet", "ok": True, "reason": None}]
    assert "undamaged, fits" in trackbench("weights", "check", "dcfnet").stdout
    assert "param.pth" in trackbench("weights", "list").stdout
    (tracker,) = [row for row in document("list", "trackers")["trackers"] if row["name"] == "dcfnet"]
    assert tracker["ready"]
    assert tracker["weights"]["sha256"] == added["sha256"]

    kept = run()
    assert kept["tracker"] == "dcfnet"
    scores = document("report", "dcfnet", "-d", "data", "--no-plots")["rows"]
    assert scores[0]["run"]["weights_sha256"] == added["sha256"]
    # The same file named is the same run; nothing is left to do.
    assert run("--weights", str(official))["folder"] == kept["folder"]


def test_another_file_is_another_run(official: Path) -> None:
    trackbench("weights", "add", "dcfnet", str(official))
    other = official.with_name("mine.pth.tar")
    changed = {f"module.{name}": tensor + 0.01 for name, tensor in dcfnet_weights().items()}
    torch.save({"state_dict": changed, "epoch": 3, "best": np.float64(1)}, other)
    assert run("--weights", str(other))["tracker"] == "dcfnet@mine"
    # Another file of the same name is no other run by mistake.
    twin = other.with_name("twin")
    twin.mkdir()
    torch.save({name: tensor + 0.02 for name, tensor in dcfnet_weights().items()}, twin / other.name)
    result = trackbench("run", "dcfnet", "-d", "data", "--weights", str(twin / other.name), code=2)
    assert "holds results of other settings (weights_sha256: stored" in result.stderr
    assert "--label NAME keeps both" in result.stderr
    assert run("--weights", str(twin / other.name), "--label", "twin")["tracker"] == "dcfnet@twin"
    trackbench("weights", "add", "dcfnet", str(other))  # takes the place of the first
    assert run()["tracker"] == "dcfnet"


def test_kept_weights_that_changed_do_not_mix(official: Path) -> None:
    trackbench("weights", "add", "dcfnet", str(official))
    run()
    torch.save({name: tensor + 0.01 for name, tensor in dcfnet_weights().items()}, official)
    trackbench("weights", "add", "dcfnet", str(official))
    result = trackbench("run", "dcfnet", "-d", "data", code=2)
    assert "holds results of other settings (weights_sha256: stored" in result.stderr


def test_random_weights_are_named_everywhere(official: Path) -> None:
    result = trackbench("run", "dcfnet", "static", "-d", "data", "--random-weights")
    assert "dcfnet: random weights; the numbers say nothing about the tracker" in result.stderr
    assert "dcfnet@random-weights" in result.stdout
    report = trackbench("report", "-d", "data", "--no-plots").stdout
    assert "random-weights" in report
    rows = document("report", "-d", "data", "--no-plots")["rows"]
    assert {row["tracker"] for row in rows} == {"dcfnet@random-weights", "static"}
    assert all(row["run"]["weights_sha256"] is None for row in rows)
    again = run("--random-weights")
    assert again["tracker"] == "dcfnet@random-weights"
    assert run("--random-weights", "--set", "scales=1")["tracker"] == "dcfnet@scales=1,random-weights"


def test_kept_weights_are_removed_and_never_the_official_file(official: Path) -> None:
    assert "(none are kept)" in trackbench("weights", "remove", "dcfnet", code=2).stderr
    trackbench("weights", "add", "dcfnet", str(official))
    assert "'dcfnt' are kept; did you mean 'dcfnet'?" in trackbench("weights", "remove", "dcfnt", code=2).stderr
    (path,) = document("weights", "remove", "DCFNet")["removed"]
    assert not Path(path).exists()
    assert official.is_file()
    assert document("weights", "list")["weights"] == []


def test_another_file_than_the_published_one_is_said(official: Path) -> None:
    assert "It is NOT the published file." in trackbench("weights", "add", "dcfnet", str(official)).stdout


def test_without_weights(official: Path) -> None:
    result = trackbench("run", "dcfnet", "-d", "data", code=1)
    assert "dcfnet has no weights: get param.pth (41232 bytes, sha256 8a9c2ad0" in result.stderr
    assert "from foolwood/DCFNet_pytorch" in result.stderr
    assert "`trackbench weights add dcfnet FILE`" in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    (row,) = [row for row in document("list", "trackers")["trackers"] if row["name"] == "dcfnet"]
    assert not row["ready"]
    assert row["weights"] is None


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"feature.0.weight": None}, "does not fit 'dcfnet': 3 names fit; 1 missing: feature.0.weight"),
        ({"feature.9.weight": torch.ones(1)}, "4 names fit; 1 unknown: feature.9.weight"),
        ({"feature.0.bias": torch.ones(3)}, "1 of another shape: feature.0.bias: has (3,), needs (32,)"),
        ({"feature.0.bias": torch.full((32,), torch.nan)}, "'feature.0.bias' holds values that are not numbers"),
    ],
)
def test_files_that_do_not_fit(official: Path, change: dict[str, torch.Tensor | None], message: str) -> None:
    state = {name: tensor for name, tensor in {**dcfnet_weights(), **change}.items() if tensor is not None}
    torch.save(state, official)
    result = trackbench("weights", "add", "dcfnet", str(official), code=1)
    assert message in result.stderr
    assert len(result.stderr.strip().splitlines()) == 1
    assert document("weights", "list")["weights"] == []
    assert message in trackbench("run", "dcfnet", "-d", "data", "--weights", str(official), code=1).stderr


def test_files_of_others(official: Path, reference: Path) -> None:
    for name in ("nanotrack_v2.pth", "udt.pth.tar"):
        result = trackbench("weights", "add", "dcfnet", str(reference / "models" / name), code=1)
        assert "belong to no tracker known here" in result.stderr


def test_wrong_commands(official: Path) -> None:
    assert "static takes no checkpoint" in trackbench("weights", "add", "static", str(official), code=2).stderr
    assert "cannot be read: No such file" in trackbench("weights", "add", "dcfnet", "no.pth", code=1).stderr
    both = trackbench("run", "dcfnet", "-d", "data", "--weights", str(official), "--random-weights", code=2)
    assert "only one of them" in both.stderr
    assert "'dcfnt'; did you mean 'dcfnet'?" in trackbench("weights", "add", "dcfnt", str(official), code=2).stderr
    assert "dcfnet has no weights" in trackbench("weights", "check", "dcfnet", code=1).stderr


def test_damaged_keep(official: Path) -> None:
    added = document("weights", "add", "dcfnet", str(official))
    path = Path(added["file"])
    intact = path.read_bytes()
    content = bytearray(intact)
    content[-1] ^= 255
    path.write_bytes(bytes(content))
    assert "damaged: the tensors are not those" in trackbench("weights", "check", code=1).stderr
    path.write_bytes(bytes(content[:100]))
    assert "replaces it" in trackbench("weights", "check", code=1).stderr
    path.with_name("another.safetensors").write_bytes(intact)
    listed = trackbench("weights", "list", "--json", code=1)
    assert [row["file"] for row in json.loads(listed.stdout)["weights"]] == [str(path.with_name("another.safetensors"))]
    assert "dcfnet.safetensors: damaged" in listed.stderr
    path.with_name("another.safetensors").unlink()
    assert "replaces it" in trackbench("run", "dcfnet", "-d", "data", code=1).stderr
    (row,) = [row for row in document("list", "trackers")["trackers"] if row["name"] == "dcfnet"]
    assert "damaged" in row["why_not"]


@pytest.mark.slow
def test_crossing_with_the_published_weights(official: Path, reference: Path, crossing: Path) -> None:
    """The whole way: keep the published file, run, and find the official boxes in the store, all 120 of them."""
    trackbench("weights", "add", "dcfnet", str(reference / "models" / "dcfnet.pth"))
    row = document("run", "dcfnet", "-d", "otb100", "--root", str(crossing))["runs"][0]
    ours = np.loadtxt(Path(row["folder"]) / "Crossing.txt", delimiter=",")
    theirs = np.loadtxt(reference / "parity" / "dcfnet_Crossing_cv4.txt", delimiter=",")
    assert np.abs(ours - theirs).max() <= 1e-6
    (score,) = document("report", "dcfnet", "-d", "otb100", "--root", str(crossing), "--no-plots")["rows"]
    assert score["metrics"]["precision"] == 1.0


def test_weights_beside_a_definition_are_used_where_no_others_are_kept(official: Path, workplace: Path) -> None:
    from safetensors.torch import save_file

    from trackbench.checkpoints.quantised import quantised

    trackers = workplace / "trackers"
    trackers.mkdir(exist_ok=True)
    (trackers / "mine.toml").write_text(
        'title = "Mine"\nsame_as = "dcfnet"\n[weights]\nshipped = "files/mine.safetensors"\n'
    )
    assert re.search(r"files/mine\.safetensors: .*No such file", own_row("mine")["why_not"])
    (trackers / "files").mkdir()
    save_file(quantised(torch.load(official, weights_only=True)), trackers / "files" / "mine.safetensors")
    listed = own_row("mine")
    assert listed["ready"]
    assert listed["weights"]["source"] == "mine.safetensors"
    trackbench("run", "mine", "-d", "data", "-q")
    identity = json.loads((workplace / "runs" / "mine" / "data" / "one-pass" / "manifest.json").read_text())["identity"]
    assert identity["weights_sha256"] == listed["weights"]["sha256"]


def own_row(name: str) -> dict[str, Any]:
    """Return what ``list trackers`` says of a tracker."""
    (row,) = (row for row in document("list", "trackers")["trackers"] if row["name"] == name)
    return row
