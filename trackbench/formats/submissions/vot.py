"""Packages of VOT's challenges: the archive that ``vot pack`` makes of a complete workspace.

::

    manifest.yml                                            who, with what
    <experiment>/<sequence>/<sequence>_001.txt              supervised, unsupervised: repetitions from 1
                            <sequence>_00000050.txt         multi-start: 0-based frame of the anchor
                            <stem>_time.value, <stem>_confidence.value

Every experiment of the year's stack has to be complete, as for the toolkit.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from trackbench.datasets.anchors import anchored_name, find_anchors
from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.definitions import DATASETS
from trackbench.errors import DataError, UsageError, reason
from trackbench.formats.submissions.package import Package
from trackbench.formats.vot import folder_name, runs_of, trajectory_files
from trackbench.metrics.vot.conventions import EQUAL_REPETITIONS, REPETITIONS
from trackbench.protocols.supervised import same_trajectories
from trackbench.regions import STARTED
from trackbench.results.store import RunFolder, RunKey, labels_of, stored_runs


def experiments(dataset: Dataset) -> dict[str, str]:
    """Return the experiments of the stack that a data set belongs to: experiment -> our protocol.

    Raises:
        UsageError: it is no short-term challenge of VOT.
    """
    record = dataset.definition
    if record.stack is None:
        challenges = [known.name for known in DATASETS.readable() if known.value.stack]
        raise UsageError(f"pack vot: {dataset.name} is no challenge of VOT ({', '.join(challenges)})")
    runs = {"baseline": dataset.protocol, "realtime": "realtime", "unsupervised": "unsupervised"}
    return {name: runs[name] for name in record.experiments or runs}


def pack_vot(runs: Path, tracker: str, dataset: Dataset) -> Package:
    """Check the runs of all experiments and make their package.

    Args:
        runs: the folder of all runs.
        tracker: the runs' label, or the name of a tracker whose runs all have one label.
        dataset: the challenge; its annotations have to be there.

    Raises:
        UsageError: no challenge of VOT, or nothing of the tracker is stored.
    """
    wanted = experiments(dataset)
    stored = dict.fromkeys(run.key.tracker for run in stored_runs(runs, dataset.name))
    meant = labels_of(tracker, stored)
    if len(meant) > 1:
        raise UsageError(f"{runs}: '{tracker}' means several runs on {dataset.name}: {', '.join(meant)}; name one")
    tracker = meant[0] if meant else tracker
    package = Package("vot", tracker, dataset.name, dataset.of)
    folders = {name: RunFolder(runs, RunKey(tracker, dataset.name, protocol)) for name, protocol in wanted.items()}
    manifests = {name: manifest for name, folder in folders.items() if (manifest := folder.manifest())}
    if not manifests:
        raise UsageError(f"{runs}: holds no results of '{tracker}' on {dataset.name} (`trackbench list runs`)")
    for name in dataset.missing:
        package.add_problem(name, "its annotation is not on disk")
    if not dataset.missing and len(dataset.sequences) < dataset.of:
        count = f"{len(dataset.sequences)} of {dataset.of}"
        package.add_problem(dataset.root, f"has {count} sequences; all have to be there")
    complete = {sequence.name for sequence in dataset.sequences}
    for experiment, folder in folders.items():
        if experiment not in manifests:
            package.add_problem(folder.path, f"holds no results: experiment {experiment} of the challenge is missing")
            continue
        anchored = dataset.protocol == "multistart" and experiment != "unsupervised"
        for sequence in dataset.sequences:
            fits = _add(package, folder, experiment, sequence, anchored)
            complete -= set() if fits else {sequence.name}
        _check_others(package, folder, dataset, anchored)
    package.sequences = len(complete)
    package.contents["manifest.yml"] = _manifest(tracker, dataset, manifests)
    return package


def _add(package: Package, folder: RunFolder, experiment: str, sequence: VideoSequence, anchored: bool) -> bool:
    before = len(package.problems)
    try:
        lengths = {sequence.name: len(sequence)}
        if anchored:
            starts = find_anchors(sequence).values()
            lengths = {anchored_name(sequence.name, start.frame): start.length(len(sequence)) for start in starts}
    except DataError as error:
        package.add_problem(sequence.name, str(error))
        return False
    numbers = range(1, (1 if anchored else max(folder.repetitions(), 1)) + 1)
    present = {name: [number for number in numbers if folder.has(name, number)] for name in lengths}
    trajectories = []
    for name in lengths:
        if not present[name]:
            package.add_problem(folder.file(name), "is missing")
        for number in present[name]:
            path = folder.file(name, ".txt", number)
            try:
                regions = folder.regions(name, number)
                files = trajectory_files(folder, name, number, anchored=anchored)
            except DataError as error:
                package.add_problem(path, reason(error, path))
                continue
            if len(regions) != lengths[name]:
                package.add_problem(path, f"{len(regions)} lines; the run has {lengths[name]} frames")
            if regions[:1] != [STARTED]:
                package.add_problem(path, "line 1 is a region; expected 1, the code of a start")
            trajectories.append(regions)
            package.contents |= {f"{experiment}/{file}": content for file, content in files.items()}
            package.frames += len(regions) if number == 1 else 0
    if experiment == "baseline" and not anchored and len(package.problems) == before:
        count = len(trajectories)
        if count < REPETITIONS and not (count >= EQUAL_REPETITIONS and same_trajectories(trajectories)):
            package.add_problem(
                folder.file(sequence.name),
                f"{count} of {REPETITIONS} repetitions; {EQUAL_REPETITIONS} suffice only where they are the same",
            )
    most = max((len(names_of_one) for names_of_one in present.values()), default=0)
    package.runs[experiment] = max(most, package.runs.get(experiment, 0))
    return len(package.problems) == before


def _check_others(package: Package, folder: RunFolder, dataset: Dataset, anchored: bool) -> None:
    known = {name for s in dataset.sequences for name in (runs_of(s) if anchored else {s.name})}
    known |= set(dataset.missing)
    for name in sorted(folder.sequences() - known):
        what = "run" if anchored else "sequence"
        package.add_problem(folder.file(name), f"'{name}' is no {what} of {dataset.name}")


def _manifest(tracker: str, dataset: Dataset, manifests: Mapping[str, Mapping[str, Any]]) -> bytes:
    """Return ``manifest.yml``, whose keys are those of vot-toolkit, from what the runs say of themselves."""
    sessions = [session for manifest in manifests.values() for session in manifest.get("sessions", [])]
    sessions.sort(key=lambda session: str(session.get("started", "")))
    last = sessions[-1] if sessions else {}
    versions = last.get("versions", {})
    started = last.get("started")
    first = next(iter(manifests.values()))
    document = {
        "identifier": folder_name(tracker),
        "configuration": {
            "label": first.get("title", tracker),
            "protocol": "trackbench",
            "command": last.get("command"),
            "arguments": first.get("identity", {}),
        },
        "timestamp": f"{datetime.fromisoformat(started):%Y-%m-%dT%H-%M-%S.%f%z}" if started else None,
        "platform": versions.get("platform"),
        "python": versions.get("python"),
        "toolkit": f"trackbench {versions['trackbench']}" if "trackbench" in versions else None,
        "stack": dataset.definition.stack,
    }
    # JSON is YAML.
    return (json.dumps(document, indent=2) + "\n").encode()
