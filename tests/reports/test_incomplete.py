"""Incomplete runs never win, reports do not overwrite each other, and bad answers are seen."""

from __future__ import annotations

import csv
import json
import os
import shutil
from dataclasses import replace
from io import StringIO
from pathlib import Path

import pytest
from command import document, trackbench
from rich.console import Console

from trackbench.reports import overview, plots, tables
from trackbench.reports.style import Style, looks, styled
from trackbench.scoring import BadAnswers, Curve, Score


def score(name: str, auc: float, sequences: int = 100, dataset: str = "otb100") -> Score:
    curves = {"success": Curve([0.0, 1.0], [auc, 0.0])}
    metrics: dict[str, float | None] = {"success_auc": auc, "fps": 9.0}
    return Score(name, name, dataset, "one-pass", "matlab", sequences, 100, 1, {}, metrics, curves=curves)


SCORES = styled([score("lucky", 0.99, 1), score("a", 0.5), score("b", 0.6)], Style(order=("lucky", "a")))


def test_they_stand_below_and_unmarked_with_their_share() -> None:
    assert [s.tracker for s in SCORES] == ["a", "b", "lucky"]
    lines = tables.markdown_table(SCORES).splitlines()
    assert lines[2:5] == [
        "| a | *50.0* | 9.0 | 100 of 100 |",
        "| b | **60.0** | 9.0 | 100 of 100 |",
        "| lucky (1/100) | 99.0 | 9.0 | 1 of 100 |",
    ]
    assert "Not ranked, because incomplete: lucky 1/100. Best, second and third: **bold**, *italic*, ³." in lines[-1]
    text = tables.latex_table(SCORES, "OTB-100")
    assert r"lucky (1/100) & 99.0 & 9.0 \\" in text
    assert r"\textbf{60.0}" in text
    rows = list(csv.DictReader(tables.csv_table(SCORES).splitlines()))
    assert [(row["tracker"], row["sequences"], row["of"], row["complete"]) for row in rows][-1] == (
        "lucky", "1", "100", "False",
    )  # fmt: skip
    assert [s.document()["complete"] for s in SCORES] == [True, True, False]


def test_they_come_last_in_legends() -> None:
    (curve,) = plots.curves_of(SCORES)
    figure = plots.panel(plots.curve_panel(SCORES, curve, looks(s.tracker for s in SCORES)), "OTB-100")
    legend = figure.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["[0.600] b", "[0.500] a", "[0.990] lucky (1/100)"]


def test_alone_beside_incomplete_ones_a_run_has_no_place() -> None:
    alone = styled([score("lucky", 0.99, 1), score("a", 0.5)], Style())
    assert tables.places(alone, tables.main_metric(alone)) == {}


def test_over_several_data_sets() -> None:
    from trackbench.datasets.sequence import Dataset
    from trackbench.definitions import DatasetDefinition

    datasets = [
        Dataset(name, DatasetDefinition(title=name.upper(), layout="folder"), Path(), (), 100) for name in ("d1", "d2")
    ]
    second = [score("b", 0.7, dataset="d2"), score("a", 0.8, 3, dataset="d2")]
    table = overview.Overview.of([(datasets[0], SCORES, None), (datasets[1], second, ["success_auc", "fps"])])
    lines = overview.markdown_table(table).splitlines()
    assert lines[0] == "| tracker | D1 AUC | D2 AUC | D2 fps |"
    assert "| a | *50.0* | 80.0 (3/100) | 9.0 (3/100) |" in lines
    assert "| lucky | 99.0 (1/100) | - | - |" in lines
    rows = {row["tracker"]: row for row in csv.DictReader(overview.csv(table).splitlines())}
    assert (rows["a"]["d2 success_auc"], rows["a"]["d2 sequences"]) == ("0.8", "3/100")
    text = overview.latex_table(table)
    assert r"b & \textbf{60.0} & 70.0 & 9.0 \\" in text
    assert r" & D1 & \multicolumn{2}{c}{D2} \\" in text
    assert r"\cmidrule(lr){3-4} Tracker & AUC & AUC & fps \\" in text
    assert table.caption.startswith("Convention: matlab. Percent, except fps. (n/N): incomplete")


