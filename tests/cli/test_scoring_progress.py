"""``report`` says which run it scores once that takes more than a moment."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from command import trackbench
from rich.console import Console

from trackbench.cli import scoring_progress
from trackbench.cli.scoring_progress import ScoringProgress


def test_a_report_that_takes_long_says_what_it_is_at(workplace: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trackbench("run", "drift", "static", "-d", "data")
    monkeypatch.setattr(scoring_progress, "PATIENCE", 1000.0)
    quick = trackbench("report", "-d", "data", "--no-plots")
    assert "scoring" not in quick.stderr
    monkeypatch.setattr(scoring_progress, "PATIENCE", 0.0)
    monkeypatch.setattr(scoring_progress, "INTERVAL", 0.0)
    slow = trackbench("report", "-d", "data", "--no-plots")
    assert "scoring data: drift (1 of 2)" in slow.stderr
    assert "scoring data: static (2 of 2)" in slow.stderr
    assert "scoring" not in slow.stdout
    assert "scoring" not in trackbench("report", "-d", "data", "--no-plots", "--quiet").stderr


def test_on_a_terminal_one_line_changes_and_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(scoring_progress, "PATIENCE", 0.0)
    console = Console(file=io.StringIO(), force_terminal=True, width=80, highlight=False)
    with ScoringProgress(console) as progress:
        progress.watch("lasot: a", 0, 2)
        progress.watch("lasot: b", 1, 2)
        progress.say("9 files in report")
    text = console.file.getvalue()  # type: ignore[attr-defined]
    assert "scoring lasot: " in text
    assert "9 files in report" in text.splitlines()[-1]
