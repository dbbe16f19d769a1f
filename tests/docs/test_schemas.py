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
