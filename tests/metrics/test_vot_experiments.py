"""Rules and faults of the reset-based and the multi-start experiment, on runs made by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from trackbench.errors import DataError
from trackbench.metrics.vot.conventions import MATLAB, PYSOT, VOT, VotConvention
from trackbench.metrics.vot.fragments import Fragment, cut, mean_of_interval
from trackbench.metrics.vot.multistart import multistart_scores
from trackbench.metrics.vot.packed import PackedRegions
from trackbench.metrics.vot.raster import raster_overlaps
from trackbench.metrics.vot.supervised import supervised_scores
from trackbench.metrics.vot.tracks import VotSequence
from trackbench.metrics.vot.unsupervised import average_accuracy, average_overlap
from trackbench.regions import Box, Mask, Region, Special

SIZE = (100, 80)
HIT, HALF, MISS = Box(10, 10, 20, 20), Box(10, 10, 20, 10), Box(60, 50, 20, 20)


def sequence(total: int, **tags: list[int]) -> VotSequence:
    flags = {tag: np.isin(np.arange(total), frames) for tag, frames in tags.items()}
    return VotSequence.of("car", [HIT] * total, SIZE, flags)


def run(total: int, *failures: int, answer: Region = HIT) -> list[Region]:
    """A run with failures at the given frames and restarts five frames later."""
    out: list[Region] = [Special(1), *[answer] * (total - 1)]
    for failure in failures:
        codes = [Special(2), *[Special(0)] * 4, Special(1)]
        out[failure : failure + 6] = codes[: total - failure]
    return out


def codes(regions: list[Region]) -> np.ndarray:
    return PackedRegions.of(regions).codes


@pytest.mark.parametrize(
    ("convention", "failures", "fragments"),
    [
        (PYSOT, [10], [Fragment(0, 16, True, 16, 16), Fragment(15, 30, False, 15, 30)]),
        (MATLAB, [10], [Fragment(0, 16, True, 16, 16), Fragment(15, 30, False, 15, 30)]),
        (VOT, [10], [Fragment(0, 10, True, 10, 10), Fragment(15, 30, False, 15, 30)]),
        # The restart would be just after the end: a failure for pysot, a success for MATLAB.
        (PYSOT, [25], [Fragment(0, 30, True, 31, 30)]),
        (MATLAB, [25], [Fragment(0, 30, False, 30, 30)]),
        (VOT, [25], [Fragment(0, 25, True, 25, 25)]),
        # A later failure is a success for both.
        (PYSOT, [26], [Fragment(0, 30, False, 30, 30)]),
        (MATLAB, [26], [Fragment(0, 30, False, 30, 30)]),
        (VOT, [26], [Fragment(0, 26, True, 26, 26)]),
        (VOT, [], [Fragment(0, 30, False, 30, 30)]),
    ],
)
def test_fragments(convention: VotConvention, failures: list[int], fragments: list[Fragment]) -> None:
    assert cut(codes(run(30, *failures)), convention) == fragments


@pytest.mark.parametrize(
    ("convention", "failures", "fragments"),
    [
        # MATLAB's last fragment ends with the file; its weight is a share of what the sequence has left.
        (MATLAB, [5], [Fragment(0, 11, True, 11, 11), Fragment(10, 20, False, 20, 20)]),
        (MATLAB, [17], [Fragment(0, 20, False, 30, 20)]),
        (MATLAB, [], [Fragment(0, 20, False, 30, 30)]),
        (PYSOT, [5], [Fragment(0, 11, True, 11, 11), Fragment(10, 30, False, 20, 30)]),
        (VOT, [], [Fragment(0, 30, False, 30, 30)]),
    ],
)
def test_fragments_of_a_short_file(convention: VotConvention, failures: list[int], fragments: list[Fragment]) -> None:
    filled_up = [*run(20, *failures), *[Special(0)] * 10]
    assert cut(codes(filled_up), convention, given=20) == fragments


def test_short_files_score_as_in_matlab() -> None:
    filled_up = [*run(20, 5, answer=HALF), *[Special(0)] * 10]
    scores = supervised_scores([sequence(30)], [[filled_up]], MATLAB, (2, 12), given=[[20]])
    # The first fragment: 1, four frames at 1/2, then zeros. The second, which counts half: 1, nine frames at 1/2.
    first, second = np.array([4 * 0.5 / max(n, 4) for n in range(1, 12)]), 0.5
    expected = [(a + second / 2) / 1.5 if n < 10 else a for n, a in enumerate(first, 1)]
    assert scores.curve[1:12] == pytest.approx(expected)
    assert scores.eao == pytest.approx(np.mean(expected))
    for given in ([31], [0], [-1], []):  # compiled code reads as far as it is told
        with pytest.raises(DataError, match=r"^car: given is .*; expected 1 numbers from 1 to 30"):
            supervised_scores([sequence(30)], [[filled_up]], MATLAB, (2, 12), given=[given])


def test_numbers_of_a_run_with_one_failure() -> None:
    scores = supervised_scores([sequence(50)], [[run(50, 20, answer=HALF)]], VOT, (5, 20))
    # Half of the frames after each burn-in: 10 to 19 and 35 to 49.
    assert scores.sequences["car"].valid == 25
    assert scores.accuracy == pytest.approx(0.5)
    assert (scores.robustness, scores.failures_per_100) == (1, 2)
    assert scores.reliability == pytest.approx(np.exp(-30 / 50))
    # Two fragments at 0.5 up to the failure at 20, from where on one has zeros; the other is as long as 25.
    assert scores.curve[1:20] == pytest.approx(np.full(19, 0.5))
    assert scores.curve[24] == pytest.approx((0.5 + 19 * 0.5 / 24) / 2)
    assert len(scores.curve) == 25
    assert scores.eao == pytest.approx(np.mean(scores.curve[5:21]))


def test_perfect_and_hopeless() -> None:
    for convention in (PYSOT, MATLAB, VOT):
        perfect = supervised_scores([sequence(400)], [[run(400)]], convention, (100, 356))
        assert (perfect.accuracy, perfect.robustness, perfect.eao) == pytest.approx((1, 0, 1))
        hopeless = supervised_scores([sequence(24)], [[run(24, 1, 7, 13, 19)]], convention, (100, 356))
        assert hopeless.failures.frames == 4
        assert hopeless.eao == 0


def test_tags() -> None:
    first, second = sequence(40, dark=[*range(20, 40)]), VotSequence.of("bus", [HIT] * 20, SIZE)
    runs = [[run(40, 25)], [run(20, answer=HALF)]]
    after, before = (supervised_scores([first, second], runs, c, (1, 10)) for c in (PYSOT, MATLAB))
    assert list(after.tags) == ["dark", "empty"]
    assert [part.frames for part in after.tags.values()] == [20, 40]
    assert [part.failures for part in after.tags.values()] == [1, 0]
    # MATLAB counts the burn-in within the tagged frames, of which the restart is the 11th.
    assert (after.tags["dark"].valid, before.tags["dark"].valid) == (5, 5)
    assert before.tags["empty"].accuracy == pytest.approx((10 * 1 + 10 * 0.5) / 20)
    assert before.accuracy == pytest.approx((20 * 1 + 40 * 0.75) / 60)
    untagged = supervised_scores([second], [runs[1]], MATLAB, (1, 10))
    assert untagged.accuracy == pytest.approx(untagged.accuracies.frames)


def test_repetitions() -> None:
    three = [run(60), run(60, 30), run(60, 30, 40)]
    first_only = supervised_scores([sequence(60)], [three], PYSOT, (5, 20))
    everything = supervised_scores([sequence(60)], [three], replace(PYSOT, required_repetitions=None), (5, 20))
    assert (first_only.failures.frames, everything.failures.frames) == (0, 1)
    fifteen = supervised_scores([sequence(60)], [three * 5], PYSOT, (5, 20))
    assert fifteen.failures.frames == pytest.approx(1)
    np.testing.assert_allclose(fifteen.curve, everything.curve)


def test_unknown_frames() -> None:
    answers = run(30)
    answers[12] = Special(0)
    as_miss, as_gap = (supervised_scores([sequence(30)], [[answers]], c, (2, 20)) for c in (VOT, PYSOT))
    assert as_miss.curve[15] == pytest.approx(14 / 15)
    assert np.isnan(as_gap.curve[13:]).all()
    # At the unknown frame itself nothing is usable: a zero.
    assert as_gap.eao == pytest.approx(11 / 12)
    assert as_miss.sequences["car"].valid == as_gap.sequences["car"].valid == 19


def test_truth_without_target() -> None:
    ground_truth: list[Region] = [HIT] * 30
    ground_truth[20] = Special(0)
    judged = VotSequence.of("car", ground_truth, SIZE)
    assert supervised_scores([judged], [[run(30)]], PYSOT, (2, 20)).sequences["car"].valid == 19
    assert supervised_scores([judged], [[run(30)]], VOT, (2, 20)).accuracy == pytest.approx(19 / 20)


def test_interval_beyond_the_curve() -> None:
    curve = np.array([1, 0.5, np.nan, 0.7])
    assert mean_of_interval(curve, (2, 4), 0) == pytest.approx(0.6)
    assert mean_of_interval(curve, (100, 356), 1) == 0


def test_lengths() -> None:
    with pytest.raises(DataError, match=r"^car: repetition 2 has 28 answers; the ground truth has 30 frames$"):
        supervised_scores([sequence(30)], [[run(30), run(28)]], VOT, (2, 20))
    cut_short = supervised_scores([sequence(30, dark=[1])], [[run(30), run(28)]], VOT, (2, 20), truncate=True)
    assert cut_short.frames == 28
    with pytest.raises(DataError, match=r"^car: no repetition; expected at least one$"):
        supervised_scores([sequence(30)], [[]], VOT, (2, 20))
    with pytest.raises(DataError, match=r"^runs of 0 sequences; expected 1"):
        supervised_scores([sequence(30)], [], VOT, (2, 20))
    with pytest.raises(DataError, match=r"^car: repetition 1 has 0 answers; the ground truth has 30 frames$"):
        supervised_scores([sequence(30)], [[[]]], VOT, (2, 20))
    with pytest.raises(DataError, match=r"^car: a repetition has no answers"):
        supervised_scores([sequence(30)], [[[]]], VOT, (2, 20), truncate=True)
    with pytest.raises(DataError, match=r"^car: tag 'dark' has 3 frames; expected 30, as the ground truth$"):
        VotSequence.of("car", [HIT] * 30, SIZE, {"dark": np.zeros(3, bool)})


@pytest.mark.parametrize(
    ("frame", "answer", "fault"),
    [
        (0, HIT, r"frame 1 has a region; expected code 1 \(initialisation\)"),
        (0, Special(0), r"frame 1 has code 0; expected code 1 \(initialisation\)"),
        (5, Special(1), r"frame 6 has code 1 \(initialisation\); expected code 2 \(failure\) next"),
        (5, Special(7), r"frame 6 has code 7; expected code 2 \(failure\) next"),
        (12, Special(2), r"frame 13 has code 2 \(failure\); expected code 1 \(initialisation\) next"),
        (12, HIT, r"frame 13 has a region between the failure at frame 11 and the next initialisation"),
        (15, HIT, r"frame 16 has a region between the failure at frame 11 and the next initialisation"),
    ],
)
def test_codes_in_the_wrong_place(frame: int, answer: Region, fault: str) -> None:
    answers = run(30, 10)
    answers[frame] = answer
    with pytest.raises(DataError, match=f"^car: repetition 1: {fault}$"):
        supervised_scores([sequence(30)], [[answers]], VOT, (2, 20))


@pytest.mark.parametrize("convention", [PYSOT, MATLAB])
def test_real_time_answers_between_a_failure_and_the_restart_are_data(convention: VotConvention) -> None:
    """The MATLAB toolkit's real-time mode writes regions there; its curve takes them as it takes any other."""
    answers = run(30, 10)
    answers[12] = HALF
    scores = supervised_scores([sequence(30)], [[answers]], convention, (2, 20))
    refused = supervised_scores([sequence(30)], [[run(30, 10)]], convention, (2, 20))
    half = raster_overlap(HALF, HIT, convention)
    assert scores.failures.frames == refused.failures.frames == 1
    assert scores.curve[12] - refused.curve[12] == pytest.approx(half / 12 / 2)
    assert scores.sequences["car"].accuracy < refused.sequences["car"].accuracy


