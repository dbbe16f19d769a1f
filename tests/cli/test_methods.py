import re
from pathlib import Path

import pytest
from command import document, trackbench

from trackbench.definitions import DATASETS, TRACKERS
from trackbench.reports.citations import bibliography, entries


@pytest.fixture
def runs(workplace: Path) -> Path:
    trackbench("run", "drift", "dice", "-d", "./data", "--repetitions", "2", "-q")
    return workplace


def test_paragraph_says_what_the_manifests_say(runs: Path) -> None:
    found = document("methods", "drift", "dice")
    text = found["paragraph"]
    assert re.search(r"We evaluated Drift and Dice with trackbench \d", text)
    assert "On data, 3 sequences were tracked in one pass from the first frame" in text
    assert "Dice draws at random and was run 2 times on data, with seeds 0 to 1." in text
    assert "batch 1" in text
    assert "PyTorch 2" in text
    # 6, 7 and 8 frames, twice, of two trackers.
    assert found["checklist"]["8. Experiments compute resources"].startswith("84 frames took 0.00 hours")
    assert found["uncited"] == ["tracker:drift", "dataset:data", "tracker:dice"]


def test_runs_on_fewer_sequences_are_named(runs: Path) -> None:
    trackbench("run", "drift", "-d", "./data", "--limit", "2", "--label", "two", "-q")
    text = document("methods", "drift", "drift@two")["paragraph"]
    assert "On data, 3 sequences were tracked in one pass from the first frame, without resets (Drift @two: 2)." in text
    assert "On data, 2 of 3 sequences were tracked" in document("methods", "drift@two")["paragraph"]


def test_a_run_may_be_named_by_its_folder(runs: Path) -> None:
    assert "We evaluated Dice with" in trackbench("methods", "runs/dice/data/one-pass").stdout
    assert "no run of 'dise' in runs; did you mean 'dice'?" in trackbench("methods", "dise", code=2).stderr
    assert "holds no runs on otb100" in trackbench("methods", "-d", "otb100", code=2).stderr


def test_entries_stand_for_what_there_is() -> None:
    known = {f"dataset:{name}" for name in DATASETS.names()} | {f"tracker:{name}" for name in TRACKERS.names()}
    assert set(entries()) <= known
    text, unknown = bibliography(["dataset:otb100", "dataset:otb50", "tracker:aiatrack", "dataset:none"])
    assert text.count("@") == 2
    assert "trackbench" not in text
    assert unknown == ["dataset:none"]


def test_every_entry_is_whole() -> None:
    for entry in set(entries().values()):
        assert entry.count("{") == entry.count("}")
        for field in ("author", "title", "year"):
            assert f"  {field} = {{" in entry
