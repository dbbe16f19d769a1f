"""The installed toolkits score the same stored runs and come to trackbench's numbers."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from trackbench.cli.app import app
from trackbench.datasets.catalogue import open_dataset
from trackbench.errors import UsageError
from trackbench.referee import Verdict, referee
from trackbench.scoring import score_runs


def call(*words: str) -> str:
    """Run one of our commands in this process and return its output."""
    done = CliRunner().invoke(app, list(words))
    assert done.exit_code == 0, done.output
    return done.stdout


def verdict(name: str, protocol: str | None = None, rules: str | None = None) -> Verdict:
    dataset = open_dataset(name)
    (score,) = score_runs(dataset, Path("runs"), ["dcf"], protocol=protocol, rules=rules)
    return referee(dataset, Path("runs"), score)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TRACKBENCH_RUNS", raising=False)
    return tmp_path


def synthesize(layout: str, frames: int = 25) -> None:
    size = ("--sequences", "3", "--frames", str(frames), "--size", "160x120", "--seed", "3")
    call("synthesize", "set", *size, "--layout", layout, "-q")


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ran")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("TRACKBENCH_RUNS", raising=False)
        synthesize("otb")
        call("run", "dcf", "-d", "./set", "--device", "cpu", "-q")
    return folder


@pytest.fixture
def ran(run_once: Path, place: Path) -> Path:
    """A working folder with the set ``set`` in OTB's layout and one-pass results of dcf on it, for this test alone."""
    shutil.copytree(run_once, place, dirs_exist_ok=True)
    return place


@pytest.mark.usefixtures("ran")
def test_got10k_toolkit_agrees_on_one_pass_results() -> None:
    found = verdict("./set")
    assert found.tool.startswith("got10k ")
    assert (found.sequences, found.of) == (3, 3)
    assert {opinion.metric for opinion in found.opinions} == {"success_auc", "precision", "sr50"}
    assert found.agrees
    assert all(0 < opinion.theirs <= 1 for opinion in found.opinions)


@pytest.mark.usefixtures("ran")
def test_a_wrong_number_is_seen() -> None:
    right = verdict("./set")
    wrong = replace(right.opinions[0], difference=2e-6)
    assert not replace(right, opinions=(wrong, *right.opinions[1:])).agrees


@pytest.mark.parametrize("protocol", ["supervised", "multistart", "unsupervised"])
def test_vot_toolkit_agrees(place: Path, protocol: str) -> None:
    synthesize("vot", frames=14)
    words = ("--protocol", protocol, "--convention", "vot") if protocol == "supervised" else ("--protocol", protocol)
    call("run", "dcf", "-d", "./set", "--device", "cpu", "-q", *words)
    found = verdict("./set", protocol, "vot")
    assert found.tool.startswith("vot-toolkit ")
    metrics = {"mean_overlap"} if protocol == "unsupervised" else {"accuracy", "robustness", "eao"}
    assert {opinion.metric for opinion in found.opinions} == metrics
    assert found.agrees, found


@pytest.mark.usefixtures("ran")
def test_results_of_another_length_are_not_judged() -> None:
    for file in Path("runs").rglob("synth*.txt"):
        file.write_text("".join(file.read_text().splitlines(keepends=True)[:-1]))
    with pytest.raises(UsageError, match="has the annotation's length"):
        verdict("./set", rules="got10k")


@pytest.mark.usefixtures("ran")
def test_files_that_an_import_has_filled_up_are_not_judged() -> None:
    call("export", "dcf", "-d", "set", "--to", "got10k", "--out", "out", "-q")
    short = sorted(Path("out").rglob("synth*.txt"))[0]
    short.write_text("".join(short.read_text().splitlines(keepends=True)[:-3]))
    call("import", str(short.parent), "--as", "short", "-d", "./set", "--pad-missing", "-q")
    dataset = open_dataset("./set")
    (score,) = score_runs(dataset, Path("runs"), ["short"])
    found = referee(dataset, Path("runs"), score)
    assert (found.sequences, found.of) == (2, 3)
    assert found.agrees


@pytest.mark.usefixtures("ran")
def test_report_prints_the_verdict() -> None:
    rows = json.loads(call("report", "-d", "./set", "--referee", "--no-plots", "--json"))["referee"]
    assert [row["agrees"] for row in rows] == [True]
    assert rows[0]["metrics"]["precision"]["difference"] == pytest.approx(0, abs=1e-9)
    assert "got10k" in call("report", "-d", "./set", "--referee", "--no-plots")
