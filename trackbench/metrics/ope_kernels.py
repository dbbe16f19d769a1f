"""Compiled loops over all frames; importing them loads the compiler's runtime, which takes a moment."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.jit import jit

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]
Columns = tuple[Floats, Floats, Floats, Floats]
"""x, y, w, h of the frames in pixels, each (F,). Columns come one by one so that the compiler can make vector code."""

#: Frames that are judged before they are counted: what is computed of them stays in the nearest cache.
CHUNK = 512

# Which frames can be a success: see `trackbench.metrics.conventions.Convention.valid`.
ALWAYS, FINITE, SIZED, POSITIVE = 0, 1, 2, 3


class FrameRules(NamedTuple):
    """How a convention judges a frame. A rule by centre sets frames whose centre is not above 0."""

    valid: int
    """`ALWAYS`, `FINITE`, `SIZED` or `POSITIVE`."""
    absent_is_miss: bool
    """Whether both distances of absent frames are infinite."""
    first_is_truth: bool
    """Whether the first frame is judged as if the ground truth were predicted."""
    set_by_centre: bool
    """Whether the distance in pixels is set by centre, otherwise in frames that are not valid."""
    set_to: float
    """What the distance in pixels is set to."""
    norm_set_by_centre: bool
    """Whether the normalised distance is set by centre; the centre is then the one that was divided by the size."""
    norm_set_to: float
    """What the normalised distance is set to."""
    size_added: float
    """What is added to the ground truth's width and height before they divide."""
    size_least: float
    """Lower bound of the divisors."""
    divide_first: bool
    """Whether centres are divided before they are subtracted, instead of after."""


@jit()
def count_passed(values: Floats, thresholds: Floats, inclusive: bool, counts: Counts) -> None:
    """Add to ``counts`` how many values pass each number of thresholds.

    Args:
        values: (F,); NaN is left out.
        thresholds: (T,), even and ascending from 0, T >= 2; no threshold k times `scale` may round to below k.
        inclusive: whether a value equal to a threshold passes it.
        counts: (4, T + 1): the sum of column k has the values that pass k thresholds.
    """
    last, scaled = len(thresholds) - 1, scale(thresholds)
    for index in range(len(values)):
        value = values[index]
        # The product may round, but it keeps order: a value between two thresholds lands on the place of one of
        # them. Choices, as a processor cannot foresee branches here; an index without a sign, which is never < 0.
        guess = value * scaled
        guess = guess if guess > 0 else 0.0
        guess = guess if guess < last else float(last)
        place = np.uint64(np.int64(guess))
        threshold = thresholds[place]
        passed = threshold <= value if inclusive else threshold < value
        # Neighbouring frames have the same number of thresholds passed: each count would wait for the one before it.
        counts[index & 3, place + np.uint64(passed)] += value == value


@jit()
def scale(thresholds: Floats) -> float:
    """Return what brings threshold k of even thresholds from 0, (T,), to at least k and below k + 1."""
    steps_a_unit: float = (len(thresholds) - 1) / thresholds[-1]
    return steps_a_unit * (1 + 1e-15)


@jit()
def count_groups(values: Floats, thresholds: Floats, lengths: Counts, inclusive: bool) -> Counts:
    """Count in each of S groups the values that pass each number of thresholds.

    Args:
        values: (F,), each group's after those of the one before it; NaN is left out.
        thresholds: see `count_passed`.
        lengths: (S,), values of each group.
        inclusive: whether a value equal to a threshold passes it.

    Returns:
        int64 (S, T + 1): column k has the values that pass k thresholds.
    """
    counts = np.empty((len(lengths), len(thresholds) + 1), np.int64)
    parts = np.empty((4, len(thresholds) + 1), np.int64)
    start = 0
    for group in range(len(lengths)):
        parts[:] = 0
        count_passed(values[start : start + lengths[group]], thresholds, inclusive, parts)
        counts[group] = parts[0] + parts[1] + parts[2] + parts[3]
        start += lengths[group]
    return counts


