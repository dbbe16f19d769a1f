"""What commands print with --json has the documented form."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from typer.testing import CliRunner

from trackbench.cli.app import app

SCHEMAS = Path(__file__).parents[2] / "docs" / "reference" / "schemas"


def document(*words: str, code: int = 0) -> Any:
    done = CliRunner().invoke(app, [*words, "--json"])
    assert done.exit_code == code, done.output
    return json.loads(done.stdout)


def check(name: str, found: Any) -> None:
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(found, schema)


def test_run_and_report_have_the_documented_form(workplace: Path) -> None:
    check("run", document("run", "static", "drift", "-d", "data", "--device", "cpu"))
    found = document("report", "-d", "data", "--no-plots")
    check("report", found)
    assert {row["tracker"] for row in found["rows"]} == {"static", "drift"}


@pytest.mark.parametrize("kind", ["trackers", "datasets"])
def test_lists_have_the_documented_form(workplace: Path, kind: str) -> None:
    found = document("list", kind)
    check("list", found)
    assert len(found[kind]) > 3


def test_the_schema_refuses_percentages_as_text_and_missing_keys(workplace: Path) -> None:
    document("run", "static", "-d", "data", "--device", "cpu")
    found = document("report", "-d", "data", "--no-plots")
    found["rows"][0]["metrics"]["success_auc"] = "71.4"
    with pytest.raises(jsonschema.ValidationError, match=r"71\.4"):
        check("report", found)
    del found["rows"][0]["metrics"]
    with pytest.raises(jsonschema.ValidationError, match="'metrics' is a required property"):
        check("report", found)


def test_commands_on_stored_runs_have_the_documented_form(workplace: Path) -> None:
    document("run", "static", "drift", "-d", "data", "--device", "cpu")
    check("check", document("check", "data"))
    check("status", document("status", "runs"))
    check("merge", document("merge", "runs", "--into", "merged"))
    check("methods", document("methods", "-d", "data"))
    check("reproduce", document("reproduce", "runs/static/data/one-pass"))
    check("weights", document("weights", "list"))
    stored = "runs/static/data/one-pass"
    check("import", document("import", stored, "--as", "again", "-d", "data"))
    check("import", document("import", stored, "--as", "more", "--all", "-d", "data"))
    typed = document("import-scores", "--as", "mine", "-d", "got10k-test", "--value", "ao=0.7")
    check("import-scores", typed)
    typed["runs"][0]["metrics"]["ao"] = "70"
    with pytest.raises(jsonschema.ValidationError, match="'70'"):
        check("import-scores", typed)


@pytest.mark.slow
def test_commands_that_measure_have_the_documented_form(workplace: Path) -> None:
    document("run", "static", "drift", "-d", "data", "--device", "cpu")
    check("diff", document("diff", "static", "drift", "-d", "data"))
    check("statistics", document("statistics", "-d", "data"))
    check("doctor", document("doctor"))
    check("profile", document("profile", "drift", "--frames", "3", "--warm-up", "1"))
    pytest.importorskip("optuna")
    search = document("search", "drift", "-d", "data", "--set", "dx=0:2", "--trials", "2", "--device", "cpu")
    check("search", search)


def test_every_schema_is_named_in_the_documentation() -> None:
    text = (SCHEMAS.parent / "json.md").read_text(encoding="utf-8")
    assert [path.name for path in SCHEMAS.glob("*.json") if f"schemas/{path.name}" not in text] == []
