"""A report of what has not changed reads caches alone: nothing is drawn, and no drawing library is loaded."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from command import trackbench

from trackbench.cache import CODE

SCRIPT = """import atexit, sys
from trackbench.__main__ import main
heavy = {'torch', 'cv2', 'numba', 'scipy.stats', 'matplotlib.figure'}
atexit.register(lambda: print('heavy:', sorted(heavy & sys.modules.keys())))
main()"""


def report(*arguments: str) -> str:
    command = [sys.executable, "-c", SCRIPT, "report", "-d", "data", *arguments]
    run = subprocess.run(command, capture_output=True, text=True, check=True, env={**os.environ, "COLUMNS": "200"})
    return run.stdout.splitlines()[-1]


def plots(folder: Path) -> dict[str, int]:
    found = {path.name: path.stat().st_mtime_ns for path in folder.iterdir() if path.suffix in (".png", ".pdf", ".svg")}
    assert found
    return found


def test_a_second_report_loads_nothing_heavy(workplace: Path) -> None:
    trackbench("run", "drift", "-d", "data")
    assert "matplotlib.figure" in report()
    assert report() == "heavy: []"


def test_plots_are_drawn_again_when_what_they_show_or_their_files_change(
    workplace: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the files hold does not matter here, so that nothing is drawn."""

    def save(figure: object, path: Path) -> list[Path]:
        files = [path.with_suffix(suffix) for suffix in (".png", ".pdf", ".svg")]
        for file in files:
            file.write_text("a plot")
        return files

    monkeypatch.setattr("trackbench.reports.plots.save", save)
    trackbench("run", "drift", "-d", "data")
    trackbench("report", "-d", "data")
    folder = workplace / "runs/report/data"
    first = plots(folder)
    trackbench("report", "-d", "data")
    assert plots(folder) == first
    (folder / "success.png").write_bytes(b"something else")
    trackbench("report", "-d", "data")
    mended = plots(folder)
    assert all(first[name] != mended[name] for name in first)
    trackbench("run", "static", "-d", "data")
    trackbench("report", "-d", "data")
    again = plots(folder)
    assert again.keys() == first.keys()
    assert all(again[name] != mended[name] for name in again)


def test_every_room_between_a_file_and_a_number_is_there() -> None:
    package = Path(__file__).parents[2] / "trackbench"
    for name in CODE:
        assert list(package.glob(name) if "*" in name else (package / name).rglob("*.py")), name
