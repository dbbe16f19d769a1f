"""What ``run`` says at its end: what was run and what it scores, where it is, what failed, and how to go on."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console

from trackbench.errors import TrackbenchError
from trackbench.files import MAX_DOCUMENT, read_text
from trackbench.quoting import alike, listed

if TYPE_CHECKING:
    from trackbench.engine.plan import Plan
    from trackbench.scoring import Score

DEFAULT_RUNS = Path("runs")
#: Failed sequences of one reason that are named.
NAMED = 3
#: Most lines of a tracker's traceback that are shown.
TRACE = 4


@dataclass(frozen=True)
class RunSummary:
    """The end of one ``run``.

    Args:
        plans: what was asked for, carried out.
        root: the ``--root`` of the command, for the command that goes on from here.
        paper: the table that it ran for, whose paper says by whose rules it is scored.
        runs: the ``--runs`` of the command.
    """

    plans: Sequence[Plan]
    root: Path | None = None
    paper: str | None = None
    runs: Path = DEFAULT_RUNS

    def groups(self) -> Iterator[list[Plan]]:
        """Yield the plans over one data set by one protocol."""
        groups: dict[tuple[str, str], list[Plan]] = {}
        for plan in self.plans:
            groups.setdefault((str(plan.dataset.root), plan.folder.key.protocol), []).append(plan)
        yield from groups.values()

    def show(self, console: Console, say: Callable[[str], object]) -> None:
        """Print scores, speed, places and the command that goes on.

        Args:
            console: for the tables.
            say: takes a line of what else there is to know.
        """
        from trackbench.reports import tables

        for plans in self.groups():
            scores = self._scores(plans, say)
            if scores:
                console.print(tables.terminal_table(tables.ranked(scores), plans[0].dataset.title, width=console.width))
            for plan in plans:
                console.print(_line(plan), soft_wrap=True, markup=False)
            for score in scores:
                for line in tables.bad_answer_lines(score.bad_answers):
                    say(f"{score.tracker}: {line}")
                problems = dict(line.partition(": ")[::2] for line in score.problems)
                for places in alike(problems):
                    say(f"{score.tracker}: {listed(places, NAMED)}: {problems[places[0]]}")
            if scores and self.paper is None:
                console.print(f"  {self.report_command(plans)}", soft_wrap=True, markup=False)
        if self.paper is not None:
            words = ["trackbench", "report", "--paper", self.paper, *self._places(self.runs, named=True)]
            console.print(f"  {shlex.join(words)}", soft_wrap=True, markup=False)

    def report_command(self, plans: Sequence[Plan]) -> str:
        """Return the command that makes a report of these runs, ready to be copied."""
        plan = plans[0]
        place = plan.dataset.name if plan.dataset.definition.name else _typed(plan.dataset.root)
        words = ["trackbench", "report", *(plan.spec.label for plan in plans), "-d", place]
        words += self._places(plan.folder.runs, named=bool(plan.dataset.definition.name))
        if plan.folder.key.protocol != plan.dataset.protocol:
            words += ["--protocol", plan.folder.key.protocol]
        return shlex.join(words)

    def _places(self, runs: Path, *, named: bool) -> list[str]:
        """Return the options that say where data sets and runs are, where that is not the default."""
        words = ["--root", str(self.root)] if self.root is not None and named else []
        return words if runs == DEFAULT_RUNS else [*words, "--runs", str(runs)]

    @cached_property
    def _conventions(self) -> Mapping[str, str]:
        if self.paper is None:
            return {}
        from trackbench.reports.paper_rules import PaperRows

        return PaperRows(self.paper.partition(":")[0].lower()).conventions

    def _scores(self, plans: Sequence[Plan], say: Callable[[str], object]) -> list[Score]:
        """Return what the runs score on the sequences of this command, as `trackbench report` would score them."""
        from trackbench.reports import tables
        from trackbench.scoring import score_runs
        from trackbench.scoring.withheld import bad_answers_unjudged

        plan = plans[0]
        if plan.dataset.definition.truth == "initial":
            server = plan.dataset.definition.server
            how = f": trackbench pack {server} --tracker {plan.spec.label}" if server else ""
            say(f"{plan.dataset.name}: its annotation is withheld, the benchmark's server scores{how}")
            for each in plans:
                for line in tables.bad_answer_lines(bad_answers_unjudged(each.folder, each.dataset)):
                    say(f"{each.spec.label}: {line}")
            return []
        labels = [each.spec.label for each in plans if any(each.has(task) for task in each.tasks)]
        if not labels:
            return []
        try:
            return score_runs(
                plan.dataset,
                plan.folder.runs,
                labels,
                protocol=plan.folder.key.protocol,
                rules=self._conventions.get(plan.dataset.name),
            )
        except TrackbenchError as error:  # the results are stored all the same
            say(f"{plan.dataset.name}: not scored: {error}")
            return []


def _typed(folder: Path) -> str:
    """Return a folder as one types it: from the working folder where it is below, and never like a name."""
    here = Path.cwd().resolve()
    return f"./{folder.relative_to(here)}" if folder.is_relative_to(here) and folder != here else str(folder)


def _line(plan: Plan) -> str:
    """Return what was done for one plan, how fast, and where it is."""
    row = plan.summary()
    parts = [f"{row['run']} run" if row["run"] else "", f"{row['stored_before']} stored before"]
    if not row["stored_before"]:
        parts.pop()
    parts += [f"{len(row['failed'])} failed"] if row["failed"] else []
    speed = "" if row["fps"] is None else f", {row['fps']:.1f} fps on {row['hardware'] or row['device']}"
    done = ", ".join(filter(None, parts)) or "nothing run"
    return f"{row['tracker']}: {row['sequences']} of {row['of']} sequences ({done}){speed}, in {row['folder']}"


def failure_lines(plan: Plan, whole: bool = False) -> Iterator[str]:
    """Yield what failed in a plan, sequences that failed alike together, with the end of the first one's traceback.

    Args:
        plan: it has been carried out.
        whole: give all of the traceback.
    """
    for names in alike(plan.failed):
        who = names[0] if len(names) == 1 else f"{len(names)} sequences failed alike ({listed(names, NAMED)})"
        yield f"{plan.spec.label}: {who}: {plan.failed[names[0]]}"
        file = plan.folder.traceback_file(names[0])
        if file.is_file():
            yield from traceback_lines(file, whole)


def traceback_lines(file: Path, whole: bool = False) -> Iterator[str]:
    """Yield the last lines of a stored traceback, those of the tracker, and where the rest is."""
    lines = [line for line in read_text(file, MAX_DOCUMENT).splitlines() if line.strip(" ^~")]
    begin = 0 if whole else max(0, len(lines) - TRACE)
    # The line of a file without the code below it, or code without its file above it, says nothing.
    places = [index for index in range(begin, len(lines)) if lines[index].lstrip().startswith("File ")]
    begin = places[0] if begin and places else begin
    yield from (f"    {line}" for line in lines[begin:])
    if begin:
        yield f"    ({begin} lines more in {file}, or with --debug)"
