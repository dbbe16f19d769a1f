"""The quick look at usual answers agrees with the counts."""

from __future__ import annotations

import numpy as np
import pytest

from trackbench.metrics import answers
from trackbench.metrics.answers import AnswerCounts, count_bad_answers


def test_sequences_that_look_usual_at_once_have_no_bad_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    quick, all_usual = 0, answers._all_usual
    for trial in range(600):
        boxes = rng.normal(50, 80 if trial % 2 else 5, (rng.integers(1, 6), 4)).round(1)
        boxes[:, 2:] = np.abs(boxes[:, 2:])
        if trial % 3 == 0:
            boxes[rng.integers(len(boxes)), rng.integers(4)] = rng.choice([np.nan, np.inf, 0, -3])
        if trial % 7 == 0:
            boxes[:] = boxes[0]
        size = (100, 80) if trial % 2 else None
        moving = boxes + np.arange(len(boxes))[:, None]
        found = [count_bad_answers(boxes, truth, size) for truth in (boxes, moving)]
        quick += all_usual(boxes, size)
        monkeypatch.setattr(answers, "_all_usual", lambda *_: False)
        assert found == [count_bad_answers(boxes, truth, size) for truth in (boxes, moving)]
        monkeypatch.setattr(answers, "_all_usual", all_usual)
    assert 100 < quick < 500


def test_one_box_throughout_counts_only_if_the_target_moves() -> None:
    boxes = np.tile([10.0, 10, 5, 5], (4, 1))
    truth = boxes.copy()
    assert count_bad_answers(boxes, truth).constant == 0
    truth[2] = np.nan
    assert count_bad_answers(boxes, truth).constant == 0
    truth[3, 0] += 1
    assert count_bad_answers(boxes, truth) == AnswerCounts(0, 0, 0, 0, 3)
