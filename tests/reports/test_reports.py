import csv
import io
import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image
from rich.console import Console

from trackbench.datasets.sequence import Dataset
from trackbench.definitions import DATASETS
from trackbench.metrics.table import METRICS, SUCCESS, CurveAxes, metric
from trackbench.reports import plots, tables
from trackbench.reports.folder import write_report
from trackbench.reports.significance import significance_csv
from trackbench.reports.style import Look, looks
from trackbench.scoring import Curve, Score


def score(name: str, auc: float | None, precision: float = 0.5, of: int = 100, **more: object) -> Score:
    ramp = np.linspace(1, 0, 21)
    return Score(
        tracker=name,
        title=name,
        dataset="otb100",
        protocol="one-pass",
        convention="matlab",
        sequences=100,
        of=of,
        repetitions=1,
        run={},
        metrics={"success_auc": auc, "precision": precision, "fps": 30.0},
        attributes={"OCC": {"sequences": 1, "success_auc": auc, "precision": precision}},
        per_sequence={"Crossing": {"success_auc": auc, "precision": precision}},
        curves={
            "success": Curve(np.linspace(0, 1, 21).tolist(), (ramp * (auc or 0)).tolist()),
            "precision": Curve(np.arange(51.0).tolist(), np.linspace(0, precision, 51).tolist()),
        },
        **more,  # type: ignore[arg-type]
    )


def curve_figure(scores: Sequence[Score], curve: CurveAxes, title: str, look: dict[str, Look]) -> Figure:
    return plots.panel(plots.curve_panel(scores, curve, look), title, legend=curve.legend)


SCORES = [score("a_b", 0.5, 0.75), score("c", 0.61234, 0.5), score("d<i>", 0.5), score("e", None)]
DATASET = Dataset("otb100", DATASETS.get("otb100").value, Path(), (), 100)


def test_ranked_with_the_undefined_last() -> None:
    assert [s.tracker for s in tables.ranked(SCORES)] == ["c", "a_b", "d<i>", "e"]


def test_places() -> None:
    columns = {key: metric(key) for key in METRICS}
    assert tables.places(SCORES, columns["success_auc"]) == {1: 1, 0: 2, 2: 2}
    assert tables.places(SCORES, columns["fps"]) == {}
    assert tables.places(SCORES[:1], columns["success_auc"]) == {}
    failures = [replace(s, metrics={"failures": 3.0 + i}) for i, s in enumerate(SCORES)]
    assert tables.places(failures, columns["failures"]) == {0: 1, 1: 2, 2: 3}


def test_csv_is_exact() -> None:
    rows = list(csv.DictReader(io.StringIO(tables.csv_table(SCORES))))
    assert float(rows[1]["success_auc"]) == 0.61234
    assert rows[3]["success_auc"] == ""
    assert (rows[0]["sequences"], rows[0]["of"], rows[0]["convention"]) == ("100", "100", "matlab")
    assert next(csv.DictReader(io.StringIO(tables.attribute_csv(SCORES))))["attribute"] == "OCC"
    assert next(csv.DictReader(io.StringIO(tables.sequence_csv(SCORES))))["sequence"] == "Crossing"
    assert len(list(csv.DictReader(io.StringIO(tables.curve_csv(SCORES[:1]))))) == 21 + 51


def test_markdown() -> None:
    lines = tables.markdown_table(SCORES).splitlines()
    assert lines[0] == "| tracker | AUC | P | fps | sequences |"
    assert lines[2] == "| a_b | *50.0* | **75.0** | 30.0 | 100 of 100 |"
    assert lines[3] == "| c | **61.2** | *50.0* | 30.0 | 100 of 100 |"
    assert lines[5] == "| e | - | *50.0* | 30.0 | 100 of 100 |"


def test_latex() -> None:
    text = tables.latex_table(SCORES, "OTB_100 & more")
    assert r"a\_b & \underline{50.0} & \textbf{75.0} & 30.0 \\" in text
    assert r"\caption{OTB\_100 \& more. Convention: matlab. Percent, except fps. Best, second and third: " in text
    assert [line.strip() for line in text.splitlines() if "rule" in line] == [r"\toprule", r"\midrule", r"\bottomrule"]


def test_terminal() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    for table in (
        tables.terminal_table(SCORES, "OTB-100"),
        tables.attribute_table(SCORES),
        tables.sequence_table(SCORES),
    ):
        console.print(table)
    text = console.export_text()
    assert "61.2" in text
    assert "100 of 100" in text
    assert "OCC" in text
    assert "Crossing" in text


