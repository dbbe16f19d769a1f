"""Which stored runs the rows of a paper's tables are: ``reports/papers/PAPER.toml``, rules beside the numbers.

A rule names rows as printed and what a run must be to stand there: the definition, the options that differ from it, and
the refiner. Where several rules hold for a cell, all runs of all of them are shown; rules that name the cell's data set
go before those that name none. A file of that name in the working folder's ``reports/papers/`` adds rules::

    [[rules]]
    rows = ["(d) w/o short refer"]
    tracker = "my-ablation"            # a definition of the working folder

Results that were imported have no options to compare: they stand where their name is a rule's ``label``, the name that
trackbench would give such a run, or the row's own name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError, field_validator, model_validator

from trackbench.checkpoints.weight_cache import origin
from trackbench.definitions import (
    DATASETS,
    TRACKERS,
    ResolvedDefinition,
    TrackerDefinition,
    content_folder,
    describe_invalid,
    keys_of,
)
from trackbench.errors import UsageError, fold_name, suggestion
from trackbench.files import read_toml
from trackbench.quoting import shown
from trackbench.reports.papers import PaperValue, read_tables
from trackbench.trackers.settings import defined_options, merge, resolve_settings

#: Options that change how a run is computed or written, not which tracker it is.
INDIFFERENT = frozenset({"precision", "integer_boxes"})


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Rule(_Strict):
    """What a run must be to stand in some rows of a paper's tables."""

    rows: tuple[str, ...]
    """Names of rows, as printed."""
    tables: tuple[str, ...] = ()
    """The tables in which it holds; none: all."""
    datasets: tuple[str, ...] = ()
    """The data sets on which it holds; none: those for which no other rule of the row is."""
    tracker: str | None = None
    """Name of a definition."""
    options: Mapping[str, Any] = {}
    """What differs from the definition's options on that data set, as tables."""
    refiner: str | None = None
    """What refines its boxes; None: nothing does."""
    weights: str | None = None
    """How the SHA-256 of its weights begins; None: it may have any but random ones."""
    own_weights: bool = False
    """Whether the options ask for weights that were trained with them: a definition of the same class and options under
    another name stands here too, the weights kept for ``tracker`` do not."""
    as_published: Mapping[str, Any] | None = None
    """In the place of the paper's own, see `PaperRules.as_published`."""
    label: str | None = None
    """In the place of ``tracker``: the name of imported results."""

    @field_validator("rows")
    @classmethod
    def _some(cls, rows: tuple[str, ...]) -> tuple[str, ...]:
        if not rows:
            raise ValueError("expected the name of a row")
        return rows

    @model_validator(mode="after")
    def _one_of_two(self) -> Rule:
        if (self.tracker is None) == (self.label is None):
            raise ValueError("expected either 'tracker' or 'label'")
        return self

    @cached_property
    def name(self) -> str:
        """The tracker as it is typed: ``sbt-base+alpharefine``."""
        return "+".join(filter(None, (self.tracker, self.refiner)))

    @cached_property
    def settings(self) -> dict[str, Any]:
        """The options with dotted names, as ``--set`` takes them."""
        return dict(_flat(self.options))

    def holds_for(self, value: PaperValue) -> bool:
        """Whether it is about the row and the table of a number; data sets apart."""
        return value.tracker in self.rows and (not self.tables or value.table in self.tables)

    @cached_property
    def run_label(self) -> str:
        """The name that trackbench would give such a run; imported results go by it."""
        text = ",".join(f"{key}={value}" for key, value in sorted(self.settings.items()))
        return self.label or self.name + (f"@{text}" if text else "")


class PaperRules(_Strict):
    """What is known of a paper's tables beside their numbers."""

    conventions: Mapping[str, str] = {}
    """Data set -> whose rules the paper scored by, where they are not the data set's own."""
    as_published: Mapping[str, Any] = {}
    """How the official code wrote its result files, as options: what ``run --paper`` sets besides, where a tracker has
    such an option. Runs that differ in these alone stand in the same rows."""
    rules: tuple[Rule, ...] = ()

    def of(self, value: PaperValue) -> list[Rule]:
        """Return the rules for a number's cell."""
        matching = [rule for rule in self.rules if rule.holds_for(value)]
        return [rule for rule in matching if value.dataset in rule.datasets] or [r for r in matching if not r.datasets]


def read_rules(paper: str) -> list[PaperRules]:
    """Return the files of a paper's rules, that of the working folder first.

    Raises:
        UsageError: a file is not as it should be; file and key are named.
    """
    files = []
    for path in _files(paper):
        try:
            rules = PaperRules.model_validate(read_toml(path))
        except ValidationError as error:
            tables = {"rules": keys_of(Rule)}
            raise UsageError(describe_invalid(error, str(path), keys_of(PaperRules), tables)) from None
        if path.parent != content_folder("reports") / "papers":  # tests check ours
            _check(path, paper, rules)
        files.append(rules)
    return files


def _check(path: Path, paper: str, rules: PaperRules) -> None:
    """Refuse rules that can never hold, since nothing would show that they do not.

    Raises:
        UsageError: there is no such row, table, data set, tracker or option; the message suggests the nearest.
    """
    values = read_tables(paper)
    known = {
        "row": {value.tracker for value in values},
        "table": {value.table for value in values},
        "data set": {value.dataset for value in values if value.dataset},
    }
    for number, rule in enumerate(rules.rules, 1):
        where = f"{path}: [[rules]] number {number}"
        for kind, names in zip(known, (rule.rows, rule.tables, rule.datasets), strict=True):
            for name in names:
                if name not in known[kind]:
                    hint = suggestion(name, known[kind])
                    raise UsageError(f"{where}: the tables of '{paper}' have no {kind} {shown(name)}{hint}")
        try:
            if rule.tracker is not None:
                resolve_settings(rule.tracker, options=rule.settings)
            if rule.refiner is not None:
                TRACKERS.get(rule.refiner)
        except UsageError as error:
            raise UsageError(f"{where}: {error}") from None


