"""Ask another toolkit for its numbers of a stored run, and compare."""

from __future__ import annotations

import importlib.metadata
import json
import math
import subprocess
import sys
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.errors import DataError, UsageError
from trackbench.formats.vot import export_vot
from trackbench.results.store import RunFolder, RunKey
from trackbench.scoring.score import Score
from trackbench.scoring.scoring import score_runs
from trackbench.scoring.vot import unsupervised_burn_in

VOT_PROTOCOLS = ("supervised", "multistart", "realtime", "unsupervised")
#: Differences up to this one are rounding.
TOLERANCE = 1e-6

#: vot-toolkit's experiment by protocol: its type, and the analyses with the keys and places of their numbers.
_EXPERIMENTS: dict[str, list[tuple[str, list[tuple[str, int]]]]] = {
    "supervised": [
        ("supervised_average_ar", [("accuracy", 0), ("robustness", 1)]),
        ("supervised_eao_score", [("eao", 0)]),
    ],
    "multistart": [
        ("multistart_average_ar", [("accuracy", 0), ("robustness", 1)]),
        ("multistart_eao_score", [("eao", 0)]),
    ],
    "unsupervised": [("average_accuracy", [("mean_overlap", 0)])],
}


@dataclass(frozen=True)
class Opinion:
    """One metric, as trackbench and as the other toolkit compute it."""

    metric: str
    reported: float | None
    """trackbench's number in the convention of the report."""
    ours: float | None
    """trackbench's number by the other toolkit's rules, on the sequences that it judged."""
    theirs: float
    difference: float | None
    """``ours - theirs``."""

    @property
    def agrees(self) -> bool:
        """Whether both come to the same number."""
        return self.difference is not None and abs(self.difference) <= TOLERANCE


@dataclass(frozen=True)
class Verdict:
    """What another toolkit says of one stored run."""

    tracker: str
    dataset: str
    tool: str
    """Name and version of the toolkit."""
    convention: str
    """The convention of the report."""
    rule: str
    """The convention that the toolkit follows; where it is not the report's, it names why numbers differ."""
    sequences: int
    """How many sequences the toolkit judged."""
    of: int
    """How many the report's score is over."""
    opinions: tuple[Opinion, ...]

    @property
    def agrees(self) -> bool:
        """Whether all numbers are the same by the toolkit's rules."""
        return all(opinion.agrees for opinion in self.opinions)

    def document(self) -> dict[str, Any]:
        """Return the verdict as ``report --json`` has it."""
        return {
            "tracker": self.tracker,
            "dataset": self.dataset,
            "tool": self.tool,
            "rule": self.rule,
            "sequences": self.sequences,
            "of": self.of,
            "agrees": self.agrees,
            "metrics": {
                opinion.metric: {
                    "reported": opinion.reported,
                    "ours": opinion.ours,
                    "theirs": opinion.theirs,
                    "difference": opinion.difference,
                }
                for opinion in self.opinions
            },
        }


def referee(dataset: Dataset, runs: Path, score: Score) -> Verdict:
    """Let the got10k toolkit, or vot-toolkit on VOT's protocols, score a run, and compare with trackbench.

    Args:
        dataset: what the run is on.
        runs: the folder of all runs.
        score: the run's score in the convention of the report.

    Raises:
        UsageError: neither toolkit has the benchmark's metric, or nothing can be judged.
        DataError: the toolkit failed; the message has its last line.
    """
    folder = RunFolder(runs, RunKey(score.tracker, dataset.name, score.protocol))
    if score.convention == "trackingnet":
        raise UsageError(f"--referee: no installed toolkit has the server's metric of {dataset.name}")
    with tempfile.TemporaryDirectory() as name:
        work = Path(name).resolve()
        if score.protocol in VOT_PROTOCOLS:
            tool, rule = "vot-toolkit", "vot"
            judged = [dataset[each] for each in score.per_sequence]
            theirs = _ask_vot(folder, dataset, judged, score, work)
        else:
            tool, rule = "got10k", "got10k"
            judged, job = _got10k_job(folder, dataset, score)
            np.savez(work / "job.npz", **job)
            theirs = _run("got10k_job", work / "job.npz", work)
    subset = replace(dataset, sequences=tuple(judged))
    (own,) = score_runs(subset, runs, [score.tracker], protocol=score.protocol, rules=rule)
    opinions = []
    for metric, number in theirs.items():
        ours = own.metrics.get(metric)
        difference = None if ours is None or math.isnan(number) else ours - number
        opinions.append(Opinion(metric, score.metrics.get(metric), ours, number, difference))
    version = importlib.metadata.version(tool)
    return Verdict(
        score.tracker,
        dataset.name,
        f"{tool} {version}",
        score.convention,
        rule,
        len(judged),
        score.sequences,
        tuple(opinions),
    )


