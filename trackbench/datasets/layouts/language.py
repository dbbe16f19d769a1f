"""The sentence that describes a target."""

from __future__ import annotations

from pathlib import Path

from trackbench.files import read_bytes

#: What data sets call the file beside the annotation: LaSOT and VastTrack, TNL2K and WebUAV-3M.
NAMES = ("nlp.txt", "language.txt")
#: Most bytes of it.
LONGEST = 1 << 16


def read_sentence(*places: Path) -> str | None:
    """Return the sentence in the first of ``places`` that is a file; None where there is none, or it is empty."""
    for place in places:
        if place.is_file():
            # A letter that is not UTF-8 costs no more than that letter.
            return " ".join(read_bytes(place, LONGEST).decode("utf-8-sig", "replace").split()) or None
    return None
