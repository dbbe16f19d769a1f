"""Score boxes with the got10k toolkit's own experiments: ``python -m trackbench.referee.got10k_job JOB OUT``.

The job is an ``.npz`` file:

==================  ===================================================================================================
``family``          the benchmark's family, which decides the toolkit's experiment
``sequences``       (S,) names
``truth_I``         (N, 4) x, y, w, h in pixels of sequence I, as the annotation has them
``answers_I_R``     (N, 4) of repetition R, from 1
``cover_I``         GOT-10k: (N,) visible eighths of the target; ``size_I``: (2,) width and height of the frames
==================  ===================================================================================================

The toolkit's data-set classes download archives and open images; a stand-in hands the annotations to its experiments,
whose arithmetic is the toolkit's. Release 0.1.3 has no experiment for LaSOT; that of UAV123 is used there, which also
leaves out the frames whose annotation has a NaN, as the LaSOT experiment of the toolkit's repository does.
"""

from __future__ import annotations

import contextlib
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Families whose frames with a NaN in the annotation are left out.
WITHOUT_NAN = ("uav", "lasot", "lasot-ext")


class Annotations:
    """What the toolkit's experiments ask of a data set."""

    subset = "val"
    return_meta = True

    def __init__(self, job: Any) -> None:
        self.job = job
        self.seq_names = [str(name) for name in job["sequences"]]

    def __len__(self) -> int:
        return len(self.seq_names)

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        return (self[name] for name in self.seq_names)

    def __getitem__(self, name: str) -> tuple[Any, ...]:
        index = self.seq_names.index(name)
        truth = np.array(self.job[f"truth_{index}"])
        if f"cover_{index}" not in self.job:
            return None, truth
        size = tuple(int(side) for side in self.job[f"size_{index}"])
        return None, truth, {"cover": self.job[f"cover_{index}"], "resolution": str(size)}


def write_results(job: Any, folder: Path, family: str) -> list[str]:
    """Write the answers as the toolkit reads them; returns the tracker names, one a repetition but on GOT-10k."""
    trackers: dict[str, None] = {}
    for index, name in enumerate(job["sequences"]):
        repetition = 1
        while f"answers_{index}_{repetition}" in job:
            if family == "got10k":
                tracker, file = "run", folder / "run" / str(name) / f"{name}_{repetition:03d}.txt"
            else:
                tracker = f"run-{repetition}"
                file = folder / tracker / f"{name}.txt"
            file.parent.mkdir(parents=True, exist_ok=True)
            np.savetxt(file, job[f"answers_{index}_{repetition}"], fmt="%.17g", delimiter=",")
            if family == "got10k":
                # Without times the experiment of release 0.1.3 takes those of the sequence before.
                np.savetxt(file.with_name(f"{name}_time.txt"), np.ones(len(job[f"truth_{index}"])), fmt="%.1f")
            trackers[tracker] = None
            repetition += 1
    return list(trackers)


def experiment(family: str, annotations: Annotations, folder: Path) -> Any:
    """Return the toolkit's experiment of a family on annotations that are here."""
    import matplotlib as mpl

    mpl.use("Agg")
    from got10k.experiments import (
        ExperimentDTB70,
        ExperimentGOT10k,
        ExperimentNfS,
        ExperimentOTB,
        ExperimentTColor128,
        ExperimentUAV123,
    )

    own = {"got10k": ExperimentGOT10k, "nfs": ExperimentNfS, "dtb70": ExperimentDTB70, "tc128": ExperimentTColor128}
    kind = ExperimentUAV123 if family in WITHOUT_NAN else own.get(family, ExperimentOTB)
    made = kind.__new__(kind)
    made.dataset, made.subset = annotations, "val"
    made.result_dir, made.report_dir = str(folder / "results"), str(folder / "reports")
    made.nbins_iou, made.nbins_ce = (101, 51) if family == "got10k" else (21, 51)
    made.repetitions = 1
    made.plot_curves = lambda *_: None
    return made


def score(job: Any, folder: Path) -> dict[str, float]:
    """Return the toolkit's numbers by trackbench's metric keys, averaged over repetitions."""
    family = str(job["family"])
    trackers = write_results(job, folder / "results", family)
    performance = experiment(family, Annotations(job), folder).report(trackers)
    keys = (
        {"ao": "ao", "sr50": "sr"}
        if family == "got10k"
        else {"success_auc": "success_score", "precision": "precision_score", "sr50": "success_rate"}
    )
    overall: list[dict[str, Any]] = [performance[name]["overall"] for name in trackers]
    return {ours: float(np.mean([numbers[theirs] for numbers in overall])) for ours, theirs in keys.items()}


def read_job(path: Path) -> dict[str, NDArray[Any]]:
    """Return the arrays of a job."""
    with np.load(path, allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}


def main() -> None:
    """Score a job and write the numbers as JSON."""
    job, out = map(Path, sys.argv[1:3])
    # The toolkit prints its progress; the numbers go to a file.
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(sys.stderr):
        numbers = score(read_job(job), Path(folder))
    out.write_text(json.dumps(numbers), encoding="utf-8")


if __name__ == "__main__":
    main()
