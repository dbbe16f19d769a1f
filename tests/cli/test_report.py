import json
from pathlib import Path

import pytest
from command import document, trackbench
from samples import write_dataset


def test_files_and_table(ran: Path) -> None:
    result = trackbench("report", "-d", "data")
    assert "95.2" in result.stdout
    assert "3 of 3" in result.stdout
    names = {path.name for path in (ran / "report/data").iterdir() if path.name != ".cache"}
    stems = ("success", "precision", "norm_precision", "plots")
    plots = {f"{stem}.{kind}" for stem in stems for kind in ("png", "pdf", "svg")}
    assert names == {"scores.csv", "scores.md", "scores.tex", "scores.json", *plots}


def test_json_is_the_contract(ran: Path) -> None:
    document = json.loads(trackbench("report", "-d", "data", "--json", "--no-plots").stdout)
    assert document["schema"] == 1
    first, second = document["rows"]
    assert (first["tracker"], second["tracker"]) == ("drift", "static")
    assert {"tracker", "dataset", "protocol", "convention", "sequences", "of", "repetitions", "run", "metrics"} <= set(
        first
    )
    assert {"attributes", "per_sequence", "curves"} <= set(first)
    assert set(first["metrics"]) >= {
        "success_auc",
        "precision",
        "norm_precision",
        "mean_overlap",
        "sr50",
        "sr75",
        "fps",
    }
    assert first["metrics"]["success_auc"] == pytest.approx(20 / 21)
    assert len(first["curves"]["success"]) == 21
    assert len(first["curves"]["precision"]) == 51


def test_more_tables(ran: Path) -> None:
    result = trackbench(
        "report", "static", "-d", "data", "--per-sequence", "--attributes", "--curves", "--out", "paper", "--no-plots"
    )
    assert "s2" in result.stdout
    assert {"per_sequence.csv", "attributes.csv", "curves.csv"} <= {p.name for p in Path("paper/data").iterdir()}


def test_no_image_is_opened(ran: Path, workplace: Path) -> None:
    for path in workplace.glob("data/*/img/*"):
        path.unlink()
    assert "95.2" in trackbench("report", "-d", "data", "--no-plots").stdout


def test_strict(ran: Path) -> None:
    (ran / "static/data/one-pass/s2.txt").unlink()
    assert "2 of 3" in trackbench("report", "-d", "data", "--no-plots").stdout
    result = trackbench("report", "-d", "data", "--strict", "--no-plots", code=1)
    assert "--strict: incomplete on data: static (2 of 3)" in result.stderr


def test_problems_are_said_and_the_others_reported(ran: Path) -> None:
    (ran / "static/data/one-pass/s2.txt").write_text("what\n")
    result = trackbench("report", "-d", "data", "--no-plots")
    assert "95.2" in result.stdout
    assert "static: runs/static/data/one-pass/s2.txt: line 1: 'what' is not a number" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nobody"], "no run of 'nobody' on data in runs (stored: drift, static)"),
        (["--convention", "vot2"], "unknown convention 'vot2'"),
        (["--runs", "none"], "none: holds no runs on data"),
        (["--out", "data/s1/groundtruth.txt"], "cannot be written: Not a directory"),
    ],
)
def test_wrong_commands(ran: Path, arguments: list[str], message: str) -> None:
    result = trackbench("report", *arguments, "-d", "data", code=2)
    assert message in result.stderr
    assert result.stderr.strip().count("\n") == 0


def test_the_main_job_on_a_real_sequence(workplace: Path, crossing: Path) -> None:
    """One of OTB's hundred sequences is there: it runs, and every output says that it is one of a hundred."""
    arguments = ["-d", "otb100", "--root", str(crossing)]
    result = trackbench("run", "dcf", "static", *arguments)
    assert "otb100: 1 of 100 sequences are in" in result.stderr
    assert result.stdout.count("1 of 100") == 4  # in the table, and where each lies
    rows = json.loads(trackbench("report", *arguments, "--json", "--no-plots").stdout)["rows"]
    assert [(row["tracker"], row["sequences"], row["of"]) for row in rows] == [("dcf", 1, 100), ("static", 1, 100)]
    dcf, static = (row["metrics"]["success_auc"] for row in rows)
    assert dcf >= 0.65
    assert dcf > static + 0.1


def test_one_data_set_in_several_spellings(ran: Path) -> None:
    assert len(document("report", "-d", "data", "-d", "./data", "-d", "data/", "--no-plots")["rows"]) == 2


def test_two_data_sets_of_one_name(ran: Path) -> None:
    write_dataset(Path("other/data"), 1)
    result = trackbench("report", "-d", "data", "-d", "other/data", code=2)
    assert "other/data are both called 'data'; report on one at a time" in result.stderr
    assert not (ran / "report").exists()


def test_a_page_without_a_limit(ran: Path) -> None:
    trackbench("report", "static", "-d", "data", "--html", "--page-limit", "inf", "--no-plots")
    assert (ran / "report/report.html").is_file()


@pytest.mark.parametrize("option", [["--html"], ["--frame", "s1"]])
def test_runs_are_shown_on_data_sets_only(ran: Path, option: list[str]) -> None:
    result = trackbench("report", "--paper", "siamattn:1", *option, code=2)
    assert f"{option[0]} shows runs on a data set; it needs -d" in result.stderr
    assert not (ran / "report").exists()


def test_names_the_plots_cannot_draw_are_told_once(ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trackbench.reports.folder.save_changed", lambda *_: [])
    Path("style.toml").write_text('[trackers.static]\nname = "静"\n', encoding="utf-8")
    assert trackbench("report", "-d", "data", "--style", "style.toml").stderr.count("the plots' font lacks 静") == 1
