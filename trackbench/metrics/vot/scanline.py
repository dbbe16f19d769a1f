"""Compiled overlaps: a region is, in each row of a window, a few spans of columns.

Counting on spans gives the same numbers as filling pixels and takes time in proportion to the height only.

Everything compiled is in this one module on purpose: numba's cache of a function is renewed when its own file changes,
not when that of a function which it calls does.
"""

from __future__ import annotations

import math

import numpy as np
from numba import njit
from numpy.typing import NDArray

from trackbench.metrics.vot.packed import BOX, MASK, POLYGON, SPECIAL, Shapes

#: Of the areas of two boxes: one below this share of the other overlaps nothing.
SMALLEST_RATIO = 1e-10

FloatRow = NDArray[np.float32]
IntRow = NDArray[np.int64]


@njit(cache=True)
def _crossings(xs: FloatRow, ys: FloatRow, count: int, row: float, horizontal: bool, nodes: IntRow) -> int:
    """Put the sorted columns at which the outline crosses a row into ``nodes`` and return how many they are.

    Both end rows of an edge count. A horizontal edge on the row gives its own column if ``horizontal``.
    """
    found = 0
    y = float(row)  # Corners are whole numbers; the crossing is computed in double.
    j = count - 1
    for i in range(count):
        yi, yj = np.float64(ys[i]), np.float64(ys[j])
        if yi == yj:
            if not (horizontal and yi == y):
                j = i
                continue
            node = np.int64(xs[i])
        elif (yi <= y and y <= yj) or (yj <= y and y <= yi):
            node = np.int64(xs[i]) if xs[i] == xs[j] else np.int64(xs[i] + (y - yi) / (yj - yi) * (xs[j] - xs[i]))
        else:
            j = i
            continue
        place = found
        while place > 0 and nodes[place - 1] > node:
            nodes[place] = nodes[place - 1]
            place -= 1
        nodes[place] = node
        found += 1
        j = i
    return found


@njit(cache=True)
def _cut_span(spans: IntRow, count: int, first: int, last: int, width: int) -> int:
    """Add a span, cut to the window and to what the spans before it leave; return the new count."""
    first = max(first, 0)
    last = min(last, width - 1)
    if count:
        first = max(first, spans[count - 1, 1] + 1)
    if first > last:
        return count
    spans[count, 0], spans[count, 1] = first, last
    return count + 1


@njit(cache=True)
def _fill_library(nodes: IntRow, found: int, width: int, spans: IntRow) -> int:
    """Pair nodes as the C library does: of equal neighbours one is skipped, wherever they are."""
    count = 0
    i = 0
    while i < found - 1:
        if nodes[i] == nodes[i + 1]:
            i += 1
            continue
        if nodes[i] >= width:
            break
        if nodes[i + 1] >= 0:
            count = _cut_span(spans, count, nodes[i], nodes[i + 1], width)
        i += 2
    return count


@njit(cache=True)
def _fill_toolkit(nodes: IntRow, found: int, width: int, spans: IntRow) -> int:
    """Pair nodes as vot-toolkit does: the last two count as a span even if equal."""
    count = 0
    i = 0
    while i < found - 1:
        if nodes[i] >= width:
            break
        if nodes[i] == nodes[i + 1] and i < found - 2:
            i += 1
            continue
        if nodes[i + 1] >= 0:
            count = _cut_span(spans, count, nodes[i], nodes[i + 1], width)
        i += 2
    return count


@njit(cache=True)
def _length(spans: IntRow, count: int) -> int:
    total = 0
    for i in range(count):
        total += spans[i, 1] - spans[i, 0] + 1
    return total


@njit(cache=True)
def _intersect(a: IntRow, count_a: int, b: IntRow, count_b: int, out: IntRow) -> int:
    """Put the columns that both have into ``out``; return how many spans they make."""
    i = j = count = 0
    while i < count_a and j < count_b:
        first, last = max(a[i, 0], b[j, 0]), min(a[i, 1], b[j, 1])
        if first <= last:
            out[count, 0], out[count, 1] = first, last
            count += 1
        if a[i, 1] < b[j, 1]:
            i += 1
        else:
            j += 1
    return count


