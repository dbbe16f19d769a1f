import importlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from command import document, trackbench
from PIL import Image
from video.clips import write_clip

from trackbench.frames.video import read_video, video_info


@pytest.fixture
def clip(workplace: Path) -> str:
    """A clip of ten frames at irregular times."""
    write_clip(workplace / "clip.mp4", 10, times=[0, 0.04, 0.08, 0.2, 0.24, 0.28, 0.32, 0.6, 0.64, 0.68])
    return "clip.mp4"


def test_boxes_are_written_for_each_frame_and_tracker(clip: str) -> None:
    found = document("track", "drift", "dice", clip, "--box", "8,24,16,16", "--csv", "out/boxes.csv")
    assert [(row["tracker"], row["frames"], row["failed"]) for row in found["tracked"]] == [
        ("drift", 10, None),
        ("dice", 10, None),
    ]
    rows = pd.read_csv("out/boxes.csv")
    drift = rows[rows.tracker == "drift"]
    assert drift.x.tolist() == [8.0 + index for index in range(10)]
    assert drift.frame.tolist() == list(range(1, 11))
    assert drift.seconds.tolist() == pytest.approx([0, 0.04, 0.08, 0.2, 0.24, 0.28, 0.32, 0.6, 0.64, 0.68], abs=1e-3)


def test_video_keeps_size_and_times(clip: str) -> None:
    trackbench("track", "drift", clip, "--box", "8,24,16,16", "--out", "tracked.mp4")
    frames = list(read_video(Path("tracked.mp4")))
    assert frames[0].image.shape == (64, 96, 3)
    assert [frame.seconds for frame in frames][7] == pytest.approx(0.6, abs=1e-3)
    # The box is drawn: its colour is there, and is not in the clip.
    red = frames[0].image.astype(int)
    assert ((red[..., 0] - red[..., 1]) > 60).sum() > 20


def test_several_trackers_stand_side_by_side(clip: str) -> None:
    trackbench("track", "drift", "dice", clip, "--box", "8,24,16,16", "--view", "beside", "--out", "both.mp4")
    assert video_info(Path("both.mp4")).size in {(192, 64), (96, 128)}


def test_animation_of_a_range(clip: str) -> None:
    trackbench("track", "drift", clip, "--box", "8,24,16,16", "--first", "3", "--last", "6", "--out", "part.gif", "-q")
    with Image.open("part.gif") as image:
        assert getattr(image, "n_frames", 1) == 4


def test_folder_of_images_and_mask(workplace: Path) -> None:
    mask = np.zeros((48, 64), np.uint8)
    mask[10:20, 5:9] = 255
    Image.fromarray(mask).save("mask.png")
    trackbench("track", "drift", "data/s1/img", "--mask", "mask.png", "--csv", "boxes.csv")
    first = pd.read_csv("boxes.csv").iloc[0]
    assert first[["x", "y", "w", "h"]].tolist() == [5, 10, 4, 10]


def test_a_tracker_that_fails_does_not_stop_the_other(clip: str) -> None:
    (Path("trackers") / "broken.toml").write_text(
        'title = "Broken"\nclass = "sample_trackers:Drift"\ndeterministic = true\n[options]\nfail_on = "start"\n'
    )
    result = trackbench("track", "drift", "broken", clip, "--box", "8,24,16,16", "--csv", "boxes.csv", code=1)
    assert "broken: stopped at frame 1: RuntimeError: cannot start" in result.stderr
    assert (pd.read_csv("boxes.csv").tracker == "drift").sum() == 10


def test_interruption_keeps_what_is_there(clip: str, monkeypatch: pytest.MonkeyPatch) -> None:
    sample_trackers = importlib.import_module("sample_trackers")
    calls = []

    def step(self, frames, states):
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return before(self, frames, states)

    before = sample_trackers.Drift.step
    monkeypatch.setattr(sample_trackers.Drift, "step", step)
    result = trackbench("track", "drift", clip, "--box", "8,24,16,16", "--csv", "b.csv", "--out", "v.mp4", code=130)
    assert "interrupted after 5 frames" in result.stderr
    assert len(pd.read_csv("b.csv")) == 5
    assert len(list(read_video(Path("v.mp4")))) == 5


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["drift"], "expected one or more trackers, then a video"),
        (["drift", "none.mp4", "--box", "1,2,3,4"], "none.mp4: there is no such video"),
        (["drift", "clip.mp4"], "no display to draw the target on; give --box"),
        (["drift", "clip.mp4", "--box", "1,2,3"], "expected four numbers X,Y,W,H"),
        (["drift", "clip.mp4", "--box", "1,2,0,4"], "a positive width and height"),
        (["drift", "clip.mp4", "--box", "1,2,3,4", "--out", "x.txt"], "x.txt: ends in '.txt'; expected one of .mp4"),
        (["drift", "clip.mp4", "--box", "1,2,3,4", "--first", "99"], "--first 99: clip has fewer frames"),
        (["drift", "trackers", "--box", "1,2,3,4"], "holds no images directly"),
    ],
)
def test_wrong_commands_say_what_was_expected(
    clip: str, arguments: list[str], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)
    assert message in trackbench("track", *arguments, code=2).stderr
