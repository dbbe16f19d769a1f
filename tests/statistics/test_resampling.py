import numpy as np
import pytest
from scipy import stats

from trackbench.metrics.statistics import bootstrap_intervals
from trackbench.statistics.resampling import (
    cluster_sums,
    clustered_intervals,
    probability_interval,
    rank_distribution,
)

RNG = np.random.default_rng(20)


def test_sums_of_clusters_count_what_is_known() -> None:
    sums, counts = cluster_sums(np.array([[1, np.nan], [2, 5], [4, 6.0]]), np.array([7, 3, 7]))
    assert sums.tolist() == [[2, 5], [5, 6]]
    assert counts.tolist() == [[1, 1], [2, 1]]


def test_without_clusters_the_interval_is_that_of_sequences() -> None:
    values = RNG.beta(2, 1, (60, 2))
    assert clustered_intervals(values, np.arange(60)) == pytest.approx(bootstrap_intervals(values))


def test_clusters_give_the_interval_of_their_means() -> None:
    """With clusters of one size, the mean over sequences is the mean of cluster means, which are independent."""
    values = RNG.normal(0.5, 0.1, (40, 1)) + RNG.normal(0, 0.02, (40, 4))
    ours = clustered_intervals(values.reshape(-1, 1), np.repeat(np.arange(40), 4), resamples=20_000)[0]
    theirs = stats.bootstrap((values.mean(axis=1),), np.mean, method="BCa", n_resamples=20_000, rng=1)
    assert ours == pytest.approx(list(theirs.confidence_interval), abs=0.003)
    alone = clustered_intervals(values.reshape(-1, 1), np.arange(160))[0]
    assert np.ptp(ours) > 1.6 * np.ptp(alone)


def test_share_of_first_ranks_is_the_share_of_resamples_won() -> None:
    better = RNG.normal([0.60, 0.58, 0.3], 0.1, (50, 3))
    shares = rank_distribution(better, np.arange(50))
    assert shares.sum(axis=0) == pytest.approx(np.ones(3))
    assert shares.sum(axis=1) == pytest.approx(np.ones(3))
    resample = stats.bootstrap((better[:, 0] - better[:, 1],), np.mean, n_resamples=20_000, rng=2)
    assert shares[0, 0] == pytest.approx((resample.bootstrap_distribution > 0).mean(), abs=0.02)
    assert shares[2, 2] == 1


def test_equal_trackers_share_their_ranks() -> None:
    values = RNG.random(20)
    shares = rank_distribution(np.column_stack([values, values, values - 1]), np.arange(20))
    assert shares == pytest.approx(np.array([[0.5, 0.5, 0], [0.5, 0.5, 0], [0, 0, 1]]))


@pytest.mark.parametrize(("won", "lost"), [(30, 10), (7, 0), (0, 12), (139, 141)])
def test_probability_of_a_win_has_scipys_wilson_interval(won: int, lost: int) -> None:
    wins = np.repeat([1.0, 0.0, np.nan], [won, lost, 5])
    theirs = stats.binomtest(won, won + lost).proportion_ci(method="wilson")
    share, low, high = probability_interval(wins, np.arange(len(wins)))
    assert (share, low, high) == pytest.approx((won / (won + lost), theirs.low, theirs.high), abs=1e-12)


def test_clusters_of_copies_count_once() -> None:
    wins = np.repeat([1.0, 0.0], [12, 8])
    once = probability_interval(wins, np.arange(20))
    copied = probability_interval(np.repeat(wins, 4), np.repeat(np.arange(20), 4))
    assert copied[0] == once[0]
    assert copied[2] - copied[1] == pytest.approx(once[2] - once[1], rel=0.03)


def test_no_comparison_has_no_probability() -> None:
    assert np.isnan(probability_interval(np.full(3, np.nan), np.arange(3))).all()


@pytest.mark.slow
@pytest.mark.parametrize("draw", ["beta", "normal"])
def test_of_ten_thousand_intervals_94_to_96_percent_hold_the_mean(draw: str) -> None:
    """Benchmarks of 100 sequences, whose scores are distributed as AUCs are, or normally."""
    rng = np.random.default_rng(3)
    size = (100, 10_000)
    samples, mean = (rng.beta(3, 1.5, size), 2 / 3) if draw == "beta" else (rng.normal(0.6, 0.2, size), 0.6)
    bounds = np.concatenate([clustered_intervals(part, np.arange(100)) for part in np.split(samples, 10, axis=1)])
    assert 0.94 <= ((bounds[:, 0] <= mean) & (mean <= bounds[:, 1])).mean() <= 0.96


@pytest.mark.slow
def test_of_ten_thousand_clustered_intervals_94_to_96_percent_hold_the_mean() -> None:
    """LaSOT: 70 classes of four sequences, half of whose variance lies between the classes."""
    rng = np.random.default_rng(4)
    clusters = np.repeat(np.arange(70), 4)
    held = []
    for _ in range(10):
        samples = np.repeat(rng.normal(0.6, 0.14, (70, 1000)), 4, axis=0) + rng.normal(0, 0.14, (280, 1000))
        bounds = clustered_intervals(samples, clusters)
        held += ((bounds[:, 0] <= 0.6) & (bounds[:, 1] >= 0.6)).tolist()
    assert 0.94 <= np.mean(held) <= 0.96


@pytest.mark.slow
def test_of_ten_thousand_intervals_of_a_probability_94_to_96_percent_hold_it() -> None:
    rng = np.random.default_rng(5)
    held = []
    for wins in (rng.random((10_000, 280)) < 0.6).astype(float):
        _, low, high = probability_interval(wins, np.arange(280))
        held.append(low <= 0.6 <= high)
    assert 0.94 <= np.mean(held) <= 0.96
