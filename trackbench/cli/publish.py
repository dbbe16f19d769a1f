"""``trackbench publish``."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trackbench.cli import completion
from trackbench.cli.shared import (
    Convention,
    Datasets,
    Debug,
    Json,
    Protocol,
    Quiet,
    Root,
    Runs,
    messages,
    print_json,
)

if TYPE_CHECKING:
    from trackbench.datasets.sequence import Dataset
    from trackbench.reports.publication import EvalSource
    from trackbench.scoring import Score


def publish(
    trackers: Annotated[
        list[str] | None,
        typer.Argument(metavar="[TRACKER]...", help="Default: all that are stored.", autocompletion=completion.stored),
    ] = None,
    *,
    dataset: Datasets,
    root: Root = None,
    runs: Runs = Path("runs"),
    out: Annotated[Path, typer.Option(help="Folder to write into.")] = Path("publish"),
    protocol: Protocol = None,
    convention: Convention = None,
    hub: Annotated[
        list[str] | None,
        typer.Option(metavar="DATASET=ORG/NAME", help="What Hugging Face calls a data set. Repeatable."),
    ] = None,
    source: Annotated[
        str | None, typer.Option(metavar="URL", help="Where the numbers can be looked up, for .eval_results.")
    ] = None,
    source_name: Annotated[str | None, typer.Option(help="What that page is called.")] = None,
    user: Annotated[str | None, typer.Option(help="User or organisation of the Hub.")] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write what can be published: .eval_results files of Hugging Face, and a leaderboard as static files. No upload.

    OUT/models/TRACKER/.eval_results/DATASET.yaml goes into the model's repository, OUT/benchmarks/DATASET/eval.yaml
    into that of the data set, and OUT/leaderboard to any web server. Incomplete runs are on the leaderboard only.

    [bold]Example[/bold]

    trackbench publish -d lasot -d otb100 --hub otb100=my-lab/OTB-100 --source https://example.org/results
    """
    from trackbench.datasets.catalogue import open_dataset
    from trackbench.errors import UsageError
    from trackbench.reports.publication import hub_ids
    from trackbench.reports.style import Style, styled
    from trackbench.reports.tables import ranked
    from trackbench.scoring import score_runs

    given = hub_ids(hub or [])
    if source is None and (source_name is not None or user is not None):
        raise UsageError("--source-name and --user describe a page: give its address, --source URL")
    parts: list[tuple[Dataset, list[Score]]] = []
    for name in dict.fromkeys(dataset):
        opened = open_dataset(name, root)
        scores = styled(score_runs(opened, runs, trackers or None, protocol=protocol, rules=convention), Style())
        parts.append((opened, ranked(scores)))
    if unknown := [name for name in given if name not in {one.name for one, _ in parts}]:
        raise UsageError(f"--hub {unknown[0]}: is no data set of this command (-d)")
    where = None if source is None else _source(source, source_name, user)
    say = messages(quiet).print
    written = []
    for opened, scores in parts:
        written += _models(opened, scores, given, where, out, say)
    written += _leaderboard(parts, out / "leaderboard")
    if json:
        print_json({"files": written})
    else:
        say(f"{len(written)} files in {out}; nothing was uploaded")


def _source(url: str, name: str | None, user: str | None) -> EvalSource:
    from pydantic import ValidationError

    from trackbench.errors import UsageError
    from trackbench.reports.publication import EvalSource

    try:
        return EvalSource(url=url, name=name, user=user)
    except ValidationError as error:
        raise UsageError(f"--source {url}: {error.errors()[0]['msg']}") from None


def _models(
    dataset: Dataset,
    scores: list[Score],
    given: dict[str, str],
    source: EvalSource | None,
    out: Path,
    say: Callable[[str], object],
) -> list[Path]:
    """Write the files for the Hub; returns them."""
    from trackbench.files import folder_name, write_text
    from trackbench.reports.publication import eval_results, eval_tasks, hub_id

    hub = hub_id(dataset, given)
    if hub is None:
        say(f"{dataset.name}: no .eval_results, for no data set of the Hub is known; --hub {dataset.name}=ORG/NAME")
        return []
    files = {out / "benchmarks" / folder_name(dataset.name) / "eval.yaml": eval_tasks(dataset, scores)}
    for score in scores:
        if not score.is_complete:
            say(f"{score.tracker}: {score.sequences} of {score.of} sequences of {dataset.name}: on the board only")
            continue
        folder = out / "models" / folder_name(score.tracker) / ".eval_results"
        files[folder / f"{folder_name(dataset.name)}.yaml"] = eval_results(score, hub, source=source)
    for path, text in files.items():
        write_text(path, text)
    return list(files)


def _leaderboard(parts: list[tuple[Dataset, list[Score]]], folder: Path) -> list[Path]:
    """Write the leaderboard; returns its files."""
    import json

    from trackbench.files import write_text
    from trackbench.reports.page import Page
    from trackbench.reports.publication import leaderboard_document, leaderboard_markdown
    from trackbench.reports.style import looks
    from trackbench.reports.tables import csv_table

    page = Page(0)
    for opened, scores in parts:
        page.add(opened, scores, ())
    labels = dict.fromkeys(score.tracker for _, scores in parts for score in scores)
    texts = {
        "index.html": page.text(looks(labels)),
        "leaderboard.json": json.dumps(leaderboard_document(parts), indent=1) + "\n",
        "README.md": leaderboard_markdown(parts),
        ".nojekyll": "",
        **{f"{opened.name}.csv": csv_table(scores) for opened, scores in parts},
    }
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]
