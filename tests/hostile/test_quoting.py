"""Texts of strangers are shown on one line, short, and with nothing in them that a terminal would act upon."""

from __future__ import annotations

import io
import warnings

import pytest
from command import trackbench
from hypothesis import given
from hypothesis import strategies as st
from rich.console import Group
from rich.table import Table

from trackbench.cli.console import MessageConsole, SafeConsole
from trackbench.cli.shared import guarded
from trackbench.errors import DataError, UsageError, reason
from trackbench.quoting import listed, printable, printable_lines, printable_tree, shown
from trackbench.reports.latex import escaped
from trackbench.reports.tables import csv_lines, markdown

#: An escape sequence, line breaks, a bidirectional mark, a lone surrogate, a bell, a zero-width space.
NASTY = "a\x1b[2J\n\u202eb\udcc4\x07\u200b\u2028"

any_text = st.text(st.characters(), max_size=300)  # surrogates included


@given(any_text, st.integers(1, 100))
def test_what_is_printable_is_one_short_line_and_stays_as_it_is_when_asked_again(text: str, most: int) -> None:
    line = printable(text, most)
    assert line.isprintable()
    assert len(line) <= most
    assert printable(line, most) == line


@given(any_text)
def test_lines_keep_their_breaks_only(text: str) -> None:
    assert printable_lines(text).count("\n") == text.count("\n")
    assert printable_lines(text).replace("\n", "").isprintable()


def test_both_ends_of_a_long_text_are_shown() -> None:
    line = printable("/data/" + "x" * 4_000_000 + ": expected 4 numbers")
    assert line.startswith("/data/xxx")
    assert line.endswith("xxx: expected 4 numbers")
    assert len(line) == 2000


def test_every_error_is_one_line_whatever_it_is_made_of() -> None:
    for kind in (DataError, UsageError):
        assert str(kind(f"{NASTY}: is wrong")) == r"a\x1b[2J\n\u202eb\udcc4\x07\u200b\u2028: is wrong"
    assert reason(DataError(f"{NASTY}: is wrong"), NASTY) == "is wrong"
    assert reason(KeyError()) == "KeyError"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (10**5000, "a number of more than 4000 digits"),
        ([10**5000], "[a number of more than 4000 digits]"),
        ("a\n", "'a\\n'"),
        ([[[[[[1]]]]]], "[[[[[...]]]]]"),
        ({"k": [1, 2]}, "{'k': [1, 2]}"),
    ],
    ids=["number", "list", "text", "depth", "dict"],
)
def test_values_are_shown_shortly(value: object, text: str) -> None:
    assert shown(value) == text
    assert len(shown("x" * 10**6)) < 100


def test_a_value_that_cannot_be_shown_is_told_by_its_type() -> None:
    class Broken:
        def __repr__(self) -> str:
            raise ValueError

    assert "Broken" in shown(Broken())


def test_tables_and_messages_show_control_characters() -> None:
    for kind in (SafeConsole, MessageConsole):
        stream = io.StringIO()
        console = kind(file=stream, width=200)
        table = Table(NASTY, title=NASTY)
        table.add_row(NASTY)
        console.print(table)
        console.print(f"{NASTY} and [bold]more[/bold]", markup=False)
        assert set(stream.getvalue()) & set("\x1b\u202e\udcc4\x07\u200b\u2028") == set()
    assert r"a\x1b[2J\n\u202eb" in stream.getvalue()


def test_a_narrow_table_folds_names_and_cuts_none() -> None:
    stream = io.StringIO()
    table = Table("tracker", "number")
    table.add_row("SiamMask-Opt-of-2019", "0.123456789")
    SafeConsole(file=stream, width=20).print(Group(table))
    cells = [line.split("│") for line in stream.getvalue().splitlines() if "│" in line]
    assert "".join(cell[1].strip() for cell in cells) == "SiamMask-Opt-of-2019"
    assert "".join(cell[2].strip() for cell in cells) == "0.123456789"


def test_files_of_reports_hold_no_control_characters() -> None:
    for text in (escaped(NASTY), markdown(NASTY), csv_lines([{"sequence": NASTY}]).replace("\n", "")):
        assert text.isprintable()
    assert printable_tree({NASTY: [NASTY, 1, {"a": NASTY}]}) == {
        printable(NASTY): [printable(NASTY), 1, {"a": printable(NASTY)}]
    }


def test_a_list_names_a_few_and_counts_the_rest() -> None:
    assert listed([NASTY, "b", "c"], 2) == f"{printable(NASTY)}, b and 1 more"


def test_a_command_fails_in_one_line(workplace: object) -> None:
    result = trackbench("run", "static", "-d", f"./{NASTY}", code=2)
    assert len(result.stderr.splitlines()) == 1
    assert result.stderr.strip().isprintable()


def test_a_warning_is_one_line_too(capsys: pytest.CaptureFixture[str]) -> None:
    guarded(lambda: warnings.warn(f"{NASTY}: unknown keys", stacklevel=1))()
    line = capsys.readouterr().err.removesuffix("\n")
    assert line.isprintable()
    assert line.endswith(f"UserWarning: {printable(NASTY)}: unknown keys")
