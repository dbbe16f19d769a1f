"""The rules of each convention, on sequences small enough to be judged by hand and on recorded ones."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from trackbench.definitions import FAMILIES
from trackbench.errors import DataError, UsageError
from trackbench.metrics.conventions import CONVENTIONS, Convention, convention, resolve_name
from trackbench.metrics.ope import OpeResult, SequenceGroundTruth, evaluate

CURVED = [name for name in CONVENTIONS if name != "trackingnet"]
GOLDEN = sorted((Path(__file__).parents[1] / "golden" / "ope").glob("*.json"))
BOX = [10.0, 10, 20, 20]
FAR = [500.0, 500, 20, 20]


def judge(
    rules: Convention, ground_truth: list[list[float]], prediction: list[list[float]], **flags: object
) -> OpeResult:
    absent = np.array(flags["absent"], bool) if "absent" in flags else None
    return evaluate([SequenceGroundTruth("seq", np.array(ground_truth), absent)], [np.array(prediction)], rules)


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: path.stem)
def test_recorded_sequences(path: Path) -> None:
    case = json.loads(path.read_text())
    ground_truth, prediction = (np.array(case[key], np.float64) for key in ("truth", "prediction"))
    absent = None if case["absent"] is None else np.array(case["absent"], bool)
    for name, recorded in case["expected"].items():
        result = evaluate(
            [SequenceGroundTruth(case["name"], ground_truth, absent)], [prediction], convention(name, case["family"])
        )
        scores = result.sequence(0)
        ours = [scores.success_auc, scores.precision, scores.norm_precision][: len(recorded)]
        assert ours == pytest.approx(recorded, abs=1e-6), name


@pytest.mark.parametrize(
    ("name", "success", "precision", "norm"),
    [
        # Four frames on target with the ground truth of the second at x = 0, and a prediction far off there.
        ("matlab", 0.75, 1.0, 1.0),
        ("got10k", 0.75, 0.75, 0.75),
        ("pysot", 0.75, 0.75, 0.75),
        ("pysot-toolkit", 0.75, 0.75, 0.75),
        ("pytracking", 0.75, 0.75, 1.0),
        ("stark", 0.75, 0.75, 0.75),
        ("ostrack", 0.75, 0.75, 0.75),
        ("aiatrack", 0.75, 0.75, 0.75),
    ],
)
def test_truth_at_the_border(name: str, success: float, precision: float, norm: float) -> None:
    ground_truth: list[list[float]] = [BOX, [0, 10, 20, 20], BOX, BOX]
    scores = judge(convention(name, "otb"), ground_truth, [BOX, FAR, BOX, BOX]).mean()
    assert (scores.sr50, scores.precision, scores.norm_precision) == pytest.approx((success, precision, norm))


@pytest.mark.parametrize(
    ("name", "success", "precision", "norm"),
    [
        # One of four frames has no ground truth (NaN); the tracker is right elsewhere.
        ("matlab", 0.75, 1.0, 1.0),
        ("got10k", 1.0, 1.0, 1.0),
        ("pysot", 0.75, 1.0, 1.0),
        ("pysot-toolkit", 0.75, 1.0, 1.0),
        ("pytracking", 0.75, 1.0, 1.0),
        ("stark", 0.75, 1.0, 1.0),
        ("aiatrack", 1.0, 4 / 3, 4 / 3),
    ],
)
def test_truth_without_numbers_on_uav(name: str, success: float, precision: float, norm: float) -> None:
    ground_truth = [BOX, [np.nan] * 4, BOX, BOX]
    scores = judge(convention(name, "uav"), ground_truth, [BOX] * 4).mean()
    assert (scores.sr50, scores.precision, scores.norm_precision) == pytest.approx((success, precision, norm))


@pytest.mark.parametrize(
    ("name", "family", "success", "precision", "norm"),
    [
        # The target is absent in one of four frames, where the stored box is met; another ground truth has no area.
        ("matlab", "lasot", 0.5, 0.75, 0.75),
        # The mean of the curve: a quarter of its frames begins at the second of 51 thresholds.
        ("got10k", "lasot", 0.75, 1.0, 1 - 1 / 204),
        # A divisor of 1e-16 makes the centre of the empty ground truth positive and the error huge.
        ("pysot", "lasot", 0.5, 0.75, 0.5),
        ("pytracking", "lasot", 0.5, 0.5, 0.75),
        ("stark", "lasot", 0.5, 0.5, 0.75),
        ("aiatrack", "lasot", 1.0, 1.0, 1.5),
        ("pytracking", "lasot-ext", 0.5, 0.5, 1.0),
        ("ostrack", "lasot-ext", 0.5, 0.5, 1.0),
        ("aiatrack", "lasot-ext", 1.0, 1.0, 1.5),
        ("matlab", "tnl2k", 0.5, 0.75, 0.75),
        ("ostrack", "tnl2k", 0.75, 0.75, 1.0),
        ("matlab", "otb", 0.75, 1.0, 1.0),
    ],
)
def test_absent_targets(name: str, family: str, success: float, precision: float, norm: float) -> None:
    ground_truth: list[list[float]] = [BOX, BOX, [10, 10, 0, 0], BOX]
    result = judge(convention(name, family), ground_truth, [BOX, BOX, [10, 10, 1e-9, 1e-9], BOX], absent=[0, 1, 0, 0])
    scores = result.mean()
    assert (scores.sr50, scores.precision, scores.norm_precision) == pytest.approx((success, precision, norm))


def test_first_frame() -> None:
    corners = [[197.0, 213, 231, 294], BOX]
    assert judge(convention("pysot"), [BOX, BOX], corners).mean().sr50 == 0.5
    assert judge(convention("stark"), [BOX, BOX], corners).mean().sr50 == 1


@pytest.mark.parametrize("rules", ["pytracking", "stark", "ostrack", "aiatrack"])
def test_a_first_line_that_is_no_box_is_overwritten(rules: str) -> None:
    code = [[np.nan] * 4, BOX, BOX]  # a file whose first line is VOT's "1"
    assert judge(convention(rules), [BOX] * 3, code).mean().sr50 == 1
    with pytest.raises(DataError, match="predicted box 1 is"):
        judge(convention(rules), [BOX] * 3, [[np.nan, 1, 2, 3], BOX, BOX])


def test_bad_predictions_copy_the_one_before() -> None:
    ground_truth = [BOX] * 5
    holes: list[list[float]] = [BOX, BOX, [np.nan] * 4, [10, 10, -1, 5], FAR]
    assert judge(convention("matlab"), ground_truth, holes).mean().sr50 == 0.8
    assert judge(convention("got10k"), ground_truth, holes).mean().sr50 == 0.4
    empty: list[list[float]] = [BOX, BOX, [10, 10, 0, 5], [0, 0, 0, 0], FAR]
    assert judge(convention("stark"), ground_truth, empty).mean().sr50 == 0.8
    # Before the first frame is set: what is copied is the tracker's own first box.
    assert judge(convention("stark"), ground_truth[:2], [FAR, [0, 0, 0, 0]]).mean().sr50 == 0.5
    with pytest.raises(DataError, match=r"^seq: predicted box 4 is \[10.0, 10.0, -1.0, 5.0\].*'stark' takes no NaN"):
        judge(convention("stark"), ground_truth, [BOX, BOX, BOX, *holes[3:]])


def test_nothing_is_copied_where_the_truth_has_no_numbers() -> None:
    ground_truth = [BOX, [np.nan] * 4, BOX]
    scores = judge(convention("matlab", "uav"), ground_truth, [BOX, [0, 0, 0, 0], [0, 0, 0, 0]]).mean()
    assert scores.sr50 == pytest.approx(1 / 3)


def test_copying_stops_at_the_start_of_a_sequence() -> None:
    ground_truths = [SequenceGroundTruth(name, np.array([BOX, BOX])) for name in "ab"]
    empty = np.array([[0.0] * 4, [0.0] * 4])
    result = evaluate(ground_truths, [np.array([BOX, BOX]), empty], convention("matlab"))
    assert [result.sequence(index).sr50 for index in (0, 1)] == [1, 0.5]


def test_lengths() -> None:
    ground_truth, short, long = [BOX] * 4, [BOX] * 3, [BOX] * 5
    message = r"^seq: 3 predicted boxes for 4 annotated frames; convention '.*' expects as many$"
    for name, family in (("matlab", "lasot"), ("pysot", "otb"), ("stark", "lasot")):
        with pytest.raises(DataError, match=message):
            judge(convention(name, family), ground_truth, short)
    assert judge(convention("got10k"), ground_truth, short).mean().sr50 == 1
    assert judge(convention("stark", "otb"), ground_truth, short).mean().sr50 == 0.75
    assert judge(convention("matlab", "lasot"), ground_truth, long).mean().sr50 == 1
    with pytest.raises(DataError, match="seq: 5 predicted boxes for 4"):
        judge(convention("matlab", "otb"), ground_truth, long)


def test_padded_boxes_are_not_mended() -> None:
    # pytracking appends zeros after it has replaced empty boxes: the last frame stays a miss.
    scores = judge(convention("pytracking", "otb"), [BOX] * 3, [BOX, [0, 0, 0, 0]]).mean()
    assert scores.sr50 == pytest.approx(2 / 3)


def test_faults_of_the_input_are_named() -> None:
    with pytest.raises(DataError, match=r"^seq: prediction of shape \(2, 5\); expected \(frames, 4\)"):
        judge(convention("matlab"), [BOX], [[1.0] * 5] * 2)
    with pytest.raises(DataError, match="seq: 2 absent flags for 1 annotated frames"):
        judge(convention("matlab"), [BOX], [BOX], absent=[0, 1])


def test_sequences_of_nothing_but_zeros_are_dropped_by_matlab() -> None:
    ground_truths = [SequenceGroundTruth(name, np.array([BOX, BOX])) for name in "ab"]
    ground_truths[1] = SequenceGroundTruth("b", np.array([[-50.0, 10, 20, 20], [10.0, 10, 0, 20]]))
    result = evaluate(ground_truths, [np.array([BOX, BOX])] * 2, convention("matlab"))
    assert not result.curves.success[1].any()
    assert result.mean().sr50 == 1
    assert evaluate(ground_truths, [np.array([BOX, BOX])] * 2, convention("stark")).mean().sr50 == pytest.approx(0.75)


def test_a_sequence_without_a_valid_frame_does_not_count_where_valid_frames_are_the_denominator() -> None:
    ground_truths = [SequenceGroundTruth("a", np.array([BOX, BOX])), SequenceGroundTruth("b", np.full((2, 4), np.nan))]
    for name in ("got10k", "aiatrack"):
        result = evaluate(ground_truths, [np.array([BOX, BOX])] * 2, convention(name, "uav"))
        assert np.isnan(result.sequence(1).success_auc)
        assert result.mean() == result.sequence(0)
    assert np.isnan(result.mean([])).all()


def test_attributes() -> None:
    ground_truths = [SequenceGroundTruth(name, np.array([BOX, BOX])) for name in "abc"]
    predictions = [np.array([BOX, BOX]), np.array([BOX, FAR]), np.array([BOX, FAR])]
    members = {"OCC": ["a", "b"], "LR": ["c"], "SV": ["a", "not evaluated"]}
    results = evaluate(ground_truths, predictions, convention("pysot")).attributes(members)
    sr50 = {name: result.scores.sr50 for name, result in results.items() if result.scores}
    assert sr50 == {"OCC": 0.75, "LR": 0.5, "SV": 1}
    assert [result.indices for result in results.values()] == [[0, 1], [2], [0]]
    strict = evaluate(ground_truths, predictions, convention("matlab")).attributes(members)
    assert [name for name, result in strict.items() if result.scores] == ["OCC"]
    assert list(strict) == list(members)  # all have curves


def test_normalised_precision() -> None:
    # 4 of 20 pixels: 0.20 exactly, by either order of the operations.
    near = [14.0, 10, 20, 20]
    assert judge(convention("got10k"), [BOX] * 2, [BOX, near]).curves.norm_precision[0, 20] == 1
    # (x + 9.5) / 20 - 19.5 / 20 rounds above 0.2 where the ground truth lies further out.
    ground_truth, prediction = [1000.0, 10, 3, 20], [1000.6, 10, 3, 20]
    by_order = {
        name: judge(convention(name), [BOX, ground_truth], [BOX, prediction]).curves.norm_precision[0, 20]
        for name in ("got10k", "stark")
    }
    assert by_order["got10k"] != by_order["stark"]
    mean = judge(convention("got10k"), [BOX] * 2, [BOX, near])
    assert mean.mean().norm_precision == pytest.approx(mean.curves.norm_precision.mean())


def test_names() -> None:
    assert {family: resolve_name("official", family) for family in FAMILIES} == {
        family: family if family in ("got10k", "trackingnet") else "matlab" for family in FAMILIES
    }
    assert convention("PySOT_toolkit").name == "pysot-toolkit"
    for name in CURVED:
        for family in FAMILIES:
            if resolve_name(name, family) != "trackingnet":
                assert convention(name, family).name == resolve_name(name, family)
    with pytest.raises(UsageError, match=r"unknown convention 'pytraking'; did you mean 'pytracking'\?"):
        convention("pytraking")
    with pytest.raises(UsageError, match="'trackingnet' has no success and precision curves"):
        convention("official", "trackingnet")


def test_vasttracks_python_kit() -> None:
    """Numbers that calc_seq_err_robust of its extract_results.py gives: absent frames are misses in all curves."""
    boxes = np.array(
        [[10, 20, 30, 40], [12, 21, 30, 40], [0, 0, 0, 0], [0, 0, 0, 0], [20, 30, 28, 44], [24, 33, 28, 44.0]]
    )
    answers = np.array(
        [[10, 20, 30, 40], [14, 26, 30, 38], [15, 20, 30, 40], [0, 0, 0, 0], [60, 30, 28, 44], [25, 36, 30, 40.0]]
    )
    truth = SequenceGroundTruth("s", boxes, (boxes == 0).all(axis=1))
    scores = evaluate([truth], [answers], convention("vasttrack", "vasttrack")).mean()
    assert scores.success_auc == pytest.approx(0.40476190476190477, abs=1e-12)
    assert (scores.precision, scores.norm_precision) == (0.5, 0.5)
    others = evaluate([truth], [answers], convention("ostrack", "vasttrack")).mean()
    assert others.norm_precision == pytest.approx(5 / 6)
