"""Why two conventions score the same run differently: rule by rule, sequence by sequence."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace
from typing import Any

from trackbench.datasets.sequence import Dataset
from trackbench.metrics import ope
from trackbench.metrics.conventions import Convention, convention
from trackbench.scoring.one_pass import evaluate, merge
from trackbench.scoring.stored import StoredRun

METRICS = ("success_auc", "precision", "norm_precision")


@dataclass(frozen=True)
class Step:
    """What changing one rule does, all rules before it changed already."""

    rule: str
    """The field of trackbench.metrics.conventions.Convention."""
    before: Any
    after: Any
    change: dict[str, float]
    """Metric -> change of the score."""
    sequences: dict[str, dict[str, float]]
    """Sequence -> changes of its own scores; only those that change, the largest change first."""


@dataclass(frozen=True)
class Explanation:
    """Two conventions on one run; the changes of the steps add up to the difference of the scores."""

    tracker: str
    """The run's label."""
    first: dict[str, float]
    """Metric -> score under the first convention."""
    second: dict[str, float]
    sequences: int
    steps: list[Step]
    problems: tuple[str, ...]
    """Sequences that one of the conventions refuses, left out of both scores."""


def curves_convention(dataset: Dataset, name: str) -> Convention:
    """Return the rules of a convention on a data set.

    Raises:
        UsageError: there is no such convention, or it has no curves of success and precision.
    """
    return convention(name, dataset.definition.family)


def explain(run: StoredRun, first: Convention, second: Convention) -> Explanation:
    """Change the rules of ``first`` into those of ``second`` one by one and score after each.

    The effect of a rule can depend on the others; the order here is that of the record's fields.
    """
    changed = [
        field.name
        for field in fields(Convention)
        if field.name != "name" and getattr(first, field.name) != getattr(second, field.name)
    ]
    chain = [first]
    for rule in changed:
        chain.append(replace(chain[-1], **{rule: getattr(second, rule)}))
    for rules in chain:  # every score is over the sequences that all of them take
        evaluate(run, rules)
    results = [merge(evaluate(run, rules)) for rules in chain] if run.sequences else []
    steps = [
        _step(rule, getattr(first, rule), getattr(second, rule), before, after)
        for rule, before, after in zip(changed, results, results[1:], strict=False)
    ]
    ends = [_metrics(result.mean()) for result in (results[:1] + results[-1:])] or [{}, {}]
    return Explanation(
        run.folder.key.tracker, ends[0], ends[-1], len(run.sequences), steps, tuple(run.problems.values())
    )


def _step(rule: str, before: Any, after: Any, old: ope.OpeResult, new: ope.OpeResult) -> Step:
    sequences = {}
    for index, name in enumerate(old.names):
        change = _difference(old.sequence(index), new.sequence(index))
        if any(abs(value) > 1e-12 for value in change.values()):
            sequences[name] = change
    ordered = sorted(sequences.items(), key=lambda item: -max(map(abs, item[1].values())))
    return Step(rule, before, after, _difference(old.mean(), new.mean()), dict(ordered))


def _difference(old: ope.OpeScores, new: ope.OpeScores) -> dict[str, float]:
    return {key: _metrics(new)[key] - value for key, value in _metrics(old).items()}


def _metrics(scores: ope.OpeScores) -> dict[str, float]:
    return {key: getattr(scores, key) for key in METRICS}
