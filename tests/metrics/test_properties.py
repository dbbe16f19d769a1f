"""What holds for any boxes, under every convention."""

from __future__ import annotations

from random import Random

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trackbench.metrics import got10k, trackingnet
from trackbench.metrics.conventions import CONVENTIONS, Convention, convention
from trackbench.metrics.curves import count_above, count_within
from trackbench.metrics.ope import SequenceGroundTruth, evaluate
from trackbench.metrics.ope_kernels import (
    ALWAYS,
    FINITE,
    POSITIVE,
    SIZED,
    Columns,
    FrameRules,
    judge_frames,
    judge_sequence,
)
from trackbench.regions import box_iou

CURVED = [name for name in CONVENTIONS if name not in ("official", "trackingnet")]
SOME_FAMILIES = ["otb", "uav", "lasot", "lasot-ext", "tnl2k"]

corner = st.floats(1, 400, width=32)
side = st.floats(1, 200, width=32)
box = st.tuples(corner, corner, side, side)
rules = st.builds(convention, st.sampled_from(CURVED), st.sampled_from(SOME_FAMILIES))


@st.composite
def sequences(draw: st.DrawFn, least: int = 1) -> list[tuple[SequenceGroundTruth, np.ndarray]]:
    drawn = []
    for index in range(draw(st.integers(least, 5))):
        frames = draw(st.integers(1, 12))
        ground_truth, prediction = (np.array(draw(st.lists(box, min_size=frames, max_size=frames))) for _ in range(2))
        absent = draw(arrays(bool, frames))
        absent[0] = False
        drawn.append((SequenceGroundTruth(f"s{index}", ground_truth, absent), prediction))
    return drawn


def split(drawn: list[tuple[SequenceGroundTruth, np.ndarray]]) -> tuple[list[SequenceGroundTruth], list[np.ndarray]]:
    return [ground_truth for ground_truth, _ in drawn], [prediction for _, prediction in drawn]


@given(sequences(), rules)
def test_curves_lie_between_0_and_1_and_are_monotone(
    drawn: list[tuple[SequenceGroundTruth, np.ndarray]], rule: Convention
) -> None:
    result = evaluate(*split(drawn), rule)
    for curve in result.curves:
        assert curve.min() >= 0
        assert curve.max() <= 1
    assert (np.diff(result.curves.success) <= 0).all()
    assert (np.diff(result.curves.precision) >= 0).all()
    assert (np.diff(result.curves.norm_precision) >= 0).all()
    assert all(0 <= score <= 1 for score in result.mean())


@given(sequences(least=2), rules, st.randoms())
def test_the_order_of_sequences_does_not_matter(
    drawn: list[tuple[SequenceGroundTruth, np.ndarray]], rule: Convention, random: Random
) -> None:
    first = evaluate(*split(drawn), rule)
    shuffled = random.sample(drawn, len(drawn))
    second = evaluate(*split(shuffled), rule)
    assert second.mean() == pytest.approx(first.mean())
    for index, name in enumerate(second.names):
        # Nothing leaks from one sequence into another.
        assert second.sequence(index) == first.sequence(first.names.index(name))
        alone = evaluate(*split([shuffled[index]]), rule)
        assert alone.sequence(0) == pytest.approx(second.sequence(index))


@given(sequences(), rules)
def test_boxes_equal_to_the_truth(drawn: list[tuple[SequenceGroundTruth, np.ndarray]], rule: Convention) -> None:
    ground_truths = [SequenceGroundTruth(ground_truth.name, ground_truth.boxes) for ground_truth, _ in drawn]
    scores = evaluate(ground_truths, [ground_truth.boxes for ground_truth in ground_truths], rule).mean()
    assert scores.success_auc == pytest.approx(20 / 21)
    assert scores[1:] == pytest.approx((1, 1, 1, 1, 1))


@given(sequences(), st.sampled_from(["matlab", "got10k", "pysot", "pysot-toolkit"]))
def test_predictions_without_numbers_are_misses_or_copies(
    drawn: list[tuple[SequenceGroundTruth, np.ndarray]], name: str
) -> None:
    ground_truths = [SequenceGroundTruth(ground_truth.name, ground_truth.boxes) for ground_truth, _ in drawn]
    lost = [np.full_like(ground_truth.boxes, np.nan) for ground_truth in ground_truths]
    scores = evaluate(ground_truths, lost, convention(name))
    first = 0 if name.startswith("pysot") else 1
    shares = [first / len(ground_truth.boxes) for ground_truth in ground_truths]
    assert scores.curves.success[:, 10] == pytest.approx(shares)
    assert scores.curves.precision[:, 20] == pytest.approx(shares)
    assert not np.isnan(scores.mean_overlaps).any()


