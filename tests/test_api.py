"""The public functions do what the commands do."""

from __future__ import annotations

import doctest
from pathlib import Path

import numpy as np
import pytest
from command import document, trackbench

import trackbench as tb
from trackbench.errors import UsageError


def test_three_lines_give_the_table(workplace: Path) -> None:
    tb.run(["static", "drift"], "data", device="cpu")
    table = tb.scores("data")
    assert sorted(table.index) == ["drift", "static"]
    rows = {row["tracker"]: row for row in document("report", "-d", "data", "--no-plots")["rows"]}
    for tracker, row in rows.items():
        assert table.loc[tracker, "success_auc"] == row["metrics"]["success_auc"]
        assert table.loc[tracker, "sequences"] == row["sequences"]
        per_sequence = table.per_sequence().loc[tracker]
        assert per_sequence["success_auc"].to_dict() == pytest.approx(
            {name: metrics["success_auc"] for name, metrics in row["per_sequence"].items()}
        )
    curves = table.curves()
    found = curves[(curves["tracker"] == "static") & (curves["curve"] == "success")]
    np.testing.assert_array_equal(found["value"], rows["static"]["curves"]["success"])
    assert set(found["threshold"]) == set(np.linspace(0, 1, 21))


def test_run_returns_what_the_command_prints(workplace: Path) -> None:
    (found,) = tb.run("static", "data", device="cpu")
    assert found["failed"] == []
    printed = document("run", "static", "-d", "data", "--device", "cpu")["runs"]
    assert [found | {"run": 0, "stored_before": 3}] == printed


def test_report_writes_and_takes_strings_for_paths(workplace: Path) -> None:
    tb.run("static", "data", device="cpu")
    made = tb.report("data", out="paper", plots=False)
    assert (workplace / "paper/data/scores.csv") in [path.resolve() for path in made.written]
    with pytest.raises(UsageError, match="needs --html"):
        tb.report("data", frames=3)


def test_explain_export_and_import(workplace: Path) -> None:
    tb.run("static", "data", device="cpu")
    explanation = tb.explain("static", "data", "matlab", "got10k")
    assert (explanation.tracker, explanation.sequences) == ("static", len(tb.scores("data").per_sequence()))
    done = tb.export("static", "data", "got10k", "out")
    plan, folder = tb.import_results(f"out/{'/'.join(next(Path('out').iterdir()).parts[1:])}", "back", "data")
    assert folder is not None
    assert len(plan.results) == len(done.sequences)
    table = tb.scores("data")
    assert table.loc["back", "success_auc"] == pytest.approx(table.loc["static", "success_auc"], abs=1e-9)


def test_a_table_that_is_cut_is_a_plain_one(workplace: Path) -> None:
    tb.run("static", "data", device="cpu")
    assert type(tb.scores("data")[["success_auc"]]).__name__ == "DataFrame"


def test_the_examples_of_the_package_run(workplace: Path) -> None:
    from trackbench import api
    from trackbench.scoring import frame

    for module in (tb, api, frame):
        assert doctest.testmod(module).failed == 0


def test_the_command_needs_no_more_than_the_function(workplace: Path) -> None:
    trackbench("run", "static", "-d", "data", "--device", "cpu")
    with pytest.raises(UsageError, match="takes no checkpoint"):
        tb.run("static", "data", random_weights=True)