@njit(cache=True)
def _most(starts: IntRow, row_starts: IntRow) -> int:
    """Return how many numbers, and so how many nodes or spans, a row of any of the regions can need."""
    room = 4
    for k in range(len(starts) - 1):
        room = max(room, starts[k + 1] - starts[k])
    for k in range(len(row_starts) - 1):
        room = max(room, row_starts[k + 1] - row_starts[k])
    return room


@njit(cache=True)
def _away(value: np.float32) -> np.float32:
    """Round half away from zero."""
    half = np.float32(0.5)
    return np.float32(np.floor(value + half) if value >= 0 else np.ceil(value - half))


@njit(cache=True)
def _extent(
    numbers: NDArray[np.float32], first: int, count: int, bound_x: np.float32, bound_y: np.float32, bounded: bool
) -> tuple[np.float32, np.float32, np.float32, np.float32]:
    """Return left, top, right and bottom of a polygon, widened to whole pixels and cut to the bounds."""
    left = right = numbers[first]
    top = bottom = numbers[first + 1]
    for i in range(1, count):
        x, y = numbers[first + 2 * i], numbers[first + 2 * i + 1]
        left, right = min(left, x), max(right, x)
        top, bottom = min(top, y), max(bottom, y)
    left, top, right, bottom = np.floor(left), np.floor(top), np.ceil(right), np.ceil(bottom)
    if bounded:
        zero = np.float32(0)
        left, top = max(left, zero), max(top, zero)
        right, bottom = min(right, bound_x), min(bottom, bound_y)
    return left, top, right, bottom


@njit(cache=True)
def _place(
    numbers: NDArray[np.float32],
    first: int,
    count: int,
    x: np.float32,
    y: np.float32,
    xs: NDArray[np.float32],
    ys: NDArray[np.float32],
) -> tuple[int, int]:
    """Move a polygon to the window's origin and round its corners; return its first and last row."""
    for i in range(count):
        xs[i] = _away(numbers[first + 2 * i] - x)
        ys[i] = _away(numbers[first + 2 * i + 1] - y)
    return int(ys[:count].min()), int(ys[:count].max())


