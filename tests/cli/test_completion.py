"""What the shell offers after TAB."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from command import trackbench

from trackbench.cli import completion


def test_names_of_trackers_and_data_sets_are_completed(workplace: Path) -> None:
    assert completion.trackers("dr") == ["drift"]
    assert {"siamattn", "siamattn-box"} <= set(completion.trackers("siam"))
    assert completion.datasets("otb") == ["otb100", "otb2013", "otb50"]
    assert completion.datasets("./da") == ["./data/"]
    assert completion.datasets(f"{workplace}/da") == [f"{workplace}/data/"]
    assert completion.datasets("nowhere/x") == []
    assert completion.datasets("dat") == ["data/"]
    assert {"vot2018"} <= set(completion.definitions("vot2018"))
    (workplace / "campaign.toml").write_text("")
    assert completion.trackers("camp") == ["campaign.toml"]
    assert completion.trackers("./camp") == ["./campaign.toml"]


def test_labels_of_stored_runs_are_completed(workplace: Path) -> None:
    assert completion.stored("") == []
    manifest = workplace / "runs/static@x/data/one-pass/manifest.json"
    manifest.parent.mkdir(parents=True)
    manifest.write_text('{"tracker": "static@x", "dataset": "data", "protocol": "one-pass"}')
    assert completion.stored("st") == ["static@x"]


def test_tables_rules_and_protocols_are_completed(workplace: Path) -> None:
    assert completion.tables("aiatrack:") == [f"aiatrack:{table}" for table in (1, 2, 3, 4, 5, "readme", "text")]
    assert completion.conventions("pys") == ["pysot", "pysot-toolkit"]
    assert completion.protocols("multi") == ["multistart"]
    assert completion.kept_weights("no") == []


def test_every_tracker_data_set_and_run_that_a_command_takes_is_completed() -> None:
    import typer.main

    from trackbench.cli import app

    def parameters(command: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, Any]]:
        for name, each in getattr(command, "commands", {}).items():
            yield from parameters(each, (*path, name))
        yield from ((" ".join((*path, str(p.name))), p) for p in command.params)

    names = {"tracker", "trackers", "dataset", "datasets", "paper", "convention", "protocol", "runs_"}
    # What a VOT workspace or a submission is called is no name of ours.
    found = [(where, p) for where, p in parameters(typer.main.get_command(app)) if p.name in names]
    assert len(found) > 40
    assert [where for where, p in found if p._custom_shell_complete is None] == []


@pytest.mark.parametrize(
    ("words", "expected"),
    [("run drif", "drift"), ("run drift -d otb1", "otb100"), ("evaluate x", ""), ("rep", "report"), ("show sb", "sbt")],
)
def test_the_shell_is_answered_quickly_and_without_torch(workplace: Path, words: str, expected: str) -> None:
    script = (
        "import sys\nfrom trackbench.cli import app\n"
        "try: app(prog_name='trackbench')\n"
        "finally: sys.stderr.write(str({'torch', 'cv2', 'pandas', 'matplotlib'} & sys.modules.keys()))"
    )
    line = f"trackbench {words}"
    environment = os.environ | {
        "_TRACKBENCH_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - 1),
    }
    done = subprocess.run([sys.executable, "-c", script], env=environment, capture_output=True, text=True, check=False)
    assert expected in done.stdout
    assert done.stderr == "set()"


def test_completion_can_be_installed(workplace: Path) -> None:
    text = trackbench("--help").stdout
    assert "--install-completion" in text
    assert "--show-completion" in text
