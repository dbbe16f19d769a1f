"""Conventions of one-pass evaluation: where toolkits disagree, what each of them does.

The core (overlap, centre error, curves averaged over sequences) is the same everywhere; a `Convention` names a choice
for every point on which the numbers of two toolkits part. The presets follow the toolkits' own code:

=============  =====================================================================================================
official       the benchmark authors' code: MATLAB, the GOT-10k toolkit or the TrackingNet server, by benchmark
matlab         OTB tracker_benchmark v1.1 (also UAV123, DTB70): calcSeqErrRobust.m, perfPlot.m; LaSOT and TNL2K
               toolkits: calc_seq_err_robust.m, eval_tracker.m, plot_draw_save.m
got10k         got10k toolkit (master): experiments/{otb,uav123,lasot}.py, utils/metrics.py
pysot          pysot: toolkit/utils/statistics.py, toolkit/evaluation/ope_benchmark.py (the same in SiamAttn)
pysot-toolkit  the standalone package, which calls fewer frames valid than pysot does
pytracking     pytracking: analysis/extract_results.py
stark          STARK: lib/test/analysis/extract_results.py (the same in SimTrack and SBT)
ostrack        OSTrack's copy of it, the only one with a loader for TNL2K
aiatrack       AiATrack's copy, which divides by the number of valid frames
vasttrack      VastTrack's Python kit, again a copy: PythonEvaluationToolkit/extract_results.py
=============  =====================================================================================================
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from trackbench.errors import UsageError
from trackbench.registry import Registry


@dataclass(frozen=True, slots=True)
class Convention:
    """The choices of one toolkit for one family of benchmarks."""

    name: str
    first_frame: Literal["truth", "raw"] = "truth"
    """Whether the first prediction is replaced by the ground truth, or judged as the file has it."""
    valid: Literal["always", "finite", "sized", "positive"] = "positive"
    """Which truths are valid: all; without NaN; w, h > 0; x, y, w, h all > 0. An invalid frame is no success."""
    absent: Literal["ignore", "miss", "invalid"] = "ignore"
    """The flag of absent targets: not looked at; a miss in all three curves; one more kind of invalid frame."""
    invalid_precision: Literal["hit", "miss", "centre"] = "hit"
    """How invalid frames count in precision. ``centre``: validity does not matter, but a frame counts as a hit where
    a coordinate of the ground truth's centre is not above 0 (or is NaN)."""
    invalid_norm: Literal["hit", "miss", "centre"] = "hit"
    """The same for normalised precision, where ``centre`` is the centre divided by the size."""
    denominator: Literal["all", "valid"] = "all"
    """Whether curves are divided by all frames of a sequence, or by its valid ones."""
    norm_order: Literal["divide-first", "subtract-first"] = "divide-first"
    """Whether centres are divided by the ground truth's size before they are subtracted. Boxes of whole numbers meet
    the threshold 0.20 exactly, so that the rounding decides."""
    norm_divisor: Literal["size", "size+epsilon", "size>=1"] = "size"
    """What normalised errors are divided by: w, h; w, h + 1e-16; max(1, w), max(1, h)."""
    norm_score: Literal["at-0.2", "mean"] = "at-0.2"
    """The score of normalised precision: the curve at 0.20, or its mean over 0..0.5."""
    bad_prediction: Literal["keep", "copy", "copy-empty"] = "keep"
    """Predictions after the first, where the ground truth is without NaN: as they are; those with NaN or w, h <= 0
    become the one before; those with w = 0 or h = 0 do so, and NaN or negative sizes are refused."""
    longer: Literal["cut", "error"] = "cut"
    """Predictions beyond the last ground truth."""
    shorter: Literal["error", "pad", "cut-truth"] = "error"
    """Missing predictions at the end: refused; taken as boxes of zeros; left out of the evaluation."""
    drop_zero_sequences: bool = False
    """Whether a sequence whose curve is zero throughout is left out of the mean of that curve."""
    min_attribute_sequences: int = 1
    """Attributes of fewer sequences have no score."""


def _matlab(family: str) -> Convention:
    # The scripts of LaSOT, TNL2K, VastTrack and TOTB remove absent frames but still divide by the length of the
    # sequence. Their precision errors of -1 at invalid frames lie below every threshold. The OTB code cuts sequences
    # whose first truths are invalid (splitSeqTRE); no benchmark has one.
    flagged = family in ("lasot", "lasot-ext", "tnl2k", "vasttrack", "totb")
    return Convention(
        "matlab",
        valid="positive",
        absent="miss" if flagged else "ignore",
        bad_prediction="copy",
        longer="cut" if flagged else "error",
        drop_zero_sequences=True,
        min_attribute_sequences=2,
    )


def _got10k(family: str) -> Convention:
    # Only ExperimentUAV123 and ExperimentLaSOT drop frames whose ground truth has a NaN; elsewhere NaN compares as a
    # miss, and boxes without area are compared like any other. Its epsilon in the union changes no count.
    drops = family in ("uav", "lasot", "lasot-ext")
    return Convention(
        "got10k",
        valid="finite" if drops else "always",
        invalid_precision="miss",
        invalid_norm="miss",
        denominator="valid" if drops else "all",
        norm_order="subtract-first",
        norm_divisor="size>=1",
        norm_score="mean",
        shorter="cut-truth",
    )