def test_plots(tmp_path: Path) -> None:
    look = looks([s.tracker for s in SCORES])
    figure = curve_figure(SCORES, SUCCESS, "OTB-100", look)
    (axes,) = figure.axes
    legend = axes.get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["[0.612] c", "[0.500] a_b", "[0.500] d<i>"]
    assert axes.get_xlim() == (0, 1)
    # In grey as well: every line has a style of its own.
    assert len({str(look[s.tracker].matplotlib()["linestyle"]) for s in SCORES}) == 4
    png, pdf, svg = plots.save(figure, tmp_path / "success")
    assert Image.open(png).width == 1020  # 3.4 inches, the width of a column
    assert b"/FontFile2" in pdf.read_bytes()
    assert b"<text" not in svg.read_bytes()
    again = curve_figure(SCORES, SUCCESS, "OTB-100", look)
    assert [p.read_bytes() for p in plots.save(again, tmp_path / "again")] == [p.read_bytes() for p in (png, pdf, svg)]


def test_colours_stay_with_the_tracker() -> None:
    look = looks([f"t{n}" for n in range(20)])
    assert len({str(style) for style in look.values()}) == 20


def test_json_beside_the_tables(tmp_path: Path) -> None:
    write_report([score("a", float("nan"))], DATASET, tmp_path, plot=False)
    document = json.loads((tmp_path / "scores.json").read_text())
    assert (document["schema"], document["rows"][0]["metrics"]["success_auc"]) == (1, None)
    assert "NaN" not in (tmp_path / "scores.json").read_text()


@pytest.mark.parametrize("more", [False, True])
def test_folder(tmp_path: Path, more: bool) -> None:
    written = write_report(SCORES, DATASET, tmp_path, attributes=more, per_sequence=more, curves=more)
    expected = {"scores.csv", "scores.md", "scores.tex", "scores.json"}
    expected |= {f"{stem}.{kind}" for stem in ("success", "precision", "plots") for kind in ("png", "pdf", "svg")}
    expected |= {"attributes.csv", "per_sequence.csv", "significance.csv", "curves.csv"} if more else set()
    shown = {path.name for path in tmp_path.iterdir() if not path.name.startswith(".")}
    assert {path.name for path in written} == shown == expected


def test_radar(tmp_path: Path) -> None:
    names = ("OCC", "SV", "LR")
    marked: dict[str, dict[str, float | None]] = {name: {"sequences": 4, "success_auc": 0.4} for name in names}
    drawn = [replace(score, attributes=marked, curves={}) for score in SCORES[:2]]
    written = write_report(drawn, DATASET, tmp_path, attributes=True)
    assert {"attributes.png", "attributes.pdf", "attributes.svg", "attributes.csv"} <= {path.name for path in written}


def test_spread_over_runs() -> None:
    several = [replace(SCORES[0], repetitions=3, spread={"success_auc": 0.0123})]
    assert "50.0 ± 1.2" in tables.markdown_table(several)
    assert "50.0 $\\pm$ 1.2" in tables.latex_table(several, "x")
    assert "standard deviation over runs" in tables.markdown_table(several)
    assert float(next(csv.DictReader(io.StringIO(tables.csv_table(several))))["success_auc_spread"]) == 0.0123


def test_third_place_is_marked() -> None:
    three = [score("a", 0.3), score("b", 0.2), score("c", 0.1)]
    lines = tables.markdown_table(three).splitlines()
    assert "| **30.0** |" in lines[2]
    assert "| *20.0* |" in lines[3]
    assert "| 10.0 ³ |" in lines[4]
    assert r"\textit{10.0}" in tables.latex_table(three, "x")


def test_intervals_and_paired_tests_in_csv() -> None:
    rng = np.random.default_rng(1)
    base = rng.random(40) / 2
    several = [
        replace(
            score(name, 0.5),
            intervals={"success_auc": (0.4, 0.625)},
            per_sequence={str(k): {"success_auc": float(value + gain)} for k, value in enumerate(base)},
        )
        for name, gain in (("a", 0.25), ("b", 0.0))
    ]
    row = next(csv.DictReader(io.StringIO(tables.csv_table(several))))
    assert (float(row["success_auc_low"]), float(row["success_auc_high"])) == (0.4, 0.625)
    (pair,) = csv.DictReader(io.StringIO(significance_csv(several)))
    assert (pair["tracker"], pair["against"], pair["metric"], pair["sequences"]) == ("a", "b", "success_auc", "40")
    assert float(pair["difference"]) == pytest.approx(0.25)
    assert float(pair["p_wilcoxon_holm"]) < 0.001
    assert float(pair["p_sign_flips_holm"]) < 0.001


