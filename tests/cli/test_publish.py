"""What is published: files for the Hub that fit its schema, and a leaderboard without a server."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml
from command import document, trackbench

from trackbench.datasets.catalogue import open_dataset
from trackbench.definitions import DATASETS
from trackbench.results.store import RunFolder, RunKey
from trackbench.scoring import score_runs

SCHEMA = Path(__file__).parents[2] / "docs" / "reference" / "schemas" / "eval_results.json"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete run, and one of two of three sequences."""
    from samples import write_dataset, write_trackers

    folder = tmp_path_factory.mktemp("publish")
    write_trackers(folder)
    write_dataset(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        trackbench("run", "drift", "-d", "./data", "-q")
        trackbench("run", "drift", "-d", "./data", "--set", "dx=2.0", "--limit", "2", "-q")
    return folder


@pytest.fixture(autouse=True)
def _there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


def entries(path: Path) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = yaml.safe_load(path.read_text(encoding="utf-8"))
    jsonschema.validate(loaded, json.loads(SCHEMA.read_text()))
    return loaded


def test_eval_results_fit_the_schema_of_the_hub_and_hold_the_scores() -> None:
    arguments = ("--hub", "data=my-lab/small-tracks", "--source", "https://example.org/r", "--user", "my-lab")
    files = document("publish", "-d", "./data", *arguments, "--out", "a")["files"]
    found = entries(Path("a/models/drift/.eval_results/data.yaml"))
    assert str(Path("a/models/drift/.eval_results/data.yaml")) in files
    (score,) = score_runs(open_dataset("./data", None), Path("runs"), ["drift"])
    values = {entry["dataset"]["task_id"]: entry["value"] for entry in found}
    assert values["success_auc"] == pytest.approx(100 * (score.metrics["success_auc"] or 0), abs=1e-6)
    assert "fps" not in values
    assert {entry["dataset"]["id"] for entry in found} == {"my-lab/small-tracks"}
    assert found[0]["source"] == {"url": "https://example.org/r", "user": "my-lab"}
    assert "protocol one-pass, rules" in found[0]["notes"]
    tasks = yaml.safe_load(Path("a/benchmarks/data/eval.yaml").read_text())
    assert {task["id"] for task in tasks["tasks"]} >= set(values)
    assert tasks["evaluation_framework"] == found[0]["evaluation_framework"] == "trackbench"


def test_incomplete_runs_are_on_the_leaderboard_only() -> None:
    said = trackbench("publish", "-d", "./data", "--hub", "data=a/b", "--out", "b").stderr
    assert "drift@dx=2.0: 2 of 3 sequences of data: on the board only" in said
    assert [path.name for path in Path("b/models").iterdir()] == ["drift"]
    board = json.loads(Path("b/leaderboard/leaderboard.json").read_text())
    rows = {row["tracker"]: row for row in board["datasets"][0]["rows"]}
    assert rows["drift"]["complete"]
    assert not rows["drift@dx=2.0"]["complete"]
    assert "| drift" in Path("b/leaderboard/README.md").read_text().lower()


def test_the_leaderboard_is_one_page_and_plain_files() -> None:
    trackbench("publish", "-d", "./data", "--out", "c", "-q")
    names = {path.name for path in Path("c/leaderboard").iterdir()}
    assert names == {"index.html", "leaderboard.json", "README.md", ".nojekyll", "data.csv"}
    page = Path("c/leaderboard/index.html").read_text()
    assert "http://" not in page.replace("http://www.w3.org", "")
    assert not Path("c/models").exists()


def test_without_a_data_set_of_the_hub_there_are_no_eval_results() -> None:
    said = trackbench("publish", "-d", "./data", "--out", "d").stderr
    assert "no .eval_results, for no data set of the Hub is known; --hub data=ORG/NAME" in said
    assert DATASETS.get("lasot").value.names_in("huggingface").dataset == "l-lt/LaSOT"


def test_what_was_tuned_on_the_test_set_is_said() -> None:
    folder = RunFolder(Path("runs"), RunKey("drift", "data", "one-pass"))
    manifest = folder.manifest() or {}
    folder.write_manifest({**manifest, "search": {"dataset": "data", "test_set": True}})
    try:
        trackbench("publish", "drift", "-d", "./data", "--hub", "data=a/b", "--out", "e", "-q")
        assert (
            "settings searched on this test set" in entries(Path("e/models/drift/.eval_results/data.yaml"))[0]["notes"]
        )
    finally:
        folder.write_manifest({**manifest, "search": {}})


@pytest.mark.parametrize(
    ("arguments", "fault"),
    [
        (("--hub", "data"), "expected DATASET=ORGANISATION/NAME"),
        (("--hub", "data=no slash"), "expected DATASET=ORGANISATION/NAME"),
        (("--hub", "lasot=a/b"), "is no data set of this command"),
        (("--source", "ftp://x"), "--source ftp://x"),
        (("--user", "me"), "give its address, --source URL"),
    ],
)
def test_options_that_do_not_fit_are_refused(arguments: tuple[str, ...], fault: str) -> None:
    assert fault in trackbench("publish", "-d", "./data", *arguments, "--out", "f", code=2).stderr
