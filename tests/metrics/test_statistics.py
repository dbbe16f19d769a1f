import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from trackbench.metrics.statistics import bootstrap_intervals, compare_all, holm

RNG = np.random.default_rng(5)


@pytest.mark.parametrize("sequences", [20, 100])
def test_intervals_are_scipys(sequences: int) -> None:
    values = RNG.beta(2, 1, sequences)
    ours = bootstrap_intervals(values[:, None], resamples=20_000)[0]
    theirs = stats.bootstrap((values,), np.mean, method="BCa", n_resamples=20_000, rng=1).confidence_interval
    assert ours == pytest.approx([theirs.low, theirs.high], abs=0.004)


def test_intervals_of_ratios_are_scipys() -> None:
    weights = RNG.integers(50, 900, 60).astype(float)
    tops = RNG.beta(3, 2, 60) * weights

    def ratio(top: np.ndarray, bottom: np.ndarray, axis: int = -1) -> np.ndarray:
        return top.sum(axis=axis) / bottom.sum(axis=axis)

    theirs = stats.bootstrap((tops, weights), ratio, paired=True, method="BCa", n_resamples=20_000, rng=1)
    ours = bootstrap_intervals(tops[:, None], weights[:, None], resamples=20_000)[0]
    assert ours == pytest.approx([theirs.confidence_interval.low, theirs.confidence_interval.high], abs=0.004)


def test_coverage() -> None:
    """Of many samples about 95 percent of the intervals hold the true mean."""
    held = 0
    for _ in range(200):
        low, high = bootstrap_intervals(RNG.normal(0.6, 0.2, 50)[:, None], resamples=500)[0]
        held += low <= 0.6 <= high
    assert 178 <= held <= 199


def test_intervals_of_odd_samples() -> None:
    nothing = np.full((5, 1), np.nan)
    assert np.isnan(bootstrap_intervals(nothing)).all()
    assert np.isnan(bootstrap_intervals(np.array([[0.5]]))).all()
    assert np.isnan(bootstrap_intervals(np.array([[0.5], [np.nan]]))).all()
    assert bootstrap_intervals(np.zeros((0, 3))).shape == (3, 2)
    assert np.isnan(bootstrap_intervals(RNG.random((7, 1)))).all()
    assert bootstrap_intervals(np.full((8, 1), 0.25)).tolist() == [[0.25, 0.25]]
    values = RNG.random((30, 1))
    with_gap = np.vstack([values, [[np.nan]]])
    assert bootstrap_intervals(with_gap)[0] == pytest.approx(bootstrap_intervals(values)[0], abs=0.02)


def test_columns_of_a_curve() -> None:
    sums = RNG.random((40, 7))
    one = bootstrap_intervals(sums, np.ones((40, 7)), mean_of_columns=True)
    assert one == pytest.approx(bootstrap_intervals(sums.mean(axis=1, keepdims=True)))
    assert one.shape == (1, 2)


@given(st.lists(st.floats(0, 1), min_size=8, max_size=30))
def test_intervals_are_ordered_and_within_the_values(values: list[float]) -> None:
    low, high = bootstrap_intervals(np.array(values)[:, None], resamples=200)[0]
    assert min(values) - 1e-9 <= low <= high + 1e-12
    assert high <= max(values) + 1e-9


def test_undefined_points_of_a_curve_are_left_out() -> None:
    generator = np.random.default_rng(5)
    values = np.linspace(0.2, 0.8, 21)[:, None] + generator.normal(0, 0.01, (21, 6))
    values[:, 3:] = 0.0
    whole = values.copy()
    whole[4, 3:] = np.nan
    ((low, high),) = bootstrap_intervals(whole, np.ones_like(whole), mean_of_columns=True)
    # Without the points that sequence 4 makes undefined the mean is 0.5; a set of sequences without it has zeros there.
    assert low <= whole[:, :3].mean() <= high
    assert bootstrap_intervals(np.full((21, 6), np.nan), mean_of_columns=True).shape == (1, 2)


def test_clear_and_absent_differences() -> None:
    base = RNG.random(60)
    values = np.column_stack([base + 0.1 + RNG.normal(0, 0.02, 60), base, base])
    first, second, third = compare_all(values)
    assert (first.first, first.second, first.sequences) == (0, 1, 60)
    assert first.difference == pytest.approx(0.1, abs=0.02)
    assert first.low < first.difference < first.high
    assert max(first.wilcoxon, first.permutation, second.wilcoxon, second.permutation) < 0.001
    assert (third.difference, third.wilcoxon, third.permutation) == (0, 1, 1)


def test_tests_are_scipys_before_correction() -> None:
    values = RNG.random((25, 2))
    (found,) = compare_all(values)
    difference = values[:, 0] - values[:, 1]
    assert found.wilcoxon == pytest.approx(stats.wilcoxon(difference, zero_method="pratt").pvalue)
    theirs = stats.permutation_test(
        (values[:, 0], values[:, 1]),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type="samples",
        vectorized=True,
        rng=3,
    )
    assert found.permutation == pytest.approx(theirs.pvalue, abs=0.02)


def test_only_common_sequences_are_compared() -> None:
    values = np.array([[0.5, np.nan], [0.6, 0.5], [0.7, 0.5], [np.nan, 0.1]])
    (found,) = compare_all(values)
    assert found.sequences == 2
    assert found.difference == pytest.approx(0.15)
    (alone,) = compare_all(values[:2])
    assert np.isnan([alone.wilcoxon, alone.permutation, alone.low]).all()
    assert compare_all(values[:, :1]) == []
    assert compare_all(np.zeros((0, 3))) == []


def test_holm() -> None:
    assert holm(np.array([0.04, np.nan, 0.01, 0.03])) == pytest.approx([0.06, np.nan, 0.03, 0.06], nan_ok=True)
    assert holm(np.array([0.9, 0.8])).tolist() == [1, 1]
