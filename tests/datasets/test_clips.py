from pathlib import Path

import numpy as np
import pytest
from command import document, trackbench
from video.clips import write_clip

from trackbench.datasets.catalogue import open_dataset
from trackbench.errors import DataError


@pytest.fixture
def clips(workplace: Path) -> Path:
    """A folder with a whole and a barely annotated video, and a folder of images."""
    folder = workplace / "data"
    write_clip(folder / "whole.mp4", 8, (96, 64), bf="2")
    (folder / "whole.txt").write_text("".join(f"{8 + 2 * index},24,16,16\n" for index in range(8)))
    (folder / "whole.attributes.txt").write_text("FM, OCC\n")
    write_clip(folder / "first only.mkv", 5)
    (folder / "first only.txt").write_text("8 24 16 16\n")
    write_clip(folder / "without.mp4", 5)
    return folder


def test_a_video_with_a_truth_is_a_sequence(clips: Path) -> None:
    dataset = open_dataset(str(clips) + "/")
    assert [sequence.name for sequence in dataset.sequences] == ["first only", "s1", "s2", "s3", "whole"]
    whole = dataset["whole"]
    assert len(whole) == len(whole.frames) == 8
    assert whole.size == (96, 64)
    assert whole.attributes == ("FM", "OCC")
    assert whole.details.fps == 25


def test_videos_are_run_and_scored_as_folders_are(clips: Path) -> None:
    found = document("run", "drift", "-d", "./data", "--set", "dx=2", "-s", "whole", "-s", "s1")
    assert found["runs"][0]["frames"] == 8 + 6
    boxes = np.loadtxt("runs/drift@dx=2/data/one-pass/whole.txt", delimiter=",")
    assert boxes[:, 0].tolist() == [8 + 2 * index for index in range(8)]
    (row,) = document("report", "-d", "./data", "--no-plots")["rows"]
    assert row["per_sequence"]["whole"]["mean_overlap"] == 1


def test_a_video_with_only_its_first_box_is_run(clips: Path) -> None:
    trackbench("run", "drift", "-d", "./data", "-s", "first only", "-q")
    assert len(np.loadtxt("runs/drift/data/one-pass/first only.txt", delimiter=",")) == 5


def test_frames_and_truth_must_be_as_many(clips: Path) -> None:
    (clips / "whole.txt").write_text("8,24,16,16\n" * 3)
    with pytest.raises(DataError, match="whole: 8 frames but 3 annotations"):
        _ = open_dataset(str(clips) + "/")["whole"].frames


def test_two_videos_of_one_name_are_refused(clips: Path) -> None:
    write_clip(clips / "whole.mkv", 2)
    with pytest.raises(DataError, match=r"whole\.mkv and whole\.mp4 are both sequence 'whole'"):
        open_dataset(str(clips) + "/")
