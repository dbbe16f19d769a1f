"""A search finds the best setting, goes on where it stopped, and marks what was tuned on a test set."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import psutil
import pytest
from command import document, trackbench

from trackbench.datasets.catalogue import open_dataset
from trackbench.engine.claims import machine
from trackbench.errors import UsageError
from trackbench.reports.tables import caption, csv_table, latex_table, markdown_table
from trackbench.results.store import RunFolder, RunKey
from trackbench.scoring import score_runs
from trackbench.search.space import Choices, Range, parse_space
from trackbench.search.study import is_test_set, metric_of


@pytest.mark.parametrize(
    ("text", "axis"),
    [
        ("penalty_k=0.05:0.3", Range(0.05, 0.3)),
        ("top_k=16:64", Range(16, 64)),
        ("top_k=16:64:8", Range(16, 64, 8)),
        ("lr=0.2:0.6:0.1", Range(0.2, 0.6, 0.1)),
        ("rate=1e-4:1e-1:log", Range(1e-4, 0.1, log=True)),
        ("heads=double,conv", Choices(("double", "conv"))),
        ("size=127,255", Choices((127, 255))),
        ("network.aia=both,none", Choices(("both", "none"))),
    ],
)
def test_forms_of_what_is_varied(text: str, axis: Range | Choices) -> None:
    space = parse_space([text, "fixed=3"])
    assert list(space.varied.values()) == [axis]
    assert space.fixed == {"fixed": 3}


def test_grids_have_both_ends_and_decimal_steps() -> None:
    assert Range(0.05, 0.2, 0.05).values() == [0.05, 0.1, 0.15, 0.2]
    assert Range(1, 4).values() == [1, 2, 3, 4]
    with pytest.raises(UsageError, match="a grid needs steps"):
        Range(0.05, 0.2).values()


@pytest.mark.parametrize(
    ("settings", "fault"),
    [
        (["lr=0.5"], "nothing is varied"),
        (["lr=0.5:0.1"], "the lower end is not below"),
        (["lr=a:b"], "expected KEY=LOW:HIGH"),
        (["lr=0:1:log"], "has to be above 0"),
        (["lr=0:1:0.1:2"], "expected KEY=LOW:HIGH"),
        (["lr=0:1", "lr=0:2"], "is given twice"),
    ],
)
def test_what_has_no_such_form_is_refused(settings: list[str], fault: str) -> None:
    with pytest.raises(UsageError, match=fault):
        parse_space(settings)


def test_a_grid_finds_the_best_setting_and_keeps_its_run(workplace: Path) -> None:
    """The target of the small data set moves by some pixels a frame; the drift that follows it best wins."""
    arguments = ("search", "drift", "-d", "data", "--set", "dx=0:4:1", "--sampler", "grid", "-n", "9")
    found = document(*arguments)
    assert sorted(trial["settings"]["dx"] for trial in found["trials"]) == [0, 1, 2, 3, 4]
    values = {trial["settings"]["dx"]: trial["value"] for trial in found["trials"]}
    best = found["trials"][0]
    assert best["value"] == max(values.values())
    # The same number as of an ordinary run with that setting, which is stored already.
    dataset = open_dataset("data", None)
    (score,) = score_runs(dataset, workplace / "runs", [best["tracker"]])
    assert score.metrics["success_auc"] == best["value"]
    again = document(*arguments)
    assert again["trials"] == found["trials"]


def test_an_interrupted_search_goes_on_where_it_stopped(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("search", "drift", "-d", "data", "--set", "dx=0.0:4.0", "--seed", "3", "-q")
    whole = document(*arguments, "-n", "4", "--out", "whole")
    calls = []

    def interrupted(*given: object, **named: object) -> object:
        calls.append(given)
        if len(calls) == 3:
            raise KeyboardInterrupt
        return score_runs(*given, **named)  # type: ignore[arg-type]

    monkeypatch.setattr("trackbench.search.study.score_runs", interrupted)
    trackbench(*arguments, "-n", "4", "--out", "parts", code=130)
    stored = {path: path.stat().st_mtime_ns for path in Path("parts/runs").rglob("s*.txt")}
    assert len(stored) == 9
    resumed = document(*arguments, "-n", "4", "--out", "parts")
    assert {path: path.stat().st_mtime_ns for path in stored} == stored
    first = {trial["settings"]["dx"] for trial in resumed["trials"]} & {t["settings"]["dx"] for t in whole["trials"]}
    assert len(resumed["trials"]) == 4
    assert len(first) >= 3


@pytest.mark.slow
def test_several_processes_share_a_search(workplace: Path) -> None:
    words = [sys.executable, "-m", "trackbench", "search", "drift", "-d", "data", "--set", "dx=0.0:4.0", "-n", "6"]
    words += ["--out", "shared", "--json", "--device", "cpu"]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    both = [subprocess.Popen(words, env=environment, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    documents = [json.loads(process.communicate(timeout=120)[0]) for process in both]
    last = max(documents, key=lambda found: len(found["trials"]))
    assert [process.returncode for process in both] == [0, 0]
    assert len(last["trials"]) in (6, 7)  # both may begin the last one at the same moment
    assert Path(last["kept"]).is_dir()
    assert document(*words[3:-3])["trials"] == last["trials"]


def test_trials_of_a_process_that_lives_are_left_to_it(workplace: Path) -> None:
    arguments = ("search", "drift", "-d", "data", "--set", "dx=0.0:4.0", "--out", "one")
    document(*arguments, "-n", "1")
    optuna = pytest.importorskip("optuna")
    journal = optuna.storages.JournalStorage(optuna.storages.journal.JournalFileBackend("one/study.log"))
    study = optuna.load_study(study_name="trackbench", storage=journal)
    trial = study.ask()
    trial.suggest_float("dx", 0.0, 4.0)
    trial.set_user_attr("owner", {"machine": machine(), "process": os.getppid(), "process_started": parent_started()})
    found = document(*arguments, "-n", "2")
    assert (len(found["trials"]), found["running"], found["kept"]) == (1, 1, None)
    trial.set_user_attr("owner", {"machine": machine(), "process": 999_999_999, "process_started": 0.0})
    found = document(*arguments, "-n", "2")
    assert (len(found["trials"]), found["running"]) == (2, 0)
    assert trial.params["dx"] in [one["settings"]["dx"] for one in found["trials"]]
    assert Path(found["kept"]).is_dir()


def parent_started() -> float:
    return float(psutil.Process(os.getppid()).create_time())


def test_a_folder_holds_one_search(workplace: Path) -> None:
    trackbench("search", "drift", "-d", "data", "--set", "dx=0:1", "-n", "1", "--out", "one", "-q")
    refused = trackbench("search", "drift", "-d", "data", "--set", "dx=0:2", "-n", "1", "--out", "one", code=2).stderr
    assert "holds another search (space.varied.dx.high: stored 1, now 2)" in refused
    trackbench("search", "drift", "-d", "data", "--set", "dx=0:2", "-n", "1", "--out", "one", "--restart", "-q")


def test_settings_that_the_tracker_does_not_have_are_refused(workplace: Path) -> None:
    refused = trackbench("search", "drift", "-d", "data", "--set", "dy=0:1", "--out", "a", "-n", "1", code=2).stderr
    assert "dy" in refused
    # The command put right is no other search.
    trackbench("search", "drift", "-d", "data", "--set", "dx=0:1", "--out", "a", "-n", "1", "-q")
    arguments = ("search", "drift", "-d", "data", "--set", "dx=0:1", "--metric", "eao", "--out", "b", "-n", "1")
    assert "--metric eao: data gives no such number" in trackbench(*arguments, code=2).stderr


def test_tuned_on_a_test_set_is_said_in_every_table(workplace: Path) -> None:
    trackbench("run", "drift", "-d", "data", "-q")
    dataset = open_dataset("data", None)
    folder = RunFolder(workplace / "runs", RunKey("drift", "data", "one-pass"))
    note = {"dataset": "otb100", "test_set": True}
    folder.write_manifest({**(folder.manifest() or {}), "search": note})
    (score,) = score_runs(dataset, workplace / "runs")
    assert score.heading == "Drift †"
    assert score.document()["tuned_on_test_set"] is True
    said = "† Settings searched on the test set otb100."
    assert said in caption([score])
    assert "Drift †" in markdown_table([score])
    assert said in markdown_table([score])
    assert r"\dag" in latex_table([score], "Data") or "†" in latex_table([score], "Data")
    assert "tuned_on_test_set" in csv_table([score]).splitlines()[0]
    folder.write_manifest({**(folder.manifest() or {}), "search": {**note, "test_set": False}})
    (score,) = score_runs(dataset, workplace / "runs")
    assert score.heading == "Drift"


def test_which_data_sets_are_test_sets(workplace: Path) -> None:
    own = open_dataset("data", None)
    assert not is_test_set(own)
    from trackbench.definitions import DATASETS

    purposes = {name: DATASETS.get(name).value.purpose for name in DATASETS.names()}
    assert purposes["otb100"] == purposes["lasot"] == "test"
    assert purposes["got10k-val"] == "validation"
    assert {name for name, purpose in purposes.items() if purpose == "training"} == {
        name for name in purposes if name.endswith(("-train", "-train-revised", "-all"))
    }
    assert is_test_set(replace(own, definition=DATASETS.get("otb100").value))
    assert metric_of(replace(own, definition=DATASETS.get("vot2018").value), None) == "eao"
    assert metric_of(own, None) == "success_auc"
    assert json.dumps(parse_space(["dx=0:1"]).document())
