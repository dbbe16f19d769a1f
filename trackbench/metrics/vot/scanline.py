"""Compiled overlaps: a region is, in each row of a window, a few spans of columns.

Counting on spans gives the same numbers as filling pixels and takes time in proportion to the height only.

Everything compiled is in this one module on purpose: numba's cache of a function is renewed when its own file changes,
not when that of a function or constant which it uses does.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.jit import jit
from trackbench.metrics.vot.packed import BOX, MASK, POLYGON, SPECIAL, Shapes

#: The C library takes boxes of which one is below this share of the other to overlap nothing.
SMALLEST_RATIO = 1e-10
#: Rows that are rasterised at a time.
BLOCK = 256

#: A column beyond all others.
FAR = np.int32(2**30)

#: The rows of a block as float64.
STEPS = np.arange(BLOCK, dtype=np.float64)

Corners = NDArray[np.float32]


class Rows(NamedTuple):
    """A block of rows, each with the spans of a region, from left to right and apart from each other."""

    first: NDArray[np.int32]
    """(room, BLOCK): first column of each span, in the window."""
    last: NDArray[np.int32]
    """(room, BLOCK): last column."""
    counts: NDArray[np.int32]
    """(BLOCK,): how many spans a row has."""
    nodes: NDArray[np.int32]
    """(room, BLOCK): while a polygon is made: the columns at which its outline crosses, in order."""


@jit()
def _make_rows(room: int) -> Rows:
    return Rows(
        np.empty((room, BLOCK), np.int32),
        np.empty((room, BLOCK), np.int32),
        np.zeros(BLOCK, np.int32),
        np.empty((room, BLOCK), np.int32),
    )


@jit()
def _room(starts: NDArray[np.int64], row_starts: NDArray[np.int64]) -> int:
    """Return how many nodes or spans a row of any of the regions can need."""
    room = 4
    for k in range(len(starts) - 1):
        room = max(room, (starts[k + 1] - starts[k]) // 2 + 1)
    for k in range(len(row_starts) - 1):
        room = max(room, row_starts[k + 1] - row_starts[k])
    return room


@jit()
def _add_span(rows: Rows, row: int, first: int, last: int, width: int) -> None:
    """Add a span to a row, cut to the window and to what the spans before it leave."""
    count = rows.counts[row]
    first = max(first, 0)
    last = min(last, width - 1)
    if count:
        first = max(first, rows.last[count - 1, row] + 1)
    if first <= last:
        rows.first[count, row], rows.last[count, row] = first, last
        rows.counts[row] = count + 1


@jit()
def _is_convex_quad(xs: Corners, ys: Corners, corners: int) -> bool:
    """Whether a polygon has four corners and turns the same way at each of them."""
    if corners != 4:
        return False
    turns = 0
    for i in range(4):
        j, k = (i + 1) % 4, (i + 2) % 4
        # In double, in which the products are exact.
        left = float(xs[j] - xs[i]) * float(ys[k] - ys[j])
        right = float(ys[j] - ys[i]) * float(xs[k] - xs[j])
        turns += 1 if left > right else -1 if left < right else 0
    return abs(turns) == 4


@jit()
def _fill_convex(xs: Corners, ys: Corners, top: int, bottom: int, width: int, vot: bool, rows: Rows) -> None:
    """Do what :func:`_fill_polygon` does for a convex quadrilateral, which has one span from first to last node."""
    first, last = rows.first[0], rows.last[0]
    first[: bottom - top] = FAR
    last[: bottom - top] = -FAR
    for i in range(4):
        j = (i + 3) % 4
        xi, yi, xj, yj = float(xs[i]), float(ys[i]), float(xs[j]), float(ys[j])
        if yi == yj:
            continue
        begin, end = max(int(min(yi, yj)), top), min(int(max(yi, yj)) + 1, bottom)
        if begin >= end:
            continue
        low, high, rise, run = first[begin - top : end - top], last[begin - top : end - top], yj - yi, xj - xi
        for row in range(len(low)):
            node = np.int32(xi + (STEPS[row] + (begin - yi)) / rise * run)
            low[row] = min(low[row], node)
            high[row] = max(high[row], node)
    edge, none = np.int32(width - 1), np.int32(-1)
    for row in range(bottom - top):
        filled = first[row] <= last[row] if vot else first[row] < last[row]
        first[row] = max(first[row], np.int32(0))
        last[row] = min(last[row], edge) if filled else none
        rows.counts[row] = first[row] <= last[row]


@jit()
def _fill_polygon(
    xs: Corners, ys: Corners, corners: int, top: int, bottom: int, width: int, vot: bool, rows: Rows
) -> bool:
    """Put a polygon's rows ``top`` to ``bottom`` (exclusive) into ``rows``; its corners are whole numbers.

    Returns whether each row has a span or an empty one, no more; so do the other functions that fill.

    The outline crosses both end rows of an edge. For vot-toolkit a horizontal edge counts once, with its own corner,
    and a row with a single column is filled; for the C library neither is.
    """
    if _is_convex_quad(xs, ys, corners):
        _fill_convex(xs, ys, top, bottom, width, vot, rows)
        return True
    rows.counts[: bottom - top] = 0
    j = corners - 1
    for i in range(corners):
        xi, yi, xj, yj = float(xs[i]), float(ys[i]), float(xs[j]), float(ys[j])
        j = i
        if yi == yj and not vot:
            continue
        for y in range(max(int(min(yi, yj)), top), min(int(max(yi, yj)) + 1, bottom)):
            node = int(xi) if yi == yj else int(xi + (y - yi) / (yj - yi) * (xj - xi))
            row = y - top
            place = rows.counts[row]
            rows.counts[row] = place + 1
            while place > 0 and rows.nodes[place - 1, row] > node:
                rows.nodes[place, row] = rows.nodes[place - 1, row]
                place -= 1
            rows.nodes[place, row] = node
    for row in range(bottom - top):
        count = rows.counts[row]
        rows.counts[row] = 0
        i = 0
        # Nodes are paired; of equal neighbours one is skipped.
        while i < count - 1 and rows.nodes[i, row] < width:
            first, last = rows.nodes[i, row], rows.nodes[i + 1, row]
            if first == last and not (vot and i == count - 2):
                i += 1
                continue
            _add_span(rows, row, first, last, width)
            i += 2
    return False


@jit()
def _fill_box(first: int, last: int, begin: int, end: int, top: int, bottom: int, width: int, rows: Rows) -> None:
    """Put rows of a box from column ``first`` to ``last`` and row ``begin`` to ``end`` into ``rows``."""
    rows.counts[: bottom - top] = 0
    rows.first[0, : bottom - top] = 0
    rows.last[0, : bottom - top] = -1
    first, last, begin, end = max(first, 0), min(last, width - 1), max(begin, top), min(end + 1, bottom)
    if first <= last and begin < end:
        rows.first[0, begin - top : end - top] = first
        rows.last[0, begin - top : end - top] = last
        rows.counts[begin - top : end - top] = 1


@jit()
def _fill_mask(
    row_starts: NDArray[np.int64],
    spans: NDArray[np.int64],
    first_row: int,
    begin: int,
    end: int,
    x: int,
    top: int,
    bottom: int,
    width: int,
    rows: Rows,
) -> None:
    """Put rows of a mask, which reaches from row ``begin`` to ``end``, into ``rows``."""
    rows.counts[: bottom - top] = 0
    for y in range(max(begin, top), min(end + 1, bottom)):
        line = first_row + y - begin
        for i in range(row_starts[line], row_starts[line + 1]):
            _add_span(rows, y - top, spans[i, 0] - x, spans[i, 1] - x, width)


@jit()
def _count(a: Rows, b: Rows, both: Rows, height: int) -> tuple[int, int, int]:
    """Return the pixels of two regions in a block and of what they share, which goes into ``both``."""
    total_a = total_b = total = 0
    for row in range(height):
        i = j = count = 0
        count_a, count_b = a.counts[row], b.counts[row]
        for k in range(count_a):
            total_a += a.last[k, row] - a.first[k, row] + 1
        for k in range(count_b):
            total_b += b.last[k, row] - b.first[k, row] + 1
        while i < count_a and j < count_b:
            first, last = max(a.first[i, row], b.first[j, row]), min(a.last[i, row], b.last[j, row])
            if first <= last:
                both.first[count, row], both.last[count, row] = first, last
                count += 1
                total += last - first + 1
            if a.last[i, row] < b.last[j, row]:
                i += 1
            else:
                j += 1
        both.counts[row] = count
    return total_a, total_b, total


@jit()
def _count_plain(a: Rows, b: Rows, height: int) -> tuple[int, int, int]:
    """Do what :func:`_count` does where no row has more than one span, without writing what they share."""
    first_a, last_a, first_b, last_b = a.first[0, :height], a.last[0, :height], b.first[0, :height], b.last[0, :height]
    total_a = total_b = total = 0
    for row in range(height):
        total_a += max(last_a[row] - first_a[row] + 1, 0)
        total_b += max(last_b[row] - first_b[row] + 1, 0)
        total += max(min(last_a[row], last_b[row]) - max(first_a[row], first_b[row]) + 1, 0)
    return total_a, total_b, total


@jit()
def _away(value: np.float32) -> np.float32:
    """Round half away from zero."""
    half = np.float32(0.5)
    return np.float32(np.floor(value + half) if value >= 0 else np.ceil(value - half))


@jit()
def _widened(
    numbers: Corners, first: int, last: int, bounds: Corners, bounded: bool
) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Return left, top, right and bottom of a polygon, widened to whole pixels and cut to the bounds."""
    left = right = numbers[first]
    top = bottom = numbers[first + 1]
    for i in range(first + 2, last, 2):
        left, right = min(left, numbers[i]), max(right, numbers[i])
        top, bottom = min(top, numbers[i + 1]), max(bottom, numbers[i + 1])
    left, top, right, bottom = np.floor(left), np.floor(top), np.ceil(right), np.ceil(bottom)
    if bounded:
        zero = np.float32(0)
        left, top, right, bottom = max(left, zero), max(top, zero), min(right, bounds[0]), min(bottom, bounds[1])
    return left, top, right, bottom


