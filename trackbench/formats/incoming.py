"""Bring in one tracker's results, whichever tool wrote them."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from trackbench.datasets.sequence import Dataset
from trackbench.errors import UsageError
from trackbench.formats.alignment import ImportOptions
from trackbench.formats.evidence import Form
from trackbench.formats.importing import ImportPlan, plan_import, store_import
from trackbench.formats.robustness import EVALUATIONS, plan_robustness_import
from trackbench.formats.vot import plan_vot_import


class Imported(NamedTuple):
    """What came of an import."""

    plan: ImportPlan
    """What was read, with faults file by file."""
    folder: Path | None
    """Where it is stored; None where nothing was stored."""


def import_run(
    path: Path,
    name: str,
    dataset: Dataset,
    runs: Path,
    *,
    tool: str | None = None,
    only: str | None = None,
    protocol: str | None = None,
    boxes: Form = "xywh",
    offset: float = 0.0,
    pad_missing: bool = False,
    first_missing: bool = False,
    fractions: bool = False,
    skip_faulty: bool = False,
    restart: bool = False,
) -> Imported:
    """Read results, and store them where all fit or ``skip_faulty`` is set; see `trackbench.import_results`.

    Raises:
        UsageError: an option does not fit the tool.
        DataError: nothing there can be read.
    """
    how = ImportOptions(boxes, offset, pad_missing, first_missing, fractions)
    plan: ImportPlan
    if protocol in EVALUATIONS:
        if tool not in (None, "otb-mat") or how.converts or first_missing or pad_missing:
            raise UsageError(f"--protocol {protocol} reads .mat files of OTB's toolkit as they are, without options")
        plan = plan_robustness_import(path, name, dataset, protocol, only=only)
    elif tool == "vot" or protocol is not None or (tool is None and dataset.protocol != "one-pass"):
        if tool not in (None, "vot"):
            raise UsageError(f"--protocol is for results of vot-toolkit, not for --from {tool}")
        if how.converts or first_missing:
            raise UsageError("results of vot-toolkit need no --boxes, --offset, --fractions or --first-missing")
        chosen = protocol or dataset.protocol
        plan = plan_vot_import(path, name, dataset, chosen, only=only, pad_missing=pad_missing)
    else:
        plan = plan_import(path, name, dataset, tool=tool, only=only, how=how)
    if not plan.results or (plan.faults and not skip_faulty):
        return Imported(plan, None)
    return Imported(plan, store_import(plan, runs, restart=restart, skip_faulty=skip_faulty).path)