@njit(cache=True)
def library_overlaps(
    numbers_a: NDArray[np.float32],
    starts_a: NDArray[np.int64],
    numbers_b: NDArray[np.float32],
    starts_b: NDArray[np.int64],
    bounds: NDArray[np.float32],
    bounded: bool,
    out: NDArray[np.float64],
) -> None:
    """Put the overlaps of N pairs of polygons into ``out``.

    Args:
        numbers_a: flat x1, y1, x2, .. of the first polygons; nothing for a special code, which gives NaN.
        starts_a: (N + 1,), where each begins.
        numbers_b: of the second polygons.
        starts_b: (N + 1,).
        bounds: (N, 2), right and bottom edge of the bounds.
        bounded: whether they count.
        out: (N,).
    """
    room = max(_most(starts_a, starts_a[:1]), _most(starts_b, starts_b[:1]))
    ax, ay = np.empty(room, np.float32), np.empty(room, np.float32)
    bx, by = np.empty(room, np.float32), np.empty(room, np.float32)
    nodes = np.empty(room, np.int64)
    spans_a, spans_b, both = np.empty((room, 2), np.int64), np.empty((room, 2), np.int64), np.empty((room, 2), np.int64)
    for k in range(len(out)):
        na, nb = (starts_a[k + 1] - starts_a[k]) // 2, (starts_b[k + 1] - starts_b[k]) // 2
        if na == 0 or nb == 0:
            out[k] = math.nan
            continue
        out[k] = 0.0
        al, at, ar, ab = _extent(numbers_a, starts_a[k], na, bounds[k, 0], bounds[k, 1], bounded)
        bl, bt, br, bb = _extent(numbers_b, starts_b[k], nb, bounds[k, 0], bounds[k, 1], bounded)
        x, y = min(al, bl), min(at, bt)
        width, height = int(max(ar, br) - x) + 1, int(max(ab, bb) - y) + 1
        area_a, area_b = (ar - al) * (ab - at), (br - bl) * (bb - bt)
        if width < 1 or height < 1 or area_a == 0 or area_b == 0:
            continue
        if area_a / area_b < SMALLEST_RATIO or area_b / area_a < SMALLEST_RATIO:
            continue
        if min(ar, br) <= max(al, bl) or min(ab, bb) <= max(at, bt):
            continue
        first_a, last_a = _place(numbers_a, starts_a[k], na, x, y, ax, ay)
        first_b, last_b = _place(numbers_b, starts_b[k], nb, x, y, bx, by)
        total_a = total_b = total = 0
        for row in range(max(0, min(first_a, first_b)), min(height, max(last_a, last_b) + 1)):
            count_a = count_b = 0
            if first_a <= row <= last_a:
                count_a = _fill_library(nodes, _crossings(ax, ay, na, row, False, nodes), width, spans_a)
                total_a += _length(spans_a, count_a)
            if first_b <= row <= last_b:
                count_b = _fill_library(nodes, _crossings(bx, by, nb, row, False, nodes), width, spans_b)
                total_b += _length(spans_b, count_b)
            if count_a and count_b:
                total += _length(both, _intersect(spans_a, count_a, spans_b, count_b, both))
        union = total_a + total_b - total
        if union > 0:
            out[k] = total / union


@njit(cache=True)
def _reach(shapes: Shapes, k: int) -> tuple[int, int, int, int]:
    """Return left, top, right and bottom of what region k is said to reach."""
    kind, numbers, first, last = shapes.kinds[k], shapes.numbers, shapes.starts[k], shapes.starts[k + 1]
    if kind == SPECIAL:
        return 0, 0, 0, 0
    x, y = numbers[first], numbers[first + 1]
    if kind == BOX:
        left, top = int(np.rint(x)), int(np.rint(y))
        return left, top, left + int(np.rint(numbers[first + 2])) - 1, top + int(np.rint(numbers[first + 3])) - 1
    if kind == MASK:
        w, h = numbers[first + 2], numbers[first + 3]
        # A mask without pixels is placed at the origin.
        return (int(x), int(y), int(x + w) - 1, int(y + h) - 1) if w > 0 and h > 0 else (0, 0, 0, 0)
    left = right = x
    top = bottom = y
    for i in range(first + 2, last, 2):
        left, right = min(left, numbers[i]), max(right, numbers[i])
        top, bottom = min(top, numbers[i + 1]), max(bottom, numbers[i + 1])
    return int(np.rint(left)), int(np.rint(top)), int(np.rint(right)), int(np.rint(bottom))


@njit(cache=True)
def _place_region(
    shapes: Shapes, k: int, x: int, y: int, xs: NDArray[np.float32], ys: NDArray[np.float32]
) -> tuple[int, int]:
    """Move region k to the window's origin; return its first and last row.

    ``xs`` and ``ys`` get the corners of a polygon; ``xs`` first and last column of a box.
    """
    kind, numbers, first, last = shapes.kinds[k], shapes.numbers, shapes.starts[k], shapes.starts[k + 1]
    if kind == SPECIAL:
        return 0, -1
    if kind == MASK:
        top = int(numbers[first + 1]) - y
        return top, top + int(numbers[first + 3]) - 1
    if kind == BOX:
        xs[0] = np.rint(numbers[first]) - x
        xs[1] = xs[0] + np.rint(numbers[first + 2]) - 1
        top = int(np.rint(numbers[first + 1])) - y
        return top, top + int(np.rint(numbers[first + 3])) - 1
    count = (last - first) // 2
    for i in range(count):
        xs[i] = np.rint(numbers[first + 2 * i]) - x
        ys[i] = np.rint(numbers[first + 2 * i + 1]) - y
    return int(ys[:count].min()), int(ys[:count].max())