def _pysot(family: str) -> Convention:
    # Boolean masks must be as long as the predictions; only the LaSOT loader cuts (monkey-17).
    flagged = family in ("lasot", "lasot-ext")
    return Convention(
        "pysot",
        first_frame="raw",
        valid="sized",
        absent="miss" if flagged else "ignore",
        invalid_precision="centre",
        invalid_norm="centre",
        norm_divisor="size+epsilon",
        longer="cut" if flagged else "error",
    )


def _pysot_toolkit(family: str) -> Convention:
    # Compiled by numba, masks are applied without a check: a longer file is cut, and for a shorter one whatever lies
    # past the end in memory is read. Boxes of zeros stand for that: they give the number it printed for OTB's MDNet.
    return Convention(
        "pysot-toolkit",
        first_frame="raw",
        valid="positive",
        absent="miss" if family in ("lasot", "lasot-ext") else "ignore",
        invalid_precision="centre",
        invalid_norm="centre",
        norm_divisor="size+epsilon",
        shorter="pad",
    )


def _extract_results(
    name: str,
    family: str,
    valid: Literal["sized", "positive"] = "sized",
    denominator: Literal["all", "valid"] = "all",
    lasot: tuple[str, ...] = ("lasot",),
) -> Convention:
    """Return pytracking's ``calc_seq_err_robust`` and what became of it; ``lasot``: the families tagged "lasot".

    Invalid frames are normalised errors of -1 and hence hits. With the data set tag "lasot" absent frames become misses
    afterwards; the loaders of LaSOT's extension and of AVisT have other tags, where they stay hits. Centre errors of
    invalid frames are infinite, or -1 with the tag "uav".
    """
    absent: Literal["ignore", "miss", "invalid"] = "ignore"
    if family in lasot:
        absent = "miss"
    elif family in ("lasot-ext", "vasttrack", "avist", "totb"):  # their loaders have a list of visible frames
        absent = "invalid"
    return Convention(
        name,
        valid=valid,
        absent=absent,
        invalid_precision="hit" if family == "uav" else "miss",
        invalid_norm="hit",
        denominator=denominator,
        bad_prediction="copy-empty",
        shorter="error" if family in lasot else "pad",
    )


def _pytracking(family: str) -> Convention:
    return _extract_results("pytracking", family, valid="positive")


def _stark(family: str) -> Convention:
    return _extract_results("stark", family)


def _ostrack(family: str) -> Convention:
    return _extract_results("ostrack", family)


def _aiatrack(family: str) -> Convention:
    # Its LaSOT loader also reads the extension, with the tag "lasot".
    return _extract_results("aiatrack", family, denominator="valid", lasot=("lasot", "lasot-ext"))


def _vasttrack(family: str) -> Convention:
    # It has one loader, and no tag: what the others do for LaSOT's, it does always.
    return _extract_results("vasttrack", family, lasot=(family,))


def _official(family: str) -> Convention:
    return convention(resolve_name("official", family), family)


def _trackingnet(family: str) -> Convention:
    curves = ", ".join(name for name in CONVENTIONS if name not in ("official", "trackingnet"))
    raise UsageError(f"convention 'trackingnet' has no success and precision curves; expected one of {curves}")


MakeConvention = Convention | Callable[[str], Convention]
"""The rules of a convention for a family of benchmarks, or for all alike."""

CONVENTIONS: Registry[MakeConvention] = Registry(
    "convention",
    "trackbench.conventions",
    lambda found: isinstance(found, Convention) or callable(found),
    "a trackbench.metrics.conventions.Convention, or a function from a family of benchmarks to one",
    {
        "official": _official,
        "matlab": _matlab,
        "got10k": _got10k,
        "pysot": _pysot,
        "pysot-toolkit": _pysot_toolkit,
        "pytracking": _pytracking,
        "stark": _stark,
        "ostrack": _ostrack,
        "aiatrack": _aiatrack,
        "vasttrack": _vasttrack,
        "trackingnet": _trackingnet,
    },
)
"""What ``--convention`` may be. ``trackingnet`` is the server's metric, in `trackbench.metrics.trackingnet`."""


def resolve_name(name: str, family: str) -> str:
    """Return the convention that ``name`` stands for on a benchmark of ``family``.

    ``official`` becomes ``got10k`` on GOT-10k, ``trackingnet`` on TrackingNet and ``matlab`` elsewhere.

    Raises:
        UsageError: there is no such convention.

    Example:
        >>> resolve_name("official", "otb")
        'matlab'
    """
    spelling = CONVENTIONS.spelled(name)
    if spelling != "official":
        return spelling
    return family if family in ("got10k", "trackingnet") else "matlab"


def convention(name: str, family: str = "generic") -> Convention:
    """Return the rules by which curves of success and precision are made.

    Args:
        name: one of `CONVENTIONS`, or ``module:name``.
            (`got10k` gives the GOT-10k toolkit's curves on other benchmarks; on its own one its
            metric is average overlap, in `trackbench.metrics.got10k`.)
        family: the benchmark's family, see `trackbench.definitions.FAMILIES`.

    Raises:
        UsageError: there is no such convention, or it has no curves of this kind (TrackingNet's server metric).
    """
    resolved = resolve_name(name, family)
    make = CONVENTIONS.get(resolved)
    return make if isinstance(make, Convention) else make(family)