@jit()
def find_valid(ground_truth: Columns, absent: Flags, rule: int, valid: Flags) -> int:
    """Find the frames that can be a success.

    Args:
        ground_truth: of F frames.
        absent: (F,), the frames that cannot because the target is absent; or none, (0,).
        rule: `ALWAYS`, `FINITE`, `SIZED` or `POSITIVE`.
        valid: (F,), takes the result.

    Returns:
        How many they are.
    """
    x, y, w, h = ground_truth
    frames = len(x)
    # Whatever is compared with NaN is false.
    if rule == ALWAYS:
        for i in range(frames):
            valid[i] = True
    elif rule == FINITE:
        for i in range(frames):
            valid[i] = (x[i] == x[i]) & (y[i] == y[i]) & (w[i] == w[i]) & (h[i] == h[i])
    elif rule == SIZED:
        for i in range(frames):
            valid[i] = (w[i] > 0) & (h[i] > 0)
    else:
        for i in range(frames):
            valid[i] = (w[i] > 0) & (h[i] > 0) & (x[i] > 0) & (y[i] > 0)
    for i in range(len(absent)):
        valid[i] &= not absent[i]
    count = 0
    for i in range(frames):
        count += valid[i]
    return count


@jit(division="numpy")
def judge_frames(
    ground_truth: Columns,
    prediction: Columns,
    valid: Flags,
    rules: FrameRules,
    overlaps: Floats,
    errors: Floats,
    norm_errors: Floats,
) -> None:
    """Compute the overlap, the distance of the centres in pixels and their normalised distance of each frame.

    The overlap is that of `trackbench.regions.box_iou`, 1 at most, and 0 where that is NaN or the frame is not valid. A
    centre is x + (w - 1) / 2: the constant cancels, except where a rule asks whether the centre is above 0.

    Args:
        ground_truth: of F frames.
        prediction: likewise.
        valid: (F,), the frames that can be a success.
        rules: those for distances.
        overlaps: (F,), takes the result.
        errors: likewise.
        norm_errors: likewise, in parts of the ground truth's width and height.
    """
    xs, ys, ws, hs = ground_truth
    pxs, pys, pws, phs = prediction
    for i in range(len(xs)):
        x, y, w, h = xs[i], ys[i], ws[i], hs[i]
        px, py, pw, ph = pxs[i], pys[i], pws[i], phs[i]
        # Choices between numbers, not min and max, are what the compiler makes vector code of; they lose a NaN.
        known = not np.isnan(x + y + w + h + px + py + pw + ph)
        right, bottom = x + w, y + h
        right, bottom = px + pw if px + pw < right else right, py + ph if py + ph < bottom else bottom
        across, down = right - (px if px > x else x), bottom - (py if py > y else y)
        shared = (across if across > 0 else 0.0) * (down if down > 0 else 0.0)
        overlap = shared / (pw * ph + w * h - shared)
        overlap = overlap if overlap > 0 else 0.0
        overlap = overlap if overlap < 1 else 1.0
        overlaps[i] = overlap if valid[i] & known else 0.0

        centre_x, centre_y = x + (w - 1) / 2, y + (h - 1) / 2
        at_x, at_y = px + (pw - 1) / 2, py + (ph - 1) / 2
        off_x, off_y = at_x - centre_x, at_y - centre_y
        kept = (centre_x > 0) & (centre_y > 0) if rules.set_by_centre else valid[i]
        errors[i] = np.sqrt(off_x * off_x + off_y * off_y) if kept else rules.set_to

        w, h = w + rules.size_added, h + rules.size_added
        w, h = rules.size_least if w < rules.size_least else w, rules.size_least if h < rules.size_least else h
        norm_x, norm_y = centre_x / w, centre_y / h
        off_x = at_x / w - norm_x if rules.divide_first else off_x / w
        off_y = at_y / h - norm_y if rules.divide_first else off_y / h
        kept = (norm_x > 0) & (norm_y > 0) if rules.norm_set_by_centre else valid[i]
        norm_errors[i] = np.sqrt(off_x * off_x + off_y * off_y) if kept else rules.norm_set_to


