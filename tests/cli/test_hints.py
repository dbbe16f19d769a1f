"""Slips of the keys and of thought get the right hint, and nothing else gets one."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import document, trackbench
from samples import write_dataset

from trackbench.errors import suggestion

NAMES = ["sbt-light", "sbt-small", "siamattn", "siamattn-box", "static", "dcf", "dcfnet", "sam2", "simtrack-b16"]


@pytest.mark.parametrize(
    ("typed", "hint"),
    [
        ("light-sbt", "'sbt-light'"),
        ("b16 simtrack", "'simtrack-b16'"),
        ("siamatn", "'siamattn'"),
        ("siam", "'siamattn' or 'siamattn-box'"),
        ("dfc", "'dcf'"),
        ("dcg", "'dcf'"),
        ("statik", "'static'"),
        ("SBT_LIGHT", "'sbt-light'"),
        ("all", None),
        ("qqqq", None),
        ("ostrack", None),
        ("mixformer", None),
        ("dcf,static", None),
    ],
)
def test_only_near_names_are_suggested(typed: str, hint: str | None) -> None:
    assert suggestion(typed, NAMES) == (f"; did you mean {hint}?" if hint else "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "drift,static", "-d", "data"], "unknown tracker 'drift,static'; did you mean drift static?"),
        (
            ["run", "drift", "-d", "otb100,uav123"],
            "unknown data set 'otb100,uav123'; did you mean -d otb100 -d uav123?",
        ),
        (["run", "otb100", "-d", "data"], "unknown tracker 'otb100'; it is a data set: -d otb100"),
        (["run", "data", "-d", "data"], "unknown tracker 'data'; it is a data set: -d data"),
        (["run", "drift", "-d", "static"], "unknown data set 'static'; it is a tracker: static"),
        (["run", "all", "-d", "data"], "unknown tracker 'all'; no word stands for all of them"),
        (["run", "drift", "-d", "all"], "unknown data set 'all'; no word stands for all of them"),
        (["run", "ostrack", "-d", "data"], "its repository runs as it is: trackbench run pytracking:ostrack:"),
        (["run", "sutrack", "-d", "data"], "its repository runs as it is: trackbench run pytracking:sutrack:"),
        (["run", "samurai", "-d", "data"], "its repository runs as it is: trackbench run sam2:"),
        (["run", "newtrack", "-d", "data"], "a tracker that is not built in runs from its repository: pytracking:"),
        (["run", "drift"], "-d says on which data set"),
        (["run", "-d", "data"], "run: which tracker? (`trackbench list trackers`)"),
        (["evaluate"], "there is no command 'evaluate': `trackbench run` runs trackers, `trackbench report` scores"),
        (["reprot", "-d", "data"], "there is no command 'reprot'; did you mean 'report'?"),
        (["download", "otb100"], "there is no command 'download': `trackbench data download NAME DIR`"),
    ],
)
def test_hints(workplace: Path, arguments: list[str], message: str) -> None:
    result = trackbench(*arguments, code=2)
    assert message in result.stderr
    assert result.stderr.count("\n") == 1


def test_hints_on_stored_runs(workplace: Path) -> None:
    trackbench("run", "drift", "static", "-d", "data", "-s", "s1")
    report = ["-d", "data", "--no-plots"]
    assert "without names, all that are stored" in trackbench("report", "all", *report, code=2).stderr
    assert "did you mean drift static?" in trackbench("report", "drift,static", *report, code=2).stderr
    assert "did you mean 'drift'?" in trackbench("report", "drfit", *report, code=2).stderr
    assert "did you mean" not in trackbench("report", "ostrack", *report, code=2).stderr


def test_a_root_one_level_too_high_or_low_is_recognised(workplace: Path) -> None:
    write_dataset(workplace / "outer/inner")
    (workplace / "datasets").mkdir()
    (workplace / "datasets/mine.toml").write_text('title = "M"\nlayout = "folder"\n')
    high = trackbench("run", "drift", "-d", "mine", "--root", "outer", code=2)
    assert "it is one level lower: --root outer/inner" in high.stderr
    low = trackbench("run", "drift", "-d", "mine", "--root", "outer/inner/s1/img", code=2)
    assert "it is one level higher: --root" in low.stderr
    assert "they are one level lower: -d outer/inner" in trackbench("run", "drift", "-d", "./outer", code=2).stderr
    (workplace / "far/off/empty").mkdir(parents=True)
    assert "expected <sequence>/groundtruth.txt" in trackbench("run", "drift", "-d", "far/off/empty", code=2).stderr


def test_all_that_is_missing_is_said_at_once_and_where_it_is_to_be_had(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TRACKBENCH_CACHE", str(workplace / "cache"))
    lines = trackbench("run", "siamattn", "dcfnet", "-d", "vot2018", "-d", "lasot", code=2).stderr.splitlines()
    assert len(lines) == 4
    assert lines[0].startswith("trackbench: siamattn has no weights: get checkpoint_vot2018.pth from ")
    assert "https://github.com/msight-tech/research-siamattn" in lines[0]
    assert "(41232 bytes, sha256 8a9c2ad0" in lines[1]
    assert "`trackbench data download vot2018 DIR` fetches it" in lines[2]
    assert "at http://vision.cs.stonybrook.edu/~lasot/" in lines[3]


def test_every_definition_says_where_its_files_are() -> None:
    from trackbench.definitions import DATASETS, TRACKERS

    for dataset in DATASETS.readable():
        if dataset.builtin:
            assert dataset.value.url.startswith("http"), dataset.name
    for tracker in TRACKERS.readable():
        if tracker.builtin and tracker.value.weights and tracker.value.weights.files:
            assert tracker.value.weights.url.startswith("http"), tracker.name


def test_show_prints_definitions_with_their_cards(workplace: Path) -> None:
    text = trackbench("show", "siamattn").stdout
    assert "paper: Yu, Xiong, Huang and Scott" in text
    assert "url: https://github.com/msight-tech/research-siamattn" in text
    assert "penalty_k: 0.2" in text
    shown = document("show", "dcfnet")
    assert (shown["name"], shown["kind"], shown["weights"]["size"]) == ("dcfnet", "tracker", 41232)
    assert document("show", "drift")["class"] == "sample_trackers:Drift"
    assert document("show", "alpharefine")["kind"] == "refiner"
    shown = document("show", "vot2018")
    assert (shown["kind"], shown["protocol"], shown["of"]) == ("data set", "supervised", 60)
    assert "groundtruth.txt" in trackbench("show", "vot2018").stdout
    assert "unknown tracker 'nothing'" in trackbench("show", "nothing", code=2).stderr


def test_lists_can_be_narrowed_and_say_equal_reasons_once(workplace: Path) -> None:
    ready = {row["name"] for row in document("list", "trackers", "--ready")["trackers"]}
    assert {"drift", "static", "dcf"} <= ready
    assert "sbt-light" not in ready
    assert document("list", "datasets", "--ready")["datasets"] == []
    lines = trackbench("list", "datasets").stdout.splitlines()
    assert sum("give --root, set TRACKBENCH_DATA" in line for line in lines) == 1
    assert any(line.startswith("otb100, otb2013, otb50: its source: ") and "http" in line for line in lines)
