"""The recipes of CONTRIBUTING.md work as they stand there."""

from __future__ import annotations

import configparser
import io
import json
import sys
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest
from command import document, trackbench
from test_documentation import PROJECT, blocks

PAGE = PROJECT / "CONTRIBUTING.md"


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working folder with the recipes' data set and, as far as Python can tell, their package installed."""
    points, definition = map(tomllib.loads, blocks(PAGE, "toml"))
    entries = configparser.ConfigParser()
    entries.read_dict(points["project"]["entry-points"])
    text = io.StringIO()
    entries.write(text)
    info = tmp_path / "site" / "my_extension-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-extension\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(text.getvalue())
    (tmp_path / "site" / "my_extension.py").write_text("\n\n".join(blocks(PAGE, "python")))
    (tmp_path / "datasets").mkdir()
    (tmp_path / "datasets" / "meadow.toml").write_text(blocks(PAGE, "toml")[1])
    assert definition["files"][0]["truth"] == "anno/{sequence}.txt"
    data = tmp_path / "data"
    (data / "anno").mkdir(parents=True)
    (data / "list.txt").write_text("hare\nmole\n")
    for name, step in (("hare", 2), ("mole", 1)):
        (data / "frames" / name).mkdir(parents=True)
        for number in range(1, 7):
            cv2.imwrite(str(data / "frames" / name / f"{number:05}.jpg"), np.full((48, 64, 3), 128, np.uint8))
        (data / "anno" / f"{name}.txt").write_text("".join(f"{5 + step * n},5,10,10\n" for n in range(6)))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path / "site"), *sys.path])
    monkeypatch.delitem(sys.modules, "my_extension", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    for name in ("TRACKBENCH_DATA", "TRACKBENCH_RUNS"):
        monkeypatch.delenv(name, raising=False)
    return tmp_path


def test_the_five_recipes(place: Path) -> None:
    (lines,) = blocks(PAGE, "sh")
    for line in lines.splitlines():
        trackbench(*line.split()[1:])
    half = document("report", "-d", "meadow", "--root", "data", "--protocol", "first-half", "--no-plots")["rows"]
    rows = {row["tracker"]: row["metrics"] for row in half}
    assert set(rows) == {"drifter", "static"}
    assert rows["drifter"]["lost"] == rows["static"]["lost"] == 0
    assert rows["drifter"]["success_auc"] > rows["static"]["success_auc"]
    whole = document("report", "-d", "meadow", "--root", "data", "--no-plots")["rows"]
    scores = {row["tracker"]: row["metrics"]["success_auc"] for row in whole}
    assert scores["back"] == pytest.approx(scores["drifter"], abs=1e-9)
    assert "Lost" in (place / "runs/report/report_first-half.html").read_text()
    # Half-way the drifter stops: its last boxes are those of frame 4.
    stored = (place / "runs/drifter/meadow/first-half/hare.txt").read_text().split()
    assert stored[3] == stored[4] == stored[5] != stored[2]
    assert json.loads((place / "runs/drifter/meadow/one-pass/manifest.json").read_text())["tracker"] == "drifter"
