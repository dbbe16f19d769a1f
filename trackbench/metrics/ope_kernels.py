"""Compiled loops over all frames; importing them loads the compiler's runtime, which takes a moment."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from trackbench.jit import jit

Floats = NDArray[np.float64]
Counts = NDArray[np.int64]
Flags = NDArray[np.bool_]


class DistanceRules(NamedTuple):
    """How a convention treats the distance of centres. A rule by centre sets frames whose centre is not above 0."""

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
def count_passed(values: Floats, thresholds: Floats, scale: float, lengths: Counts, inclusive: bool) -> Counts:
    """Count in each group the values that pass each number of thresholds.

    Args:
        values: (F,), each group's after those of the one before it; NaN is left out.
        thresholds: (T,), even and ascending from 0.
        scale: what brings threshold k to at least k and below k + 1.
        lengths: (S,), values of each group.
        inclusive: whether a value equal to a threshold passes it.

    Returns:
        int64 (S, T + 1): column k has the values that pass k thresholds.
    """
    last = len(thresholds) - 1
    counts = np.zeros((len(lengths), last + 2), np.int64)
    # Neighbouring frames have the same number of thresholds passed: each count would wait for the one before it.
    parts = np.empty((4, last + 2), np.int64)
    start = 0
    for group in range(len(lengths)):
        parts[:] = 0
        for index in range(lengths[group]):
            value = values[start + index]
            # The product may round, but it keeps order: a value between two thresholds lands on the place of one of
            # them. Choices, as a processor cannot foresee branches here; an index without a sign, which is never < 0.
            guess = value * scale
            guess = guess if guess > 0 else 0.0
            guess = guess if guess < last else float(last)
            place = np.uint64(guess)
            threshold = thresholds[place]
            passed = threshold <= value if inclusive else threshold < value
            parts[index & 3, place + np.uint64(passed)] += value == value
        for column in range(last + 2):
            counts[group, column] = parts[0, column] + parts[1, column] + parts[2, column] + parts[3, column]
        start += lengths[group]
    return counts


@jit(division="numpy")
def judge_frames(
    ground_truth: Floats, prediction: Floats, valid: Flags, rules: DistanceRules
) -> tuple[Floats, Floats, Floats]:
    """Return the overlap, the distance of the centres and their normalised distance of each frame.

    The overlap is that of `trackbench.regions.box_iou`, 1 at most, and 0 where that is NaN or the frame is not valid. A
    centre is x + (w - 1) / 2: the constant cancels, except where a rule asks whether the centre is above 0.

    Args:
        ground_truth: (F, 4), x, y, w, h in pixels, each column contiguous.
        prediction: (F, 4), likewise.
        valid: (F,), the frames that can be a success.
        rules: those for distances.

    Returns:
        (F,) overlaps, (F,) distances in pixels, (F,) distances in parts of the ground truth's width and height.
    """
    frames = len(ground_truth)
    overlaps, errors, norm_errors = np.empty(frames), np.empty(frames), np.empty(frames)
    for i in range(frames):
        x, y, w, h = ground_truth[i, 0], ground_truth[i, 1], ground_truth[i, 2], ground_truth[i, 3]
        px, py, pw, ph = prediction[i, 0], prediction[i, 1], prediction[i, 2], prediction[i, 3]
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
    return overlaps, errors, norm_errors


@jit()
def are_usual(x: Floats, y: Floats, w: Floats, h: Floats, right: float, bottom: float, left: float, top: float) -> bool:
    """Whether all boxes after the first are finite, have an area, and have their corner near the image.

    The second has to differ from the first too. Columns come one by one so that the compiler can make vector code.

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
