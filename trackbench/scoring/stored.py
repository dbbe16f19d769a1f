"""Stored runs as scoring needs them: the boxes of every repetition beside the ground truth that they are judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from trackbench.datasets.sequence import Dataset, VideoSequence
from trackbench.errors import DataError, UsageError, suggestion
from trackbench.metrics.vot.tracks import VotSequence
from trackbench.results.store import RunFolder, labels_of, stored_runs
from trackbench.results.timing import tracking_speed

Boxes = NDArray[np.float64]
Runs: TypeAlias = Path | Sequence[Path]
"""The folder of all runs, or several such folders."""


@dataclass
class StoredRun:
    """One run's boxes on the sequences of a data set."""

    folder: RunFolder
    repetitions: int
    sequences: dict[str, VideoSequence] = field(default_factory=dict)
    """The sequences that are stored and annotated, by name."""
    boxes: dict[str, list[Boxes]] = field(default_factory=dict)
    """Sequence -> the boxes of each of its repetitions, float64 (M, 4)."""
    given: dict[str, list[int]] = field(default_factory=dict)
    """Sequence -> how many of those boxes are a file's own; the others were filled up by an import."""
    answers: dict[str, Any] = field(default_factory=dict)
    """Sequence -> what VOT's metrics take instead: the regions of each repetition, or by anchor."""
    packed: dict[str, VotSequence] = field(default_factory=dict)
    """Sequence -> its annotation as VOT's metrics take it."""
    problems: dict[str, str] = field(default_factory=dict)
    """Sequence -> why its stored result cannot be used."""

    def drop(self, name: str, reason: str) -> None:
        """Leave a sequence out of the score."""
        self.problems.setdefault(name, reason)
        for held in (self.sequences, self.boxes, self.given, self.answers, self.packed):
            held.pop(name, None)

    @property
    def is_padded(self) -> bool:
        """Whether a file was filled up."""
        return any(
            count < len(b) for name, all_ in self.boxes.items() for count, b in zip(self.given[name], all_, strict=True)
        )

    def fps(self, names: Sequence[str] | None = None) -> float | None:
        """Return frames per second of tracking: frames after the first, divided by their time; None without times.

        Args:
            names: the results to count, by default those called as the sequences.
        """
        return tracking_speed(self.folder.all_seconds(self.sequences if names is None else names).values()).fps


def find_runs(dataset: Dataset, runs: Runs, trackers: Sequence[str] | None, protocol: str) -> list[RunFolder]:
    """Return the stored runs on ``dataset`` by ``protocol``, of all trackers or those named, in the order named.

    Args:
        dataset: what they ran on.
        runs: the folder of all runs, or several of them.
        trackers: labels, or names of trackers, which mean all their runs if no label is the same; None means all.
        protocol: how they ran.

    Raises:
        UsageError: there are none, or none of a tracker that is named.
    """
    roots = [runs] if isinstance(runs, Path) else list(runs)
    places = ", ".join(map(str, roots))
    on_dataset = [folder for root in roots for folder in stored_runs(root, dataset.name)]
    stored = [folder for folder in on_dataset if folder.key.protocol == protocol]
    if not stored:
        raise UsageError(
            f"{places}: holds no runs on {dataset.name} by protocol {protocol}; "
            "`trackbench run TRACKER -d ...` makes one"
        )
    if trackers is None:
        return stored
    chosen: dict[Path, RunFolder] = {}
    for wanted in trackers:
        labels = [folder.key.tracker for folder in stored]
        meant = labels_of(wanted, labels)
        hits = [folder for folder in stored if folder.key.tracker in meant]
        if not hits:
            parts = [part.strip() for part in wanted.split(",")]
            if wanted.lower() in {"all", "*"}:
                hint = "; without names, all that are stored are taken"
            elif len(parts) > 1 and set(parts) <= {
                name for label in labels for name in (label, label.partition("@")[0])
            }:
                hint = f"; did you mean {' '.join(parts)}?"
            else:
                hint = suggestion(wanted, labels)
            raise UsageError(f"no run of '{wanted}' on {dataset.name} in {places}{hint} (stored: {', '.join(labels)})")
        chosen.update({folder.path: folder for folder in hits})
    return list(chosen.values())


def read_run(folder: RunFolder, dataset: Dataset) -> StoredRun:
    """Read what a run has stored on the sequences that ``dataset`` has; what cannot be read becomes a problem."""
    run = StoredRun(folder, folder.repetitions())
    padded = (folder.manifest() or {}).get("padded", {})
    for repetition in range(1, run.repetitions + 1):
        stored = folder.sequences(repetition)
        wanted = {s.name: s for s in dataset.sequences if s.name in stored and s.name not in run.problems}
        for name, boxes in folder.all_boxes(wanted, repetition).items():
            try:
                if wanted[name].only_first_annotated:
                    raise DataError(
                        f"{name}: only its first frame is annotated; of a test set, the benchmark's server scores it"
                    )
                if isinstance(boxes, DataError):
                    raise boxes
                given = given_count(padded, name, repetition, len(boxes))
            except DataError as error:
                run.drop(name, str(error))
                continue
            run.sequences[name] = wanted[name]
            run.boxes.setdefault(name, []).append(boxes)
            run.given.setdefault(name, []).append(given)
    return run


def given_count(padded: Mapping[str, Mapping[str, int]], name: str, repetition: int, total: int) -> int:
    """Return how many of the ``total`` stored answers on a sequence were in the imported file.

    Args:
        padded: what the manifest says of files that were filled up.
        name: the sequence.
        repetition: from 1.
        total: how many are stored.

    Raises:
        DataError: the manifest says what cannot be.
    """
    count = padded.get(name, {}).get(str(repetition), total)
    if not min(1, total) <= count <= total:
        raise DataError(f"{name}: manifest.json, key 'padded': {count} answers of the file's own; {total} are stored")
    return count


def datasets_with_runs(runs: Runs) -> set[str]:
    """Return the names of the data sets on which something is stored."""
    roots = [runs] if isinstance(runs, Path) else runs
    return {folder.key.dataset for root in roots for folder in stored_runs(root)}
