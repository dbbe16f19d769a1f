"""Files of flags and other one-digit labels, one for each frame, separated by commas or lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.files import read_bytes, read_text

DIGITS = b"0123456789"


def read_labels(path: Path, frames: int, highest: int = 1) -> NDArray[np.int64]:
    """Return the labels of a file, int64 (frames,), each from 0 to ``highest`` (at most 9).

    More labels than frames are cut (TNL2K has a file with one too many).

    Raises:
        DataError: the file cannot be read, has too few labels, or one that is no such number.
    """
    data = read_bytes(path).rstrip()
    labels, between = data[::2], data[1::2]
    # By far most files are digits with a comma or a line feed after each.
    if (
        len(labels) >= frames
        and not labels.translate(None, DIGITS[: highest + 1])
        and not between.translate(None, b",\n")
    ):
        return np.frombuffer(labels, np.uint8, frames).astype(np.int64) - ord("0")
    text = read_text(path)
    words = text.replace(",", " ").split()
    known = {str(number) for number in range(highest + 1)}
    if not known.issuperset(words):
        line, word = next(
            (line, word)
            for line, content in enumerate(text.splitlines(), 1)
            for word in content.replace(",", " ").split()
            if word not in known
        )
        raise DataError(f"{path}: line {line}: '{word[:40]}'; expected whole numbers from 0 to {highest}")
    if len(words) < frames:
        raise DataError(f"{path}: {len(words)} labels; expected {frames}, one for each frame")
    return np.frombuffer("".join(words[:frames]).encode(), np.uint8).astype(np.int64) - ord("0")
