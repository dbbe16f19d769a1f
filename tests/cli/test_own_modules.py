"""What can be wrong with a user's module ends in one line that names it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from command import trackbench

CLASS = """
from trackbench.trackers.base import Prediction, TrackerModel


class Mine(TrackerModel):
    def start(self, frames, targets):
        return [target.region for target in targets]

    def step(self, frames, states):
        {}
        return [Prediction(state) for state in states]
"""


def run(folder: Path, module: str, code: str, *more: str, exit_code: int) -> str:
    (folder / f"{module}.py").write_text(code)
    (folder / "trackers/mine.toml").write_text(f'title = "Mine"\nclass = "{module}:Mine"\n' + "".join(more))
    return " ".join(trackbench("run", "mine", "-d", "./data", "--runs", "r", code=exit_code).output.split())


def test_a_tracker_needs_no_options(workplace: Path) -> None:
    assert "mine: 3 of 3 sequences" in run(workplace, "own_plain", CLASS.format("pass"), exit_code=0)


def test_a_tracker_that_ends_the_program_costs_its_sequence(workplace: Path) -> None:
    said = run(workplace, "own_exit", CLASS.format("import sys; sys.exit(3)"), exit_code=1)
    assert "Mine calls sys.exit(3); expected an answer" in said
    assert "own_exit.py" in said


@pytest.mark.parametrize(
    ("module", "code", "said"),
    [
        ("own_syntax", "def f(:\n", "cannot be imported: SyntaxError: .*own_syntax.py, line 1"),
        ("own_raise", "raise RuntimeError('no licence')\n", "cannot be imported: RuntimeError: no licence"),
        ("own_end", "import sys\nsys.exit('usage: x')\n", "cannot be imported: SystemExit: usage: x"),
    ],
)
def test_a_module_that_cannot_be_imported_is_named(workplace: Path, module: str, code: str, said: str) -> None:
    assert re.search(f"mine.toml: key 'class': module .*{said}", run(workplace, module, code, exit_code=2))


def test_keys_are_called_as_they_are_written(workplace: Path) -> None:
    said = run(workplace, "own_key", "", "clas = 1\n", exit_code=2)
    assert "unknown key 'clas'; did you mean 'class'? (known: title, class" in said


def test_names_between_colons_are_no_emoji(workplace: Path) -> None:
    (workplace / "trackers.ini").write_text("[six]\nprotocol = trax\ncommand = no-such-program\n")
    output = trackbench("run", "trax:six", "-d", "./data", "--runs", "r", code=1).output
    assert "trax:six: 0 of 3 sequences" in output
