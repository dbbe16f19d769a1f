"""Papers' numbers beside ours: which row is which run, in which unit, and how tables show it."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from command import document, trackbench

from trackbench.datasets.sequence import Dataset
from trackbench.definitions import DATASETS
from trackbench.errors import TrackbenchError, UsageError
from trackbench.reports import comparison as comparison_module
from trackbench.reports import paper_tables
from trackbench.reports.comparison import against_papers, compare, score_table
from trackbench.reports.papers import paper_table
from trackbench.reports.tables import csv_table, latex_table, markdown_table, used_columns
from trackbench.results.store import RunFolder, RunKey
from trackbench.scoring import Score


def score(label: str, dataset: str, **metrics: float | None) -> Score:
    return Score(label, label, dataset, "one-pass", "matlab", 280, 280, 1, {}, dict(metrics))


def test_numbers_in_the_papers_unit() -> None:
    values = paper_table("simtrack:1")
    found = compare("simtrack:1", values, {"lasot": [score("simtrack-b16", "lasot", success_auc=0.6947)]})
    row = next(row for row in found.rows if row.tracker == "Sim-B/16")
    assert row.label == "simtrack-b16"
    cell = row.cells["lasot", "success_auc"]
    assert cell.measured == pytest.approx(69.47)
    assert cell.difference == pytest.approx(0.17)
    assert row.cells["lasot", "norm_precision"].measured is None
    assert row.cells["tnl2k", "success_auc"].difference is None
    assert row.cells["", "backbone"].difference is None
    fractions = compare("sparsett:4", paper_table("sparsett:4"), {"lasot": [score("sparsett", "lasot", precision=0.7)]})
    assert fractions.rows[0].cells["lasot", "precision"].difference == pytest.approx(-0.001)


def test_mislabelled_numbers_are_compared_with_what_they_are() -> None:
    runs = [score("simtrack-l14", "trackingnet", precision_auc=0.85, norm_precision_auc=0.873)]
    found = compare("simtrack:1", paper_table("simtrack:1"), {"trackingnet": runs})
    row = next(row for row in found.rows if row.label == "simtrack-l14")
    assert row.cells["trackingnet", "precision_auc"].difference == pytest.approx(-0.1)


def test_a_profile_shares_the_line_of_a_run() -> None:
    """How results are written costs nothing, so that both are one row, though they have two labels."""
    cost, other = score("simtrack-b16", "", **{"flops (G)": 24.0}), "simtrack-b16@integer_boxes=True"
    scores = {"lasot": [score(other, "lasot", success_auc=0.7)], "tnl2k": [score("simtrack", "tnl2k", success_auc=0.5)]}
    for each in (*scores["lasot"], *scores["tnl2k"], cost):
        each.manifest["identity"] = {
            "tracker": "simtrack-b16", "class": "c", "options": {"integer_boxes": "@" in each.tracker}
        }  # fmt: skip
    found = compare("simtrack:1", paper_table("simtrack:1"), scores | {"": [cost]})
    first, second = (row for row in found.rows if row.label)
    assert (first.labels, second.labels) == (("simtrack-b16", other), ("simtrack",))
    assert first.cells["", "flops (G)"].measured == 24
    assert "Table 4 prints 23.4 for the same model" in paper_tables.caption(found)


def test_attributes_have_columns_of_their_own() -> None:
    run = Score(
        "sparsett",
        "SparseTT",
        "lasot",
        "one-pass",
        "matlab",
        280,
        280,
        1,
        {},
        {},
        attributes={"DEF": {"success_auc": 0.7}},
    )
    found = compare("sparsett:8", paper_table("sparsett:8"), {"lasot": [run]})
    cell = found.rows[0].cells["lasot", "success_auc:DEF"]
    assert cell.measured == pytest.approx(0.7 * (100 if cell.printed.number and cell.printed.number > 1 else 1))
    assert found.rows[0].cells["lasot", "success_auc:POC"].measured is None


@pytest.mark.parametrize(
    ("label", "tracker"),
    [
        ("SiamRPN++", "SiamRPN++"),
        ("siamrpnpp", "SiamRPN++"),
        ("atom", "ATOM"),
        ("dimp50", "DiMP"),
        ("simtrack", "Sim-B/16"),
    ],
)
def test_imported_results_count_by_their_names(label: str, tracker: str) -> None:
    found = compare("simtrack:1", paper_table("simtrack:1"), {"lasot": [score(label, "lasot", success_auc=0.5)]})
    assert [row.tracker for row in found.rows if row.label] == [tracker]


@pytest.mark.parametrize("label", ["siamrpn", "sim", "simtrack-b16@search=320", "ours"])
def test_other_trackers_are_nobody_else(label: str) -> None:
    found = compare("simtrack:1", paper_table("simtrack:1"), {"lasot": [score(label, "lasot", success_auc=0.5)]})
    assert not [row.tracker for row in found.rows if row.label]


def test_a_row_may_be_another_tracker_on_one_data_set() -> None:
    scores = {
        name: [score(label, name, ao=0.7, success_auc=0.7) for label in ("sparsett", "sparsett-got10k")]
        for name in ("got10k-test", "lasot")
    }
    for spec, label in (("sparsett:5", "sparsett-got10k"), ("sparsett:4", "sparsett")):
        assert [row.label for row in compare(spec, paper_table(spec), scores).rows if row.label] == [label]


def test_tables() -> None:
    runs = {"lasot": [score("ATOM", "lasot", success_auc=0.514, norm_precision=0.57600001)]}
    found = compare("siamattn:3", paper_table("siamattn:3"), runs)
    text = paper_tables.markdown(found)
    assert "| ATOM | paper | 51.5 | 57.6 |\n|  | ATOM | 51.4 | 57.6 |\n|  | Δ | -0.1 | +0.0 |\n" in text
    assert "| MLT | paper | 34.5 | - |\n" in text
    assert r"     & $\Delta$ & --0.1 & +0.0 \\" in paper_tables.latex_table(found)
    rows = list(csv.DictReader(io.StringIO(paper_tables.csv(found))))
    assert len(rows) == len(paper_table("siamattn:3"))
    assert float(next(r for r in rows if r["label"] == "ATOM")["difference"]) == pytest.approx(-0.1)


def test_differences_from_papers_are_columns_of_reports() -> None:
    runs = [
        score("aiatrack", "lasot", success_auc=0.685, precision=None, sr50=0.8),
        score("mine", "lasot", success_auc=0.5),
    ]
    changed, sources = against_papers(runs)
    assert sources == {"aiatrack": "aiatrack:readme"}  # what the released file's own README states
    assert changed[0].metrics["success_auc_minus_paper"] == pytest.approx(-0.005)
    assert changed[1].metrics == runs[1].metrics
    assert [column.title for column in used_columns(changed)] == ["AUC", "Δ", "SR_0.5"]
    assert "| aiatrack | **68.5** | -0.5 | **80.0** |" in markdown_table(changed)
    assert "Δ: minus the paper's value." in markdown_table(changed)
    assert r"AUC & $\Delta$ &" in latex_table(changed, "LaSOT")
    assert "success_auc_minus_paper" in csv_table(changed)


def test_a_trackers_own_paper_comes_first() -> None:
    changed, sources = against_papers(
        [score("siamattn-box", "lasot", norm_precision=0.6), score("dimp50", "lasot", precision=0.5)]
    )
    assert sources == {"siamattn-box": "siamattn:3", "dimp50": "aiatrack:1"}
    (otb,), _ = against_papers([score("siamattn", "otb100", success_auc=0.7, precision=0.9)])
    assert otb.metrics["success_auc_minus_paper"] == pytest.approx(-0.012)  # the paper swaps the two
    assert changed[0].metrics["norm_precision_minus_paper"] == pytest.approx(-0.048)


def test_a_released_checkpoint_is_compared_with_its_own_target() -> None:
    released, own = (
        score("sbt-base", "lasot", success_auc=0.68),
        score("sbt-base@weights=0a1b", "lasot", success_auc=0.68),
    )
    (base, other), sources = against_papers([released, own])
    assert sources == {"sbt-base": "sbt:readme"}  # 68.0; the paper's own model has 65.9
    assert base.metrics["success_auc_minus_paper"] == pytest.approx(0)
    assert "success_auc_minus_paper" not in other.metrics


def test_a_data_set_that_cannot_be_scored_is_not_measured(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(comparison_module, "open_for_reports", _missing)
    run = RunFolder(tmp_path, RunKey("ATOM", "lasot", "one-pass"))
    run.write_manifest({"tracker": "ATOM", "dataset": "lasot", "protocol": "one-pass"})
    said: list[str] = []
    assert score_table(paper_table("siamattn:3"), tmp_path, None, said.append) == {}
    assert said == ["lasot: not measured: it is not there"]
    assert score_table(paper_table("siamattn:4"), tmp_path, None, said.append) == {}
    assert len(said) == 1


def _missing(*arguments: object) -> None:
    raise TrackbenchError("it is not there")


def test_the_command(workplace: Path) -> None:
    result = trackbench("report", "--paper", "siamattn:1")
    assert "0.470" in result.stdout
    assert {path.name for path in Path("runs/report/siamattn-1").iterdir()} == {"table.csv", "table.md", "table.tex"}
    told = document("report", "--paper", "SiamAttn:1")
    assert told["rows"] == []
    assert len(told["paper"]) == 69
    assert told["paper"][0]["measured"] is None
    assert "did you mean 'siamattn'" in trackbench("report", "--paper", "siamatn:1", code=2).stderr
    assert "-d says what to report on" in trackbench("report", code=2).stderr
    trackbench("run", "static", "-d", "data")
    rows = document("report", "-d", "data", "--against", "paper", "--no-plots")["rows"]
    assert "success_auc_minus_paper" not in rows[0]["metrics"]


def test_unknown_table() -> None:
    with pytest.raises(UsageError, match="expected PAPER:TABLE"):
        paper_table("siamattn")


def test_trackers_of_a_papers_table_are_those_of_reports(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for label in ("ATOM@a", "DiMP"):
        run = RunFolder(workplace / "runs", RunKey(label, "lasot", "one-pass"))
        run.write_manifest({"tracker": label, "dataset": "lasot", "protocol": "one-pass"})
    lasot = Dataset("lasot", DATASETS.get("lasot").value, Path(), (), 280)
    monkeypatch.setattr(comparison_module, "open_for_reports", lambda *_: lasot)
    values = paper_table("siamattn:3")
    found = score_table(values, workplace / "runs", None, print, ["atom"])
    assert [score.tracker for score in found["lasot"]] == ["ATOM@a"]
    assert "'nobody' has no run in runs" in trackbench("report", "nobody", "--paper", "siamattn:1", code=2).stderr
