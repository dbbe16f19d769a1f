"""Clips of the benchmarks that trackbench reads, with their official training splits."""

from __future__ import annotations

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np

from trackbench.datasets.sequence import VideoSequence
from trackbench.definitions import content_folder
from trackbench.errors import DataError, UsageError
from trackbench.training.data.clips import Clip, ClipSet, with_area


@dataclass(frozen=True)
class VideoSet(ClipSet):
    """Sequences of a benchmark, one target each.

    A frame is visible where its box has an area and the data set's labels do not call the target absent: LaSOT's full
    occlusion and out-of-view flags, GOT-10k's absence label and a cover of 0.

    Args:
        name: of the set.
        sequences: of the benchmark.
        every: only every so-manieth frame, and the last, counts as visible: 30 are TrackingNet's annotated ones.
    """

    name: str
    sequences: tuple[VideoSequence, ...]
    every: int = 1

    def __len__(self) -> int:
        return len(self.sequences)

    def clip(self, index: int, random: np.random.Generator | None = None) -> Clip:
        """See :class:`ClipSet`."""
        sequence = self.sequences[index]
        annotation = sequence.ground_truth
        visible = with_area(annotation.boxes)
        if annotation.absent is not None:
            visible &= ~annotation.absent
        if "cover" in annotation.values:
            visible &= annotation.values["cover"] > 0
        if self.every > 1:
            counts = np.arange(len(visible)) % self.every == 0
            counts[-1] = True
            visible &= counts
        return Clip(sequence.name, annotation.boxes, visible, partial(_frame, sequence))

    def frame_count(self) -> int | None:
        """See :class:`ClipSet`; annotations are read for it, so that large sets do not tell."""
        if len(self.sequences) > 500:
            return None
        return sum(len(sequence.ground_truth) for sequence in self.sequences)


def _frame(sequence: VideoSequence, index: int) -> Path:
    return sequence.frames[index]


def split_sequences(sequences: Iterable[VideoSequence], split: str) -> tuple[VideoSequence, ...]:
    """Return the sequences of an official training split.

    ``vot-train`` and ``vot-val`` are the 7,086 and 1,249 of GOT-10k's training sequences that the VOT challenges allow
    (pytracking's lists); ``lasot-train`` is LaSOT without its 280 test sequences; ``0-3`` are TrackingNet's chunks
    ``TRAIN_0`` to ``TRAIN_3``.

    Raises:
        UsageError: no such split.
        DataError: none of the sequences belongs to it.
    """
    every = tuple(sequences)
    if split in ("vot-train", "vot-val"):
        numbers = _vot_numbers(split)
        chosen = tuple(s for s in every if s.name.rpartition("_")[2].isdecimal() and _number(s.name) in numbers)
    elif split == "lasot-train":
        test = _lasot_test()
        chosen = tuple(s for s in every if s.name not in test)
    elif split.replace("-", "").isdecimal():
        first, _, last = split.partition("-")
        chunks = {f"TRAIN_{number}" for number in range(int(first), int(last or first) + 1)}
        chosen = tuple(s for s in every if _chunk(s) in chunks)
    else:
        raise UsageError(
            f"split '{split}': expected vot-train, vot-val, lasot-train, or chunks of TrackingNet such as 0-11"
        )
    if not chosen:
        raise DataError(f"split '{split}': none of the {len(every)} sequences that were found belongs to it")
    return chosen


def _number(name: str) -> int:
    return int(name.rpartition("_")[2])


def _vot_numbers(split: str) -> frozenset[int]:
    with (Path(__file__).parent / "got10k_vot.csv").open(encoding="utf-8", newline="") as file:
        return frozenset(int(row["number"]) for row in csv.DictReader(file) if row["split"] == split)


def _lasot_test() -> frozenset[str]:
    with (content_folder("datasets") / "lasot.csv").open(encoding="utf-8", newline="") as file:
        return frozenset(row["name"] for row in csv.DictReader(file) if "lasot" in row["lists"].split())


def _chunk(sequence: VideoSequence) -> str:
    """Return the folder ``TRAIN_k`` that holds a sequence of TrackingNet, from its frames' paths."""
    return next((part for part in sequence.frames[0].parts if part.startswith("TRAIN_")), "")
