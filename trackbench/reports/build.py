"""A whole report: data sets opened, runs scored, tables, plots, pages and papers' tables written.

The command ``trackbench report`` and the function of the Python interface are this one function.
"""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from trackbench.datasets.catalogue import open_for_reports
from trackbench.datasets.meaning import corner_warning
from trackbench.datasets.sequence import Dataset
from trackbench.errors import DataError, TrackbenchError, UsageError, all_of
from trackbench.quoting import alike, listed
from trackbench.reports import tables
from trackbench.results.store import labels_of, stored_runs
from trackbench.schemas import MAX_LENGTH
from trackbench.scoring import Evaluation, Score, evaluate_runs, resolve_evaluation
from trackbench.scoring.scoring import common_sequences, read_traces

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from trackbench.referee import Verdict
    from trackbench.reports.comparison import PaperComparison
    from trackbench.reports.style import Look, Style


@dataclass(frozen=True)
class ReportOptions:
    """What a report is about and what it leaves; the defaults are those of the command."""

    root: Path | None = None
    """Folder that holds the data sets; None: where they are known to be."""
    out: Path | None = None
    """Folder for files; None: ``RUNS/report``."""
    protocol: str | None = None
    convention: str | None = None
    lengths: tuple[int, int] | None = None
    """First and last length in frames over which EAO averages."""
    metrics: str | None = None
    """The columns of tables: keys of metrics with commas between; those of the form ``module:NAME`` are measured."""
    strict: bool = False
    """Refuse incomplete runs."""
    common: bool = False
    """Score all runs on the sequences that all of them have."""
    attributes: bool = False
    per_sequence: bool = False
    curves: bool = False
    """Also the curves, as CSV."""
    plots: bool = True
    html: bool = False
    frames: int = 0
    """Images a sequence on the page."""
    page_limit: float = 50
    """Most megabytes for regions and images on the page."""
    frame: Sequence[str] = ()
    """``SEQUENCE[:NUMBER]`` of the frames of which there are pictures."""
    paper: str | None = None
    """``PAPER:TABLE``."""
    against: Literal["paper"] | None = None
    style: Path | None = None
    referee: bool = False
    """Let the installed got10k toolkit or vot-toolkit score the same runs."""
    write: bool = True
    """Whether files are written."""

    def check(self, datasets: Sequence[str]) -> None:
        """Refuse what does not go together.

        Raises:
            UsageError: an option lacks what it is about.
        """
        if self.frames and not self.html:
            raise UsageError("--frames puts images into the page; it needs --html")
        if not datasets and self.paper is None:
            raise UsageError("report: -d says what to report on, or --paper which table of a paper")
        if not datasets and (self.html or self.frame):
            raise UsageError(f"{'--html' if self.html else '--frame'} shows runs on a data set; it needs -d")
        if self.lengths and not 1 <= self.lengths[0] <= self.lengths[1] <= MAX_LENGTH:
            low, high = self.lengths
            raise UsageError(
                f"--interval {low}:{high}: expected LOW:HIGH, two lengths in frames from 1 to at most {MAX_LENGTH}"
            )


@dataclass(frozen=True)
class DatasetReport:
    """What is reported of one data set."""

    evaluation: Evaluation
    scores: list[Score]
    """In the order of the tables, with the names that are printed."""
    metrics: list[str] | None
    """The columns that were asked for; None: all."""
    folder: Path
    """Where its files are."""
    written: list[Path] = field(default_factory=list)
    refused: Mapping[str, str] = field(default_factory=dict)
    """Label -> why a run cannot be scored at all."""

    @property
    def dataset(self) -> Dataset:
        """What the trackers ran on."""
        return self.evaluation.dataset


@dataclass(frozen=True)
class Report:
    """A report, and the files that it left."""

    datasets: list[DatasetReport]
    paper: PaperComparison | None
    written: list[Path]
    verdicts: list[Verdict] = field(default_factory=list)
    """What other toolkits say of the runs, where they were asked."""

    def document(self) -> dict[str, Any]:
        """Return what ``report --json`` prints."""
        rows = [score.document() for part in self.datasets for score in part.scores]
        refused = [
            {"tracker": label, "dataset": part.dataset.name, "reason": reason}
            for part in self.datasets
            for label, reason in part.refused.items()
        ]
        return {"rows": rows} | (
            ({"refused": refused} if refused else {})
            | ({"paper": self.paper.document()} if self.paper else {})
            | ({"referee": [verdict.document() for verdict in self.verdicts]} if self.verdicts else {})
        )


