"""``trackbench diff``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trackbench.cli import completion
from trackbench.cli.shared import (
    Convention,
    Debug,
    Json,
    Protocol,
    Root,
    Runs,
    messages,
    output,
    print_json,
)

if TYPE_CHECKING:
    from trackbench.datasets.sequence import Dataset
    from trackbench.metrics.table import Metric
    from trackbench.results.store import RunFolder
    from trackbench.scoring import Score
    from trackbench.statistics.difference import SequenceDifference
    from trackbench.statistics.pairs import Pair


def diff(
    first: Annotated[str, typer.Argument(metavar="A", help="Label of a stored run.", autocompletion=completion.stored)],
    second: Annotated[
        str,
        typer.Argument(metavar="B", help="Label of another, or of one in --against.", autocompletion=completion.stored),
    ],
    dataset: Annotated[
        str, typer.Option("--dataset", "-d", help="Data set: a name or a folder.", autocompletion=completion.datasets)
    ],
    root: Root = None,
    runs: Runs = Path("runs"),
    against: Annotated[
        Path | None, typer.Option(help="Folder of stored results that holds B: another machine's, another version's.")
    ] = None,
    protocol: Protocol = None,
    convention: Convention = None,
    metric: Annotated[str | None, typer.Option(help="Key of the metric. Default: the first by sequence.")] = None,
    rope: Annotated[
        float, typer.Option(min=0, help="Differences up to this are none in practice, in the unit of tables.")
    ] = 0.5,
    top: Annotated[int, typer.Option(min=0, help="How many sequences to list of those most gained and most lost.")] = 5,
    html: Annotated[Path | None, typer.Option(help="Also a page with both runs side by side.")] = None,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Compare two stored runs: difference with interval and test, sequences most gained and lost, where they part.

    [bold]Examples[/bold]

    trackbench diff dcf "dcf@learning_rate=0.02" -d otb100

    trackbench diff aiatrack aiatrack -d lasot --against other_machine/runs --html diff.html
    """
    from trackbench.datasets.catalogue import open_dataset
    from trackbench.statistics.difference import SequenceDifference, compare_trajectories
    from trackbench.statistics.matrix import score_matrix
    from trackbench.statistics.pairs import compare_pairs

    opened = open_dataset(dataset, root)
    other = against or runs
    places = ((first, runs), (second, other))
    (a, one), (b, two) = (_run(label, opened, place, protocol, convention) for label, place in places)
    matrix = score_matrix(opened, [a, b], metric)
    (pair,) = compare_pairs(matrix, rope)
    names = sorted(one.sequences() | two.sequences())
    parted = compare_trajectories(one, two, names)
    rows = []
    for name in dict.fromkeys([*matrix.sequences, *parted]):
        values = [score.per_sequence.get(name, {}).get(matrix.metric.key) for score in (a, b)]
        rows.append(SequenceDifference(name, values[0], values[1], *parted.get(name, (None, None))))
    if html:
        _page(html, opened, (a, b), (runs, other))
    if json:
        print_json(_document(opened, (a, b), matrix.metric, pair, rows, set(parted)))
    else:
        _show(opened, (a, b), matrix.metric, pair, rows, set(parted), rope, top)


def _run(
    label: str, dataset: Dataset, runs: Path, protocol: str | None, convention: str | None
) -> tuple[Score, RunFolder]:
    """Return the score of the one run that a label names, and its folder."""
    from trackbench.errors import UsageError
    from trackbench.scoring import score_runs
    from trackbench.scoring.stored import find_runs

    folders = find_runs(dataset, runs, [label], protocol or dataset.protocol)
    if len(folders) > 1:
        listed = ", ".join(folder.key.tracker for folder in folders)
        raise UsageError(f"'{label}' means several runs on {dataset.name}: {listed}; name one of them")
    (score,) = score_runs(dataset, runs, [folders[0].key.tracker], protocol=protocol, rules=convention)
    for line in score.problems:
        messages().print(f"{score.tracker}: {line}")
    return score, folders[0]


