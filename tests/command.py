"""The command line as tests call it."""

from __future__ import annotations

import json
import signal
from typing import Any

from typer.testing import CliRunner, Result

from trackbench.cli import app


def trackbench(*arguments: str, code: int = 0) -> Result:
    """Run a command and expect its exit code."""
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == code, result.output
    return result


def document(*arguments: str, code: int = 0) -> dict[str, Any]:
    """Run a command with ``--json`` and return its document."""
    parsed: dict[str, Any] = json.loads(trackbench(*arguments, "--json", code=code).stdout)
    assert parsed["schema"] == 1
    return parsed


def heed_interrupts() -> None:
    """Take back, in a new process, that SIGINT is ignored, as it is below a shell's background jobs and nohup."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
