"""The examples of the README and of the documentation: they run, or at least are commands that exist."""

from __future__ import annotations

import doctest
import re
import shlex
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer.main
from typer.testing import CliRunner

from trackbench.cli.app import app

PROJECT = Path(__file__).parents[2]
PAGES = sorted([PROJECT / "README.md", PROJECT / "CONTRIBUTING.md", *(PROJECT / "docs").rglob("*.md")])
_BLOCK = re.compile(r"^```(\w*)\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(page: Path, *languages: str) -> list[str]:
    """Return the code blocks of a page in some languages."""
    return [text for language, text in _BLOCK.findall(page.read_text(encoding="utf-8")) if language in languages]


def commands() -> Iterator[tuple[str, str]]:
    """Yield every line that calls trackbench, and its page."""
    for page in PAGES:
        for block in blocks(page, "sh", "console", ""):
            for line in block.replace("\\\n", " ").splitlines():
                words = line.split(" #")[0].removeprefix("$ ").strip()
                if words.startswith("trackbench ") and "…" not in words and "..." not in words:
                    yield page.relative_to(PROJECT).as_posix(), words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_examples_print_what_the_page_says(page: Path) -> None:
    parser, runner = doctest.DocTestParser(), doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    names: dict[str, object] = {}
    for number, block in enumerate(blocks(page, "pycon")):
        runner.run(parser.get_doctest(block, names, f"{page.name} {number}", str(page), 0), clear_globs=False)
    assert runner.failures == 0


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(PROJECT).as_posix())
def test_code_and_configuration_are_well_formed(page: Path) -> None:
    for block in blocks(page, "python"):
        compile(block, str(page), "exec")
    for block in blocks(page, "toml"):
        tomllib.loads(block)


@pytest.mark.parametrize(("page", "line"), sorted(set(commands())))
def test_commands_and_their_options_exist(page: str, line: str) -> None:
    command: Any = typer.main.get_command(app)
    words = shlex.split(line)[1:]
    while hasattr(command, "commands") and words and not words[0].startswith("-"):
        assert words[0] in command.commands, f"{page}: `{line}`: there is no command '{words[0]}'"
        command, words = command.commands[words[0]], words[1:]
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    for word in words:
        if word.startswith("-") and not re.fullmatch(r"-\d+(\.\d+)?", word):
            assert word.partition("=")[0] in known | {"--help"}, f"{page}: `{line}`: there is no option {word}"


def test_the_tracker_of_the_documentation_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    page = PROJECT / "docs" / "how-to" / "own-tracker.md"
    (code,), (definition,) = blocks(page, "python"), blocks(page, "toml")
    (tmp_path / "my_tracker.py").write_text(code)
    (tmp_path / "trackers").mkdir()
    (tmp_path / "trackers" / "mine.toml").write_text(definition)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    monkeypatch.delitem(sys.modules, "my_tracker", raising=False)
    monkeypatch.delenv("TRACKBENCH_RUNS", raising=False)
    for line in (
        "synthesize my_sequences --sequences 2 --frames 5 --size 64x64 -q",
        "run mine -d ./my_sequences --device cpu -q",
        "run mine -d ./my_sequences --set rate=0.05 --device cpu -q",
        "report -d ./my_sequences -q",
    ):
        done = CliRunner().invoke(app, line.split())
        assert done.exit_code == 0, done.output
    assert sorted(path.parent.name for path in Path("runs").glob("*/my_sequences") if path.parent.name != "report") == [
        "mine",
        "mine@rate=0.05",
    ]


def test_every_link_between_pages_leads_somewhere() -> None:
    generated = {f"reference/benchmarks/{path.stem}.md" for path in (PROJECT / "datasets").glob("*.toml")}
    for page in PAGES:
        for target in re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8")):
            if "://" in target or target.startswith("mailto:"):
                continue
            place = (page.parent / target).resolve()
            inside = place.relative_to(PROJECT / "docs").as_posix() if place.is_relative_to(PROJECT / "docs") else ""
            assert place.exists() or inside in generated, f"{page.relative_to(PROJECT)}: {target} does not exist"