@jit()
def library_overlaps(
    numbers_a: Corners,
    starts_a: NDArray[np.int64],
    numbers_b: Corners,
    starts_b: NDArray[np.int64],
    bounds: Corners,
    bounded: bool,
    out: NDArray[np.float64],
) -> None:
    """Put the overlaps of N pairs of polygons, by the C library of pysot and the MATLAB toolkit, into ``out``.

    Args:
        numbers_a: flat x1, y1, x2, .. of the first polygons; nothing for a special code, which gives NaN.
        starts_a: (N + 1,), where each begins.
        numbers_b: of the second polygons.
        starts_b: (N + 1,).
        bounds: (N, 2), right and bottom edge of the bounds.
        bounded: whether they count.
        out: (N,).
    """
    room = max(_room(starts_a, starts_a[:1]), _room(starts_b, starts_b[:1]))
    ax, ay, bx, by = np.empty((4, room), np.float32)
    a, b, both = _make_rows(room), _make_rows(room), _make_rows(2 * room)
    for k in range(len(out)):
        na, nb = (starts_a[k + 1] - starts_a[k]) // 2, (starts_b[k + 1] - starts_b[k]) // 2
        if na == 0 or nb == 0:
            out[k] = math.nan
            continue
        out[k] = 0.0
        al, at, ar, ab = _widened(numbers_a, starts_a[k], starts_a[k + 1], bounds[k], bounded)
        bl, bt, br, bb = _widened(numbers_b, starts_b[k], starts_b[k + 1], bounds[k], bounded)
        x, y = min(al, bl), min(at, bt)
        width, height = int(max(ar, br) - x) + 1, int(max(ab, bb) - y) + 1
        area_a, area_b = (ar - al) * (ab - at), (br - bl) * (bb - bt)
        if width < 1 or height < 1 or area_a == 0 or area_b == 0:
            continue
        if area_a / area_b < SMALLEST_RATIO or area_b / area_a < SMALLEST_RATIO:
            continue
        if min(ar, br) <= max(al, bl) or min(ab, bb) <= max(at, bt):
            continue
        for i in range(na):
            ax[i], ay[i] = _away(numbers_a[starts_a[k] + 2 * i] - x), _away(numbers_a[starts_a[k] + 2 * i + 1] - y)
        for i in range(nb):
            bx[i], by[i] = _away(numbers_b[starts_b[k] + 2 * i] - x), _away(numbers_b[starts_b[k] + 2 * i + 1] - y)
        total_a = total_b = total = 0
        for top in range(0, height, BLOCK):
            bottom = min(top + BLOCK, height)
            plain_a = _fill_polygon(ax, ay, na, top, bottom, width, False, a)
            plain_b = _fill_polygon(bx, by, nb, top, bottom, width, False, b)
            if plain_a and plain_b:
                in_a, in_b, in_both = _count_plain(a, b, bottom - top)
            else:
                in_a, in_b, in_both = _count(a, b, both, bottom - top)
            total_a, total_b, total = total_a + in_a, total_b + in_b, total + in_both
        union = total_a + total_b - total
        if union > 0:
            out[k] = total / union