@jit()
def _slice(columns: Columns, start: int, end: int) -> Columns:
    x, y, w, h = columns
    return x[start:end], y[start:end], w[start:end], h[start:end]


@jit()
def judge_sequence(
    ground_truth: Columns,
    prediction: Columns,
    absent: Flags,
    rules: FrameRules,
    thresholds: tuple[Floats, Floats, Floats],
    counts: Counts,
) -> tuple[int, float]:
    """Count the frames of a sequence by the thresholds that they pass.

    Args:
        ground_truth: of F frames.
        prediction: likewise.
        absent: see `find_valid`.
        rules: the convention's.
        thresholds: of success, precision and normalised precision; see `count_passed`.
        counts: (K,): takes the frames that pass 0 to T thresholds of success, those of precision, then those of
            normalised precision.

    Returns:
        How many frames are valid, and the sum of their overlaps.
    """
    frames = len(ground_truth[0])
    success, precision, norm_precision = thresholds
    valid = np.empty(CHUNK, np.bool_)
    overlaps, errors, norm_errors = np.empty(CHUNK), np.empty(CHUNK), np.empty(CHUNK)
    above = np.zeros((4, len(success) + 1), np.int64)
    within = np.zeros((4, len(precision) + 1), np.int64)
    norm_within = np.zeros((4, len(norm_precision) + 1), np.int64)
    total, count = 0.0, 0
    for start in range(0, frames, CHUNK):
        end = min(start + CHUNK, frames)
        flags, truth = absent[start:end], _slice(ground_truth, start, end)
        count += find_valid(truth, flags, rules.valid, valid)
        judge_frames(truth, _slice(prediction, start, end), valid, rules, overlaps, errors, norm_errors)
        if start == 0 and rules.first_is_truth:
            first = _slice(ground_truth, 0, 1)
            judge_frames(first, first, valid, rules, overlaps, errors, norm_errors)
        if rules.absent_is_miss:
            for i in range(len(flags)):
                if flags[i]:
                    errors[i] = norm_errors[i] = np.inf
        total += overlaps[: end - start].sum()
        count_passed(overlaps[: end - start], success, False, above)
        count_passed(errors[: end - start], precision, False, within)
        count_passed(norm_errors[: end - start], norm_precision, False, norm_within)
    start = 0
    for parts in (above, within, norm_within):
        end = start + parts.shape[1]
        counts[start:end] = parts[0] + parts[1] + parts[2] + parts[3]
        start = end
    return count, total


@jit()
def all_sized(x: Floats, y: Floats, w: Floats, h: Floats) -> bool:
    """Whether all boxes have an area and no NaN, of columns (F,)."""
    sized = True
    for i in range(len(x)):
        sized &= (w[i] > 0) & (h[i] > 0) & (x[i] == x[i]) & (y[i] == y[i])
    return bool(sized)


@jit()
def are_usual(x: Floats, y: Floats, w: Floats, h: Floats, right: float, bottom: float, left: float, top: float) -> bool:
    """Whether all boxes after the first are finite, have an area, and have their corner near the image.

    The second has to differ from the first too.

    Args:
        x: (F,), left sides in pixels.
        y: (F,), upper sides.
        w: (F,), widths.
        h: (F,), heights.
        right: largest x.
        bottom: largest y.
        left: smallest x, its sign turned.
        top: smallest y, its sign turned.
    """
    if len(x) < 2:
        return False
    usual = (x[0] != x[1]) | (y[0] != y[1]) | (w[0] != w[1]) | (h[0] != h[1])
    for i in range(1, len(x)):
        # Whatever is compared with NaN is false.
        usual &= (w[i] > 0) & (w[i] < np.inf) & (h[i] > 0) & (h[i] < np.inf) & (-np.inf < x[i]) & (x[i] < np.inf)
        usual &= (-np.inf < y[i]) & (y[i] < np.inf) & (-left <= x[i]) & (x[i] <= right)
        usual &= (-top <= y[i]) & (y[i] <= bottom)
    return bool(usual)
