from pathlib import Path

import numpy as np
import pytest
from command import trackbench

from trackbench.datasets.catalogue import open_dataset
from trackbench.engine.execution import execute
from trackbench.engine.plan import make_plan
from trackbench.errors import UsageError
from trackbench.formats.alignment import ImportOptions
from trackbench.formats.importing import plan_import, store_import
from trackbench.metrics.conventions import CONVENTIONS
from trackbench.reports.tables import markdown_table
from trackbench.results.store import RunFolder
from trackbench.scoring import score_runs
from trackbench.trackers.registry import find_tracker


def stored(name: str = "drift", repetitions: int = 1, **options: float) -> RunFolder:
    """Run a sample tracker over the sample data; ``drift`` with dx = 1 follows the target exactly."""
    spec = find_tracker(name, options=options)
    plan = make_plan(spec, open_dataset("data"), Path("runs"), repetitions=repetitions)
    execute([plan], device="cpu")
    return plan.folder


def test_perfect_and_still(workplace: Path) -> None:
    stored()
    stored("static")
    perfect, still = score_runs(open_dataset("data"), Path("runs"))
    assert (perfect.tracker, perfect.convention, perfect.sequences, perfect.of) == ("drift", "matlab", 3, 3)
    assert perfect.metrics["success_auc"] == pytest.approx(20 / 21)
    assert perfect.metrics["precision"] == perfect.metrics["norm_precision"] == perfect.metrics["mean_overlap"] == 1
    assert (perfect.metrics["fps"] or 0) > 0
    # The target moves by one pixel a frame, its width is 8: overlap (8 - t) / (8 + t) after t frames.
    overlaps = {name: [(8 - t) / (8 + t) for t in range(n)] for name, n in (("s1", 6), ("s2", 7), ("s3", 8))}
    for name, values in overlaps.items():
        assert still.per_sequence[name]["mean_overlap"] == pytest.approx(np.mean(values))
        assert still.per_sequence[name]["sr50"] == pytest.approx(np.mean(np.array(values) > 0.5))
        auc = np.mean([np.mean(np.array(values) > 0.05 * k) for k in range(21)])
        assert still.per_sequence[name]["success_auc"] == pytest.approx(auc)
    assert still.metrics["mean_overlap"] == pytest.approx(np.mean([np.mean(v) for v in overlaps.values()]))
    assert len(still.curves["success"].values) == 21
    assert still.run.pop("hardware")
    assert still.run == {"weights_sha256": None, "device": "cpu", "precision": "float32", "imported": False}


def test_attributes(workplace: Path) -> None:
    (workplace / "data/s1/attributes.txt").write_text("OCC SV\n")
    (workplace / "data/s3/attributes.txt").write_text("OCC\n")
    stored("static")
    (score,) = score_runs(open_dataset("data"), Path("runs"))
    # MATLAB's rule: an attribute of a single sequence has no score.
    assert set(score.attributes) == set(score.attribute_curves) == {"OCC"}
    expected = np.mean([score.per_sequence[name]["success_auc"] or 0 for name in ("s1", "s3")])
    assert score.attributes["OCC"]["success_auc"] == pytest.approx(expected)
    assert score.attributes["OCC"]["sequences"] == 2
    (other,) = score_runs(open_dataset("data"), Path("runs"), rules="stark")
    assert set(other.attributes) == {"OCC", "SV"}


@pytest.mark.parametrize(
    ("rules", "expected"), [(name, 1.0 if name == "got10k" else 0.5) for name in CONVENTIONS if name != "trackingnet"]
)
def test_frames_that_an_import_fills_up_are_missing_to_conventions(
    workplace: Path, rules: str, expected: float
) -> None:
    data = open_dataset("data")
    boxes = data["s1"].ground_truth.boxes
    lines = [",".join(map(str, row)) for row in boxes.tolist()]
    (workplace / "short").mkdir()
    (workplace / "short/s1.txt").write_text("\n".join(lines[:3]))
    plan = plan_import(Path("short"), "short", data, how=ImportOptions(pad_missing=True))
    store_import(plan, Path("runs"))
    (score,) = score_runs(data, Path("runs"), rules=rules)
    # Only the got10k toolkit compares what both have; nobody repeats the last box or leaves the sequence out.
    assert (score.problems, score.sequences) == ((), 1)
    assert score.per_sequence["s1"]["sr50"] == expected
    # Frames that a tracker did not answer are something else, though they are stored alike.
    (workplace / "short/s1.txt").write_text("\n".join([*lines[:3], *["nan,nan,nan,nan"] * 3]))
    store_import(plan_import(Path("short"), "unanswered", data, how=ImportOptions(pad_missing=True)), Path("runs"))
    (other,) = score_runs(data, Path("runs"), ["unanswered"], rules=rules)
    if rules in ("pytracking", "stark", "ostrack", "aiatrack", "vasttrack"):
        assert "takes no NaN" in other.problems[0]
    else:
        repeats = rules in ("official", "matlab")  # the third box overlaps with the sixth ground truth by 5/11
        assert other.per_sequence["s1"]["sr50"] == (5 / 6 if repeats else 0.5)