@jit()
def _reach(shapes: Shapes, k: int) -> tuple[int, int, int, int]:
    """Return first and last column and row that vot-toolkit takes region k to reach, as left, top, right, bottom."""
    kind, numbers, first, last = shapes.kinds[k], shapes.numbers, shapes.starts[k], shapes.starts[k + 1]
    if kind == SPECIAL or (kind == MASK and (numbers[first + 2] == 0 or numbers[first + 3] == 0)):
        return 0, 0, 0, 0
    if kind != POLYGON:
        left, top = int(np.rint(numbers[first])), int(np.rint(numbers[first + 1]))
        return left, top, left + int(np.rint(numbers[first + 2])) - 1, top + int(np.rint(numbers[first + 3])) - 1
    low_x = high_x = numbers[first]
    low_y = high_y = numbers[first + 1]
    for i in range(first + 2, last, 2):
        low_x, high_x = min(low_x, numbers[i]), max(high_x, numbers[i])
        low_y, high_y = min(low_y, numbers[i + 1]), max(high_y, numbers[i + 1])
    return int(np.rint(low_x)), int(np.rint(low_y)), int(np.rint(high_x)), int(np.rint(high_y))


@jit()
def _fill(
    shapes: Shapes, k: int, x: int, y: int, top: int, bottom: int, width: int, xs: Corners, ys: Corners, rows: Rows
) -> bool:
    """Put rows ``top`` to ``bottom`` of region k in the window that begins at ``x, y`` into ``rows``."""
    kind, numbers, start = shapes.kinds[k], shapes.numbers, shapes.starts[k]
    if kind == POLYGON:
        corners = (shapes.starts[k + 1] - start) // 2
        for i in range(corners):
            xs[i], ys[i] = np.rint(numbers[start + 2 * i]) - x, np.rint(numbers[start + 2 * i + 1]) - y
        return _fill_polygon(xs, ys, corners, top, bottom, width, True, rows)
    left, begin, right, end = _reach(shapes, k)
    if kind == MASK and numbers[start + 2] > 0 and numbers[start + 3] > 0:
        lines, spans = shapes.row_starts, shapes.spans
        _fill_mask(lines, spans, shapes.first_rows[k], begin - y, end - y, x, top, bottom, width, rows)
        return False
    if kind != BOX:
        right = left - 1
    _fill_box(left - x, right - x, begin - y, end - y, top, bottom, width, rows)
    return True


