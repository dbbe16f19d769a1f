import shutil
from pathlib import Path

import pytest
from command import document, trackbench


@pytest.fixture
def runs(workplace: Path) -> Path:
    """Two runs, of which the second leaves its target."""
    for dx in (1.0, 3.0):
        trackbench("run", "drift", "-d", "./data", "--set", f"dx={dx}", "-q")
    return workplace


def test_two_runs_are_compared_sequence_by_sequence(runs: Path) -> None:
    found = document("diff", "drift@dx=1.0", "drift@dx=3.0", "-d", "./data")
    assert found["difference"] < 0
    assert found["p_better"] == 0
    assert (found["identical"], found["compared"]) == (0, 3)
    rows = {row["sequence"]: row for row in found["per_sequence"]}
    # The first frame is given; on the second the boxes, 8 wide, are 2 pixels apart, on the third 4.
    assert rows["s1"]["first_differing_frame"] == 2
    assert rows["s1"]["first_frame_apart"] == 3
    assert rows["s1"]["gain"] == pytest.approx(rows["s1"]["second"] - rows["s1"]["first"])
    text = trackbench("diff", "drift@dx=1.0", "drift@dx=3.0", "-d", "./data", "--html", "diff.html").stdout
    assert "Most lost by B" in text
    assert "on data, 3 of 3 sequences" in text
    assert "(an interval needs 8 sequences)" in text
    assert "Most gained by B" not in text
    assert Path("diff.html").stat().st_size > 10_000


def test_a_run_of_elsewhere_is_the_same_byte_for_byte(runs: Path) -> None:
    shutil.copytree("runs", "elsewhere")
    found = document("diff", "drift@dx=1.0", "drift@dx=1.0", "-d", "./data", "--against", "elsewhere")
    assert (found["identical"], found["compared"], found["difference"]) == (3, 3, 0)
    assert "name one of them" in trackbench("diff", "drift", "drift@dx=1.0", "-d", "./data", code=2).stderr
    Path("elsewhere/drift@dx=1.0/data/one-pass/s2.txt").unlink()
    text = trackbench("diff", "drift@dx=1.0", "drift@dx=1.0", "-d", "./data", "--against", "elsewhere").stdout
    assert "B: drift@dx=1.0 (2/3)   on data, 2 of 3 sequences" in text