def test_faulty_results_harm_nothing_else(workplace: Path) -> None:
    folder = stored("static")
    stored()
    folder.file("s1").write_text("1,2,3,4\n1,2,x,4\n")
    folder.file("s2").write_text("1,2,3,4\n")
    folder.file("s3", ".txt").unlink()
    perfect, still = score_runs(open_dataset("data"), Path("runs"))
    assert perfect.sequences == 3
    assert (still.sequences, still.of) == (0, 3)
    assert len(still.problems) == 2
    assert "s1.txt: line 2: 'x' is not a number" in still.problems[0]
    assert "1 predicted boxes for 7 annotated frames" in still.problems[1]
    assert still.metrics["success_auc"] is None


def test_incomplete_runs_say_so(workplace: Path) -> None:
    folder = stored()
    folder.file("s2").unlink()
    (score,) = score_runs(open_dataset("data"), Path("runs"))
    assert (score.sequences, score.of) == (2, 3)
    assert set(score.per_sequence) == {"s1", "s3"}


def test_repetitions_are_averaged(workplace: Path) -> None:
    folder = stored(repetitions=2)
    boxes = folder.boxes("s1")
    folder.file("s1", ".txt", 2).write_text("".join(f"{x + 100},{y},{w},{h}\n" for x, y, w, h in boxes))
    (score,) = score_runs(open_dataset("data"), Path("runs"))
    assert score.repetitions == 2
    # One perfect run, one with the first frame right only (it is given).
    assert score.per_sequence["s1"]["success_auc"] == pytest.approx(20 / 21 * (1 + 1 / 6) / 2)
    assert score.per_sequence["s2"]["success_auc"] == pytest.approx(20 / 21)


def test_choice_of_trackers(workplace: Path) -> None:
    stored()
    stored(dx=2)
    dataset = open_dataset("data")
    assert [score.tracker for score in score_runs(dataset, Path("runs"), ["Drift"])] == ["drift", "drift@dx=2"]
    assert [score.tracker for score in score_runs(dataset, Path("runs"), ["drift"])] == ["drift"]
    assert [score.tracker for score in score_runs(dataset, Path("runs"), ["drift@dx=2"])] == ["drift@dx=2"]
    assert score_runs(dataset, Path("runs"), ["drift@dx=2"])[0].title == "Drift @dx=2"
    with pytest.raises(UsageError, match=r"no run of 'drfit' on data in runs; did you mean 'drift'\?"):
        score_runs(dataset, Path("runs"), ["drfit"])
    with pytest.raises(UsageError, match="unknown convention 'matlba'; did you mean 'matlab'"):
        score_runs(dataset, Path("runs"), rules="matlba")
    with pytest.raises(UsageError, match="elsewhere: holds no runs on data by protocol one-pass"):
        score_runs(dataset, Path("elsewhere"))


def test_frames_without_annotation_are_left_out(workplace: Path) -> None:
    """Code 0 is neither a hit nor a miss; a box of zeros is what each convention says of it."""
    truth = workplace / "data/s1/groundtruth.txt"
    boxes = truth.read_text().splitlines()
    polygon = "{0},12,{1},12,{1},18,{0},18"
    lines = [polygon.format(10 + i, 18 + i) for i in range(len(boxes))]
    lines[3:5] = ["0", "0"]
    truth.write_text("\n".join(lines) + "\n")
    trackbench("run", "drift", "static", "-d", "data", "-s", "s1", "--protocol", "one-pass")
    drift, static = score_runs(open_dataset("data"), Path("runs"), protocol="one-pass", rules="matlab")
    assert (drift.unannotated, static.unannotated) == (2, 2)
    assert drift.metrics["precision"] == 1
    assert drift.metrics["success_auc"] == pytest.approx(20 / 21)
    assert static.metrics["mean_overlap"] == pytest.approx((1 + 7 / 9 + 6 / 10 + 3 / 13) / 4)
    assert "Annotated frames only: 2 have no annotation." in markdown_table([drift, static])
