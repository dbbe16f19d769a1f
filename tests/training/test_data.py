"""Training sets as they are downloaded, in small trees."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image
from small import write_videos

from trackbench.errors import DataError, UsageError
from trackbench.training.data.sets import open_sets
from trackbench.training.data.videos import split_sequences
from trackbench.training.recipe import DataOptions


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TRACKBENCH_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("TRACKBENCH_DATA", raising=False)
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))


def image(path: Path, size: tuple[int, int] = (60, 80)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.full((*size, 3), 90, np.uint8))


def opened(name: str, **table: Any):
    (found,) = open_sets(DataOptions.model_validate({"sets": {name: table}, "samples": 1}))
    return found.clips


def write_video(
    folder: Path, boxes: list[str], labels: dict[str, str] | None = None, frames: Path | None = None
) -> None:
    folder.mkdir(parents=True)
    (folder / "groundtruth.txt").write_text("\n".join(boxes) + "\n")
    for name, text in (labels or {}).items():
        (folder / name).write_text(text)
    for index in range(len(boxes)):
        image((frames or folder) / f"{index + 1:08d}.jpg")


def test_got10k_is_split_as_pytracking_splits_it(tmp_path: Path) -> None:
    labels = {"absence.label": "0\n0\n1\n", "cover.label": "8\n0\n8\n", "cut_by_image.label": "0\n0\n0\n"}
    for number in (1, 2, 3):
        write_video(tmp_path / "train" / f"GOT-10k_Train_{number:06d}", ["1,2,30,40", "1,2,30,40", "1,2,30,40"], labels)
    every = opened("got10k-train", root=tmp_path)
    assert len(every) == 3
    assert every.clip(0).visible.tolist() == [True, False, False]
    assert [opened("got10k-train", root=tmp_path, split="vot-train").clip(0).name] == ["GOT-10k_Train_000001"]
    assert opened("got10k-train", root=tmp_path, split="vot-val").clip(0).name == "GOT-10k_Train_000002"


def test_the_vot_splits_have_their_published_sizes_and_nothing_in_common() -> None:
    table = Path(split_sequences.__code__.co_filename).parent / "got10k_vot.csv"
    with table.open() as file:
        rows = list(csv.DictReader(file))
    numbers = {
        split: {int(row["number"]) for row in rows if row["split"] == split} for split in ("vot-train", "vot-val")
    }
    assert [len(found) for found in numbers.values()] == [7086, 1249]
    assert not numbers["vot-train"] & numbers["vot-val"]
    assert max(map(max, numbers.values())) <= 9335


def test_lasot_is_trained_on_without_its_test_sequences(tmp_path: Path) -> None:
    for name in ("airplane-1", "airplane-2"):
        folder = tmp_path / "airplane" / name
        flags = {"full_occlusion.txt": "0,1", "out_of_view.txt": "0,0"}
        write_video(folder, ["1,2,30,40", "1,2,30,40"], flags, folder / "img")
    clips = opened("lasot-all", root=tmp_path, split="lasot-train")
    assert [clips.clip(index).name for index in range(len(clips))] == ["airplane-2"]
    assert clips.clip(0).visible.tolist() == [True, False]


def test_tnl2k_is_trained_on_without_its_test_sequences_and_absent_targets(tmp_path: Path) -> None:
    root = tmp_path / "TNL2K_train_subset"
    for name in ("Arrow_Video_ZZ04_done", "Assian_video_Z03_done"):
        folder = root / name
        write_video(folder, ["1,2,30,40", "0,0,0,0", "4,2,30,40"], {"language.txt": "the arrow"}, folder / "imgs")
    clips = opened("tnl2k-train", root=tmp_path)
    assert [clips.clip(index).name for index in range(len(clips))] == ["Arrow_Video_ZZ04_done"]
    assert clips.clip(0).visible.tolist() == [True, False, True]
    assert clips.clip(0).path(2) == root / "Arrow_Video_ZZ04_done" / "imgs" / "00000003.jpg"
    # The evaluation toolkit's flags, where somebody has them, beside the folder of the sequences.
    flags = tmp_path / "annos" / "absent" / "Arrow_Video_ZZ04_done.txt"
    flags.parent.mkdir(parents=True)
    flags.write_text("0\n1\n1\n")
    assert opened("tnl2k-train", root=tmp_path).clip(0).visible.tolist() == [True, False, False]


def test_trackingnet_is_read_by_chunks_and_annotated_frames(tmp_path: Path) -> None:
    for chunk, name in (("TRAIN_0", "aaaaaaaaaaa_0"), ("TRAIN_3", "bbbbbbbbbbb_0")):
        annotation = tmp_path / chunk / "anno" / f"{name}.txt"
        annotation.parent.mkdir(parents=True)
        annotation.write_text("1,2,30,40\n" * 65)
        for index in range(65):
            image(tmp_path / chunk / "frames" / name / f"{index}.jpg")
    assert len(opened("trackingnet-train", root=tmp_path)) == 2
    clips = opened("trackingnet-train", root=tmp_path, split="0-1", every=30)
    assert [clips.clip(index).name for index in range(len(clips))] == ["aaaaaaaaaaa_0"]
    assert np.flatnonzero(clips.clip(0).visible).tolist() == [0, 30, 60, 64]


def write_coco(folder: Path) -> None:
    images = [{"id": number, "file_name": f"{number:012d}.jpg", "height": 60, "width": 80} for number in (1, 2)]
    square = [10, 5, 30, 5, 30, 25, 10, 25]
    annotations = [
        {"id": 7, "image_id": 1, "bbox": [10, 5, 20, 20], "iscrowd": 0, "segmentation": [square], "area": 400},
        {"id": 8, "image_id": 1, "bbox": [40, 5, 10, 20], "iscrowd": 1, "segmentation": [], "area": 200},
    ]
    path = folder / "annotations" / "instances_train2017.json"
    path.parent.mkdir(parents=True)
    for item in annotations:
        item["category_id"] = 1
    path.write_text(json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "x"}]}))
    image(folder / "train2017" / f"{1:012d}.jpg")


def test_coco_gives_a_clip_for_each_target_that_is_no_crowd(tmp_path: Path) -> None:
    write_coco(tmp_path)
    clips = opened("coco", root=tmp_path)
    assert len(clips) == 1
    clip = clips.clip(0)
    assert clip.still
    assert clip.boxes.tolist() == [[10, 5, 20, 20]]
    assert clip.frame(0).shape == (60, 80, 3)
    assert clip.read_mask is not None
    assert clip.read_mask(0)[10:20, 12:28].all()
    assert len(opened("coco", root=tmp_path, per_image=True)) == 1
    drawn = {
        opened("coco", root=tmp_path, per_image=True).clip(0, np.random.default_rng(seed)).boxes[0, 0]
        for seed in range(8)
    }
    assert drawn == {10.0, 40.0}


def annotation(path: Path, targets: list[tuple[int, tuple[int, int, int, int]]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    objects = "".join(
        f"<object><trackid>{track}</trackid><name>n1</name><bndbox><xmax>{x2}</xmax><xmin>{x1}</xmin>"
        f"<ymax>{y2}</ymax><ymin>{y1}</ymin></bndbox></object>"
        for track, (x1, y1, x2, y2) in targets
    )
    path.write_text(f"<annotation><folder>x</folder>{objects}</annotation>")


def test_imagenet_vid_gives_a_clip_for_each_track_of_two_frames(tmp_path: Path) -> None:
    base = Path("VID/train/ILSVRC2015_VID_train_0000/video1")
    annotation(tmp_path / "Annotations" / base / "000000.xml", [(0, (1, 2, 31, 42)), (1, (5, 5, 10, 10))])
    annotation(tmp_path / "Annotations" / base / "000001.xml", [])
    annotation(tmp_path / "Annotations" / base / "000002.xml", [(0, (2, 2, 32, 42))])
    image(tmp_path / "Data" / base / "000002.JPEG")
    clips = opened("imagenet-vid", root=tmp_path, split="train")
    assert len(clips) == 1
    assert clips.clip(0).boxes.tolist() == [[1, 2, 30, 40], [2, 2, 30, 40]]
    assert clips.clip(0).frame(1).shape == (60, 80, 3)
    (tmp_path / "Annotations" / base / "000000.xml").unlink()
    assert len(opened("imagenet-vid", root=tmp_path, split="train")) == 1  # from the cache


def test_imagenet_det_draws_one_target_of_an_image(tmp_path: Path) -> None:
    base = Path("DET/train/ILSVRC2013_train/n01")
    annotation(tmp_path / "Annotations" / base / "a.xml", [(0, (1, 2, 31, 42)), (0, (5, 5, 10, 10))])
    annotation(tmp_path / "Annotations" / base / "b.xml", [])
    clips = opened("imagenet-det", root=tmp_path)
    assert len(clips) == 1
    assert {len(clips.clip(0, np.random.default_rng(seed)).boxes) for seed in range(4)} == {1}
    assert {clips.clip(0, np.random.default_rng(seed)).boxes[0, 0] for seed in range(8)} == {1.0, 5.0}


def test_damaged_annotations_of_imagenet_are_named(tmp_path: Path) -> None:
    path = tmp_path / "Annotations" / "DET" / "train" / "a.xml"
    path.parent.mkdir(parents=True)
    path.write_text("<annotation><object></annotation>")
    with pytest.raises(DataError, match=r"a\.xml: is no annotation"):
        opened("imagenet-det", root=tmp_path)


def test_youtube_vos_has_boxes_around_its_masks(tmp_path: Path) -> None:
    for index in (0, 5):
        labels = np.zeros((60, 80), np.uint8)
        labels[10:20, 30:50] = 2
        path = tmp_path / "train" / "Annotations" / "vid" / f"{index:05d}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        masks = Image.fromarray(labels)
        masks.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0])
        masks.save(path)
        image(tmp_path / "train" / "JPEGImages" / "vid" / f"{index:05d}.jpg")
    clips = opened("youtube-vos", root=tmp_path)
    assert len(clips) == 1
    clip = clips.clip(0)
    assert clip.boxes.tolist() == [[30, 10, 20, 10]] * 2
    assert clip.frame(1).shape == (60, 80, 3)
    assert clip.read_mask is not None
    assert clip.read_mask(1).sum() == 200


def test_youtube_bb_finds_its_frames_below_the_folder(tmp_path: Path) -> None:
    rows = [
        "vid,1000,3,bus,0,present,0.25,0.5,0.5,1.0",
        "vid,2000,3,bus,0,absent,-1,-1,-1,-1",
        "vid,3000,3,bus,0,present,0.25,0.75,0.5,1.0",
        "gone,3000,3,bus,0,present,0.25,0.75,0.5,1.0",
    ]
    (tmp_path / "youtube_boundingboxes_detection_train.csv").write_text("\n".join(rows) + "\n")
    image(tmp_path / "frames" / "vid+3+0+1000.jpg")
    image(tmp_path / "frames" / "vid_3000.jpg")
    clips = opened("youtube-bb", root=tmp_path)
    assert len(clips) == 1
    assert clips.clip(0).boxes.tolist() == [[20, 30, 20, 30], [20, 30, 40, 30]]


def test_folders_of_sequences_and_of_stills_are_read(tmp_path: Path) -> None:
    write_videos(tmp_path / "videos", count=2, frames=4)
    image(tmp_path / "stills" / "a.jpg")
    (tmp_path / "stills" / "boxes.csv").write_text("name,x,y,w,h\na,1,2,30,40\n")
    videos = opened("videos", source=str(tmp_path / "videos"), leave_out=["video0"])
    assert [videos.clip(index).name for index in range(len(videos))] == ["video1"]
    stills = opened("stills", source=str(tmp_path / "stills"))
    assert stills.clip(0).still
    assert stills.clip(0).frame(0).shape == (60, 80, 3)


def test_a_wrong_line_of_boxes_is_named(tmp_path: Path) -> None:
    (tmp_path / "boxes.csv").write_text("name,x,y,w,h\na,1,2,30,forty\n")
    with pytest.raises(DataError, match=r"boxes.csv: line 2: expected four numbers"):
        opened("stills", source=f"{tmp_path}/")
    (tmp_path / "boxes.csv").write_text("name,x,y\na,1,2\n")
    with pytest.raises(DataError, match="has no column h, w"):
        opened("stills", source=f"{tmp_path}/")


def test_a_set_that_is_not_there_says_how_to_name_or_leave_it_out() -> None:
    with pytest.raises(UsageError, match=r"--set data.sets.coco.root=DIR .* --set data.sets.coco.share=0"):
        opened("coco")
    with pytest.raises(UsageError, match=r"data set 'lasot-all' was not found.*data.sets.lasot-all.share=0"):
        opened("lasot-all", split="lasot-train")
