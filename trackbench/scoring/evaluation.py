"""An evaluation: data set, protocol and convention, resolved once.

Everything that hangs on them is one object: which stored results are read and in which form, how they become numbers,
and what of them can be looked at frame by frame. Nobody else asks which protocol or convention it is.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.errors import UsageError
from trackbench.protocols.catalogue import PROTOCOLS
from trackbench.results.store import RunFolder
from trackbench.scoring.stored import Runs, StoredRun, find_runs
from trackbench.scoring.traces import TracedSequence


class Scorer(Protocol):
    """What turns the stored results of a protocol into numbers."""

    @property
    def convention(self) -> str:
        """The convention, as reports print it."""

    def read(self, folder: RunFolder, dataset: Dataset) -> StoredRun:
        """Return what a run has stored, in the form of the protocol's results; what cannot be read is a problem."""

    def score(self, run: StoredRun, dataset: Dataset) -> dict[str, Any]:
        """Return the parts of a Score; sequences that the rules refuse are dropped from ``run``."""

    def trace(self, sequence: VideoSequence, folders: Sequence[RunFolder]) -> Iterator[TracedSequence]:
        """Yield what each run did on a sequence, frame by frame; nothing where none has a usable result."""

    def cache_key(self) -> str | None:
        """Return what else than the files decides the numbers; None: they are not worth keeping."""


MakeScorer: TypeAlias = Callable[[Dataset, str | None], Scorer]
"""Gives the scorer for a data set and the convention that is asked for, None for the data set's own.

It raises UsageError where there is no such convention.
"""


@dataclass(frozen=True)
class Evaluation:
    """How runs on a data set are scored and shown."""

    dataset: Dataset
    protocol: str
    """The name under which the runs are stored."""
    scorer: Scorer

    @property
    def convention(self) -> str:
        """The convention's canonical name."""
        return self.scorer.convention

    def find(self, runs: Runs, trackers: Sequence[str] | None = None) -> list[RunFolder]:
        """Return the stored runs; see `trackbench.scoring.stored.find_runs`."""
        return find_runs(self.dataset, runs, trackers, self.protocol)


def resolve_evaluation(
    dataset: Dataset,
    protocol: str | None = None,
    convention: str | None = None,
    *,
    lengths: tuple[int, int] | None = None,
    metrics: Sequence[str] = (),
) -> Evaluation:
    """Return the evaluation of runs on ``dataset``.

    Args:
        dataset: what they ran on.
        protocol: how they ran; default: the data set's.
        convention: whose rules; default: the data set's.
        lengths: first and last length in frames over which EAO averages; default: the data set's.
        metrics: metrics to measure beside the evaluation's own, as ``module:NAME``.

    Raises:
        UsageError: there is no such protocol or convention, or an option is not for this evaluation.
    """
    from trackbench.scoring import one_pass, robustness, vot

    name = protocol or dataset.protocol
    definition = PROTOCOLS.get(name)
    stored = name if ":" not in name else definition.make(dataset, None).name
    scorer = definition.scorer
    if scorer is None:
        scorer = PROTOCOLS.get(dataset.protocol).scorer
    makers: dict[str, MakeScorer] = {
        "one-pass": one_pass.make_scorer,
        "tre": robustness.make_temporal,
        "sre": robustness.make_spatial,
        **vot.SCORERS,
    }
    make: MakeScorer = makers[scorer] if isinstance(scorer, str) else scorer
    made = make(dataset, convention)
    if lengths is not None:
        if not isinstance(made, vot.WithExpectedOverlap):
            raise UsageError(f"--interval is for expected average overlap, which protocol '{name}' has not")
        made = made.over(lengths)
    if metrics:
        if not isinstance(made, one_pass.OnePass):
            raise UsageError(f"metric '{metrics[0]}' is measured on the boxes of one-pass evaluation, not by '{name}'")
        made = made.measuring(metrics)
    return Evaluation(dataset, PROTOCOLS.spelled(name) if ":" not in name else stored, made)
