"""Many regions in a few flat arrays: what the compiled overlaps work on."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.errors import DataError
from trackbench.files import lines_of, read_text
from trackbench.regions import Box, Mask, Polygon, Region, Special
from trackbench.regions.binary import SUFFIX, read_trajectory
from trackbench.regions.files import read_regions

SPECIAL, BOX, POLYGON, MASK = 0, 1, 2, 3
#: float32, in which the toolkits rasterise, is exact on whole numbers up to here; larger coordinates are cut to it.
LARGEST = float(1 << 24)


class Shapes(NamedTuple):
    """The arrays of N regions that the compiled code takes; they are described in :class:`PackedRegions`."""

    kinds: NDArray[np.int8]
    numbers: NDArray[np.float64]
    starts: NDArray[np.int64]
    first_rows: NDArray[np.int64]
    row_starts: NDArray[np.int64]
    spans: NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class PackedRegions:
    """N regions of any kinds, packed."""

    kinds: NDArray[np.int8]
    """(N,): SPECIAL, BOX, POLYGON or MASK."""
    codes: NDArray[np.int64]
    """(N,): the code of a special, else -1."""
    numbers: NDArray[np.float64]
    """Flat: x, y, w, h of boxes and of the windows of masks; x1, y1, x2, y2, .. of polygons; nothing for specials."""
    starts: NDArray[np.int64]
    """(N + 1,): region i has ``numbers[starts[i]:starts[i + 1]]``."""
    first_rows: NDArray[np.int64]
    """(N,): where the rows of mask i begin in ``row_starts``; 0 for other kinds."""
    row_starts: NDArray[np.int64]
    """(R + 1,): row r of a mask has ``spans[row_starts[r]:row_starts[r + 1]]``."""
    spans: NDArray[np.int64]
    """(K, 2): first and last column of runs of set pixels, in image columns, from left to right in each row."""

    def __len__(self) -> int:
        return len(self.kinds)

    @classmethod
    def of(cls, regions: Iterable[Region] | PackedRegions) -> PackedRegions:
        """Pack regions.

        Raises:
            DataError: a coordinate is not finite; the frame (from 1) is named.
        """
        if isinstance(regions, PackedRegions):
            return regions
        regions = list(regions)
        numbers = [_numbers(region) for region in regions]
        counts = np.fromiter(map(len, numbers), np.int64, len(regions))
        flat = np.fromiter(chain.from_iterable(numbers), np.float64, int(counts.sum()))
        kinds = np.fromiter((_KINDS[type(region)] for region in regions), np.int8, len(regions))
        codes = np.fromiter((getattr(region, "code", -1) for region in regions), np.int64, len(regions))
        masks = [(i, region) for i, region in enumerate(regions) if isinstance(region, Mask)]
        return cls(kinds, codes, *_settle(flat, counts, kinds), *_rows(masks, len(regions)))

    @classmethod
    def read(cls, path: Path) -> PackedRegions:
        """Return the regions of a text file (one a line) or of a ``.bin`` trajectory.

        Raises:
            DataError: it cannot be read or holds something that is no region; file and line are named.
        """
        if path.suffix == SUFFIX:
            return cls.of(read_trajectory(path))
        return cls.of_numbers(read_text(path)) or cls.of(read_regions(path))

    @classmethod
    def of_numbers(cls, text: str) -> PackedRegions | None:
        """Pack lines of codes, boxes and polygons without making objects; None where a line is anything else.

        What is refused here is for :func:`trackbench.regions.parse_region` to accept or to name the fault of.
        """
        if "m" in text:  # masks take more than numbers
            return None
        lines = lines_of("the file", text)
        counts = np.fromiter((line.count(",") for line in lines), np.int64, len(lines)) + 1
        numbers = array("d")
        try:
            for line in lines:
                numbers.extend(map(float, line.split(",")))
        except ValueError:
            return None
        flat = np.array(numbers)
        codes = flat[np.cumsum(counts) - counts]
        special = counts == 1
        known = special | (counts == 4) | ((counts >= 6) & (counts % 2 == 0))
        if (
            not known.all()
            or not np.isfinite(flat).all()
            or (codes[special] % 1 != 0).any()
            or (codes < 0)[special].any()
        ):
            return None
        kinds = np.where(special, SPECIAL, np.where(counts == 4, BOX, POLYGON)).astype(np.int8)
        flat = flat[np.repeat(~special, counts)]
        counts = np.where(special, 0, counts)
        codes = np.where(special, codes, -1).astype(np.int64)
        return cls(kinds, codes, *_settle(flat, counts, kinds), *_rows([], len(kinds)))

    @classmethod
    def concatenate(cls, parts: Sequence[PackedRegions]) -> PackedRegions:
        """Return the regions of all parts, one after the other."""

        def joined(arrays: list[NDArray[np.int64]]) -> NDArray[np.int64]:
            bases = np.cumsum([0, *(int(array[-1]) for array in arrays)])
            return np.concatenate([[0], *(array[1:] + base for array, base in zip(arrays, bases[:-1], strict=True))])

        rows = np.cumsum([0, *(len(part.row_starts) - 1 for part in parts)])
        return cls(
            np.concatenate([part.kinds for part in parts]),
            np.concatenate([part.codes for part in parts]),
            np.concatenate([part.numbers for part in parts]),
            joined([part.starts for part in parts]),
            np.concatenate([part.first_rows + base for part, base in zip(parts, rows[:-1], strict=True)]),
            joined([part.row_starts for part in parts]),
            np.concatenate([part.spans for part in parts]),
        )

    def take(self, frames: NDArray[np.int64]) -> PackedRegions:
        """Return the regions of the given frames, in that order; the rows of masks are shared, not copied."""
        counts = np.diff(self.starts)[frames]
        starts = np.concatenate([[0], np.cumsum(counts)])
        places = np.repeat(self.starts[frames] - starts[:-1], counts) + np.arange(starts[-1])
        return PackedRegions(
            self.kinds[frames],
            self.codes[frames],
            self.numbers[places],
            starts,
            self.first_rows[frames],
            self.row_starts,
            self.spans,
        )

    def head(self, count: int) -> PackedRegions:
        """Return the first ``count`` regions."""
        return self if count >= len(self) else self.take(np.arange(count))


_KINDS = {Special: SPECIAL, Box: BOX, Polygon: POLYGON, Mask: MASK}


def _numbers(region: Region) -> Sequence[float]:
    match region:
        case Special():
            return ()
        case Box():
            return region.numbers()
        case Polygon():
            return region.points.ravel().tolist()
        case Mask():
            h, w = region.array.shape
            return region.x, region.y, w, h


def _settle(
    flat: NDArray[np.float64], counts: NDArray[np.int64], kinds: NDArray[np.int8]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Check the numbers, cut them to what the compiled code can count with, and say where each region begins."""
    starts = np.concatenate([[0], np.cumsum(counts)])
    finite = np.isfinite(flat)
    if not finite.all():
        frame = int(np.searchsorted(starts, np.argmin(finite), side="right")) - 1
        raise DataError(f"frame {frame + 1}: a coordinate is {flat[np.argmin(finite)]}; expected finite numbers")
    converged_sequences = np.clip(flat, -LARGEST, LARGEST)
    extents = starts[:-1][kinds == BOX][:, None] + [2, 3]
    converged_sequences[extents] = np.clip(flat[extents], -LARGEST, 4 * LARGEST)  # A vast box still covers the image.
    return converged_sequences, starts


def _rows(masks: list[tuple[int, Mask]], count: int) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    first_rows = np.zeros(count, np.int64)
    per_row: list[NDArray[np.int64]] = []
    spans: list[NDArray[np.int64]] = []
    total = 0
    for index, mask in masks:
        h, w = mask.array.shape
        first_rows[index] = total
        total += h
        padded = np.zeros((h, w + 2), np.int8)
        padded[:, 1:-1] = mask.array
        edges = np.diff(padded, axis=1)
        rows, begins = np.nonzero(edges == 1)
        _, ends = np.nonzero(edges == -1)
        per_row.append(np.bincount(rows, minlength=h))
        spans.append(np.stack([begins, ends - 1], 1) + mask.x)
    if not masks:
        return first_rows, np.zeros(1, np.int64), np.empty((0, 2), np.int64)
    return first_rows, np.concatenate([[0], np.cumsum(np.concatenate(per_row))]), np.concatenate(spans)
