import json
import shutil
from io import StringIO
from pathlib import Path

import pandas as pd
import pytest
from command import document, trackbench
from samples import write_dataset, write_trackers


@pytest.fixture(scope="module")
def run_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ran")
    write_trackers(folder)
    write_dataset(folder / "dozen", 12, 8)
    for index in range(1, 13, 2):
        (folder / "dozen" / f"s{index}" / "attributes.txt").write_text("OCC\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        patch.setenv("XDG_CONFIG_HOME", str(folder / "config"))
        for dx in (1.0, 0.9, 4.0):
            trackbench("run", "drift", "-d", "./dozen", "--set", f"dx={dx}", "--runs", "runs", "-q")
    return folder


@pytest.fixture
def three_runs(run_once: Path, workplace: Path) -> Path:
    """Runs of three trackers on twelve sequences."""
    shutil.copytree(run_once, workplace, dirs_exist_ok=True)
    return workplace


def test_statistics_rank_the_best_first(three_runs: Path) -> None:
    (found,) = document("statistics", "-d", "./dozen", "--cluster", "none")["statistics"]
    assert [row["tracker"] for row in found["trackers"]] == ["drift@dx=1.0", "drift@dx=0.9", "drift@dx=4.0"]
    assert found["trackers"][0]["rank_1"] == 1
    assert found["sequences"] == found["common_sequences"] == 12
    first = found["pairs"][0]
    assert first["p_better"] == 1
    assert first["difference_low"] <= first["difference"] <= first["difference_high"]
    assert {row["attribute"] for row in found["attributes"]} == {"all", "OCC"}


def test_files_are_written(three_runs: Path) -> None:
    result = trackbench("statistics", "-d", "./dozen", "--out", "paper")
    assert "first in" in result.stdout
    folder = three_runs / "paper" / "dozen"
    pairs = pd.read_csv(folder / "pairs.csv")
    assert len(pairs) == 3
    assert pairs[["posterior_better", "posterior_equal", "posterior_worse"]].sum(axis=1).tolist() == pytest.approx(
        [1] * 3
    )
    assert json.loads((folder / "statistics.json").read_text())["metric"] == "success_auc"
    assert "\\toprule" in (folder / "statistics.tex").read_text()
    for name in ("critical_difference.pdf", "attribute_differences.svg", "failures.csv", "attribute_differences.csv"):
        assert (folder / name).stat().st_size > 0


def test_failures_are_those_of_the_patience_asked_for(three_runs: Path) -> None:
    (found,) = document("statistics", "-d", "./dozen", "--patience", "2")["statistics"]
    by_label = {row["tracker"]: row for row in found["failures"]}
    assert by_label["drift@dx=1.0"]["failures"] == 0
    # dx=4 leaves the target, 8 pixels wide, by 3 pixels a frame.
    assert by_label["drift@dx=4.0"]["failed_sequences"] == 12
    assert by_label["drift@dx=4.0"]["recovered"] == 0


def test_one_tracker_has_no_pairs(three_runs: Path) -> None:
    (found,) = document("statistics", "drift@dx=4.0", "-d", "./dozen")["statistics"]
    assert found["pairs"] == []
    assert not (three_runs / "runs/report/dozen/pairs.csv").exists()


def test_unknown_metric_is_refused(three_runs: Path) -> None:
    assert "known: success_auc" in trackbench("statistics", "-d", "./dozen", "--metric", "fps", code=2).stderr


def test_incomplete_runs_are_not_ranked(three_runs: Path) -> None:
    for number in range(4, 13):
        (three_runs / f"runs/drift@dx=1.0/dozen/one-pass/s{number}.txt").unlink()
    (found,) = document("statistics", "-d", "./dozen", "--cluster", "none")["statistics"]
    rows = {row["tracker"]: row for row in found["trackers"]}
    assert [(row["sequences"], row["of"]) for row in rows.values()] == [(12, 12), (12, 12), (3, 12)]
    assert found["common_sequences"] == 12
    assert [row["average_rank"] for row in rows.values()] == [1, 2, None]
    assert [row["rank_1"] for row in rows.values()] == [1, 0, None]
    assert found["groups"] == []
    result = trackbench("statistics", "-d", "./dozen", "--convention", "pysot")
    assert "(3/12)" in result.stdout
    assert "Not ranked, because incomplete: Drift @dx=1.0 (3/12)." in " ".join(result.stdout.split())
    assert "nan" not in result.stdout
    # Other rules do not replace what is there.
    assert {path.name for path in (three_runs / "runs/report").iterdir()} == {"dozen", "dozen_pysot"}


def test_a_narrow_terminal_cuts_no_number(three_runs: Path) -> None:
    from rich.console import Console

    from trackbench.datasets.catalogue import open_dataset
    from trackbench.reports.statistics import measure, terminal
    from trackbench.scoring import score_runs
    from trackbench.statistics.failures import FailureSummary
    from trackbench.statistics.matrix import score_matrix

    dozen = open_dataset("./dozen")
    matrix = score_matrix(dozen, score_runs(dozen, Path("runs")))
    summary = FailureSummary(*(12 for _ in FailureSummary._fields))
    result = measure("dozen", matrix, dict.fromkeys(matrix.labels, summary), 0.5)
    console = Console(width=80, file=StringIO())
    console.print(terminal(result, width=80))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "…" not in text
    assert max(map(len, text.splitlines())) <= 80


@pytest.mark.parametrize("command", ["statistics", "methods"])
def test_a_run_that_is_broken_is_left_out_and_named(three_runs: Path, command: str) -> None:
    manifest = three_runs / "runs/drift@dx=0.9/dozen/one-pass/manifest.json"
    manifest.write_text("{")
    done = trackbench(command, "-d", "./dozen", "--json", code=1)
    assert f"left out: {manifest.relative_to(three_runs)}: not valid JSON" in done.stderr
    found = json.loads(done.stdout)
    (refused,) = found["refused"]
    assert "not valid JSON" in refused["reason"]
    if command == "statistics":
        assert [row["tracker"] for row in found["statistics"][0]["trackers"]] == ["drift@dx=1.0", "drift@dx=4.0"]
    else:
        assert "Drift @dx=4.0" in found["paragraph"]
    assert "not valid JSON" in trackbench(command, "drift@dx=0.9", "-d", "./dozen", code=1).stderr
