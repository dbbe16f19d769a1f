"""The table of metrics: what tables, plots, papers, pages, explanations and JSON know of each.

Another package adds a metric by an entry point in the group ``trackbench.metrics``; ``report --metrics module:NAME``
takes one of the working folder. One that can be measured on the boxes of one-pass evaluation says how::

    SMALL = Metric("small", "Small", measure=lambda truth, boxes: float((boxes[:, 2] < truth.boxes[:, 2]).mean()))
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import UsageError
from trackbench.metrics.alignment import SequenceGroundTruth
from trackbench.registry import Registry

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class CurveAxes:
    """A kind of curve, and how it is drawn."""

    key: str
    title: str
    x: str
    y: str
    legend: Literal["lower left", "lower right", "upper right"] = "lower left"


@dataclass(frozen=True)
class Metric:
    """One metric: its name everywhere, and how people read its numbers."""

    key: str
    """In JSON, CSV and ``--metrics``."""
    title: str
    """In tables; what follows an underscore is printed as an index."""
    scale: float = 100
    """Factor by which people read the number (100: percent); VOT's papers print fractions."""
    digits: int = 1
    """Digits after the point where people read it."""
    higher_is_better: bool | None = True
    """None: the metric says nothing of quality, and is not ranked."""
    curve: CurveAxes | None = None
    """The curve that the metric sums up."""
    signed: bool = False
    """Numbers above 0 have a plus."""
    is_fraction: bool = True
    """Whether the number lies between 0 and 1, so that a paper may print it as a percentage."""
    measure: Callable[[SequenceGroundTruth, Floats], float] | None = None
    """Gives the number of one sequence from its ground truth (N frames) and the tracker's boxes, float64 (N, 4),
    x, y, w, h in pixels, NaN where there is no answer; NaN where it is not defined. The score is the mean of all.
    None: an evaluation of trackbench computes it."""


SUCCESS = CurveAxes("success", "Success plot", "Overlap threshold", "Success rate", "lower left")
PRECISION = CurveAxes("precision", "Precision plot", "Location error threshold [px]", "Precision", "lower right")
NORM_PRECISION = CurveAxes(
    "norm_precision",
    "Normalised precision plot",
    "Normalised location error threshold",
    "Precision",
    "lower right",
)
EXPECTED_OVERLAP = CurveAxes(
    "eao", "Expected overlap curves", "Sequence length [frames]", "Expected overlap", "upper right"
)

_OWN = (
    Metric("eao", "EAO", 1, 3, curve=EXPECTED_OVERLAP),
    Metric("accuracy", "A", 1, 3),
    Metric("failures_per_100", "R", 1, 3, higher_is_better=False, is_fraction=False),
    Metric("robustness", "R", 1, 3),
    Metric("failures", "failures", 1, 1, higher_is_better=False, is_fraction=False),
    Metric("reliability", "reliability", 1, 3),
    Metric("success_auc", "AUC", curve=SUCCESS),
    Metric("ao", "AO", curve=SUCCESS),
    Metric("success", "Success"),
    Metric("precision", "P", curve=PRECISION),
    Metric("norm_precision", "P_norm", curve=NORM_PRECISION),
    Metric("precision_auc", "Precision"),
    Metric("norm_precision_auc", "Norm. precision"),
    Metric("coverage", "Coverage"),
    Metric("mean_overlap", "mean IoU"),
    Metric("sr50", "SR_0.5"),
    Metric("sr75", "SR_0.75"),
    Metric("mao", "mAO"),
    Metric("msr50", "mSR_0.5"),
    Metric("msr75", "mSR_0.75"),
    Metric("sequence_ao", "sequence AO"),
    Metric("fps", "fps", 1, higher_is_better=None, is_fraction=False),
)

METRICS: Registry[Metric] = Registry(
    "metric",
    "trackbench.metrics",
    Metric,
    "a trackbench.metrics.table.Metric",
    {metric.key: metric for metric in _OWN},
)

#: Metrics of the working folder that have been asked for, by key.
_LOCAL: dict[str, Metric] = {}

#: How the keys of differences from papers' values end; each follows what it is a difference of.
DELTA = "_minus_paper"
#: Stands in tables after the others.
_LAST = "fps"
#: In scores and in JSON, but no column of tables unless ``--metrics`` names it.
_NO_COLUMN = frozenset({"reliability", "msr50", "msr75", "sequence_ao"})


def metric(key: str) -> Metric:
    """Return what is known of the metric that scores hold under ``key``.

    One that no table knows is shown under its key, as a plain number that is not ranked.

    Example:
        >>> metric("success_auc").title, metric("h_iou").title
        ('AUC', 'h_iou')
    """
    if key.endswith(DELTA):
        return replace(
            metric(key.removesuffix(DELTA)), key=key, title="Δ", higher_is_better=None, signed=True, curve=None
        )
    if key in _LOCAL:
        return _LOCAL[key]
    if key in METRICS:
        return METRICS.get(key)
    return Metric(key, key, 1, 3, higher_is_better=None, is_fraction=False)


def ordered(keys: Iterable[str]) -> list[Metric]:
    """Return the metrics of these keys in the order of tables, each with its difference from a paper behind it."""
    whole = dict.fromkeys(keys)
    present = list(dict.fromkeys(key.removesuffix(DELTA) for key in whole))
    own = [known.key for known in _OWN if known.key != _LAST]
    further = [key for key in present if key not in own and key != _LAST]
    order = [*(key for key in own if key in present), *further, *([_LAST] if _LAST in present else [])]
    return [metric(key) for name in order for key in (name, f"{name}{DELTA}") if key in whole]


def shown(keys: Iterable[str]) -> list[Metric]:
    """Return the columns of a table of scores that have these metrics."""
    whole = dict.fromkeys(keys)
    hidden = set(_NO_COLUMN)
    if "failures_per_100" in whole:  # where failures are counted, the papers' R is their rate
        hidden.add("robustness")
    return [column for column in ordered(whole) if column.key.removesuffix(DELTA) not in hidden]


def measured_metrics(wanted: Iterable[str] = ()) -> list[Metric]:
    """Return the metrics that are measured beside trackbench's own: those of other packages, and those asked for.

    Raises:
        UsageError: no such metric, or one that cannot be measured.
    """
    metrics = {METRICS.spelled(name): METRICS.get(name) for name in (*METRICS.foreign_names(), *wanted)}
    for name, known in metrics.items():
        if name in METRICS.names():
            continue
        if known.measure is None:
            raise UsageError(f"metric '{name}' says not how it is measured (its 'measure' is None)")
        if known.key in METRICS:
            raise UsageError(f"metric '{name}' has the key '{known.key}', which is another metric's")
        _LOCAL[known.key] = known
    return [known for known in metrics.values() if known.measure is not None]
