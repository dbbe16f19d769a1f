"""What the files of one stored sequence hold, as arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.files import MAX_DOCUMENT, lines_of, read_bytes, read_text
from trackbench.quoting import shown
from trackbench.regions import region_to_box
from trackbench.regions.files import parse_box_table, read_boxes, read_regions


def parse_boxes(path: Path) -> NDArray[np.float64]:
    """Return the boxes of a stored trajectory, float64 (N, 4); of other regions, their min-max boxes.

    Raises:
        DataError: it cannot be read, or holds something else than regions.
    """
    data = read_bytes(path)
    boxes = parse_box_table(data)
    if boxes is not None:
        return boxes
    first, second, *_ = (*data.split(b"\n", 2), b"", b"")
    # The first line may be a code ("1") where the others are boxes.
    if all(line.count(b",") == 3 and not line.startswith(b"m") for line in (first, second) if line.strip()):
        return read_boxes(path)
    return np.array([region_to_box(region).numbers() for region in read_regions(path)], np.float64).reshape(-1, 4)


def parse_seconds(path: Path) -> NDArray[np.float64]:
    """Return the times of a stored trajectory, float64 (N, 1), in seconds.

    Raises:
        DataError: it cannot be read, or holds something else than a number a line.
    """
    seconds = []
    for number, line in enumerate(lines_of(path, read_text(path, MAX_DOCUMENT)), 1):
        try:
            seconds.append(float(line))
        except ValueError:
            raise DataError(f"{path}: line {number}: {shown(line)}; expected seconds, a number a line") from None
    return np.array(seconds, np.float64)[:, None]