def raster_overlap(answer: Region, truth: Region, convention: VotConvention) -> float:
    margin = np.array([SIZE]) - convention.eao_margin
    pair = PackedRegions.of([answer]), PackedRegions.of([truth])
    return float(raster_overlaps(*pair, convention.overlap, margin)[0])


def starts(total: int, forward: int, backward: int) -> np.ndarray:
    values = np.zeros(total)
    values[forward], values[backward] = 1, -1
    return values


def test_multistart() -> None:
    forward, backward = run(40), [*run(30), *[MISS] * 10]
    scores = multistart_scores([sequence(40)], [starts(40, 0, 39)], [{0: forward, 39: backward}], (5, 35))
    part = scores.sequences["car"]
    # The first frame counts, with overlap 0; the second run is lost from its frame 30 on.
    assert (part.tracked, part.robustness, part.accuracy) == (70, 70 / 80, 68 / 70)
    assert scores.robustness == part.robustness
    assert scores.curve[29] == pytest.approx(1)
    assert scores.curve[34] == pytest.approx((1 + 29 / 34) / 2)
    assert scores.eao == pytest.approx(scores.curve[5:35].mean())


def test_multistart_after_the_end_of_a_lost_run() -> None:
    lost: list[Region] = [Special(1), *[HIT] * 10, *[MISS] * 10]
    values = np.zeros(21)
    values[0] = 1
    curve = multistart_scores([sequence(21)], [values], [{0: lost}], (5, 40)).curve
    assert curve[20] == pytest.approx(10 / 20)
    assert curve[21] == pytest.approx(10 / 20)
    assert curve[39] == pytest.approx(10 / 38)