def test_over_several_data_sets_by_several_rules_and_settings() -> None:
    from trackbench.datasets.sequence import Dataset
    from trackbench.definitions import DatasetDefinition

    names = ("d1", "d2", "d3")
    datasets = [Dataset(name, DatasetDefinition(title=name, layout="folder"), Path(), (), 100) for name in names]
    tuned = replace(score("a", 0.5), manifest={"search": {"test_set": True, "dataset": "d1"}})
    other = replace(score("a", 0.5, dataset="d3"), convention="stark")
    table = overview.Overview.of(
        [(datasets[0], [tuned], None), (datasets[1], [tuned], None), (datasets[2], [other], None)]
    )
    assert table.caption == (
        "Conventions: matlab (d1, d2), stark (d3). Percent. † Settings searched on the test set d1."
    )
    assert "Best" not in overview.markdown_table(table) + overview.latex_table(table)
    assert overview.Overview.of([(datasets[0], [tuned], None)]).titles == {"a": "a †"}


def test_numbers_of_a_server_and_of_people_are_told() -> None:
    scores = [replace(score(name, 0.5), convention=origin) for name, origin in (("a", "server"), ("b", "typed"))]
    assert tables.caption(scores).startswith(
        "From the benchmark's server: a. Typed in, as the benchmark's server gave them: b. Percent"
    )
    assert tables.caption([*scores, score("c", 0.5)]).startswith("Convention: matlab. From the benchmark's server: a. ")


def test_in_a_narrow_terminal_trackers_continue_in_another_table() -> None:
    several = [
        replace(
            score(f"tracker_{n}", 0.5, 50 + 50 * (n < 5)), attributes={"OCC": {"sequences": 5 + n, "success_auc": 0.5}}
        )
        for n in range(6)
    ]
    console = Console(width=60, file=StringIO())
    console.print(tables.attribute_table(several, width=60))
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert text.count("AUC by attribute") == 3
    assert all(f"tracker_{n}" in text for n in range(6))
    assert "50.0 (9/10)" in text
    assert "…" not in text


@pytest.fixture
def runs(ran: Path) -> Path:
    (ran / "drift/data/one-pass/s2.txt").unlink()
    return ran


def test_common_scores_all_on_the_sequences_that_all_have(runs: Path) -> None:
    result = trackbench("report", "-d", "data", "--common", "--no-plots")
    assert "data: over the 2 of 3 sequences that all have: s1, s3" in result.stderr
    assert "Over the 2 of 3 sequences that all have." in " ".join(result.stdout.split())
    assert "data, 2 of 3 sequences" in result.stdout
    (first, _) = csv.DictReader((runs / "report/data_common/scores.csv").open())
    assert (first["of"], first["common"]) == ("2", "3")
    rows = document("report", "-d", "data", "--common", "--no-plots")["rows"]
    assert [(row["tracker"], row["sequences"], row["of"], row["common"]) for row in rows] == [
        ("drift", 2, 2, 3),
        ("static", 2, 2, 3),
    ]
    assert set(rows[1]["per_sequence"]) == {"s1", "s3"}


def test_reports_of_other_rules_have_folders_of_their_own(runs: Path) -> None:
    trackbench("report", "-d", "data", "--no-plots", "--per-sequence")
    trackbench("report", "-d", "data", "--convention", "stark", "--no-plots", "--html")
    folder = runs / "report"
    assert {path.name for path in folder.iterdir()} == {"data", "data_stark", "report_stark.html"}
    assert (folder / "data/per_sequence.csv").is_file()
    (folder / "data/mine.txt").write_text("kept")
    trackbench("report", "-d", "data", "--no-plots")
    assert {path.name for path in (folder / "data").iterdir() if path.suffix} == {
        "scores.csv", "scores.md", "scores.tex", "scores.json", "mine.txt",
    }  # fmt: skip


