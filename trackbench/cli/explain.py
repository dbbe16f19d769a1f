"""``trackbench explain``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trackbench.cli import completion
from trackbench.cli.shared import Debug, Json, Root, Runs, messages, output, print_json

if TYPE_CHECKING:
    from trackbench.scoring.explain import Explanation, Step


def explain(
    tracker: Annotated[str, typer.Argument(help="A stored tracker.", autocompletion=completion.stored)],
    dataset: Annotated[
        str, typer.Option("--dataset", "-d", help="Data set: a name or a folder.", autocompletion=completion.datasets)
    ],
    convention: Annotated[
        list[str], typer.Option(help="Give it twice: the two to compare.", autocompletion=completion.conventions)
    ],
    root: Root = None,
    runs: Runs = Path("runs"),
    top: Annotated[int, typer.Option(min=0, help="Sequences to name for each rule.")] = 3,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Show why two conventions give a tracker different scores: which rule, by how much, in which sequences.

    [bold]Example[/bold]

    trackbench explain siamrpnpp -d uav123 --convention matlab --convention got10k
    """
    import trackbench
    from trackbench.datasets.catalogue import open_dataset
    from trackbench.errors import UsageError

    if len(convention) != 2:
        raise UsageError(f"--convention was given {len(convention)} times; expected two, to compare them")
    opened = open_dataset(dataset, root)
    explanation = trackbench.explain(tracker, opened, *convention, runs=runs)
    for line in explanation.problems:
        messages().print(line)
    if json:
        head = {"tracker": explanation.tracker, "dataset": opened.name, "of": opened.of}
        print_json({**head, **_document(explanation, convention)})
    else:
        _show(explanation, convention, f"{explanation.tracker} on {opened.title}", opened.of, top)


def _document(explanation: Explanation, names: list[str]) -> dict[str, Any]:
    from dataclasses import asdict

    return {
        "conventions": names,
        "sequences": explanation.sequences,
        "scores": [explanation.first, explanation.second],
        "steps": [asdict(step) for step in explanation.steps],
        "problems": list(explanation.problems),
    }


def _show(explanation: Explanation, names: list[str], title: str, of: int, top: int) -> None:
    from rich.table import Table
    from rich.text import Text

    from trackbench.metrics.table import metric as known_metric
    from trackbench.scoring.explain import METRICS

    columns = [known_metric(key) for key in METRICS]
    idle = ", ".join(step.rule for step in explanation.steps if not step.sequences) or "none"
    caption = (
        f"{explanation.sequences} of {of} sequences. Percent; steps add up to the difference. "
        f"Without effect here: {idle}."
    )
    table = Table("rule", "from", "to", title=title, caption=caption)
    for column in columns:
        table.add_column(column.title, justify="right")
    table.add_column("sequences", justify="right")
    table.add_column("most in")
    scores = (explanation.first, explanation.second)
    rows = [[f"{100 * score.get(metric, float('nan')):.2f}" for metric in METRICS] for score in scores]
    table.add_row("score", names[0], "", *rows[0], "", "", style="bold")
    for step in (step for step in explanation.steps if step.sequences):
        changes = [f"{100 * step.change[metric]:+.2f}" for metric in METRICS]
        names_of = Text(_largest(step, top))
        table.add_row(step.rule, str(step.before), str(step.after), *changes, str(len(step.sequences)), names_of)
    table.add_row("score", "", names[1], *rows[1], "", "", style="bold")
    output().print(table)


def _largest(step: Step, top: int) -> str:
    parts = []
    for name, change in list(step.sequences.items())[:top]:
        metric = max(change, key=lambda key: abs(change[key]))
        parts.append(f"{name} ({metric} {100 * change[metric]:+.1f})")
    return ", ".join(parts)
