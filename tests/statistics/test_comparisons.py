from pathlib import Path

import numpy as np
import pytest

from trackbench.datasets.sequence import Dataset, Details, GroundTruth, VideoSequence
from trackbench.definitions import DatasetDefinition
from trackbench.errors import UsageError
from trackbench.scoring import Score
from trackbench.statistics.attributes import attribute_differences
from trackbench.statistics.failures import losses, summarise_failures
from trackbench.statistics.matrix import ScoreMatrix, score_matrix
from trackbench.statistics.pairs import compare_pairs, signed_rank_posterior
from trackbench.statistics.ranks import critical_difference

RNG = np.random.default_rng(20)


def dataset(names: list[str], categories: bool = True) -> Dataset:
    truth = GroundTruth(np.ones((3, 4)))

    def sequence(index: int, name: str) -> VideoSequence:
        details = Details(category=name[0] if categories else None)
        return VideoSequence(name, list, lambda: truth, ("OCC",) if index % 2 else (), lambda: details)

    sequences = tuple(sequence(index, name) for index, name in enumerate(names))
    record = DatasetDefinition(title="Some", layout="folder", attributes={"OCC": "occlusion", "FM": "fast motion"})
    return Dataset("some", record, Path(), sequences, len(names))


def matrix(values: np.ndarray, categories: bool = True, key: str = "success_auc") -> ScoreMatrix:
    names = [f"{'abcdefghij'[index // 4 % 10]}{index}" for index in range(len(values))]
    scores = [
        Score(
            label, label.upper(), "some", "one-pass", "matlab", len(names), len(names), 1, {}, {},
            per_sequence={name: {key: float(value)} for name, value in zip(names, column, strict=True)},
        )
        for label, column in zip("xyzuvw", values.T, strict=False)
    ]  # fmt: skip
    return score_matrix(dataset(names, categories), scores)


def test_sequences_of_a_class_are_one_cluster() -> None:
    table = matrix(RNG.random((12, 2)))
    assert table.clusters.tolist() == [0] * 4 + [1] * 4 + [2] * 4
    assert table.is_clustered
    assert not matrix(RNG.random((12, 2)), categories=False).is_clustered
    assert list(table.attributes) == ["OCC"]


def test_unknown_metric_names_those_that_are_there() -> None:
    scores = [Score("x", "X", "some", "one-pass", "matlab", 1, 1, 1, {}, {}, per_sequence={"a0": {"success_auc": 0.5}})]
    with pytest.raises(UsageError, match=r"--metric sucess_auc: .*did you mean 'success_auc'"):
        score_matrix(dataset(["a0"]), scores, "sucess_auc")


@pytest.mark.parametrize("shift", [0.0, 0.004, 0.02, -0.03])
def test_signed_rank_posterior_is_baycomps(shift: float) -> None:
    baycomp = pytest.importorskip("baycomp")
    first, second = RNG.normal(0.6 + shift, 0.1, 40), RNG.normal(0.6, 0.1, 40)
    # baycomp's left is its first argument's.
    left, equal, right = baycomp.SignedRankTest.probs(first, second, rope=0.005, nsamples=20_000, random_state=1)
    ours = signed_rank_posterior(first - second, 0.005)
    assert ours == pytest.approx((left, equal, right), abs=0.015)


def test_equal_trackers_are_practically_equal() -> None:
    assert signed_rank_posterior(RNG.normal(0, 0.0005, 60), 0.005).equal > 0.999
    assert np.isnan(signed_rank_posterior(np.zeros(0), 0.005)).all()


def test_lower_is_better_where_failures_are_counted() -> None:
    values = np.column_stack([RNG.integers(0, 2, 30), RNG.integers(3, 6, 30)]).astype(float)
    (pair,) = compare_pairs(matrix(values, key="failures"))
    assert pair.difference < 0
    assert pair.better == 1
    assert pair.equivalence.first == 1


def test_pairs_correct_wilcoxon_as_scikit_posthocs() -> None:
    posthocs = pytest.importorskip("scikit_posthocs")
    values = RNG.normal([0.60, 0.62, 0.7, 0.61], 0.1, (40, 4))
    theirs = posthocs.posthoc_wilcoxon(list(values.T), p_adjust="holm").to_numpy()
    for pair in compare_pairs(matrix(values)):
        assert pair.wilcoxon == pytest.approx(theirs[pair.first, pair.second])


def test_average_ranks_are_autoranks() -> None:
    autorank = pytest.importorskip("autorank")
    import pandas as pd

    values = RNG.beta(2, 5, (30, 4)) ** 3 + np.array([0, 0.1, 0.02, 0.3])
    table = matrix(values)
    found = critical_difference(table.better(), compare_pairs(table))
    theirs = autorank.autorank(
        pd.DataFrame(values, columns=list("xyzu")), order="descending", force_mode="nonparametric"
    )
    ranks = theirs.rankdf["meanrank"]
    assert found.ranks == pytest.approx([ranks[name] for name in "xyzu"])
    assert found.friedman == pytest.approx(theirs.pvalue)


def test_groups_are_maximal_runs_of_trackers_that_no_test_tells_apart() -> None:
    base = RNG.normal(0.5, 0.1, (60, 1))
    table = matrix(base + np.array([0.3, 0.301, 0.1, 0.0]) + RNG.normal(0, 0.02, (60, 4)))
    found = critical_difference(table.better(), compare_pairs(table))
    assert [set(group) for group in found.groups] == [{0, 1}]


def test_attribute_difference_is_over_its_sequences() -> None:
    values = RNG.random((20, 2))
    rows = attribute_differences(matrix(values), 0, 1)
    plain = values[:, 0] - values[:, 1]
    assert [row.attribute for row in rows] == ["all", "OCC"]
    assert rows[0].difference == pytest.approx(plain.mean())
    assert rows[1].difference == pytest.approx(plain[1::2].mean())
    assert rows[1].sequences == 10


def test_frames_without_truth_do_not_interrupt_a_failure() -> None:
    overlaps = np.array([0.8, 0, np.nan, 0, 0.2, 0, 0])
    assert [tuple(loss) for loss in losses(overlaps, 2)] == [(1, 2, True), (5, 2, False)]
    assert losses(overlaps, 3) == []


def test_failures_are_counted_over_sequences() -> None:
    lost, found, whole = np.ones(100), np.ones(50), np.ones(80)
    lost[40:], found[10:25] = 0, 0
    summary = summarise_failures([lost, found, whole])
    assert (summary.failures, summary.failed_sequences, summary.sequences) == (2, 2, 3)
    assert summary.per_thousand == pytest.approx(2000 / 230)
    assert summary.lost_share == pytest.approx(75 / 230)
    assert summary.recovered == 0.5
    assert summary.median_length == 15
    assert summary.median_begin == pytest.approx((0.4 + 0.2) / 2)
    # Kaplan-Meier: 2/3 survive 10 frames, 1/3 survives 40.
    assert summary.median_survival == 40


def test_without_failures_nothing_is_invented() -> None:
    summary = summarise_failures([np.ones(5)])
    assert summary.median_survival == np.inf
    assert np.isnan(summary.recovered)
