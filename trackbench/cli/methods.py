"""``trackbench methods``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from trackbench.cli import completion
from trackbench.cli.shared import Debug, Json, Runs, exit_without, messages, print_json, print_line

if TYPE_CHECKING:
    from trackbench.results.store import RunFolder


def methods(
    runs_: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[RUN]...",
            help="Labels of stored runs, or their folders. Default: all.",
            autocompletion=completion.stored,
        ),
    ] = None,
    *,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            "--dataset", "-d", help="Only runs on this data set. Repeatable.", autocompletion=completion.datasets
        ),
    ] = None,
    runs: Runs = Path("runs"),
    bibtex: Annotated[
        bool, typer.Option("--bibtex", help="Print the BibTeX entries of trackers and data sets.")
    ] = False,
    json: Json = False,
    debug: Debug = False,
) -> None:
    """Write the paragraph of a paper on how runs were made, and the lines of the NeurIPS checklist that they answer.

    [bold]Examples[/bold]

    trackbench methods -d otb100

    trackbench methods aiatrack dcf --bibtex > trackers.bib
    """
    from trackbench.errors import DataError, all_of
    from trackbench.reports.citations import bibliography
    from trackbench.reports.methods import Account, checklist, paragraph, read_account

    known: list[tuple[RunFolder, Account]] = []
    refused: dict[str, DataError] = {}
    for folder in _find(runs_ or [], dataset or [], runs):
        try:
            known.append((folder, read_account(folder)))
        except DataError as error:
            refused[str(folder.path)] = error
    if not known:
        raise all_of(refused)
    accounts = [account for _, account in known]
    left_out = [{"run": place, "reason": str(error)} for place, error in refused.items()]
    subjects = []
    for folder, account in known:
        parts = (account.identity, account.identity.get("refiner") or {})
        subjects += [f"tracker:{str(part['tracker']).partition(':')[0]}" for part in parts if part.get("tracker")]
        subjects.append(f"dataset:{folder.key.dataset}")
    text, unknown = bibliography(subjects)
    if json:
        answers = checklist(accounts)
        document = {"paragraph": paragraph(accounts), "checklist": answers, "bibtex": text, "uncited": unknown}
        print_json(document | ({"refused": left_out} if left_out else {}))
    elif bibtex:
        if text:
            print(text, end="")
        for subject in unknown:
            kind, _, name = subject.partition(":")
            messages().print(f"no entry is known for the {kind} '{name}'")
    else:
        print_line(paragraph(accounts))
        print_line("")
        print_line("NeurIPS paper checklist:")
        for heading, answer in checklist(accounts).items():
            print_line(f"  {heading}: {answer}")
    exit_without({entry["run"]: entry["reason"] for entry in left_out})


def _find(wanted: list[str], datasets: list[str], runs: Path) -> list[RunFolder]:
    """Return the stored runs that labels, names of trackers or folders mean.

    Raises:
        UsageError: one means none.
    """
    from trackbench.datasets.catalogue import is_path
    from trackbench.errors import UsageError, suggestion
    from trackbench.results.store import stored_runs

    named = {Path(name).resolve().name if is_path(name) else name for name in datasets}
    stored = [folder for folder in stored_runs(runs) if not datasets or folder.key.dataset in named]
    if not stored:
        on = f" on {', '.join(datasets)}" if datasets else ""
        raise UsageError(f"{runs}: holds no runs{on}; `trackbench run TRACKER -d ...` makes one")
    if not wanted:
        return stored
    folders: dict[Path, RunFolder] = {}
    for text in wanted:
        place = Path(text).resolve()
        hits = [folder for folder in stored if folder.path.resolve() == place]
        hits = hits or [folder for folder in stored if folder.key.tracker == text]
        hits = hits or [folder for folder in stored if folder.key.tracker.partition("@")[0] == text]
        if not hits:
            labels = list(dict.fromkeys(folder.key.tracker for folder in stored))
            raise UsageError(f"no run of '{text}' in {runs}{suggestion(text, labels)} (stored: {', '.join(labels)})")
        folders.update({folder.path: folder for folder in hits})
    return list(folders.values())
