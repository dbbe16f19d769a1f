"""The layout of UAV123 and UAV20L: ``anno/<set>/<seq>.txt``, and ``data_seq/UAV123/<video>/%06d.jpg`` for both.

The definition's ``split`` is the set. Its table says which frames of which video are a sequence: 123 of them lie in 91
videos, and those of UAV20L are mostly whole videos that UAV123 cuts into parts. A line ``NaN,NaN,NaN,NaN`` is a frame
without a target; it stays.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from trackbench.datasets.layouts.base import Listing, Recognised, Table
from trackbench.datasets.layouts.tables import benchmark
from trackbench.datasets.layouts.windows import window_frames, window_truth
from trackbench.datasets.sequence import VideoSequence
from trackbench.definitions import DatasetDefinition

COLUMNS: tuple[str, ...] = ("name", "folder", "first", "last", "attributes")


def recognise(folder: Path) -> Recognised | None:
    """Return what ``folder`` holds: UAV123, or UAV20L where only that has annotations."""
    for name in ("uav123", "uav20l"):
        record, rows = benchmark(name, COLUMNS)
        listing = read(folder, record, rows)
        if listing.sequences:
            return Recognised(record, Listing(listing.sequences, []))
    return None


def read(folder: Path, definition: DatasetDefinition, table: Table) -> Listing:
    """Return the sequences of the table whose annotations are in ``folder``, and the names of the others."""
    ground_truths = folder / "anno" / (definition.split or "UAV123")
    videos = folder / "data_seq" / "UAV123"
    present = {path.name for path in ground_truths.glob("*.txt")}
    sequences = [
        VideoSequence(
            row["name"],
            read_frames=partial(window_frames, videos / row["folder"], row),
            read_ground_truth=partial(window_truth, ground_truths / f"{row['name']}.txt", row),
            attributes=tuple(row["attributes"].split()),
            sources=(ground_truths / f"{row['name']}.txt",),
        )
        for row in table
        if f"{row['name']}.txt" in present
    ]
    return Listing(sequences, [row["name"] for row in table if f"{row['name']}.txt" not in present])
