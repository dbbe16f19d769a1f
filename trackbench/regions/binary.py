"""The binary form of a trajectory, vot-toolkit's ``.bin``: all regions of a run in one file, little endian.

=========  ===========================================================================================================
header     int16 version 1, uint32 number of regions; then for each region a byte with its type, and
0 special  uint32 code
1 box      4 float32 x, y, w, h
2 polygon  uint16 number of corners, 2 float32 for each
3 mask     int16 x, y, uint16 w, h, number of runs, and the runs, uint16, zeros first, in row-major order; a longer run
           is written as 65025, 0 and the rest
4 point    2 float32; no region here
=========  ===========================================================================================================
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterable
from pathlib import Path

from trackbench.errors import DataError
from trackbench.files import MAX_LINES, read_bytes, write_bytes
from trackbench.regions.kinds import Box, Mask, Polygon, Region, Special
from trackbench.regions.text import PixelBudget, decode_runs, encode_runs

SUFFIX, VERSION = ".bin", 1
LONGEST_RUN = 65025
_SPECIAL, _BOX, _POLYGON, _MASK, _POINT = range(5)
_HEADER, _CODE, _NUMBERS, _COUNT, _WINDOW = map(struct.Struct, ("<hI", "<I", "<4f", "<H", "<hhHHH"))
#: Type and content of the shortest region, a special code.
_SHORTEST = 1 + _CODE.size


def read_trajectory(path: Path) -> list[Region]:
    """Return the regions of a ``.bin`` file.

    Raises:
        DataError: it cannot be read or is malformed; the file and the region (from 1) are named.
    """
    data = read_bytes(path)
    try:
        return parse_trajectory(data)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def parse_trajectory(data: bytes) -> list[Region]:
    """Return the regions of a trajectory in binary form; a box or polygon with a NaN is ``Special(0)``, as in text.

    Raises:
        DataError: the data is malformed, ends early or goes on after the last region.
    """
    if len(data) < _HEADER.size:
        raise DataError(f"{len(data)} bytes; expected a header of {_HEADER.size}")
    version, count = _HEADER.unpack_from(data)
    if version != VERSION:
        raise DataError(f"version {version} of the binary form; expected {VERSION}")
    if count * _SHORTEST > len(data) - _HEADER.size:
        raise DataError(f"{len(data)} bytes cannot hold the {count} regions that the header says")
    if count > MAX_LINES:
        raise DataError(f"{count} regions; expected at most {MAX_LINES}, one for each frame")
    regions: list[Region] = []
    budget = PixelBudget(len(data))
    offset = _HEADER.size
    for index in range(count):
        try:
            region, offset = _parse_region(data, offset)
            budget.spend(region)
        except struct.error:
            raise DataError(f"ends within region {index + 1} of {count}") from None
        except DataError as error:
            raise DataError(f"region {index + 1}: {error}") from None
        regions.append(region)
    if offset != len(data):
        raise DataError(f"{len(data) - offset} bytes after the last of {count} regions")
    return regions


def format_trajectory(regions: Iterable[Region]) -> bytes:
    """Return the binary form of a trajectory; coordinates are rounded to float32, masks cropped.

    Raises:
        DataError: a number is outside the range of its type; the region (from 1) is named.
    """
    parts = []
    for index, region in enumerate(regions):
        try:
            parts.append(_format_region(region))
        except (struct.error, OverflowError):
            raise DataError(f"region {index + 1}: {type(region).__name__} has numbers beyond the binary form") from None
    return _HEADER.pack(VERSION, len(parts)) + b"".join(parts)


def write_trajectory(path: Path, regions: Iterable[Region]) -> None:
    """Write a ``.bin`` file.

    Raises:
        DataError: a number is outside the range of its type; file and region are named.
    """
    try:
        data = format_trajectory(regions)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    write_bytes(path, data)


def _parse_region(data: bytes, offset: int) -> tuple[Region, int]:
    """Return the region at ``offset`` and where the next one begins; struct.error where the data ends before."""
    (kind,) = struct.unpack_from("B", data, offset)
    offset += 1
    match kind:
        case 0:  # special
            return Special(_CODE.unpack_from(data, offset)[0]), offset + _CODE.size
        case 1:  # box
            numbers = _NUMBERS.unpack_from(data, offset)
            return (Special(0) if any(map(math.isnan, numbers)) else Box(*numbers)), offset + _NUMBERS.size
        case 2:  # polygon
            (count,) = _COUNT.unpack_from(data, offset)
            layout = struct.Struct(f"<{2 * count}f")
            numbers = layout.unpack_from(data, offset + _COUNT.size)
            if count < 3:
                raise DataError(f"a polygon of {count} corners; expected at least 3")
            region = Special(0) if any(map(math.isnan, numbers)) else Polygon(numbers)
            return region, offset + _COUNT.size + layout.size
        case 3:  # mask
            x, y, w, h, count = _WINDOW.unpack_from(data, offset)
            layout = struct.Struct(f"<{count}H")
            runs = layout.unpack_from(data, offset + _WINDOW.size)
            return Mask(decode_runs(list(runs), w, h), x, y), offset + _WINDOW.size + layout.size
        case 4:
            raise DataError("is a point; expected a box, a polygon, a mask or a code")
        case _:
            raise DataError(f"type {kind}; expected 0 (code), 1 (box), 2 (polygon) or 3 (mask)")


def _format_region(region: Region) -> bytes:
    match region:
        case Special():
            return bytes([_SPECIAL]) + _CODE.pack(region.code)
        case Box():
            return bytes([_BOX]) + _NUMBERS.pack(*region.numbers())
        case Polygon():
            numbers = region.points.ravel().tolist()
            return bytes([_POLYGON]) + _COUNT.pack(len(region.points)) + struct.pack(f"<{len(numbers)}f", *numbers)
        case Mask():
            mask = region.cropped()
            h, w = mask.array.shape
            runs: list[int] = []
            for run in encode_runs(mask.array):
                pieces, rest = divmod(max(run - 1, 0), LONGEST_RUN)
                runs += [LONGEST_RUN, 0] * pieces + [rest + min(run, 1)]
            return bytes([_MASK]) + _WINDOW.pack(mask.x, mask.y, w, h, len(runs)) + struct.pack(f"<{len(runs)}H", *runs)
