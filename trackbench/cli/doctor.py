"""``trackbench doctor``."""

from __future__ import annotations

from pathlib import Path

import typer

from trackbench.cli.shared import Debug, Json, Runs, output, print_json


def doctor(runs: Runs = Path("runs"), json: Json = False, debug: Debug = False) -> None:
    """Check this machine: what is installed, what works, what is found, with the command that mends each fault.

    The exit code is 1 where something is wrong.

    [bold]Example[/bold]

    trackbench doctor
    """
    from dataclasses import asdict

    from rich.text import Text

    from trackbench.doctor.content import content
    from trackbench.doctor.environment import environment
    from trackbench.quoting import printable

    marks = {"good": ("✓", "green"), "bad": ("✗", "bold red"), "note": ("–", "yellow")}
    findings = []
    out = output()
    for group in (environment(runs), content()):
        for finding in group:
            findings.append(finding)
            if json:
                continue
            mark, style = marks[finding.state]
            line = Text(f"{mark} ", style=style)
            line.append(printable(f"{finding.subject}: {finding.text}"), style="")
            if finding.mend:
                line.append(printable(f"  →  {finding.mend}"), style="cyan")
            out.print(line, soft_wrap=True)
    faults = [finding for finding in findings if finding.state == "bad"]
    if json:
        print_json({"findings": [asdict(finding) for finding in findings], "faults": len(faults)})
    elif not faults:
        out.print("nothing is wrong")
    if faults:
        raise typer.Exit(1)
