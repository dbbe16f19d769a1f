"""trackbench: benchmark toolkit and evaluation harness for single-object visual tracking.

`load` gives any tracker behind one ``init``/``track`` interface; `run`, `scores`, `report`, `explain`, `import_results`
and `export` do what the commands do.

Example:
    >>> import os, tempfile, trackbench
    >>> os.chdir(tempfile.mkdtemp())
    >>> from pathlib import Path
    >>> from trackbench.datasets.synthetic import synthesize
    >>> _ = synthesize(Path("clips"), sequences=2, frames=5, size=(64, 64), layout="otb")
    >>> (summary,) = trackbench.run("static", "./clips", device="cpu")
    >>> summary["sequences"], summary["failed"]
    (2, [])
    >>> table = trackbench.scores("./clips")
    >>> bool(0 <= table.loc["static", "success_auc"] <= 1), len(table.per_sequence())
    (True, 2)
"""

from trackbench.api import explain, export, import_results, load, report, run, scores
from trackbench.version import VERSION

__version__ = VERSION
__all__ = ["__version__", "explain", "export", "import_results", "load", "report", "run", "scores"]
