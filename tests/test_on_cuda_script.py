"""The script for a machine with a GPU goes its whole way on a CPU: what it runs there once must not fail of a slip."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def measured(folder: Path) -> dict[str, list[dict[str, object]]]:
    parts: dict[str, list[dict[str, object]]] = {}
    for row in json.loads((folder / "on_cuda.json").read_text())["rows"]:
        parts.setdefault(row["part"], []).append(row)
    return parts


@pytest.mark.slow
def test_every_part_is_measured_in_a_dry_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks import on_cuda

    monkeypatch.setattr(sys, "argv", ["on_cuda", "--dry", "--out", str(tmp_path), "--seconds", "3600"])
    with pytest.raises(SystemExit) as ended:
        on_cuda.main()
    assert ended.value.code == 0
    parts = measured(tmp_path)
    assert parts.keys() == {"crops", "decoding", "many sequences", "one sequence", "equal numbers"}
    assert all("reason" not in row for rows in parts.values() for row in rows)
    assert len(parts["one sequence"]) == 6
    assert parts["one sequence"][1]["drift_px"] == 0  # a graph has the numbers of eager calls
    assert parts["crops"][0]["equal"] is True
    assert "network" in str(parts["many sequences"][-1]["shares"])
    assert "at once (--batch auto)" in str(parts["many sequences"][-1]["notes"])
    assert "a dry run" in (tmp_path / "on_cuda.md").read_text()


def test_parts_for_which_there_is_no_time_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT))
    from benchmarks.on_cuda import Report

    report = Report(seconds=0.0)
    report.run("crops", 0.1, lambda: pytest.fail("is not measured"))
    assert report.rows[0]["what"] == "left out"
    report = Report(seconds=100.0)
    report.run("crops", 0.1, lambda: [][0])
    assert (report.rows[0]["what"], report.faults) == ("failed", 1)


@pytest.mark.slow
def test_the_script_as_a_whole(tmp_path: Path) -> None:
    environment = {**os.environ, "DRY": "1", "PYTHON": sys.executable}
    run = subprocess.run(
        ["bash", str(ROOT / "benchmarks/on_cuda.sh"), str(tmp_path)], capture_output=True, text=True, env=environment
    )
    assert run.returncode == 0, run.stdout + run.stderr
    assert " passed" in (tmp_path / "tests.txt").read_text()
    assert measured(tmp_path)["many sequences"]