@njit(cache=True)
def _row(
    shapes: Shapes,
    k: int,
    row: int,
    top: int,
    xs: NDArray[np.float32],
    ys: NDArray[np.float32],
    x: int,
    width: int,
    nodes: NDArray[np.int64],
    spans: NDArray[np.int64],
) -> int:
    """Put the columns of region k in one row of the window into ``spans``; return how many spans they make."""
    if shapes.kinds[k] == BOX:
        return _cut_span(spans, 0, int(xs[0]), int(xs[1]), width)
    if shapes.kinds[k] == POLYGON:
        count = (shapes.starts[k + 1] - shapes.starts[k]) // 2
        return _fill_toolkit(nodes, _crossings(xs, ys, count, row, True, nodes), width, spans)
    found = 0
    line = shapes.first_rows[k] + row - top
    for i in range(shapes.row_starts[line], shapes.row_starts[line + 1]):
        found = _cut_span(spans, found, shapes.spans[i, 0] - x, shapes.spans[i, 1] - x, width)
    return found


@njit(cache=True)
def toolkit_overlaps(
    a: Shapes,
    b: Shapes,
    ignored: Shapes,
    sizes: NDArray[np.int64],
    bounded: bool,
    out: NDArray[np.float64],
) -> None:
    """Put the overlaps of N pairs of regions into ``out``.

    Args:
        a: the first regions, coordinates rounded to float32.
        b: the second regions.
        ignored: masks whose pixels do not count; a special code where there is none.
        sizes: (N, 2), width and height of the images.
        bounded: whether the window is cut to the image.
        out: (N,).
    """
    room = max(
        _most(a.starts, a.row_starts),
        _most(b.starts, b.row_starts),
        _most(ignored.starts, ignored.row_starts),
    )
    ax, ay = np.empty(room, np.float32), np.empty(room, np.float32)
    bx, by = np.empty(room, np.float32), np.empty(room, np.float32)
    nodes = np.empty(room, np.int64)
    spans_a, spans_b = np.empty((room, 2), np.int64), np.empty((room, 2), np.int64)
    spans_i, both, part = (
        np.empty((room, 2), np.int64),
        np.empty((2 * room, 2), np.int64),
        np.empty((3 * room, 2), np.int64),
    )
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
        first_a, last_a = _place_region(a, k, left, top, ax, ay)
        first_b, last_b = _place_region(b, k, left, top, bx, by)
        first_i, last_i = 0, -1
        if ignored.kinds[k] == MASK:
            first_i, last_i = _place_region(ignored, k, left, top, ax, ay)
        total_a = total_b = total = 0
        for row in range(max(0, min(first_a, first_b)), min(height, max(last_a, last_b) + 1)):
            count_a = count_b = count = 0
            if first_a <= row <= last_a:
                count_a = _row(a, k, row, first_a, ax, ay, left, width, nodes, spans_a)
                total_a += _length(spans_a, count_a)
            if first_b <= row <= last_b:
                count_b = _row(b, k, row, first_b, bx, by, left, width, nodes, spans_b)
                total_b += _length(spans_b, count_b)
            if count_a and count_b:
                count = _intersect(spans_a, count_a, spans_b, count_b, both)
                total += _length(both, count)
            if first_i <= row <= last_i:
                count_i = _row(ignored, k, row, first_i, ax, ay, left, width, nodes, spans_i)
                total_a -= _length(part, _intersect(spans_a, count_a, spans_i, count_i, part))
                total_b -= _length(part, _intersect(spans_b, count_b, spans_i, count_i, part))
                total -= _length(part, _intersect(both, count, spans_i, count_i, part))
        union = total_a + total_b - total
        if union > 0:
            out[k] = total / union