@pytest.mark.parametrize("absent", [Special(0), Mask(np.ones((1, 5), bool), 10, 10), Box(10, 10, 0, 5)])
def test_multistart_without_target(absent: Region) -> None:
    ground_truth: list[Region] = [HIT] * 30
    ground_truth[15] = absent
    values = np.zeros(30)
    values[0] = 1
    # Eighteen misses, but never ten in a row with the target there.
    answers: list[Region] = [Special(1), *[HIT] * 6, *[MISS] * 17, *[HIT] * 6]
    scores = multistart_scores([VotSequence.of("car", ground_truth, SIZE)], [values], [{0: answers}], (5, 20))
    assert scores.robustness == 1


def test_multistart_faults() -> None:
    one, values = sequence(20), starts(20, 0, 15)
    good: dict[int, list[Region]] = {0: run(20), 15: run(16)}

    def score(runs: dict[int, list[Region]], anchors: np.ndarray = values) -> None:
        multistart_scores([one], [anchors], [runs], (5, 15))

    score(good)
    faults: list[tuple[dict[int, list[Region]], str]] = [
        ({0: run(20)}, "car: the run from anchor 15 is missing"),
        ({**good, 3: run(17)}, "car: a run starts at frame 3, which is no anchor"),
        ({**good, 15: run(5)}, "car: the run from anchor 15 has 5 answers; expected 16"),
        ({**good, 0: [HIT] * 20}, r"car: the run from anchor 0 does not begin with code 1 \(initialisation\)"),
        ({**good, 0: run(20, 8)}, "car: the run from anchor 0 has code 2 as answer 9; expected only 0"),
    ]
    for runs, message in faults:
        with pytest.raises(DataError, match=f"^{message}"):
            score(runs)
    with pytest.raises(DataError, match=r"^car: 3 values of anchors; the ground truth has 20 frames"):
        score(good, np.ones(3))
    with pytest.raises(DataError, match=r"^car: no anchors"):
        score(good, np.zeros(20))


def test_average_accuracy() -> None:
    answers: list[Region] = [Special(1), *[HIT] * 10, *[Special(0)] * 4, *[HALF] * 5]
    mean, by_sequence = average_accuracy([sequence(20)], [answers])
    assert mean == by_sequence["car"] == pytest.approx(12.5 / 15)
    with pytest.raises(DataError, match=r"^car: 5 answers; the ground truth has 20 frames"):
        average_accuracy([sequence(20)], [answers[:5]])


def test_average_overlap_of_matlab_is_over_all_frames_and_counts_codes_as_zero() -> None:
    answers: list[Region] = [Special(1), *[HIT] * 10, *[Special(0)] * 4, *[HALF] * 5]
    long: list[Region] = [Special(1), *[HIT] * 59]
    mean, by_sequence = average_overlap([sequence(20), VotSequence.of("bus", [HIT] * 60, SIZE)], [answers, long])
    half = raster_overlaps(PackedRegions.of([HALF]), PackedRegions.of([HIT]), "matlab", SIZE)[0]
    assert by_sequence == pytest.approx({"car": (10 + 5 * half) / 20, "bus": 59 / 60})
    assert mean == pytest.approx((10 + 5 * half + 59) / 80)