def _got10k_job(run: RunFolder, dataset: Dataset, score: Score) -> tuple[list[VideoSequence], dict[str, Any]]:
    """Return the sequences that the toolkit takes, and the job: its release asserts that lengths are equal."""
    family = dataset.definition.family
    judged: list[VideoSequence] = []
    job: dict[str, Any] = {"family": np.array(family)}
    # What an import has filled up is not the tracker's answer; the toolkit would judge it as one.
    padded = (run.manifest() or {}).get("padded", {})
    for name in score.per_sequence:
        sequence = dataset[name]
        truth = sequence.ground_truth
        stored = [r for r in range(1, run.repetitions() + 1) if run.has(name, r)]
        answers = [run.boxes(name, repetition) for repetition in stored]
        if name in padded or any(len(boxes) != len(truth) for boxes in answers):
            continue
        index = len(judged)
        job[f"truth_{index}"] = truth.boxes
        job |= {f"answers_{index}_{place}": boxes for place, boxes in enumerate(answers, 1)}
        if family == "got10k":
            if "cover" not in truth.values or sequence.size is None:
                continue
            job[f"cover_{index}"], job[f"size_{index}"] = truth.values["cover"], np.array(sequence.size)
        judged.append(sequence)
    if not judged:
        raise UsageError(f"--referee: no result of {score.tracker} on {dataset.name} has the annotation's length")
    job["sequences"] = np.array([sequence.name for sequence in judged])
    return judged, job


def _ask_vot(
    run: RunFolder, dataset: Dataset, judged: list[VideoSequence], score: Score, work: Path
) -> dict[str, float]:
    """Make a workspace of the run and the annotations in VOT's layout, and let vot-toolkit analyse it."""
    kind = dataset.protocol if score.protocol == "realtime" else score.protocol
    sequences = work / "sequences"
    sequences.mkdir()
    for sequence in judged:
        source = dataset.root / sequence.name
        if not (source / "groundtruth.txt").is_file():
            raise UsageError(f"--referee: {dataset.name} is not in VOT's layout, which vot-toolkit reads")
        (sequences / sequence.name).symlink_to(source.resolve(), target_is_directory=True)
    (sequences / "list.txt").write_text("".join(f"{sequence.name}\n" for sequence in judged), encoding="utf-8")
    low, high = score.interval or (1, 1)
    stack: list[dict[str, Any]] = []
    measures = []
    options = {
        "supervised_eao_score": {"low": low, "high": high},
        "multistart_eao_score": {"low": low, "high": high},
        "average_accuracy": {"burnin": unsupervised_burn_in(dataset)},
    }
    for place, (name, numbers) in enumerate(_EXPERIMENTS[kind]):
        stack.append({"type": name, **options.get(name, {})})
        measures += [(key, place, index) for key, index in numbers]
    experiment: dict[str, Any] = {"type": kind, "analyses": stack}
    if kind != "multistart":
        experiment["repetitions"] = max(run.repetitions(), 1)
    if kind == "supervised":
        experiment["skip_initialize"] = 5
    files: dict[str, Any] = {
        "stack.yaml": {"title": "referee", "experiments": {"baseline": experiment}},
        "config.yaml": {"registry": ["./trackers.ini"], "stack": "stack.yaml", "sequences": str(sequences)},
        "measures.json": measures,
    }
    for file, content in files.items():  # JSON is YAML
        (work / file).write_text(json.dumps(content), encoding="utf-8")
    (work / "trackers.ini").write_text("[run]\nlabel = run\nprotocol = trax\ncommand = none\n", encoding="utf-8")
    export_vot(run, work / "exported", experiment="baseline")
    (exported,) = (work / "exported").iterdir()
    (work / "results").mkdir()
    exported.rename(work / "results" / "run")
    return _run("vot_job", work, work)


def _run(module: str, job: Path, work: Path) -> dict[str, float]:
    """Run a job in a process of its own.

    Raises:
        DataError: it failed.
    """
    out = work / "numbers.json"
    command = [sys.executable, "-m", f"trackbench.referee.{module}", str(job), str(out)]
    done = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    if done.returncode or not out.is_file():
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        raise DataError(f"--referee: the toolkit failed: {lines[-1] if lines else 'no output'}")
    numbers: dict[str, float] = json.loads(out.read_text(encoding="utf-8"))
    return numbers
