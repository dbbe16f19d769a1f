"""Campaign files, labels, and options of one tracker among several."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import document, trackbench
from samples import write_dataset

CAMPAIGN = """
datasets = ["./data"]
limit = 2

[[run]]
trackers = ["static", "dice"]

[[run]]
trackers = ["drift"]
datasets = ["./data", "./more"]

[[run.variants]]
set = { dx = 2 }

[[run.variants]]
label = "slow"
set = { dx = 0.5, drift.sleep = 0.0 }
"""


@pytest.fixture
def campaign(workplace: Path) -> Path:
    write_dataset(workplace / "more", 1, 3)
    path = workplace / "campaign.toml"
    path.write_text(CAMPAIGN)
    return path


def test_a_campaign_runs_trackers_by_data_sets_by_options(campaign: Path) -> None:
    planned = document("run", "campaign.toml", "--dry-run")["runs"]
    assert {(row["tracker"], row["dataset"]) for row in planned} == {
        ("static", "data"),
        ("dice", "data"),
        ("drift@dx=2", "data"),
        ("drift@dx=2", "more"),
        ("drift@slow", "data"),
        ("drift@slow", "more"),
    }
    rows = document("run", "campaign.toml")["runs"]
    assert {row["sequences"] for row in rows if row["dataset"] == "data"} == {2}
    # It goes on like any run, and the command line may say less.
    assert all(row["run"] == 0 for row in document("run", "campaign.toml")["runs"])
    more = document("run", "campaign.toml", "--limit", "3")["runs"]
    assert {row["run"] for row in more if row["dataset"] == "data"} == {1}


def test_weights_of_a_campaign_are_runs_of_their_own(workplace: Path) -> None:
    import torch

    from trackbench.trackers.registry import find_tracker

    spec = find_tracker("dcfnet", random_weights=True)
    network = spec.build("cpu").network  # type: ignore[attr-defined]
    for epoch in (10, 20):
        state = {f"module.{name}": tensor + epoch / 1e4 for name, tensor in network.state_dict().items()}
        torch.save(_official(state), workplace / f"epoch{epoch}.pth.tar")
    (workplace / "c.toml").write_text(
        'datasets = ["./data"]\nlimit = 1\n[[run]]\ntrackers = ["dcfnet"]\n'
        'weights = ["epoch10.pth.tar", "epoch20.pth.tar"]\n'
    )
    labels = [row["tracker"] for row in document("run", "c.toml", "--dry-run")["runs"]]
    assert labels == ["dcfnet@epoch10", "dcfnet@epoch20"]


def _official(state: dict[str, object]) -> dict[str, object]:
    return {"state_dict": state, "epoch": 1}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[run]]\ntrackers = ['dcf']\n", "key 'datasets' is missing in [[run]] number 1"),
        ("datasets = ['./data']\n", "key 'run' is missing"),
        (
            "datasets = ['./data']\n[[run]]\ntracker = ['dcf']\n",
            "unknown key 'tracker' in [[run]] number 1; did you mean 'trackers'? (known: trackers, datasets, weights, ",
        ),
        (
            "datasets = ['./data']\n[[run]]\ntrackers = ['dfc', 'statik']\n",
            "[[run]] number 1: unknown tracker 'statik'",
        ),
        (
            "datasets = ['./data']\n[[run]]\ntrackers=['drift']\n[[run.variants]]\n[[run.variants]]\nsets = {x = 3}\n",
            "c.toml: unknown key 'sets' in [[run]] number 1, [[run.variants]] number 2; did you mean 'set'? "
            "(known: label, set)",
        ),
        (
            "datasets = ['./data']\n[[run]]\ntrackers = 'drift'\n",
            "key 'trackers' in [[run]] number 1 is 'drift': input",
        ),
        (
            "datasets = ['./data']\n[[run]]\ntrackers = ['drift']\n[[run]]\ntrackers=['drift']\n"
            "[[run.variants]]\nset={dx=3}\n[[run.variants]]\nset={dx=4}\nlabel='dx=3'\n",
            "'label' tells them apart",
        ),
        ("= 1", "c.toml"),
    ],
)
def test_wrong_campaigns(workplace: Path, text: str, message: str) -> None:
    (workplace / "c.toml").write_text(text)
    assert message in trackbench("run", "c.toml", "--dry-run", code=2).stderr


def test_a_campaign_and_its_contradiction(campaign: Path) -> None:
    result = trackbench("run", "campaign.toml", "-d", "data", "--set", "dx=1", code=2)
    assert "-d, --set: what is evaluated stands in the campaign file campaign.toml" in result.stderr
    assert "nothing.toml" in trackbench("run", "nothing.toml", code=2).stderr


def test_a_campaign_that_cannot_begin_throws_nothing_away(campaign: Path) -> None:
    trackbench("run", "campaign.toml")
    stored = sorted(Path("runs").rglob("s?.txt"))
    campaign.write_text(CAMPAIGN + '\n[[run]]\ntrackers = ["nobody"]\n')
    trackbench("run", "campaign.toml", "--restart", code=2)
    assert sorted(Path("runs").rglob("s?.txt")) == stored


def test_options_of_one_tracker_among_several(workplace: Path) -> None:
    rows = document("run", "drift", "static", "-d", "data", "--set", "drift.dx=2", "--dry-run")["runs"]
    assert [row["tracker"] for row in rows] == ["drift@dx=2", "static"]
    (workplace / "trackers/second.toml").write_text('title = "Second"\nclass = "sample_trackers:Drift"\n')
    rows = document("run", "drift", "second", "-d", "data", "--set", "dx=3", "--set", "second.dx=4", "--dry-run")[
        "runs"
    ]
    assert [row["tracker"] for row in rows] == ["drift@dx=3", "second@dx=4"]
    result = trackbench("run", "drift", "static", "-d", "data", "--set", "dx=2", code=2)
    assert "--set TRACKER.KEY=VALUE sets it for one of the trackers" in result.stderr


def test_labels(workplace: Path) -> None:
    trackbench("run", "drift", "-d", "data", "--set", "dx=2", "--label", "mine")
    assert (workplace / "runs/drift@mine/data/one-pass/s1.txt").is_file()
    assert document("report", "-d", "data", "--no-plots")["rows"][0]["tracker"] == "drift@mine"
    result = trackbench("run", "drift", "-d", "data", "--set", "dx=3", "--label", "mine", code=2)
    assert "holds results of other settings (options.dx: stored 2.0, now 3.0)" in result.stderr
    assert "--label NAME keeps both" in result.stderr
    for bad in ("a/b", "", "x" * 61, "a@b"):
        assert f"--label '{bad}': expected" in trackbench("run", "drift", "-d", "data", "--label", bad, code=2).stderr
