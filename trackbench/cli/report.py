"""``trackbench report``."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from trackbench.cli.shared import Debug, Json, Quiet, Root, Runs, messages, output, print_json

if TYPE_CHECKING:
    from collections.abc import Callable

    from trackbench.datasets.sequence import Dataset
    from trackbench.reports.comparison import Comparison
    from trackbench.scores import Score


def report(
    trackers: Annotated[
        list[str] | None, typer.Argument(metavar="[TRACKER]...", help="Default: all that are stored.")
    ] = None,
    *,
    dataset: Annotated[
        list[str] | None,
        typer.Option(
            "--dataset", "-d", help="Data set: a name of `trackbench list datasets`, or a folder. Repeatable."
        ),
    ] = None,
    root: Root = None,
    runs: Runs = Path("runs"),
    out: Annotated[Path | None, typer.Option(help="Folder for files and plots. Default: RUNS/report.")] = None,
    protocol: Annotated[str | None, typer.Option(help="Default: the data set's.")] = None,
    convention: Annotated[str | None, typer.Option(help="Whose scoring rules. Default: the data set's.")] = None,
    strict: Annotated[bool, typer.Option("--strict", help="Refuse incomplete runs.")] = False,
    attributes: Annotated[bool, typer.Option("--attributes", help="Also by attribute.")] = False,
    per_sequence: Annotated[bool, typer.Option("--per-sequence", help="Also by sequence, with paired tests.")] = False,
    curves: Annotated[bool, typer.Option("--curves", help="Also the curves, as CSV.")] = False,
    html: Annotated[
        bool, typer.Option("--html", help="Also report.html: one page for all data sets, offline.")
    ] = False,
    frames: Annotated[int, typer.Option(min=0, help="With --html: images a sequence, from the first to the last.")] = 0,
    page_limit: Annotated[
        float, typer.Option(min=0, help="With --html: most megabytes for regions and images of sequences.")
    ] = 50,
    frame: Annotated[
        list[str] | None,
        typer.Option(metavar="SEQUENCE[:NUMBER]", help="Also a picture of a frame: answers, masks, truth. Repeatable."),
    ] = None,
    paper: Annotated[
        str | None,
        typer.Option(metavar="PAPER:TABLE", help="A paper's table with our numbers in it, as siamattn:1. Needs no -d."),
    ] = None,
    against: Annotated[
        Literal["paper"] | None, typer.Option(help="paper: also the differences from what papers print.")
    ] = None,
    style: Annotated[Path | None, typer.Option(help="TOML file of colours, names and order.")] = None,
    json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Score stored runs: table, CSV, Markdown, LaTeX, success and precision plots. Opens no image without being asked.

    [bold]Examples[/bold]

    trackbench report -d otb100 --root ~/data/OTB

    trackbench report dcf opencv:mil -d otb100 --attributes --out paper/

    trackbench report siamattn -d vot2018 --frame bag:20

    trackbench report -d otb100 -d uav123 --html --frames 20 --style mine.toml

    trackbench report --paper siamattn:1
    """
    from trackbench.datasets.catalogue import open_dataset
    from trackbench.errors import TrackbenchError, UsageError
    from trackbench.reports import paper_tables, tables
    from trackbench.reports.comparison import against_papers
    from trackbench.reports.folder import write_report
    from trackbench.reports.frame_plot import write_frames
    from trackbench.reports.page import Page
    from trackbench.reports.plots import undrawable
    from trackbench.reports.style import check_labels, looks, read_style, styled
    from trackbench.scores import score_runs
    from trackbench.scores.traces import read_traces

    say = messages(quiet).print
    folder = out or runs / "report"
    look_file = read_style(style)
    if frames and not html:
        raise UsageError("--frames puts images into the page; it needs --html")
    reported: list[tuple[Dataset, list[Score]]] = []
    if not dataset and paper is None:
        raise UsageError("report: -d says what to report on, or --paper which table of a paper")
    if not dataset and (html or frame):
        raise UsageError(f"{'--html' if html else '--frame'} shows runs on a data set; it needs -d")
    opened: dict[str, Dataset] = {}
    for wanted in dataset or []:
        found = open_dataset(wanted, root)
        same = opened.setdefault(found.name, found)
        if same.root.resolve() != found.root.resolve():
            raise UsageError(
                f"-d: {same.root} and {found.root} are both called '{found.name}'; report on one at a time"
            )
    compared = None if paper is None else _paper(paper, trackers, runs, root, folder, protocol, convention, say)
    if compared and not (json or quiet):
        output().print(paper_tables.terminal(compared))
    for found in opened.values():
        scores = score_runs(found, runs, trackers or None, protocol=protocol, rules=convention)
        for score in scores:
            for line in score.problems:
                say(f"{score.tracker}: {line}")
        incomplete = [score for score in scores if score.sequences < score.of]
        if strict and incomplete:
            listed = ", ".join(f"{score.tracker} ({score.sequences} of {score.of})" for score in incomplete)
            raise TrackbenchError(f"--strict: incomplete on {found.name}: {listed}")
        if against:
            scores, sources = against_papers(scores)
            for label, source in sources.items():
                say(f"{label} on {found.name}: against {source}")
        reported.append((found, styled(scores, look_file)))
    labels = list(dict.fromkeys(score.tracker for _, scores in reported for score in scores))
    for line in check_labels(look_file, labels):
        say(line)
    for title in dict.fromkeys(score.title for _, scores in reported for score in scores):
        if lacking := undrawable(title):
            say(f"{title}: the plots' font lacks {lacking}; a name for the tracker in a --style file replaces it there")
    look = looks((*look_file.order, *labels), look_file)
    page = Page(page_limit * 1_000_000, frames) if html else None
    for found, scores in reported:
        written = write_report(
            scores,
            found,
            folder / found.name,
            look,
            look_file,
            attributes=attributes,
            per_sequence=per_sequence,
            curves=curves,
        )
        if frame:
            written += write_frames(frame, found, runs, scores, folder / found.name, look, look_file.two_columns)
        if page:
            page.add(found, scores, read_traces(found, runs, scores))
        if json or quiet:
            continue
        console = output()
        console.print(tables.terminal_table(scores, found.title))
        if attributes:
            console.print(tables.attribute_table(scores))
        if per_sequence:
            console.print(tables.sequence_table(scores))
        say(f"{len(written)} files in {folder / found.name}")
    if page:
        size = page.write(folder / "report.html", {label: look[label] for label in labels})
        say(f"{folder / 'report.html'}: {size / 1e6:.1f} MB")
    if json:
        rows = [score.document() for _, scores in reported for score in scores]
        print_json({"rows": rows} | ({"paper": compared.document()} if compared else {}))


def _paper(
    spec: str,
    trackers: list[str] | None,
    runs: Path,
    root: Path | None,
    folder: Path,
    protocol: str | None,
    convention: str | None,
    say: Callable[[str], object],
) -> Comparison:
    """Write a paper's table beside what is stored."""
    from trackbench.files import write_text
    from trackbench.reports import paper_tables
    from trackbench.reports.comparison import compare, score_table
    from trackbench.reports.papers import paper_table

    values = paper_table(spec)
    scores = score_table(values, runs, root, say, trackers, protocol=protocol, rules=convention)
    compared = compare(spec, values, scores)
    place = folder / spec.lower().replace(":", "-")
    texts = {
        "csv": paper_tables.csv(compared),
        "md": paper_tables.markdown(compared),
        "tex": paper_tables.latex_table(compared),
    }
    for ending, text in texts.items():
        write_text(place / f"table.{ending}", text)
    say(f"{len(texts)} files in {place}")
    return compared