def report(
    datasets: Sequence[str | Dataset] = (),
    trackers: Sequence[str] | None = None,
    *,
    runs: Path | Sequence[Path] = Path("runs"),
    options: ReportOptions | None = None,
    say: Callable[[str], object] = lambda _: None,
    watch: Callable[[str, int, int], object] = lambda name, done, of: None,
) -> Report:
    """Score stored runs and write what the options ask for.

    Args:
        datasets: names or folders of data sets, or data sets that are open.
        trackers: labels, or names of trackers; None or none: all that are stored.
        runs: the folder of all runs, or several of them, whose runs are reported together.
        options: what is wanted.
        say: takes a line of what else there is to know: problems, places of files.
        watch: is told which run is scored, how many are done, and how many there are.

    Raises:
        UsageError: something asked for is not there, or options do not go together.
        TrackbenchError: a run is incomplete, and the report is strict.
    """
    from trackbench.reports.style import check_labels, looks, read_style

    options = options or ReportOptions()
    options.check([str(dataset) for dataset in datasets])
    style = read_style(options.style)
    roots = [runs] if isinstance(runs, Path) else list(dict.fromkeys(runs))
    folder = options.out or roots[0] / "report"
    written: list[Path] = []
    opened = _open(datasets, options.root)
    paper = None
    if options.paper is not None:
        paper = _paper(options.paper, trackers or None, roots, folder, options, written, say)
    named = _named_on(opened, trackers or [], roots, say)
    parts = [
        _evaluate(dataset, names, roots, folder, options, style, say, watch)
        for dataset, names in zip(opened, named, strict=True)
    ]
    metrics = tables.chosen_metrics(options.metrics, [part.scores for part in parts])
    parts = [replace(part, metrics=columns) for part, columns in zip(parts, metrics, strict=True)]
    labels = list(dict.fromkeys(score.tracker for part in parts for score in part.scores))
    for line in check_labels(style, labels):
        say(line)
    if options.write and parts:
        written += _write(parts, roots, folder, options, style, looks((*style.order, *labels), style), say)
    for part in parts:
        for score in part.scores:
            for line in tables.bad_answer_lines(score.bad_answers):
                say(f"{score.tracker}: {line}")
    verdicts = _verdicts(parts, roots, say) if options.referee else []
    return Report(parts, paper, written, verdicts)


def _verdicts(parts: Sequence[DatasetReport], roots: Sequence[Path], say: Callable[[str], object]) -> list[Verdict]:
    """Ask another toolkit about every run that has a score; one that it cannot judge is named."""
    from trackbench.referee import referee

    verdicts = []
    for part in parts:
        for score in part.scores:
            for folder in part.evaluation.find(roots, [score.tracker]):
                try:
                    verdicts.append(referee(part.dataset, folder.runs, score))
                except TrackbenchError as error:
                    say(f"{score.tracker} on {part.dataset.name}: {error}")
    return verdicts


def _open(datasets: Sequence[str | Dataset], root: Path | None) -> list[Dataset]:
    opened: dict[str, Dataset] = {}
    for wanted in datasets:
        dataset = open_for_reports(wanted, root) if isinstance(wanted, str) else wanted
        same = opened.setdefault(dataset.name, dataset)
        if same.root.resolve() != dataset.root.resolve():
            raise UsageError(
                f"-d: {same.root} and {dataset.root} are both called '{dataset.name}'; report on one at a time"
            )
    return list(opened.values())


def _named_on(
    datasets: Sequence[Dataset], trackers: Sequence[str], roots: Sequence[Path], say: Callable[[str], object]
) -> list[Sequence[str] | None]:
    """Return the trackers that are reported on for each data set; None: all that are stored.

    One that has a run on another of the data sets may lack one here; one that has none anywhere is refused later.
    """
    if not trackers:
        return [None for _ in datasets]
    stored = [
        {folder.key.tracker for root in roots for folder in stored_runs(root, dataset.name)} for dataset in datasets
    ]
    chosen: list[Sequence[str] | None] = []
    for dataset, labels in zip(datasets, stored, strict=True):
        lacking = [
            name
            for name in trackers
            if not labels_of(name, sorted(labels)) and any(labels_of(name, sorted(other)) for other in stored)
        ]
        here = [name for name in trackers if name not in lacking]
        if here and lacking:
            say(f"{dataset.name}: no run of {listed(lacking)}")
        chosen.append(here or trackers)
    return chosen


