"""``trackbench doctor``."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trackbench.cli import completion
from trackbench.cli.shared import Debug, Json, Runs, messages, output, print_json

if TYPE_CHECKING:
    from trackbench.doctor.findings import Finding


def doctor(
    trackers: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[TRACKER]...",
            help="Also test these numerically; all of them: --self-test.",
            autocompletion=completion.trackers,
        ),
    ] = None,
    *,
    self_test: Annotated[
        bool, typer.Option("--self-test", help="Also test every tracker numerically, on the CPU and on each GPU.")
    ] = False,
    device: Annotated[
        str | None, typer.Option(help="Where trackers are tested: cpu, cuda:N. Default: on the CPU and on each GPU.")
    ] = None,
    runs: Runs = Path("runs"),
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Check this machine: what is installed, what works, what is found, with the command that mends each fault.

    The numeric self-test runs a tracker with drawn weights on a bundled clip, and compares crops, activations, boxes
    and settings with its record; it needs no checkpoint and names what is wrong. The exit code is 1 where something is.

    [bold]Examples[/bold]

    trackbench doctor

    trackbench doctor sbt-base sparsett --device cuda:0
    """
    from dataclasses import asdict

    from rich.text import Text

    from trackbench.doctor.content import content
    from trackbench.doctor.environment import environment
    from trackbench.quoting import printable

    groups = [environment(runs), content()]
    if trackers or self_test:
        groups.append(_self_tests(trackers or [], device))
    marks = {"good": ("✓", "green"), "bad": ("✗", "bold red"), "note": ("–", "yellow")}
    findings = []
    out = output()
    for group in groups:
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


def _self_tests(names: list[str], device: str | None) -> Iterator[Finding]:
    from trackbench.definitions import TRACKERS
    from trackbench.doctor.records import recorded_trackers
    from trackbench.doctor.self_test import devices, self_test
    from trackbench.trackers.devices import resolve_device

    known = [TRACKERS.get(name).name for name in names] or recorded_trackers()
    places = devices() if device is None else [resolve_device(device)]
    with messages(False).status("") as status:
        for name in known:
            for place in places:
                status.update(f"testing {name} on {place}")
                yield from self_test(name, place)
