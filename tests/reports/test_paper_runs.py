"""``run --paper``: what a table needs, what of it is here, and that the report then fills it."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Any

import pytest
import torch
from command import document, trackbench
from samples import write_dataset

from trackbench.cli.progress import RunProgress
from trackbench.reports import papers as papers_module
from trackbench.trackers.settings import resolve_settings
from trackbench.trackers.zoo.sbt.options import SBTOptions
from trackbench.trackers.zoo.sbt.tracker import SBT

TABLE = """paper,table,tracker,dataset,metric,meant,value,note
mine,1,Still,small,success_auc,,50.0,
mine,1,Fast,small,success_auc,,60.0,
mine,1,Foreign,small,success_auc,,40.0,
mine,1,Trained so,small,success_auc,,40.0,
mine,1,Without weights,absent,success_auc,,40.0,
"""
RULES = """
[[rules]]
rows = ["Still"]
tracker = "static"

[[rules]]
rows = ["Fast"]
tracker = "dcf"
options = { learning_rate = 0.5 }

[[rules]]
rows = ["Trained so"]
tracker = "aiatrack"
options = { network.short_refer = false }
own_weights = true

[[rules]]
rows = ["Without weights"]
tracker = "sparsett"

[conventions]
small = "pysot"
"""


@pytest.fixture
def table(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with a paper of its own, and one data set of its two."""
    folder = workplace / "reports" / "papers"
    folder.mkdir(parents=True)
    (folder / "mine.csv").write_text(TABLE)
    (folder / "mine.toml").write_text(RULES)
    monkeypatch.setattr(papers_module, "content_folder", lambda kind: workplace / kind)
    monkeypatch.setenv("TRACKBENCH_CACHE", str(workplace / "cache"))
    datasets = workplace / "datasets"
    datasets.mkdir()
    write_dataset(workplace / "small")
    (datasets / "small.toml").write_text('title = "small"\nlayout = "folder"\nfolders = ["small"]\n')
    (datasets / "absent.toml").write_text('title = "a"\n[files]\nframes = "{sequence}/no/*"\ntruth = "{sequence}.no"\n')
    return workplace


def test_a_dry_run_says_what_runs_and_why_the_rest_does_not(table: Path) -> None:
    told = document("run", "--paper", "mine:1", "--dry-run", "--root", str(table / "small"))
    assert [(row["rows"], row["tracker"]) for row in told["runs"]] == [
        (["Still"], "static"),
        (["Fast"], "dcf@learning_rate=0.5"),
    ]
    reasons = {part["row"]: part["reason"] for part in told["not_run"]}
    assert "`trackbench import` brings in their results" in reasons["Foreign"]
    command = "trackbench run aiatrack --set network.short_refer=false -d DATASET --weights FILE"
    assert command in reasons["Trained so"]
    whole = {part["reason"] for part in told["not_run"] if part["row"] == "Without weights"}
    assert any("was not found" in reason for reason in whole)
    assert any("sparsett has no weights" in reason for reason in whole)
    assert not (table / "runs").exists()


def test_what_ran_fills_the_table(table: Path) -> None:
    root = str(table / "small")
    result = trackbench("run", "--paper", "mine:1", "--root", root, "--limit", "1")
    assert "report --paper mine:1" in result.stdout
    assert "not run: Foreign" in result.stderr
    told = document("report", "--paper", "mine:1", "--root", root)["paper"]
    numbers = {row["tracker"]: row for row in told}
    assert numbers["Still"]["measured"] is not None
    assert numbers["Fast"]["label"] == "dcf@learning_rate=0.5"
    assert numbers["Foreign"]["measured"] is None
    assert numbers["Still"]["convention"] == "pysot"
    assert numbers["Still"]["sequences"] == 1 < numbers["Still"]["of"]
    shown = trackbench("report", "--paper", "mine:1", "--root", root).stdout
    assert f"(1/{numbers['Still']['of']})" in shown
    assert "Conventions: small pysot." in " ".join(shown.split())
    assert numbers["Still"]["difference"] is None  # it lacks sequences
    other = document("report", "--paper", "mine:1", "--root", root, "--convention", "got10k")["paper"]
    assert other[0]["convention"] == "got10k"


def test_runs_with_other_settings_leave_the_row_empty(table: Path) -> None:
    root = str(table / "small")
    trackbench("run", "dcf", "-d", "small", "--root", root, "--limit", "1")
    told = document("report", "--paper", "mine:1", "--root", root)["paper"]
    assert {row["tracker"] for row in told if row["measured"] is not None} == set()


def test_a_table_decides_what_runs(table: Path) -> None:
    refused = trackbench("run", "dcf", "--paper", "mine:1", code=2)
    assert "the table says what runs; leave TRACKER out" in refused.stderr
    assert "which tracker?" in trackbench("run", "-d", "small", code=2).stderr
    nothing = trackbench("run", "--paper", "mine:1", "--root", str(table / "nowhere"), code=2)
    assert "nothing of it can be run" in nothing.stderr


