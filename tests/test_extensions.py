"""Another package adds a tracker, a layout, a protocol, a metric, a convention and a result format by entry points."""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

import pytest
from command import document, trackbench

PACKAGE = '''
"""A package that extends trackbench."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np

from trackbench.datasets.layouts.base import Listing
from trackbench.datasets.sequence import GroundTruth, VideoSequence
from trackbench.formats.reading import ParsedResult
from trackbench.formats.writers import ResultFormat
from trackbench.metrics.conventions import convention
from trackbench.metrics.table import Metric
from trackbench.protocols.base import Episode, Protocol, ProtocolDefinition
from trackbench.protocols.one_pass import one_pass
from trackbench.regions import Box, region_to_box
from trackbench.trackers.base import Options, Prediction, TrackerModel


class Follower(TrackerModel):
    """Moves by one pixel a frame."""

    title = "Follower"
    Options = Options

    def start(self, frames, targets):
        return [{"box": region_to_box(getattr(target, "region", target))} for target in targets]

    def step(self, frames, states):
        for state in states:
            box = state["box"]
            state["box"] = Box(box.x + 1, box.y, box.w, box.h)
        return [Prediction(state["box"]) for state in states]


class Line:
    """Sequences as folders with images and a file truth.json."""

    COLUMNS = ()

    @staticmethod
    def read(folder, definition, table):
        sequences = []
        for path in sorted(folder.glob("*/truth.json")):
            sequences.append(VideoSequence(path.parent.name, frames(path.parent), truth(path), sources=(path,)))
        return Listing(sequences, [])

    @staticmethod
    def recognise(folder):
        return None


def frames(folder):
    return lambda: sorted((folder / "img").glob("*.jpg"))


def truth(path):
    return lambda: GroundTruth(np.array(json.loads(path.read_text()), float))


def make_short(dataset, convention):
    return Protocol("short-pass", lambda sequence: [Episode(sequence.name, one_pass)], coded=False)


SHORT = ProtocolDefinition(make_short)
SIDEWAYS = Metric(
    "sideways", "Sideways", scale=1, digits=2, higher_is_better=False, is_fraction=False,
    measure=lambda truth, boxes: float(np.nanmean(np.abs(boxes[:, 0] - truth.boxes[:, 0]))),
)


def generous(family):
    return replace(convention("matlab", family), name="generous", shorter="pad")


FORMAT = ResultFormat(
    files=lambda results: ((f"{r.tracker}/{r.sequence}.json", json.dumps(r.boxes.tolist()).encode()) for r in results),
    suffix=".json",
    read=lambda data, where: ParsedResult(np.array(json.loads(data), float)),
)
'''

ENTRY_POINTS = """
[trackbench.trackers]
follower = orchard_tracking:Follower
[trackbench.layouts]
line = orchard_tracking:Line
[trackbench.protocols]
short-pass = orchard_tracking:SHORT
[trackbench.metrics]
sideways = orchard_tracking:SIDEWAYS
[trackbench.conventions]
generous = orchard_tracking:generous
[trackbench.formats]
orchard = orchard_tracking:FORMAT
"""


