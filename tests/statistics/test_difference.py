import numpy as np
import pytest

from trackbench.statistics.difference import first_divergence

BOXES = np.array([[i, 0.0, 10, 10] for i in range(6)])


def test_same_answers_do_not_diverge() -> None:
    gap = BOXES.copy()
    gap[3] = np.nan
    assert first_divergence(gap, gap) == (None, None)


@pytest.mark.parametrize(("shift", "apart"), [(1e-9, None), (3, None), (4, 4), (50, 4)])
def test_answers_are_apart_below_half_an_overlap(shift: float, apart: int | None) -> None:
    """Boxes of width 10 that are shifted by 10/3 overlap by a half."""
    moved = BOXES.copy()
    moved[4, 0] += shift
    assert first_divergence(BOXES, moved) == (4, apart)


def test_an_answer_beside_none_is_apart() -> None:
    gap = BOXES.copy()
    gap[2] = np.nan
    assert first_divergence(BOXES, gap) == (2, 2)


def test_a_trajectory_that_ends_early_diverges_there() -> None:
    assert first_divergence(BOXES, BOXES[:4]) == (4, 4)