class PaperRows:
    """Which rows of a paper's tables stored runs stand in. Definitions are read once.

    Args:
        paper: the paper's name.
    """

    def __init__(self, paper: str) -> None:
        files = read_rules(paper)
        self._files = files
        self.rules = [rule for file in files for rule in file.rules]
        self.conventions = {key: name for file in reversed(files) for key, name in file.conventions.items()}
        """Data set -> whose rules score it in the paper."""
        self.as_published = {key: value for file in reversed(files) for key, value in file.as_published.items()}
        self._definitions: dict[str, ResolvedDefinition[TrackerDefinition]] = {}
        self._found: dict[tuple[int, str, str], bool] = {}

    def of(self, value: PaperValue) -> list[Rule]:
        """Return the rules for a number's cell, those of the working folder first."""
        return [rule for file in self._files for rule in file.of(value)]

    def rule(self, value: PaperValue, label: str, manifest: Mapping[str, Any]) -> Rule | None:
        """Return the first rule by which a run stands in a number's cell; None: it does not.

        Args:
            value: the number.
            label: the run's name.
            manifest: what made its results.

        Raises:
            UsageError: a rule names no definition.
        """
        for rule in self.of(value):
            key = id(rule), value.dataset, label
            if key not in self._found:
                self._found[key] = self.fits(rule, value.dataset, label, manifest)
            if self._found[key]:
                return rule
        if is_imported(manifest) and self.fold(label) == self.fold(value.tracker):
            return Rule(rows=(value.tracker,), label=value.tracker)
        return None

    def place(self, value: PaperValue, rule: Rule) -> int:
        """Return the place of a rule among those of a number's row: rules that come first are shown first."""
        rules = [known for known in self.rules if known.holds_for(value)]
        return rules.index(rule) if rule in rules else len(rules)

    def fits(self, rule: Rule, dataset: str, label: str, manifest: Mapping[str, Any]) -> bool:
        """Whether a run is what a rule asks for.

        Args:
            rule: one of the paper's.
            dataset: what it ran on; empty for a measurement without any.
            label: the run's name.
            manifest: what made its results.

        Raises:
            UsageError: the rule names no definition.
        """
        if is_imported(manifest):
            return self.fold(label) == self.fold(rule.run_label)
        identity = manifest["identity"]
        refiner = identity.get("refiner") or {}
        sha256 = str(identity.get("weights_sha256") or "")
        if rule.tracker is None or "random_weights" in {*identity, *refiner}:
            return False
        if not sha256.startswith(rule.weights or ""):
            return False
        definition = self._definition(rule.tracker)
        same = self._canonical(str(identity.get("tracker"))) == definition.same_as
        if rule.own_weights:
            kept = origin(definition.same_as)
            same = (same or identity["class"] == definition.value.model) and (kept is None or sha256 != kept.sha256)
        if not same or (rule.refiner is None) != (not refiner):
            return False
        record = DATASETS.get(dataset).value if dataset else None
        if definition.builtin:
            wanted = defined_options(definition.value, record)
            merge(wanted, rule.options)
        else:  # unlike ours it need not state all options of its class
            try:
                wanted = resolve_settings(rule.tracker, record, rule.settings).options.model_dump(mode="json")
            except UsageError:  # of another class, which has no such options
                return False
        if not _same_options(wanted, identity.get("options", {})):
            return False
        if rule.refiner is None:
            return True
        behind = self._definition(rule.refiner)
        return self._canonical(str(refiner.get("tracker"))) == behind.same_as and _same_options(
            defined_options(behind.value, record), refiner.get("options", {})
        )

    @cached_property
    def _canonical_names(self) -> dict[str, str]:
        return {fold_name(resolved.name): resolved.same_as for resolved in TRACKERS.readable()}

    def _canonical(self, tracker: str) -> str:
        """Return under which name a definition's weights are kept; the name itself where nothing is defined."""
        return self._canonical_names.get(fold_name(tracker), tracker)

    def _definition(self, name: str) -> ResolvedDefinition[TrackerDefinition]:
        if name not in self._definitions:
            self._definitions[name] = TRACKERS.get(name)
        return self._definitions[name]

    def fold(self, label: str) -> str:
        """Return a label as names are compared: apart from case and signs, and from a definition's second names."""
        name, at, settings = label.partition("@")
        head, plus, tail = name.partition("+")
        return fold_name(f"{self._canonical(head)}{plus}{tail}{at}{settings}").replace("+", "p")


def is_imported(manifest: Mapping[str, Any]) -> bool:
    """Whether nothing is known of how results were made but their name."""
    return "class" not in manifest.get("identity", {})


def _files(paper: str) -> Iterator[Path]:
    builtin = content_folder("reports") / "papers"
    own = Path.cwd() / "reports" / "papers"
    for folder in ([own] if own.resolve() != builtin.resolve() else []) + [builtin]:
        path = folder / f"{paper}.toml"
        if path.is_file():
            yield path


def _flat(options: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in options.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{key}.")
        else:
            yield f"{prefix}{key}", value


def _same_options(wanted: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Whether a run's options are those wanted; what no definition states must not have been set."""
    expected, actual = dict(_flat(wanted)), dict(_flat(given))
    return all(
        expected.get(key) == value for key, value in actual.items() if key.rpartition(".")[2] not in INDIFFERENT
    ) and all(actual.get(key, value) == value for key, value in expected.items() if key not in INDIFFERENT)