@pytest.fixture
def installed(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder; the package is installed, as far as Python can tell."""
    site = workplace / "site"
    info = site / "orchard_tracking-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: orchard-tracking\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(ENTRY_POINTS)
    (site / "orchard_tracking.py").write_text(PACKAGE)
    monkeypatch.setattr(sys, "path", [str(site), *sys.path])
    monkeypatch.delitem(sys.modules, "orchard_tracking", raising=False)
    (workplace / "datasets").mkdir()
    (workplace / "datasets/lines.toml").write_text('title = "Lines"\nlayout = "line"\nfolders = ["data"]\n')
    for folder in (workplace / "data").iterdir():
        rows = [list(map(float, line.split(","))) for line in (folder / "groundtruth.txt").read_text().split()]
        (folder / "truth.json").write_text(json.dumps(rows))
    return workplace


def test_one_of_each_kind_is_seen_in_run_report_and_page(installed: Path) -> None:
    where = ["-d", "lines", "--root", str(installed / "data")]
    trackbench("run", "follower", "static", *where, "--protocol", "short-pass")
    assert (installed / "runs/follower/lines/short-pass/s1.txt").is_file()

    options = [*where, "--protocol", "short-pass", "--convention", "generous"]
    rows = {row["tracker"]: row for row in document("report", *options, "--html", "--no-plots")["rows"]}
    assert {(row["protocol"], row["convention"]) for row in rows.values()} == {("short-pass", "generous")}
    assert rows["follower"]["metrics"]["sideways"] == 0
    assert rows["static"]["metrics"]["sideways"] == pytest.approx((2.5 + 3 + 3.5) / 3)
    assert rows["static"]["per_sequence"]["s1"]["sideways"] == 2.5
    folder = installed / "runs/report/lines_short-pass_generous"
    assert "| follower | **95.2** |" in (folder / "scores.md").read_text().replace("Follower", "follower")
    assert "Sideways" in (folder / "scores.md").read_text()
    page = (installed / "runs/report/report_short-pass_generous.html").read_text()
    shown = json.loads(re.search(r'id="document"[^>]*>(.*?)</script>', page, re.DOTALL)[1])["datasets"][0]  # type: ignore[index]
    assert {"key": "sideways", "title": "Sideways", "scale": 1, "digits": 2, "higher": False} in shown["columns"]
    assert (shown["protocol"], shown["convention"]) == ("short-pass", "generous")
    assert {trace for entry in shown["traces"] for trace in entry["trackers"]} == {"follower", "static"}


def test_results_go_out_and_come_in_by_its_format(installed: Path) -> None:
    where = ["-d", "lines", "--root", str(installed / "data")]
    trackbench("run", "follower", *where)
    trackbench("export", "follower", "-d", "lines", "--to", "orchard", "--out", "out")
    assert len(json.loads((installed / "out/follower/s1.json").read_text())) == 6
    trackbench("import", "out/follower", "--as", "back", *where, "--from", "orchard")
    rows = {row["tracker"]: row["metrics"] for row in document("report", *where, "--no-plots")["rows"]}
    assert rows["back"]["success_auc"] == rows["follower"]["success_auc"]


def test_unknown_names_suggest_those_of_other_packages(installed: Path) -> None:
    where = ["-d", "lines", "--root", str(installed / "data")]
    trackbench("run", "follower", *where)
    for command, hint in (
        (["run", "folower", *where], "did you mean 'follower'"),
        (["run", "follower", *where, "--protocol", "shortpas"], "did you mean 'short-pass'"),
        (["report", *where, "--protocol", "shortpas"], "did you mean 'short-pass'"),
        (["report", *where, "--convention", "generos"], "did you mean 'generous'"),
        (["report", *where, "--metrics", "sidewys"], "did you mean 'sideways'"),
        (["import", "runs/follower", "--as", "x", *where, "--from", "orchrd"], "did you mean 'orchard'"),
    ):
        assert hint in trackbench(*command, code=2).stderr


def test_the_working_folder_extends_by_module_and_name(workplace: Path) -> None:
    (workplace / "hedge_rules.py").write_text(
        "from dataclasses import replace\n"
        "from trackbench.metrics.conventions import convention\n"
        "from trackbench.metrics.table import Metric\n"
        "RULES = replace(convention('got10k'), name='mine')\n"
        "WIDE = Metric('wide', 'Wide', measure=lambda truth, boxes: float((boxes[:, 2] > 7).mean()))\n"
    )
    trackbench("run", "static", "-d", "data")
    assert "hedge_rules" not in sys.modules
    command = [
        "report",
        "-d",
        "data",
        "--convention",
        "hedge_rules:RULES",
        "--metrics",
        "success_auc,hedge_rules:WIDE",
        "--no-plots",
    ]
    (row,) = document(*command)["rows"]
    assert (row["convention"], row["metrics"]["wide"]) == ("mine", 1.0)
    assert "Wide" in (workplace / "runs/report/data_mine/scores.md").read_text()
    result = trackbench("report", "-d", "data", "--metrics", "hedge_rules:NARROW", code=2)
    assert "module 'hedge_rules' has no 'NARROW'" in result.stderr


def test_a_stored_run_of_an_unknown_protocol_is_never_scored_as_another(workplace: Path) -> None:
    trackbench("run", "static", "-d", "data")
    (workplace / "runs/static/data/one-pass").rename(workplace / "runs/static/data/my_protocol")
    manifest = workplace / "runs/static/data/my_protocol/manifest.json"
    manifest.write_text(manifest.read_text().replace('"one-pass"', '"my_protocol"'))
    result = trackbench("report", "-d", "data", "--protocol", "my_protocol", code=2)
    assert "unknown protocol 'my_protocol'" in result.stderr


def test_a_metric_that_no_table_knows_appears_under_its_key() -> None:
    from trackbench.reports.tables import csv_table, latex_table, markdown_table
    from trackbench.scoring import Score

    score = Score("a", "a", "d", "one-pass", "matlab", 1, 1, 1, {}, {"success_auc": 0.5, "h_iou": 0.25})
    assert "| a | 50.0 | 0.250 | 1 of 1 |" in markdown_table([score])
    assert r"$h_{\mathrm{iou}}$" in latex_table([score], "d")
    assert "h_iou" in csv_table([score])