@jit()
def toolkit_overlaps(
    a: Shapes, b: Shapes, ignored: Shapes, sizes: NDArray[np.int64], bounded: bool, out: NDArray[np.float64]
) -> None:
    """Put the overlaps of N pairs of regions, by vot-toolkit 0.9.0, into ``out``.

    Args:
        a: the first regions, coordinates rounded to float32.
        b: the second regions.
        ignored: masks whose pixels do not count; a special code where there is none.
        sizes: (N, 2), width and height of the images.
        bounded: whether the window is cut to the image.
        out: (N,).
    """
    room_a, room_b = _room(a.starts, a.row_starts), _room(b.starts, b.row_starts)
    room_i = _room(ignored.starts, ignored.row_starts)
    xs, ys = np.empty((2, max(room_a, room_b, room_i)), np.float32)
    rows_a, rows_b, both = _make_rows(room_a), _make_rows(room_b), _make_rows(room_a + room_b)
    rows_i, part = _make_rows(room_i), _make_rows(room_a + room_b + room_i)
    for k in range(len(out)):
        al, at, ar, ab = _reach(a, k)
        bl, bt, br, bb = _reach(b, k)
        left, top, right, bottom = min(al, bl), min(at, bt), max(ar, br), max(ab, bb)
        if left >= right or top >= bottom:
            out[k] = 1.0
            continue
        if bounded:
            left, top, right, bottom = (
                max(left, 0),
                max(top, 0),
                min(right, sizes[k, 0] - 1),
                min(bottom, sizes[k, 1] - 1),
            )
        out[k] = 0.0
        if left >= right or top >= bottom:
            continue
        width, height = right - left + 1, bottom - top + 1
        total_a = total_b = total = 0
        for begin in range(0, height, BLOCK):
            end = min(begin + BLOCK, height)
            plain_a = _fill(a, k, left, top, begin, end, width, xs, ys, rows_a)
            plain_b = _fill(b, k, left, top, begin, end, width, xs, ys, rows_b)
            if plain_a and plain_b and ignored.kinds[k] != MASK:
                in_a, in_b, in_both = _count_plain(rows_a, rows_b, end - begin)
            else:
                in_a, in_b, in_both = _count(rows_a, rows_b, both, end - begin)
            if ignored.kinds[k] == MASK:
                _fill(ignored, k, left, top, begin, end, width, xs, ys, rows_i)
                in_a -= _count(rows_a, rows_i, part, end - begin)[2]
                in_b -= _count(rows_b, rows_i, part, end - begin)[2]
                in_both -= _count(both, rows_i, part, end - begin)[2]
            total_a, total_b, total = total_a + in_a, total_b + in_b, total + in_both
        union = total_a + total_b - total
        if union > 0:
            out[k] = total / union