def _document(
    dataset: Dataset,
    scores: tuple[Score, Score],
    metric: Metric,
    pair: Pair,
    rows: list[SequenceDifference],
    compared: set[str],
) -> dict[str, Any]:
    return {
        "dataset": dataset.name,
        "metric": metric.key,
        "first": scores[0].tracker,
        "second": scores[1].tracker,
        "metrics": [score.metrics for score in scores],
        # B minus A, as a gain is read.
        "difference": -pair.difference,
        "difference_low": -pair.high,
        "difference_high": -pair.low,
        "sequences": pair.sequences,
        "p_better": 1 - pair.better,
        "posterior_better": pair.equivalence.second,
        "posterior_equal": pair.equivalence.equal,
        "posterior_worse": pair.equivalence.first,
        "p_wilcoxon": pair.wilcoxon,
        "identical": sum(row.differs is None for row in rows if row.sequence in compared),
        "compared": len(compared),
        "per_sequence": [
            {
                "sequence": row.sequence,
                "first": row.first,
                "second": row.second,
                "gain": row.gain,
                "first_differing_frame": None if row.differs is None else row.differs + 1,
                "first_frame_apart": None if row.apart is None else row.apart + 1,
            }
            for row in rows
        ],
    }


def _show(
    dataset: Dataset,
    scores: tuple[Score, Score],
    metric: Metric,
    pair: Pair,
    rows: list[SequenceDifference],
    compared: set[str],
    rope: float,
    top: int,
) -> None:
    from rich.table import Table
    from rich.text import Text

    from trackbench.metrics.statistics import LEAST
    from trackbench.quoting import NAME, printable

    scale, digits = metric.scale, max(metric.digits, 1)
    identical = sum(row.differs is None for row in rows if row.sequence in compared)
    out = output()
    known = pair.low == pair.low
    bounds = f"{-pair.high * scale:+.{digits}f} to {-pair.low * scale:+.{digits}f}"
    interval = f" ({bounds})" if known else f" (an interval needs {LEAST} sequences)"
    better, equal, worse = pair.equivalence.second, pair.equivalence.equal, pair.equivalence.first
    wilcoxon = f"; Wilcoxon p = {pair.wilcoxon:.2g}" if pair.wilcoxon == pair.wilcoxon else ""
    results = "sequences" if compared <= {sequence.name for sequence in dataset.sequences} else "runs over them"
    labels = [s.tracker if s.is_complete else f"{s.tracker} ({s.sequences}/{s.of})" for s in scores]
    lines = [
        f"A: {labels[0]}   B: {labels[1]}   on {dataset.title}, {pair.sequences} of {dataset.of} sequences",
        f"{metric.title}, B minus A: {-pair.difference * scale:+.{digits}f}{interval}{wilcoxon}",
        f"B is better with {better:.0%}, equal within {rope:g} with {equal:.0%}, worse with {worse:.0%}",
        f"the same answers, byte for byte, on {identical} of {len(compared)} {results}",
    ]
    for line in lines:
        out.print(Text(printable(line)))
    changed = sorted((row for row in rows if row.gain), key=lambda row: row.gain or 0.0)
    worst = [row for row in changed if (row.gain or 0.0) < 0][:top]
    best = [row for row in reversed(changed) if (row.gain or 0.0) > 0][:top]
    for title, listed in (("Most gained by B", best), ("Most lost by B", worst)):
        if not listed:
            continue
        table = Table("sequence", title=title)
        for head in ("A", "B", "B minus A", "first differing frame", "first frame apart"):
            table.add_column(head, justify="right")
        for row in listed:
            numbers = [f"{scale * (value or 0.0):.{digits}f}" for value in (row.first, row.second)]
            table.add_row(
                Text(printable(row.sequence, NAME)),
                *numbers,
                f"{scale * (row.gain or 0.0):+.{digits}f}",
                *("-" if frame is None else str(frame + 1) for frame in (row.differs, row.apart)),
            )
        out.print(table)


def _page(path: Path, dataset: Dataset, scores: tuple[Score, Score], runs: tuple[Path, Path]) -> None:
    """Write the page of a report with the two runs."""
    from trackbench.errors import UsageError
    from trackbench.reports.page import Page
    from trackbench.reports.style import Style, looks, styled
    from trackbench.scoring.scoring import read_traces

    if scores[0].tracker == scores[1].tracker or runs[0].resolve() != runs[1].resolve():
        raise UsageError("--html shows two runs of one folder with different labels; --against has another folder")
    shown = styled(list(scores), Style())
    page = Page(50_000_000, 0)
    page.add(dataset, shown, read_traces(dataset, runs[0], shown))
    page.write(path, looks(score.tracker for score in shown))
    messages().print(str(path))