NETWORK = """title = "Small network"
class = "trackbench.trackers.zoo.sbt.tracker:SBT"
deterministic = true
[options]
search_size = 64
template_size = 32
backbone = { dims = [8, 16, 32], heads = [1, 2, 4], depths = [1, 1, 4], cross = [[], [], [2, 4]] }
[weights]
files = ["none.pth"]
source = "nowhere"
"""
ABLATIONS = """paper,table,tracker,dataset,metric,meant,value,note
mine,1,Ours,small,success_auc,,50.0,
mine,1,Ours,other,success_auc,,50.0,
mine,1,Ours,,params (M),,1.0,
mine,1,Wide region,small,success_auc,,60.0,
mine,1,Trained so,small,success_auc,,40.0,
"""
ABLATION_RULES = """
[[rules]]
rows = ["Ours"]
tracker = "network"

[[rules]]
rows = ["Wide region"]
tracker = "network"
options = { search_factor = 6.0 }

[[rules]]
rows = ["Trained so"]
tracker = "network"
options = { backbone.cross = [[], [], [4]] }
own_weights = true

[conventions]
small = "pysot"
"""


@pytest.fixture
def ablations(table: Path) -> Path:
    """A paper of a network that can be run: its weights are kept, its data sets hold two and three short sequences."""
    folder = table / "reports" / "papers"
    (folder / "mine.csv").write_text(ABLATIONS)
    (folder / "mine.toml").write_text(ABLATION_RULES)
    (table / "trackers" / "network.toml").write_text(NETWORK)
    (table / "datasets" / "other.toml").write_text('title = "o"\nlayout = "folder"\nfolders = ["other"]\ncount = 3\n')
    for name, sequences in (("small", 2), ("other", 2)):
        write_dataset(table / "sets" / name, sequences, 4)
    trackbench("weights", "add", "network", str(_checkpoint(table / "kept.pth")))
    return table


def _checkpoint(file: Path, **options: Any) -> Path:
    """Write random weights of the network with these options."""
    torch.manual_seed(0)
    settings = resolve_settings("network", options=options).options
    assert isinstance(settings, SBTOptions)
    torch.save(SBT.build_network(settings).state_dict(), file)
    return file


def test_a_papers_table_is_run_interrupted_and_filled(ablations: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = ["--root", "sets", "--runs", "kept runs"]
    with monkeypatch.context() as patch:
        begin = RunProgress.begin

        def stop(progress: RunProgress, job: Any) -> None:
            if any(Path("kept runs").rglob("s?.txt")):
                raise KeyboardInterrupt
            begin(progress, job)

        patch.setattr(RunProgress, "begin", stop)
        interrupted = trackbench("run", "--paper", "mine:1", *places, code=130)
    assert "the same command continues" in interrupted.stderr
    ran = trackbench("run", "--paper", "mine:1", *places)
    assert "1 run, 1 stored before" in ran.stdout
    assert "Convention: pysot." in " ".join(ran.stdout.split())
    assert "other: 2 of 3 sequences are in" in ran.stderr
    assert "not run: Ours: sizes and speeds: `trackbench profile network --random-weights` measures" in ran.stderr
    assert "trackbench report --paper mine:1 --root sets --runs 'kept runs'" in ran.stdout
    own = next(line for line in ran.stderr.splitlines() if "Trained so" in line).split("`")[1]
    weights = _checkpoint(ablations / "own.pth", **{"backbone.cross": [[], [], [4]]})
    typed = own.replace("DATASET", "small").replace("FILE", str(weights))
    trackbench(*shlex.split(typed)[1:], *places)

    again = trackbench("run", "--paper", "mine:1", *places)
    assert "stored: Ours on small, other: network" in again.stderr
    assert "stored: Trained so on small: network@" in again.stderr
    rows = document("report", "--paper", "mine:1", *places)["paper"]
    cells = {(row["tracker"], row["dataset"]): row for row in rows}
    filled = {"Ours", "Wide region", "Trained so"}
    assert {row for (row, dataset), cell in cells.items() if cell["measured"] is not None} == filled
    whole, part = cells["Ours", "small"], cells["Ours", "other"]
    assert (whole["sequences"], whole["of"], whole["convention"]) == (2, 2, "pysot")
    assert whole["difference"] == pytest.approx(whole["measured"] - 50)
    assert (part["sequences"], part["of"], part["difference"]) == (2, 3, None)
    assert whole["weights_sha256"] != cells["Trained so", "small"]["weights_sha256"]
    shown = " ".join(trackbench("report", "--paper", "mine:1", *places).stdout.split())
    assert "(2/3)" in shown
    assert whole["weights_sha256"][:8] in shown