def _evaluate(
    dataset: Dataset,
    trackers: Sequence[str] | None,
    roots: Sequence[Path],
    folder: Path,
    options: ReportOptions,
    style: Style,
    say: Callable[[str], object],
    watch: Callable[[str, int, int], object],
) -> DatasetReport:
    from trackbench.reports.comparison import against_papers
    from trackbench.reports.folder import folder_for
    from trackbench.reports.style import styled

    local = [name for name in (options.metrics or "").split(",") if ":" in name]
    evaluation = resolve_evaluation(
        dataset, options.protocol, options.convention, lengths=options.lengths, metrics=local
    )
    if options.common:
        shared = common_sequences(evaluation, roots, trackers)
        if shared.of < dataset.of:
            names = ", ".join(sequence.name for sequence in shared.sequences)
            say(f"{dataset.name}: over the {shared.of} of {dataset.of} sequences that all have: {names}")
            shared = shared.titled(f"{dataset.title}, {shared.of} of {dataset.of} sequences")
        evaluation = replace(evaluation, dataset=shared)
    refused: dict[str, DataError] = {}
    scores = evaluate_runs(
        evaluation,
        roots,
        trackers,
        lambda name, done, of: watch(f"{dataset.name}: {name}", done, of),
        refused.__setitem__,
    )
    if not scores:
        raise all_of(refused)
    if warning := corner_warning(evaluation.dataset):
        say(warning)
    if options.common:
        scores = [replace(score, common=dataset.of) for score in scores]
    for score in scores:
        problems = dict(line.partition(": ")[::2] for line in score.problems)
        for places in alike(problems):
            say(f"{score.tracker}: {listed(places, 3)}: {problems[places[0]]}")
    incomplete = [f"{score.tracker} ({score.sequences} of {score.of})" for score in scores if not score.is_complete]
    incomplete += [f"{label} ({error})" for label, error in refused.items()]
    if options.strict and incomplete:
        names = ", ".join(incomplete)
        raise TrackbenchError(f"--strict: incomplete on {dataset.name}: {names}")
    if options.against:
        scores, sources = against_papers(scores)
        for label, source in sources.items():
            say(f"{label} on {dataset.name}: against {source}")
    place = folder_for(evaluation, lengths=options.lengths, common=options.common)
    told = {label: str(error) for label, error in refused.items()}
    return DatasetReport(evaluation, styled(scores, style), None, folder / place, refused=told)


def _write(
    parts: Sequence[DatasetReport],
    roots: Sequence[Path],
    folder: Path,
    options: ReportOptions,
    style: Style,
    look: dict[str, Look],
    say: Callable[[str], object],
) -> list[Path]:
    from trackbench.reports.folder import rules_apart, write_overview, write_report

    titles = dict.fromkeys(score.title for part in parts for score in part.scores)
    strange = [title for title in titles if not title.isascii()]
    if options.plots and strange:
        from trackbench.reports.plots import undrawable

        for title in strange:
            if lacking := undrawable(title):
                say(f"{title}: the plots' font lacks {lacking}; a name in a --style file replaces it there")
    page = None
    if options.html:
        from trackbench.reports.page import Page

        page = Page(options.page_limit * 1_000_000, options.frames, _made())
    for part in parts:
        more: Iterable[tuple[str, Figure]] = ()
        if options.frame:
            from trackbench.reports.frame_plot import frame_figures

            more = frame_figures(options.frame, part.dataset, roots, part.scores, look, style.two_columns)
        part.written.extend(
            write_report(
                part.scores,
                part.dataset,
                part.folder,
                look,
                style,
                metrics=part.metrics,
                attributes=options.attributes,
                per_sequence=options.per_sequence,
                curves=options.curves,
                plot=options.plots,
                more=more,
            )
        )
        say(f"{len(part.written)} files in {part.folder}")
        if page:
            page.add(part.dataset, part.scores, read_traces(part.dataset, roots, part.scores), part.metrics)
    written = [path for part in parts for path in part.written]
    # What is over all data sets is called after all rules that are not their default.
    every = (rules_apart(part.evaluation, lengths=options.lengths, common=options.common) for part in parts)
    suffix = "".join(f"_{mark}" for mark in dict.fromkeys(mark for marks in every for mark in marks))
    if len(parts) > 1:
        table = [(part.dataset, part.scores, part.metrics) for part in parts]
        written += write_overview(table, folder, style, f"overview{suffix}")
    if page:
        file = folder / f"report{suffix}.html"
        size = page.write(file, {label: look[label] for label in look})
        written.append(file)
        say(f"{file}: {size / 1e6:.1f} MB")
    return written


def _made() -> list[str]:
    """Return when and by which command a page is made."""
    from datetime import datetime

    program = Path(sys.argv[0] if sys.argv else "")
    ours = program.stem == "trackbench" or (program.stem, program.parent.name) == ("__main__", "trackbench")
    command = [shlex.join(["trackbench", *sys.argv[1:]])] if ours else []
    return [f"{datetime.now().astimezone():%Y-%m-%d %H:%M %Z}", *command]


def _paper(
    spec: str,
    trackers: Sequence[str] | None,
    roots: Sequence[Path],
    folder: Path,
    options: ReportOptions,
    written: list[Path],
    say: Callable[[str], object],
) -> PaperComparison:
    """Put a paper's table beside what is stored, and write it."""
    from trackbench.files import write_text
    from trackbench.reports import paper_tables
    from trackbench.reports.comparison import compare, score_table
    from trackbench.reports.papers import paper_table

    values = paper_table(spec)
    scores = score_table(
        values, roots, options.root, say, trackers, protocol=options.protocol, rules=options.convention
    )
    compared = compare(spec, values, scores)
    if options.write:
        place = folder / spec.lower().replace(":", "-")
        texts = {
            "csv": paper_tables.csv(compared),
            "md": paper_tables.markdown(compared),
            "tex": paper_tables.latex_table(compared),
        }
        for ending, text in texts.items():
            write_text(place / f"table.{ending}", text)
            written.append(place / f"table.{ending}")
        say(f"{len(texts)} files in {place}")
    return compared
