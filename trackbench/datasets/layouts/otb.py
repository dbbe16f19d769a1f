"""The layout of OTB, DTB70 and Temple Color 128: ``<Seq>/img/%04d.jpg`` and an annotation beside ``img``.

The table of the definition holds what the download does not say: the range of frames that the annotation covers, which
targets share a folder, the name of the annotation, and how many leading frames the toolkit omits.

OTB99-Lang has the sequences in ``OTB_videos``, and beside that a sentence for each in ``OTB_query_test/<Seq>.txt`` or
``OTB_query_train/<Seq>.txt``.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

from trackbench.datasets.layouts import folder as generic
from trackbench.datasets.layouts.base import Listing, Recognised, Table
from trackbench.datasets.layouts.language import NAMES, read_sentence
from trackbench.datasets.layouts.tables import benchmark
from trackbench.datasets.layouts.windows import omitted_starts, window_frames, window_truth
from trackbench.datasets.sequence import VideoSequence
from trackbench.definitions import DatasetDefinition

COLUMNS: tuple[str, ...] = ("name", "folder", "truth", "first", "last", "attributes")


def recognise(folder: Path) -> Recognised | None:
    """Return what ``folder`` holds, if it has sequences that one of the benchmarks has, with its annotation files.

    These are read by the benchmark's table, and any other sequence by the generic layout.
    """
    best: Recognised | None = None
    covered: set[str] = set()
    for name in ("otb100", "dtb70", "tc128"):  # some names are in several; the one with the most is meant
        record, rows = benchmark(name, COLUMNS)
        listing = read(folder, record, rows)
        if listing.sequences and (best is None or len(listing.sequences) > len(best.listing.sequences)):
            best, covered = Recognised(record, listing), {row["folder"] for row in rows}
    if best is None:
        return None
    others = generic.read(folder, best.record, []).sequences
    sequences = best.listing.sequences + [sequence for sequence in others if sequence.name not in covered]
    return Recognised(best.record, Listing(sequences, []))


def read(folder: Path, definition: DatasetDefinition, table: Table) -> Listing:
    """Return the sequences of the table that are in ``folder``, and the names of those that are not."""
    sequences, missing = [], []
    for row in table:
        ground_truth = folder / row["folder"] / row["truth"]
        if not ground_truth.is_file():
            missing.append(row["name"])
            continue
        sequences.append(
            VideoSequence(
                row["name"],
                read_frames=partial(window_frames, folder / row["folder"] / "img", row),
                read_ground_truth=partial(window_truth, ground_truth, row),
                attributes=tuple(row["attributes"].split()),
                sources=(ground_truth,),
                read_sentence=partial(_sentence, folder, row),
                read_omitted_starts=partial(omitted_starts, folder, ground_truth, row),
            )
        )
    return Listing(sequences, missing)


def _sentence(folder: Path, row: dict[str, str]) -> str | None:
    spellings = (row["name"], row["name"].replace("_", "-"))  # Jogging_1 is Jogging-1 there
    queries = [
        base / query / f"{name}.txt"
        for base in (folder.parent, folder)
        for query in ("OTB_query_test", "OTB_query_train")
        for name in spellings
    ]
    return read_sentence(*queries, *(folder / row["folder"] / name for name in NAMES))
