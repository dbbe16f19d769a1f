"""``run --paper``: what a table needs, what of it is here, and that the report then fills it."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import document, trackbench
from samples import write_dataset

from trackbench.reports import papers as papers_module

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
    assert "run aiatrack --set network.short_refer=false --weights FILE" in reasons["Trained so"]
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