def test_several_folders_of_runs_are_one_report(runs: Path, workplace: Path) -> None:
    trackbench("run", "drift", "-d", "data", "--runs", "more", "--set", "dx=2")
    rows = document("report", "-d", "data", "--runs", "runs", "--runs", "more", "--no-plots")["rows"]
    assert {row["tracker"] for row in rows} == {"drift", "drift@dx=2", "static"}
    trackbench("run", "static", "-d", "data", "--runs", "more")
    result = trackbench("report", "-d", "data", "--runs", "runs", "--runs", "more", code=2)
    assert "two runs of 'static' on data" in result.stderr


def test_columns_and_trackers_may_be_those_of_one_of_the_data_sets(runs: Path, workplace: Path) -> None:
    trackbench("synthesize", "vot", "--sequences", "1", "--frames", "3", "--size", "64x64")
    trackbench("run", "static", "-d", "./vot")
    both = ("-d", "data", "-d", "./vot", "--no-plots")
    result = trackbench("report", "drift", "static", *both, "--metrics", "EAO,AUC")
    assert "vot: no run of drift" in result.stderr
    lines = (runs / "report/overview.md").read_text().splitlines()
    assert lines[0] == "| tracker | data AUC | vot EAO |"
    assert lines[-1].startswith("Conventions: ")
    assert "did you mean 'drift'" in trackbench("report", "drit", *both, code=2).stderr
    assert "did you mean 'eao'" in trackbench("report", *both, "--metrics", "ea0", code=2).stderr


def test_no_plots(runs: Path) -> None:
    trackbench("report", "-d", "data", "--json", "--quiet")
    assert not list((runs / "report").rglob("*.png"))


def test_columns_are_chosen(runs: Path) -> None:
    trackbench("report", "-d", "data", "--metrics", "fps,AUC", "--no-plots")
    assert (runs / "report/data/scores.md").read_text().startswith("| tracker | fps | AUC | sequences |")
    result = trackbench("report", "-d", "data", "--metrics", "sucess_auc", code=2)
    assert "no score has 'sucess_auc'; did you mean 'success_auc'?" in result.stderr


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("100", "expected LOW:HIGH"),
        ("9:5", "from 1 to"),
        ("1:100001", "at most 100000"),
        ("1:" + "9" * 5000, "expected"),
        ("5:9", "has not"),
    ],
)
def test_wrong_lengths(runs: Path, text: str, message: str) -> None:
    assert message in trackbench("report", "-d", "data", "--interval", text, code=2).stderr


def test_lengths_of_ones_own(workplace: Path) -> None:
    trackbench("synthesize", "vot", "--sequences", "2", "--frames", "30", "--size", "160x120", "--layout", "vot")
    trackbench("run", "static", "-d", "./vot", "--protocol", "supervised")
    options = ["report", "-d", "./vot", "--protocol", "supervised", "--no-plots"]
    (row,) = document(*options, "--interval", "5:20")["rows"]
    (other,) = document(*options)["rows"]
    assert (row["interval"], other["interval"]) == ([5, 20], [1, 30])
    assert row["metrics"]["eao"] != other["metrics"]["eao"]
    assert {path.name for path in Path("runs/report").iterdir()} >= {"vot_5-20"}


