"""The table that statistics are made of: one metric, a row a sequence, a column a tracker."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trackbench.datasets.sequence import Dataset
from trackbench.errors import DataError, UsageError, suggestion
from trackbench.metrics.table import Metric, ordered
from trackbench.scoring import Score

Floats = NDArray[np.float64]
Clustering = Literal["auto", "none", "category"]


@dataclass(frozen=True)
class ScoreMatrix:
    """One metric of several trackers by sequence."""

    metric: Metric
    labels: tuple[str, ...]
    """The trackers' labels."""
    titles: tuple[str, ...]
    """The trackers as tables print them, with n/N behind those of incomplete runs."""
    sequences: tuple[str, ...]
    values: Floats
    """(S, T): in the metric's own unit, fractions for percentages; NaN where a tracker has no score."""
    clusters: NDArray[np.intp]
    """(S,): the cluster of each sequence; every sequence has its own where they are independent."""
    coverage: tuple[tuple[int, int], ...]
    """How many sequences the run of each tracker has, and of how many."""
    attributes: dict[str, NDArray[np.bool_]] = field(default_factory=dict)
    """Attribute -> (S,), the sequences that carry it."""

    @property
    def is_clustered(self) -> bool:
        """Whether some sequences belong together."""
        return len(np.unique(self.clusters)) < len(self.clusters)

    @property
    def ranked(self) -> list[int]:
        """The columns of the trackers that are ranked: those with complete runs; all where no run is complete."""
        complete = [column for column, (count, of) in enumerate(self.coverage) if count >= of]
        return complete or list(range(len(self.labels)))

    @property
    def common(self) -> NDArray[np.bool_]:
        """(S,): the sequences that every ranked tracker has."""
        return np.asarray(~np.isnan(self.values[:, self.ranked]).any(axis=1), bool)

    def better(self) -> Floats:
        """Return the values with the sign by which higher is better, (S, T)."""
        return self.values if self.metric.higher_is_better else -self.values


def score_matrix(
    dataset: Dataset, scores: Sequence[Score], metric: str | None = None, clustering: Clustering = "auto"
) -> ScoreMatrix:
    """Return the table of one metric.

    Args:
        dataset: what the scores are on.
        scores: of one data set, in the order of tables.
        metric: its key; by default the first that sequences have.
        clustering: ``category``: sequences of one class of objects belong together (LaSOT has 70 classes of four
            sequences); ``auto``: so where every sequence has a class and some class has several sequences.

    Raises:
        UsageError: no sequence has the metric, or it says nothing of quality.
        DataError: clusters are asked for, and a sequence has no class.
    """
    names = list(dict.fromkeys(name for score in scores for name in score.per_sequence))
    keys = {key for score in scores for row in score.per_sequence.values() for key in row}
    known = [candidate for candidate in ordered(keys) if candidate.higher_is_better is not None]
    if not known:
        raise UsageError(f"{dataset.name}: no metric is known by sequence; statistics compare sequences")
    chosen = known[0] if metric is None else next((candidate for candidate in known if candidate.key == metric), None)
    if chosen is None:
        listed = ", ".join(candidate.key for candidate in known)
        hint = suggestion(metric or "", [candidate.key for candidate in known])
        raise UsageError(f"--metric {metric}: no sequence of {dataset.name} has it{hint} (known: {listed})")
    rows = [[score.per_sequence.get(name, {}).get(chosen.key) for score in scores] for name in names]
    values = np.array([[math.nan if v is None else v for v in row] for row in rows], np.float64)
    carried = {sequence.name: sequence.attributes for sequence in dataset.sequences}
    members = {
        attribute: np.array([attribute in carried.get(name, ()) for name in names], bool)
        for attribute in dataset.attributes
    }
    return ScoreMatrix(
        chosen,
        tuple(score.tracker for score in scores),
        tuple(score.heading for score in scores),
        tuple(names),
        values.reshape(len(names), len(scores)),
        _clusters(dataset, names, clustering),
        tuple((score.sequences, score.of) for score in scores),
        {attribute: flags for attribute, flags in members.items() if flags.any()},
    )


def _clusters(dataset: Dataset, names: Sequence[str], clustering: Clustering) -> NDArray[np.intp]:
    alone = np.arange(len(names))
    if clustering == "none":
        return alone
    categories = {sequence.name: sequence.category for sequence in dataset.sequences if sequence.name in set(names)}
    unknown = [name for name in names if categories.get(name) is None]
    if unknown and clustering == "category":
        raise DataError(f"{dataset.name}: sequence '{unknown[0]}' has no class of objects; use --cluster none")
    if unknown:
        return alone
    place = {category: index for index, category in enumerate(dict.fromkeys(categories[name] for name in names))}
    return np.array([place[categories[name]] for name in names], np.intp)
