"""Scores as pandas tables."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import ClassVar

import pandas as pd

from trackbench.scoring.score import Score


class ScoreTable(pd.DataFrame):
    """Trackers by metrics, one row a run; numbers are fractions, NaN where they are not defined.

    The columns ``sequences`` and ``of`` say how many of the benchmark's sequences a row is over. The parts of the
    scores are tables of their own; `scores` has the objects that all of them are made of.
    """

    _metadata: ClassVar[list[str]] = ["scores"]
    scores: list[Score]

    @property
    def _constructor(self) -> Callable[..., pd.DataFrame]:
        # What is cut out of the table or computed from it is a plain DataFrame.
        return pd.DataFrame

    @classmethod
    def of(cls, scores: Sequence[Score]) -> ScoreTable:
        """Return the table of some scores.

        Example:
            >>> score = Score("a", "A", "d", "one-pass", "matlab", 1, 1, 1, {}, {"success_auc": 0.5})
            >>> ScoreTable.of([score]).loc["a", "success_auc"]
            np.float64(0.5)
        """
        rows = [{**score.metrics, "sequences": score.sequences, "of": score.of} for score in scores]
        table = cls(rows, index=pd.Index([score.tracker for score in scores], name="tracker"))
        numbers = [column for column in table.columns if column not in ("sequences", "of")]
        table[numbers] = table[numbers].astype(float)
        table.scores = list(scores)
        return table

    def per_sequence(self) -> pd.DataFrame:
        """Return the metrics of each sequence; the index is (tracker, sequence)."""
        rows = {(score.tracker, name): metrics for score in self.scores for name, metrics in score.per_sequence.items()}
        return _table(rows, ("tracker", "sequence"))

    def attributes(self) -> pd.DataFrame:
        """Return the metrics of each attribute; the index is (tracker, attribute)."""
        rows = {(score.tracker, key): metrics for score in self.scores for key, metrics in score.attributes.items()}
        return _table(rows, ("tracker", "attribute"))

    def curves(self) -> pd.DataFrame:
        """Return the curves' points: columns ``tracker``, ``curve``, ``threshold`` and ``value``."""
        rows = [
            (score.tracker, name, threshold, value)
            for score in self.scores
            for name, curve in score.curves.items()
            for threshold, value in zip(curve.thresholds, curve.values, strict=True)
        ]
        return pd.DataFrame(rows, columns=["tracker", "curve", "threshold", "value"])


def _table(rows: dict[tuple[str, str], dict[str, float | None]], names: tuple[str, str]) -> pd.DataFrame:
    index = pd.MultiIndex.from_tuples(list(rows), names=names)
    return pd.DataFrame(list(rows.values()), index=index, dtype=float)
