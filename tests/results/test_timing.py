"""Frames per second, as `run` and as the scores tell them."""

from pathlib import Path

import numpy as np
import pytest

from trackbench.datasets.catalogue import open_dataset
from trackbench.engine.execution import execute
from trackbench.engine.plan import make_plan
from trackbench.regions import Box
from trackbench.results.timing import tracking_speed
from trackbench.scoring.scoring import score_runs
from trackbench.trackers.registry import find_tracker


def test_the_first_frame_of_each_run_and_frames_that_were_not_asked_do_not_count() -> None:
    speed = tracking_speed([np.array([9.0, 0.25, np.nan, 0.25]), np.array([7.0]), np.array([5.0, 0.5])])
    assert speed == (3, 1.0)
    assert speed.fps == 3.0
    assert tracking_speed([]).fps is None


def test_run_and_report_tell_the_same_speed(workplace: Path) -> None:
    plan = make_plan(find_tracker("static"), open_dataset("data"), workplace / "runs")
    execute([plan], device="cpu")
    # 5, 6 and 7 frames are tracked, in 10 seconds each; starting took longer than all of them.
    for sequence in plan.dataset.sequences:
        frames = len(sequence)
        box = sequence.initial_region()
        plan.folder.write(sequence.name, [box] * frames, [100.0] + [10 / (frames - 1)] * (frames - 1), [None] * frames)
    assert plan.summary()["fps"] == pytest.approx(0.6)
    (score,) = score_runs(plan.dataset, workplace / "runs")
    assert score.metrics["fps"] == pytest.approx(0.6)
    assert isinstance(box, Box)