@given(sequences(), st.sampled_from(CURVED))
def test_truths_without_numbers_leave_every_score_defined(
    drawn: list[tuple[SequenceGroundTruth, np.ndarray]], name: str
) -> None:
    ground_truths, predictions = split(drawn)
    for ground_truth in ground_truths:
        ground_truth.boxes[1::2] = np.nan
    scores = evaluate(
        [SequenceGroundTruth(ground_truth.name, ground_truth.boxes) for ground_truth in ground_truths],
        predictions,
        convention(name, "uav"),
    )
    assert not np.isnan(scores.mean()).any()


@given(
    st.lists(
        arrays(
            np.float64,
            st.integers(0, 20),
            elements=st.one_of(
                st.floats(-1, 2),
                st.sampled_from([np.nan, np.inf, -np.inf]),
                st.integers(0, 20).map(lambda step: step / 20),
                st.integers(0, 20).map(lambda step: np.nextafter(step / 20, -1)),
            ),
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(
        [
            np.linspace(0, 1, 11),
            np.linspace(0, 1, 21),
            np.arange(51) / 100,
            np.linspace(0, 1, 101),
            np.linspace(0, 1, 21) * 50,
            np.linspace(0, 1, 21) * 0.5,
            np.arange(51.0),
        ]
    ),
    st.booleans(),
)
def test_counts_are_those_of_direct_comparison(
    groups: list[np.ndarray], thresholds: np.ndarray, inclusive: bool
) -> None:
    values, lengths = np.concatenate(groups), np.array([len(group) for group in groups])
    above = count_above(values, thresholds, lengths, inclusive=inclusive)
    within = count_within(values, thresholds, lengths)
    for index, group in enumerate(groups):
        part = group[:, None]
        assert above[index].tolist() == (part >= thresholds if inclusive else part > thresholds).sum(axis=0).tolist()
        assert within[index].tolist() == (part <= thresholds).sum(axis=0).tolist()


def test_counts_want_even_thresholds_and_all_values() -> None:
    with pytest.raises(ValueError, match="expected even steps from 0"):
        count_above(np.zeros(3), np.array([0.0, 0.1, 0.5]), np.array([3]))
    with pytest.raises(ValueError, match="groups of 2 values together, 3 values"):
        count_within(np.zeros(3), np.linspace(0, 1, 11), np.array([2]))


number = st.one_of(st.floats(-50, 50), st.integers(-3, 3), st.sampled_from([np.nan, np.inf, -np.inf]))
frame_rules = st.builds(
    FrameRules,
    valid=st.sampled_from([ALWAYS, FINITE, SIZED, POSITIVE]),
    absent_is_miss=st.booleans(),
    first_is_truth=st.booleans(),
    set_by_centre=st.booleans(),
    set_to=st.sampled_from([-1.0, np.inf]),
    norm_set_by_centre=st.booleans(),
    norm_set_to=st.sampled_from([-1.0, np.inf]),
    size_added=st.sampled_from([0.0, 1e-16]),
    size_least=st.sampled_from([-np.inf, 1.0]),
    divide_first=st.booleans(),
)


near = np.array([10.0, 10, 20, 20, 12, 9, 20, 22])
gaps = np.array(
    [np.where(np.arange(8) == place, value, near) for value in (np.nan, np.inf, -np.inf) for place in range(8)]
)


def columns(boxes: np.ndarray) -> Columns:
    x, y, w, h = np.ascontiguousarray(boxes.T)
    return x, y, w, h


@given(arrays(np.float64, st.tuples(st.integers(1, 9), st.just(8)), elements=number), st.randoms(), frame_rules)
@example(gaps, Random(0), FrameRules(ALWAYS, False, False, False, -1.0, False, np.inf, 0.0, 1.0, False))
@np.errstate(all="ignore")
def test_compiled_frames_are_those_of_arrays(boxes: np.ndarray, random: Random, rules: FrameRules) -> None:
    ground_truth, prediction = boxes[:, :4], boxes[:, 4:]
    valid = np.array([random.random() < 0.8 for _ in boxes])
    overlaps, errors, norm_errors = (np.empty(len(boxes)) for _ in range(3))
    judge_frames(columns(ground_truth), columns(prediction), valid, rules, overlaps, errors, norm_errors)
    for found, expected in zip(
        (overlaps, errors, norm_errors), plain_frames(ground_truth, prediction, valid, rules), strict=True
    ):
        np.testing.assert_array_equal(found, expected)


def plain_frames(
    ground_truth: np.ndarray, prediction: np.ndarray, valid: np.ndarray, rules: FrameRules
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Overlaps and both distances in plain array code."""
    overlaps = np.where(valid, np.clip(np.nan_to_num(box_iou(prediction, ground_truth)), 0, 1), 0)
    centre, at = (array[:, :2] + (array[:, 2:] - 1) / 2 for array in (ground_truth, prediction))
    kept = (centre > 0).all(axis=1) if rules.set_by_centre else valid
    offsets = at - centre
    errors = np.where(kept, np.sqrt((offsets**2).sum(axis=1)), rules.set_to)
    sizes = np.maximum(ground_truth[:, 2:] + rules.size_added, rules.size_least)
    kept = (centre / sizes > 0).all(axis=1) if rules.norm_set_by_centre else valid
    offsets = at / sizes - centre / sizes if rules.divide_first else offsets / sizes
    return overlaps, errors, np.where(kept, np.sqrt((offsets**2).sum(axis=1)), rules.norm_set_to)


@given(
    arrays(np.float64, st.tuples(st.integers(1, 9), st.just(8)), elements=number),
    st.integers(1, 1200),
    st.randoms(),
    st.booleans(),
    frame_rules,
)
@np.errstate(all="ignore")
def test_a_sequence_counts_as_its_frames_do(
    some: np.ndarray, frames: int, random: Random, flagged: bool, rules: FrameRules
) -> None:
    # As many frames that a chunk of the compiled loop does not hold them.
    boxes = some[[random.randrange(len(some)) for _ in range(frames)]]
    ground_truth, prediction = boxes[:, :4], boxes[:, 4:].copy()
    absent = np.array([random.random() < 0.3 for _ in boxes]) if flagged else np.zeros(0, bool)
    thresholds = (np.linspace(0, 1, 21), np.arange(51.0), np.arange(51) / 100)
    counts = np.empty(sum(len(grid) + 1 for grid in thresholds), np.int64)
    found, total = judge_sequence(columns(ground_truth), columns(prediction), absent, rules, thresholds, counts)

    _, _, w, h = ground_truth.T
    valid = {
        ALWAYS: np.ones(frames, bool),
        FINITE: ~np.isnan(ground_truth).any(axis=1),
        SIZED: (w > 0) & (h > 0),
        POSITIVE: (ground_truth > 0).all(axis=1),
    }[rules.valid]
    if flagged:
        valid = valid & ~absent
    if rules.first_is_truth:
        prediction[0] = ground_truth[0]
    overlaps, errors, norm_errors = plain_frames(ground_truth, prediction, valid, rules)
    if flagged and rules.absent_is_miss:
        errors[absent] = norm_errors[absent] = np.inf
    assert found == valid.sum()
    assert total == pytest.approx(overlaps.sum(), rel=1e-12)
    expected = [
        np.bincount((values[~np.isnan(values), None] > grid).sum(axis=1), minlength=len(grid) + 1)
        for values, grid in zip((overlaps, errors, norm_errors), thresholds, strict=True)
    ]
    assert counts.tolist() == np.concatenate(expected).tolist()


@given(sequences(), st.integers(1, 3))
def test_got10k_scores(drawn: list[tuple[SequenceGroundTruth, np.ndarray]], runs: int) -> None:
    ground_truths = [
        got10k.Got10kTruth(
            ground_truth.name,
            ground_truth.boxes,
            np.where(np.asarray(ground_truth.absent), 0, 8),
            (640, 640),
            ground_truth.name[-1],
        )
        for ground_truth, _ in drawn
    ]
    ground_truths.append(
        got10k.Got10kTruth("sure", np.array([[1.0, 1, 9, 9]] * 2), np.array([8, 1]), (640, 640), "sure")
    )
    predictions = [prediction for _, prediction in drawn] + [ground_truths[-1].boxes]
    result = got10k.evaluate(ground_truths, [[prediction] * runs for prediction in predictions])
    assert all(0 <= score <= 1 for score in result.scores)
    assert (np.diff(result.success) <= 0).all()
    # Equal repetitions change nothing.
    assert result.scores == pytest.approx(got10k.evaluate(ground_truths, [[p] for p in predictions]).scores)
    perfect = got10k.evaluate(ground_truths, [[ground_truth.boxes] for ground_truth in ground_truths]).scores
    assert perfect == pytest.approx((1,) * 7)


@given(sequences())
def test_trackingnet_scores(drawn: list[tuple[SequenceGroundTruth, np.ndarray]]) -> None:
    ground_truths = [
        trackingnet.TrackingNetGroundTruth(ground_truth.name, ground_truth.boxes) for ground_truth, _ in drawn
    ]
    scores = trackingnet.evaluate(ground_truths, [prediction for _, prediction in drawn]).scores
    assert all(0 <= score < 1 + 1e-12 for score in scores)
    assert trackingnet.evaluate(
        ground_truths, [ground_truth.boxes for ground_truth in ground_truths]
    ).scores == pytest.approx((1, 1, 1, 1))
