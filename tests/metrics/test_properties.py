"""What holds for any boxes, under every convention."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from trackbench.metrics import got10k, trackingnet
from trackbench.metrics.conventions import CONVENTIONS, Convention, Family, convention
from trackbench.metrics.curves import count_above, count_within
from trackbench.metrics.ope import SequenceTruth, evaluate

CURVED = [name for name in CONVENTIONS if name not in ("official", "trackingnet")]
SOME_FAMILIES: list[Family] = ["otb", "uav", "lasot", "lasot-ext", "tnl2k"]

corner = st.floats(1, 400, width=32)
side = st.floats(1, 200, width=32)
box = st.tuples(corner, corner, side, side)
rules = st.builds(convention, st.sampled_from(CURVED), st.sampled_from(SOME_FAMILIES))


@st.composite
def sequences(draw: st.DrawFn, least: int = 1) -> list[tuple[SequenceTruth, np.ndarray]]:
    drawn = []
    for index in range(draw(st.integers(least, 5))):
        frames = draw(st.integers(1, 12))
        truth, prediction = (np.array(draw(st.lists(box, min_size=frames, max_size=frames))) for _ in range(2))
        absent = draw(arrays(bool, frames))
        absent[0] = False
        drawn.append((SequenceTruth(f"s{index}", truth, absent), prediction))
    return drawn


def split(drawn: list[tuple[SequenceTruth, np.ndarray]]) -> tuple[list[SequenceTruth], list[np.ndarray]]:
    return [truth for truth, _ in drawn], [prediction for _, prediction in drawn]


@given(sequences(), rules)
def test_curves_lie_between_0_and_1_and_are_monotone(
    drawn: list[tuple[SequenceTruth, np.ndarray]], rule: Convention
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
    drawn: list[tuple[SequenceTruth, np.ndarray]], rule: Convention, random: st.random
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
def test_boxes_equal_to_the_truth(drawn: list[tuple[SequenceTruth, np.ndarray]], rule: Convention) -> None:
    truths = [SequenceTruth(truth.name, truth.boxes) for truth, _ in drawn]
    scores = evaluate(truths, [truth.boxes for truth in truths], rule).mean()
    assert scores.success_auc == pytest.approx(20 / 21)
    assert scores[1:] == pytest.approx((1, 1, 1, 1, 1))


@given(sequences(), st.sampled_from(["matlab", "got10k", "pysot", "pysot-toolkit"]))
def test_predictions_without_numbers_are_misses_or_copies(
    drawn: list[tuple[SequenceTruth, np.ndarray]], name: str
) -> None:
    truths = [SequenceTruth(truth.name, truth.boxes) for truth, _ in drawn]
    lost = [np.full_like(truth.boxes, np.nan) for truth in truths]
    scores = evaluate(truths, lost, convention(name))
    first = 0 if name.startswith("pysot") else 1
    shares = [first / len(truth.boxes) for truth in truths]
    assert scores.curves.success[:, 10] == pytest.approx(shares)
    assert scores.curves.precision[:, 20] == pytest.approx(shares)
    assert not np.isnan(scores.mean_overlaps).any()


@given(sequences(), st.sampled_from(CURVED))
def test_truths_without_numbers_leave_every_score_defined(
    drawn: list[tuple[SequenceTruth, np.ndarray]], name: str
) -> None:
    truths, predictions = split(drawn)
    for truth in truths:
        truth.boxes[1::2] = np.nan
    scores = evaluate(
        [SequenceTruth(truth.name, truth.boxes) for truth in truths], predictions, convention(name, "uav")
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


@given(sequences(), st.integers(1, 3))
def test_got10k_scores(drawn: list[tuple[SequenceTruth, np.ndarray]], runs: int) -> None:
    truths = [
        got10k.Got10kTruth(truth.name, truth.boxes, np.where(truth.absent, 0, 8), (640, 640), truth.name[-1])
        for truth, _ in drawn
    ]
    truths.append(got10k.Got10kTruth("sure", np.array([[1.0, 1, 9, 9]] * 2), np.array([8, 1]), (640, 640), "sure"))
    predictions = [prediction for _, prediction in drawn] + [truths[-1].boxes]
    result = got10k.evaluate(truths, [[prediction] * runs for prediction in predictions])
    assert all(0 <= score <= 1 for score in result.scores)
    assert (np.diff(result.success) <= 0).all()
    # Equal repetitions change nothing.
    assert result.scores == pytest.approx(got10k.evaluate(truths, [[p] for p in predictions]).scores)
    perfect = got10k.evaluate(truths, [[truth.boxes] for truth in truths]).scores
    assert perfect == pytest.approx((1,) * 7)


@given(sequences())
def test_trackingnet_scores(drawn: list[tuple[SequenceTruth, np.ndarray]]) -> None:
    truths = [trackingnet.TrackingNetTruth(truth.name, truth.boxes) for truth, _ in drawn]
    scores = trackingnet.evaluate(truths, [prediction for _, prediction in drawn]).scores
    assert all(0 <= score < 1 + 1e-12 for score in scores)
    assert trackingnet.evaluate(truths, [truth.boxes for truth in truths]).scores == pytest.approx((1, 1, 1, 1))
