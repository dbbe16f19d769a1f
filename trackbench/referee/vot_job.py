"""Score a workspace with vot-toolkit's own analyses: ``python -m trackbench.referee.vot_job WORKSPACE OUT``.

The workspace holds ``config.yaml``, ``trackers.ini`` with one tracker, ``results`` and the stack ``stack.yaml`` with
one experiment and its analyses; see `trackbench.referee.verdict`. ``measures.json`` says which number of which analysis
belongs to which metric key of trackbench: ``[[key, analysis, place], ...]``.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import sys
from pathlib import Path
from typing import Any


def score(folder: Path) -> dict[str, float]:
    """Return the toolkit's numbers by trackbench's metric keys."""
    os.environ["VOT_PERSISTENT_CACHE"] = "0"
    os.environ.setdefault("VOT_WORKER_POOL_SIZE", "1")
    from vot.analysis.processor import AnalysisProcessor
    from vot.workspace import Workspace

    logging.disable()
    workspace = Workspace.load(str(folder))
    (experiment,) = workspace.stack.experiments.values()
    sequences = experiment.transform(list(workspace.dataset))
    trackers = workspace.registry.resolve("run")
    results: list[Any] = [
        AnalysisProcessor().run(analysis, experiment, trackers, sequences)[0, 0] for analysis in experiment.analyses
    ]
    measures = json.loads((folder / "measures.json").read_text(encoding="utf-8"))
    return {key: float(results[analysis][place]) for key, analysis, place in measures}


def main() -> None:
    """Score a workspace and write the numbers as JSON."""
    folder, out = map(Path, sys.argv[1:3])
    with contextlib.redirect_stdout(sys.stderr):
        numbers = score(folder)
    out.write_text(json.dumps(numbers), encoding="utf-8")


if __name__ == "__main__":
    main()