def test_names_that_languages_would_read_as_commands() -> None:
    odd = [score("[1] x", 0.5), score('*a* <b>|^~\\"', 0.4), score("_a_b_ &amp; c&d", 0.3)]
    text = tables.latex_table(odd, "d", colours=True)
    assert r"    {[}1{]} x & \textcolor{red}{50.0}" in text
    name = r"{*}a{*} \textless{}b\textgreater{}\textbar{}\textasciicircum{}\textasciitilde{}\textbackslash{}"
    assert f'    {name}" & ' in text
    assert r"    \_a\_b\_ \&amp; c\&d & " in text
    lines = tables.markdown_table(odd).splitlines()
    assert lines[2].startswith(r"| \[1\] x | ")
    assert lines[3].startswith(r'| \*a\* \<b>\|^~\\" | ')
    assert lines[4].startswith(r"| \_a_b\_ \&amp; c&d | ")


def test_markup_in_titles_and_attributes_is_text() -> None:
    console = Console(width=120, record=True, file=io.StringIO())
    console.print(tables.terminal_table(SCORES, "[/red] set"))
    console.print(tables.attribute_table([replace(SCORES[0], attributes={"[/b]": {"sequences": 1.0}})]))
    text = console.export_text()
    assert "[/red] set" in text
    assert "[/b]" in text


def test_a_dot_is_part_of_a_plots_name(tmp_path: Path) -> None:
    figure = curve_figure(SCORES, SUCCESS, "d", looks(s.tracker for s in SCORES))
    assert [path.name for path in plots.save(figure, tmp_path / "a.1_2")] == ["a.1_2.png", "a.1_2.pdf", "a.1_2.svg"]


def test_long_names_leave_the_legend_its_lines() -> None:
    long = [score("t" * 150 + str(index), 0.5 + index / 100) for index in range(9)]
    figure = curve_figure(long, SUCCESS, "d", looks(s.tracker for s in long))
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.width <= figure.bbox.width
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert len(set(labels)) == 9
    assert all("…" in label for label in labels)


def test_a_legend_wider_than_its_axes_stands_below() -> None:
    few = [score("short", 0.6), score("A_tracker_of_a_rather_long_name", 0.5, of=1000)]
    look = looks(s.tracker for s in few)
    figure = curve_figure(few, SUCCESS, "d", look)
    assert figure.axes[0].get_legend() is None
    assert [text.get_text()[:7] for text in figure.legends[0].get_texts()] == ["[0.600]", "[0.500]"]
    assert curve_figure(few[:1], SUCCESS, "d", look).axes[0].get_legend() is not None
    # A tracker that the first panel lacks stands in a common legend all the same.
    one, both = (plots.curve_panel(part, SUCCESS, look) for part in (few[:1], few))
    (legend,) = plots.row([(one, "lower left"), (both, "lower left"), (one, "lower left")]).legends
    assert [text.get_text() for text in legend.get_texts()] == [
        "[0.600 | 0.600 | 0.600] short",
        "[– | 0.500 | –] A_tracker_of_a_rather_long_name (100/1000)",
    ]


def test_brackets_of_a_name_stay_in_a_common_legend() -> None:
    many = [score(f"[{index}] t", 0.5) for index in range(plots.MOST_INSIDE_ROW + 1)]
    draw = plots.curve_panel(many, SUCCESS, looks(s.tracker for s in many))
    figure = plots.row([(draw, "lower left"), (draw, "lower left")])
    common = [text.get_text() for text in figure.legends[0].get_texts()]
    assert common == [f"[0.500 | 0.500] {s.title}" for s in many]
    without = plots.curve_panel(many[1:], SUCCESS, looks(s.tracker for s in many))
    figure = plots.row([(draw, "lower left"), (without, "lower left")])
    assert figure.legends[0].get_texts()[0].get_text() == "[0.500 | –] [0] t"
    crowd = plots.row([(draw, "lower left")] * (plots.MOST_SCORES + 1))
    assert [text.get_text() for text in crowd.legends[0].get_texts()] == [s.title for s in many]

    def line(axes: Axes) -> None:
        axes.plot([0], [0], label="[b] t")

    plain = plots.row([(line, "lower left"), (line, "lower left")])
    legend = plain.axes[0].get_legend()
    assert legend is not None
    assert [text.get_text() for text in legend.get_texts()] == ["[b] t"]


@pytest.mark.filterwarnings("error")
def test_characters_that_plots_cannot_draw(tmp_path: Path) -> None:
    assert plots.undrawable("aé日b本日") == "日本"
    figure = curve_figure([score("日本", 0.5)], SUCCESS, "d", looks(["日本"]))
    assert len(plots.save(figure, tmp_path / "a")) == 3