def test_bad_answers_are_counted_and_said(runs: Path) -> None:
    path = runs / "static/data/one-pass/s1.txt"
    lines = path.read_text().splitlines()
    # The folder does not say how large the frames are, 64x48; one of them does.
    lines[2:6] = ["nan,nan,nan,nan", "inf,1,2,3", "5,5,-1,4", "900,5,4,4"]
    path.write_text("\n".join(lines) + "\n")
    result = trackbench("report", "static", "-d", "data", "--no-plots")
    for text in ("1 answer in 1 sequence: not a number", ": infinite", "without area", "far outside of the image"):
        assert text in result.stderr
    (row,) = document("report", "static", "-d", "data", "--no-plots")["rows"]
    assert row["bad_answers"]["nan"] == {"frames": 1, "sequences": 1}
    assert row["bad_answers"]["constant"]["sequences"] == 2
    saved = json.loads((runs / "report/data/scores.json").read_text())
    assert saved["rows"][0]["bad_answers"]["no_area"] == {"frames": 1, "sequences": 1}
    assert BadAnswers(1, 1)._asdict() == row["bad_answers"]["infinite"]


def test_other_data_are_refused(runs: Path, workplace: Path) -> None:
    from samples import write_dataset

    write_dataset(workplace / "elsewhere/data", 3, 9)
    explain = ("explain", "static", "--convention", "matlab", "--convention", "pysot")
    for words in (("report",), explain):
        result = trackbench(*words, "-d", "elsewhere/data", code=1)
        assert "holds results made on other data than" in result.stderr


@pytest.mark.parametrize("damage", ["cut", "a pipe", "a session"])
def test_a_run_whose_records_cannot_be_read_costs_itself_alone(runs: Path, workplace: Path, damage: str) -> None:
    (broken,) = runs.glob("static/*/*/manifest.json")
    if damage == "a session":
        (broken,) = broken.parent.glob("sessions/*.json")
    if damage == "a pipe":
        broken.unlink()
        os.mkfifo(broken)
    else:
        broken.write_text("{")
    name = str(broken.relative_to(workplace))
    for command, key in (("list runs", "runs"), ("status", "runs")):
        rows = {row["tracker"]: row["why_not"] for row in document(*command.split(), code=1)[key]}
        assert rows["drift"] == ("2 of 3 sequences are stored" if command == "list runs" else None)
        assert rows["static"].startswith(f"{name}: "), rows
    report = document("report", "-d", "data", "--no-plots", code=1)
    assert [row["tracker"] for row in report["rows"]] == ["drift"]
    (refused,) = report["refused"]
    assert (refused["tracker"], refused["dataset"]) == ("static", "data")
    assert name in trackbench("report", "-d", "data", "--no-plots", code=1).stderr
    assert name in trackbench("report", "-d", "data", "--no-plots", "--strict", code=1).stderr
    trackbench("report", "drift", "-d", "data", "--no-plots")
    assert "--restart" in trackbench("run", "static", "-d", "data", code=1).stderr
    trackbench("run", "static", "-d", "data", "--restart", "--device", "cpu")
    trackbench("report", "-d", "data", "--no-plots")


def test_results_that_are_no_files_are_refused(runs: Path) -> None:
    (path,) = runs.glob("static/*/*/s1.txt")
    path.unlink()
    path.symlink_to("nowhere")
    for command in (("run", "static", "-d", "data"), ("report", "drift", "static", "-d", "data", "--no-plots")):
        result = trackbench(*command, code=int(command[0] == "run"))
        assert "s1.txt: cannot be read: No such file or directory" in result.stderr, result.output


def test_a_damaged_run_does_not_hide_that_the_others_have_nothing_in_common(ran: Path) -> None:
    names = sorted(path.stem for path in (ran / "drift/data/one-pass").glob("*.txt"))
    (ran / f"drift/data/one-pass/{names[0]}.txt").unlink()
    for name in names[1:]:
        (ran / f"static/data/one-pass/{name}.txt").unlink()
    shutil.copytree(ran / "drift", ran / "broken")
    (ran / "broken/data/one-pass/manifest.json").write_text("{")
    error = trackbench("report", "-d", "data", "--common", "--no-plots", code=2).stderr
    assert "no sequence of data has results of all runs" in " ".join(error.split())
    assert "static (1), drift (2)" in " ".join(error.split())
