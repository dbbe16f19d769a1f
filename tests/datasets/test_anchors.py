from pathlib import Path

import numpy as np
import pytest

from trackbench.datasets.anchors import anchor_at, anchored_name, find_anchors, split_anchored
from trackbench.datasets.sequence import GroundTruth, VideoSequence
from trackbench.errors import DataError


def sequence(*values: float) -> VideoSequence:
    truth = GroundTruth(np.ones((5, 4)), values={"anchor": np.array(values)} if values else {})
    return VideoSequence("s_00000001", lambda: [Path()] * 5, lambda: truth)


def test_anchors_go_forwards_and_backwards() -> None:
    found = find_anchors(sequence(1, 0, -2, 0, 0.5))
    assert list(found.values()) == [(0, 1), (2, -1), (4, 1)]
    assert [anchor.length(5) for anchor in found.values()] == [5, 3, 1]
    assert find_anchors(sequence()) == {}
    with pytest.raises(DataError, match=r"s_00000001 has no anchor on frame 1 \(counted from 0\)"):
        anchor_at(sequence(1, 0, -2, 0, 0), 1)


def test_names_come_apart_at_the_last_number() -> None:
    assert split_anchored(anchored_name("s_00000001", 12)) == ("s_00000001", 12)
    assert split_anchored("s_1") is None
