import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from command import trackbench
from test_reports import score

from trackbench.errors import UsageError
from trackbench.reports import tables
from trackbench.reports.style import Style, TrackerStyle, check_labels, looks, read_style, styled


def test_same_look_whatever_else_is_there() -> None:
    look = looks(f"t{n}" for n in range(70))
    assert len({(each.colour, each.line) for each in look.values()}) == 70
    assert looks(["a", "b", "a"]) == looks(["a", "b"])


def test_style_file(tmp_path: Path) -> None:
    path = tmp_path / "style.toml"
    path.write_text(
        'order = ["b"]\nplaces = "colours"\none_column = 3.25\n'
        '[trackers.a]\nname = "Ours"\ncolour = "#123456"\nline = "dotted"\n'
    )
    style = read_style(path)
    rows = styled([score("a", 0.9), score("b", 0.1), score("c", 0.5)], style)
    assert [(row.tracker, row.title) for row in rows] == [("b", "b"), ("a", "Ours"), ("c", "c")]
    look = looks(["b", "a", "c"], style)
    assert (look["a"].colour, look["a"].line) == ("#123456", "dotted")
    assert style.one_column == 3.25
    assert "\\textcolor{red}{90.0}" in tables.latex_table(rows, "x", colours=True)
    assert "usepackage{xcolor}" in tables.latex_table(rows, "x", colours=True)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("order = 3", "key 'order' is 3: input should be a valid tuple"),
        ("colour = 'red'", "unknown key 'colour' (known: order, places"),
        ("[trackers.a]\ncolour = 'red'", "key 'colour' in [trackers.a] is 'red': string should match pattern"),
        ("[trackers.a]\ncolor = 'red'", "unknown key 'color' in [trackers.a]; did you mean 'colour'? (known: name, "),
        ("[tracker.a]\nname = 'A'", "unknown key 'tracker'; did you mean 'trackers'?"),
        ("[trackers.a]\nline = 'wavy'", "key 'line' in [trackers.a] is 'wavy': input should be 'solid', 'dashed'"),
        ("[trackers.a]\nname = ' '", "key 'name' in [trackers.a] is ' ': string should match pattern"),
        ("one_column = 0.1", "key 'one_column' is 0.1: input should be greater than or equal to 1"),
        ("[", "not valid TOML"),
    ],
)
def test_wrong_style_files(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "style.toml").write_text(text)
    with pytest.raises(UsageError, match=r"style\.toml: ") as error:
        read_style(tmp_path / "style.toml")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_missing_style_file(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="cannot be read"):
        read_style(tmp_path / "none.toml")


def test_trackers_of_the_same_name() -> None:
    rows = styled([replace(score("a", 0.5), title="DCF"), replace(score("a@1", 0.4), title="DCF")], Style())
    assert [row.title for row in rows] == ["DCF (a)", "DCF (a@1)"]
    with pytest.raises(UsageError, match="two runs of 'a' on otb100"):
        styled([score("a", 0.5), score("a", 0.4)], Style())


def test_names_stay_on_one_line() -> None:
    style = Style(trackers={"b": TrackerStyle(name="my\ntracker")})
    rows = styled([replace(score("a", 0.5), title="a\n| b"), score("b", 0.4)], style)
    assert [row.title for row in rows] == ["a | b", "my tracker"]


def test_nothing_to_report() -> None:
    with pytest.raises(UsageError, match="nothing to report"):
        styled([], Style())


def test_style_of_trackers_that_are_not_there() -> None:
    lines = check_labels(Style(order=("dfc",)), ["dcf", "static"])
    assert lines == ["style: no tracker 'dfc' here; did you mean 'dcf'?"]


def test_style_reaches_every_file(ran: Path, workplace: Path) -> None:
    (workplace / "style.toml").write_text('order = ["static"]\n[trackers.static]\nname = "Mine & co"\n')
    result = trackbench("report", "-d", "data", "--html", "--no-plots", "--style", "style.toml", "--out", "paper")
    assert result.stdout.index("Mine & co") < result.stdout.index("Drift")
    assert "Mine \\& co" in (workplace / "paper/data/scores.tex").read_text()
    assert "| Mine & co |" in (workplace / "paper/data/scores.md").read_text()
    assert "Mine \\u0026 co" in (workplace / "paper/report.html").read_text()


def test_a_run_that_was_copied_is_another_one(workplace: Path) -> None:
    trackbench("run", "drift", "-d", "data")
    shutil.copytree(workplace / "runs/drift", workplace / "runs/before")
    (workplace / "runs/before/data/one-pass/s1.txt").unlink()
    result = trackbench("report", "-d", "data", "--no-plots")
    assert "Drift (drift)" in result.stdout
    assert "Drift (before)" in result.stdout
    assert "2 of 3" in result.stdout
