"""TraX programs in any language, whose answers are looked at before compiled code gets them."""

from __future__ import annotations

from pathlib import Path

import pytest
from command import trackbench

from trackbench.results.store import RunFolder, RunKey

PROGRAM = """while IFS= read -r line; do case "$line" in
*@@TRAX:initialize*|*@@TRAX:frame*) printf '@@TRAX:state {answer}\\n';;
*@@TRAX:quit*) exit 0;; esac; done
"""
HELLO = """printf '@@TRAX:hello "trax.version=1" {region} "trax.image=path"\\n'
"""


def run_program(workplace: Path, answer: str, region: str = '"trax.region=rectangle"', code: int = 1) -> str:
    program = HELLO.replace("{region}", region) + PROGRAM.replace("{answer}", answer)
    (workplace / "program.sh").write_text(program)
    words = ("run", "trax:sh", "-d", "./data", "--limit", "1", "--set", "command=sh program.sh", "--label", "x")
    return trackbench(*words, code=code).stderr


@pytest.mark.parametrize(
    ("answer", "region", "said"),
    [
        ('""', '"trax.region=rectangle"', "it answered ''; expected a region"),  # ends the process within libtrax
        ('"1,2,3,4"', "", "its greeting names no kind of region"),  # so does this
        ('"hello"', '"trax.region=rectangle"', "it answered 'hello'; expected a region"),
        ('"1,2,3,4,5"', '"trax.region=rectangle"', "it answered '1,2,3,4,5'; expected a region"),
        ('"mask:1,1,60000,60000,0,3600000000"', '"trax.region=mask"', "expected a region"),
        ('"m1,1,2,2,0,4"', '"trax.region=mask"', "it answered 'm1,1,2,2,0,4'; expected a region"),
    ],
)
def test_what_is_no_answer_fails_the_sequence(workplace: Path, answer: str, region: str, said: str) -> None:
    assert said in run_program(workplace, answer, region)


@pytest.mark.parametrize(
    ("answer", "stored"), [('"1,2,3,4"\\r', "1.0,2.0,3.0,4.0"), ("1,2,3,4", "1.0,2.0,3.0,4.0"), ('"nan,nan,3,4"', "0")]
)
def test_answers_in_any_spelling_are_stored(workplace: Path, answer: str, stored: str) -> None:
    run_program(workplace, answer, code=0)
    run = RunFolder(workplace / "runs", RunKey("trax:sh@x", "data", "one-pass"))
    assert run.file("s1", ".txt").read_text().splitlines()[1] == stored
