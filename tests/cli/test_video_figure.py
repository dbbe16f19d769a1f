from pathlib import Path

import numpy as np
import pytest
from command import document, trackbench
from PIL import Image

from trackbench.frames import read_frame
from trackbench.frames.video import read_video


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where runs of two trackers lie, one of which leaves its target."""
    from samples import write_dataset, write_trackers

    folder = tmp_path_factory.mktemp("place")
    write_trackers(folder)
    write_dataset(folder / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.syspath_prepend(str(folder))
        for dx in (1.0, 4.0):
            trackbench("run", "drift", "-d", "./data", "--set", f"dx={dx}", "-q")
    return folder


@pytest.fixture(autouse=True)
def _there(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place)


def test_video_shows_every_frame_of_the_sequence() -> None:
    found = document("video", "s2", "-d", "./data", "--out", "s2.mp4")
    assert found["trackers"] == ["drift@dx=1.0", "drift@dx=4.0"]
    frames = list(read_video(Path("s2.mp4")))
    assert found["frames"] == len(frames) == 7
    assert frames[0].image.shape == (52, 64, 3)
    plain = read_frame(Path("data/s2/img/0001.jpg"))
    assert np.abs(frames[0].image.astype(int) - plain).max() > 60


def test_range_of_frames_as_animation() -> None:
    trackbench("video", "s1", "drift@dx=4.0", "-d", "./data", "--first", "2", "--last", "4", "--out", "s1.webp")
    with Image.open("s1.webp") as image:
        assert getattr(image, "n_frames", 1) == 3
        assert image.size == (64, 48)


def test_figure_has_a_row_a_sequence() -> None:
    arguments = ("figure", "-d", "./data", "-s", "s1:1,3,6", "-s", "s3:2,8", "--out", "paper/figure")
    files = document(*arguments)["files"]
    assert [Path(file).suffix for file in files] == [".png", ".pdf", ".svg"]
    svg = Path("paper/figure.svg").read_text()
    assert svg.count("<image") == 5
    with Image.open("paper/figure.png") as image:
        assert image.size[0] == 7 * 300


def test_one_file_where_the_ending_says_so() -> None:
    assert document("figure", "drift@dx=1.0", "-d", "./data", "-s", "s1:1", "--out", "one.pdf")["files"] == ["one.pdf"]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["video", "s9", "-d", "./data"], "data has no sequence 's9'; did you mean"),
        (["video", "s1", "-d", "./data", "--first", "7"], "--first 7: s1 is shown up to frame 6"),
        (["video", "s1", "-d", "./data", "--anchor", "1"], "has no anchors"),
        (["figure", "-d", "./data", "-s", "s1"], "expected SEQUENCE:FRAMES"),
        (["figure", "-d", "./data", "-s", "s1:0"], "frames counted from 1"),
        (["figure", "-d", "./data", "-s", "s1:1,7"], "s1 has 6 frames"),
        (["figure", "nobody", "-d", "./data", "-s", "s1:1"], "no run of 'nobody'"),
    ],
)
def test_wrong_commands_say_what_was_expected(arguments: list[str], message: str) -> None:
    assert message in trackbench(*arguments, code=2).stderr
