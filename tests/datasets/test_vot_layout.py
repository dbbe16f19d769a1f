from collections.abc import Callable
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import numpy as np
import pytest

from trackbench.datasets.catalogue import open_dataset
from trackbench.datasets.layouts import vot
from trackbench.datasets.sequence import VideoSequence
from trackbench.definitions import DATASETS
from trackbench.errors import DataError, UsageError
from trackbench.regions import Box, Mask, Polygon, Special, overlap

BOXES = "1,2,3,4\n5,6,7,8\n9,10,11,12\n"
JPEG = b"\xff\xd8"  # nothing here decodes an image

VOT = DATASETS.get("vot2020").value


def build(folder: Path, frames: int = 3, **files: str) -> Path:
    """Make a sequence; ``__`` in a file's name stands for a dot."""
    (folder / "color").mkdir(parents=True)
    for number in range(1, frames + 1):
        (folder / "color" / f"{number:08d}.jpg").write_bytes(JPEG)
    for name, text in {"groundtruth__txt": BOXES, **files}.items():
        (folder / name.replace("__", ".")).write_text(text)
    return folder


def only(folder: Path) -> VideoSequence:
    sequences, missing = vot.read(folder, VOT, [])
    assert missing == []
    (sequence,) = sequences
    return sequence


def test_boxes_polygons_masks_and_codes(tmp_path: Path) -> None:
    ground_truth = "10,20,30,40\n0,0,10,0,10,10,0,10\nm5,6,2,2,1,2\n0\nnan,nan,nan,nan\nm0,0,0,0,0\n"
    build(tmp_path / "s", frames=6, groundtruth__txt=ground_truth)
    sequence = only(tmp_path)
    assert sequence.region(0) == Box(10, 20, 30, 40)
    assert isinstance(sequence.region(1), Polygon)
    assert sequence.region(2) == Mask([[False, True], [True, False]], 5, 6)
    assert [sequence.region(i) for i in (3, 4, 5)] == [Special(0)] * 3
    assert sequence.ground_truth.absent is not None
    assert sequence.ground_truth.absent.tolist() == [False] * 3 + [True] * 3
    assert sequence.ground_truth.boxes[2].tolist() == [5, 6, 2, 2]
    assert np.isnan(sequence.ground_truth.boxes[3:]).all()
    assert len(sequence.frames) == 6


def test_separators_at_the_end_of_a_line_do_not_count(tmp_path: Path) -> None:
    build(tmp_path / "s", frames=4, groundtruth__txt="10,20,30,40,\n0 0 10 0 10 10 0 10\nm5,6,2,2,1,2,\n0,\n")
    sequence = only(tmp_path)
    assert [sequence.region(0), sequence.region(3)] == [Box(10, 20, 30, 40), Special(0)]
    assert isinstance(sequence.region(1), Polygon)
    assert sequence.region(2) == Mask([[False, True], [True, False]], 5, 6)


def test_tags_and_values(tmp_path: Path) -> None:
    build(
        tmp_path / "s",
        occlusion__tag="0\n1\n1\n",
        motion_change__tag=" 1 \n",
        cover__label="1.0\n1\n2",
        anchor__value="1\n\n-1\n",
        practical__value="0.5",
    )
    sequence = only(tmp_path)
    assert sequence.attributes == ("cover", "motion_change", "occlusion")
    assert {name: flags.tolist() for name, flags in sequence.ground_truth.tags.items()} == {
        "cover": [False, True, False],
        "motion_change": [True, False, False],
        "occlusion": [False, True, True],
    }
    assert {name: numbers.tolist() for name, numbers in sequence.ground_truth.values.items()} == {
        "anchor": [1, 0, -1],
        "practical": [0.5, 0, 0],
    }


def test_listing_reads_no_annotation_and_no_image(tmp_path: Path) -> None:
    metadata = "width=64\nheight=48\nlength=3\n"
    build(tmp_path / "s", groundtruth__txt="nonsense", bad__tag="\n" * 9, sequence=metadata)
    assert only(tmp_path).size == (64, 48)


def test_list_decides_order_and_what_is_missing(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        build(tmp_path / name)
    (tmp_path / "list.txt").write_text("c\r\n\r\nlost\r\na\r\nc\r\n")
    sequences, missing = vot.read(tmp_path, VOT, [])
    assert [s.name for s in sequences] == ["c", "a"]
    assert missing == ["lost"]
    sequences, missing = vot.read(tmp_path, VOT, [{"name": "b"}, {"name": "x"}])
    assert [s.name for s in sequences] == ["b"]
    assert missing == ["x"]


def test_without_list_every_folder_with_a_truth_is_a_sequence(tmp_path: Path) -> None:
    for name in ("s10", "s2", ".partial"):
        build(tmp_path / name)
    (tmp_path / "images").mkdir()
    assert [s.name for s in vot.read(tmp_path, VOT, [])[0]] == ["s2", "s10"]


def test_frames_directly_in_the_folder(tmp_path: Path) -> None:
    folder = build(tmp_path / "s", sequence="channels.color=color/%08d.jpg\nlength=3\n")
    for path in list((folder / "color").iterdir()):
        path.rename(folder / path.name)
    (folder / "color").rmdir()
    assert [path.relative_to(tmp_path).as_posix() for path in only(tmp_path).frames] == [
        f"s/{number:08d}.jpg" for number in (1, 2, 3)
    ]


def test_pattern_of_the_metadata(tmp_path: Path) -> None:
    folder = build(tmp_path / "s", sequence="channels.color=color/rgb_%04d.png\nlength=3\nname=s\n")
    for number in (1, 2, 3, 4):
        (folder / "color" / f"rgb_{number:04d}.png").write_bytes(JPEG)
    assert [path.name for path in only(tmp_path).frames] == [f"rgb_{number:04d}.png" for number in (1, 2, 3)]


@pytest.mark.parametrize(
    ("files", "act", "message"),
    [
        ({"groundtruth__txt": "1,2,3,4\n1,2,x,4\n"}, len, r"s/groundtruth.txt: line 2: 'x' is not a number"),
        ({"groundtruth__txt": "1,2,3,4\n\n5,6,7,8\n"}, len, r"groundtruth.txt: line 2: empty line; expected a region"),
        ({"groundtruth__txt": "1,2,3\n"}, len, r"groundtruth.txt: line 1: 3 numbers .*expected"),
        ({"groundtruth__txt": "m0,0,2,2,1,9\n"}, len, r"groundtruth.txt: line 1: mask runs cover 10 pixels"),
        ({"groundtruth__txt": "\n"}, len, r"groundtruth.txt: the file is empty"),
        ({"sequence": "length=4"}, len, r"groundtruth.txt: 3 annotations; expected 4, as the file 'sequence' says"),
        ({"occlusion__tag": "1\n1\n1\n1\n"}, len, r"occlusion.tag: 4 lines; expected at most 3"),
        ({"anchor__value": "1\nfirst\n"}, len, r"anchor.value: line 2: 'first' is not a number"),
    ],
)
def test_faults_name_file_and_line(
    tmp_path: Path, files: dict[str, str], act: Callable[[VideoSequence], object], message: str
) -> None:
    contents: dict[str, Any] = {**files}
    build(tmp_path / "s", **contents)
    sequence = only(tmp_path)
    with pytest.raises(DataError, match=message):
        act(sequence)


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ("fps=30\nwidth=wide\n", r"s/sequence: line 2: width is 'wide'; expected a whole number from 1 to 1000000"),
        ("length=0\n", r"sequence: line 1: length is '0'"),
        ("channels.color=../../%08d.jpg\n", r"sequence: line 1: channels.color is '../../%08d.jpg'; expected a path"),
        ("channels.color=/etc/%08d.jpg\n", r"expected a path such as color/%08d.jpg"),
        ("channels.color=color/%s.jpg\n", r"expected a path such as color/%08d.jpg"),
    ],
)
def test_faults_of_the_metadata(tmp_path: Path, metadata: str, message: str) -> None:
    build(tmp_path / "s", sequence=metadata)
    with pytest.raises(DataError, match=message):
        vot.read(tmp_path, VOT, [])


def test_lines_of_the_metadata_that_say_nothing_are_skipped(tmp_path: Path) -> None:
    build(tmp_path / "s", sequence="# a note\n\nsome words\nwidth=64\nuid=\n")
    assert only(tmp_path).size is None


def test_missing_frames(tmp_path: Path) -> None:
    folder = build(tmp_path / "s", sequence="channels.color=color/%08d.jpg\nlength=3\n")
    (folder / "color" / "00000002.jpg").unlink()
    with pytest.raises(DataError, match=r"00000002.jpg: is missing \(1 of 3 frames of s are\)"):
        _ = only(tmp_path).frames
    (folder / "sequence").unlink()
    with pytest.raises(DataError, match="s: 2 frames but 3 annotations"):
        _ = only(tmp_path).frames
    for path in (folder / "color").iterdir():
        path.unlink()
    with pytest.raises(DataError, match="holds no frames"):
        _ = only(tmp_path).frames


@pytest.mark.parametrize("name", ["../s", "a/b", "..", "c:\\s"])
def test_list_cannot_leave_the_folder(tmp_path: Path, name: str) -> None:
    build(tmp_path / "set" / "s")
    (tmp_path / "set" / "list.txt").write_text(f"s\n{name}\n")
    with pytest.raises(DataError, match=r"list.txt: line 2: .* is not the name of a folder beside it"):
        vot.read(tmp_path / "set", VOT, [])


def test_recognise(tmp_path: Path) -> None:
    assert not vot.recognise(tmp_path)
    folder = build(tmp_path / "color" / "s")
    assert vot.recognise(tmp_path / "color")
    (folder / "color").rename(folder / "img")
    assert not vot.recognise(tmp_path / "color")
    (folder / "occlusion.tag").write_text("")
    assert vot.recognise(tmp_path / "color")
    (folder / "occlusion.tag").rename(folder / "sequence")
    assert vot.recognise(tmp_path / "color")
    (folder / "meta_info.ini").write_text("")
    assert not vot.recognise(tmp_path / "color")


# --- real annotations ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def extracted(reference: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("vot")
    for name in ("groundtruth/VOT2018", "groundtruth/VOT2019", "multistart_workspace"):
        with ZipFile(reference / "evaluation" / "vot" / f"{name}.zip") as archive:
            members = [m for m in archive.namelist() if "results/" not in m]
            archive.extractall(folder / Path(name).name, members)
    return folder


@pytest.mark.parametrize(("year", "first", "frames"), [(2018, "ants1", 21356), (2019, "agility", 19935)])
def test_real_sets(extracted: Path, year: int, first: str, frames: int) -> None:
    dataset = open_dataset(str(extracted / f"VOT{year}"))
    assert (len(dataset.sequences), dataset.of, dataset.sequences[0].name) == (60, 60, first)
    assert dataset.attributes == ("camera_motion", "illum_change", "motion_change", "occlusion", "size_change")
    assert sum(len(sequence) for sequence in dataset.sequences) == frames
    for sequence in dataset.sequences:
        ground_truth = sequence.ground_truth
        assert sequence.size is not None
        assert ground_truth.absent is not None
        assert not ground_truth.absent.any()
        assert np.isfinite(ground_truth.boxes).all()
        assert set(ground_truth.tags) == set(sequence.attributes)
        assert all(flags.shape == (len(ground_truth),) for flags in ground_truth.tags.values())
        kinds = {type(sequence.region(index)) for index in range(len(ground_truth))}
        assert kinds == {Box if sequence.name == "conduction1" else Polygon}


def test_real_regions(extracted: Path) -> None:
    dataset = open_dataset(str(extracted / "VOT2018"))
    assert len({len(sequence) for sequence in dataset.sequences} & {41, 1500}) == 2
    ants = dataset["ants1"]
    assert (len(ants), ants.size) == (325, (1024, 1024))
    assert ants.region(0) == Polygon([137.21, 458.36, 156.83, 460.78, 148.35, 529.41, 128.72, 526.99])
    np.testing.assert_allclose(ants.ground_truth.boxes[0], [128.72, 458.36, 28.11, 71.05], atol=1e-9)
    assert dataset["conduction1"].region(0) == Box(712, 231, 22, 24)


def test_short_tag_files_of_vot2019(extracted: Path) -> None:
    dataset = open_dataset(str(extracted / "VOT2019"))
    for name, lines, frames in (("graduate", 768, 844), ("gymnastics1", 553, 567), ("hand", 264, 267)):
        path = extracted / "VOT2019" / name / "size_change.tag"
        assert len(path.read_text().split()) == lines
        flags = dataset[name].ground_truth.tags["size_change"]
        assert len(flags) == frames
        assert not flags[lines:].any()
        assert flags[:lines].sum() == path.read_text().split().count("1")


def test_multistart_workspace(extracted: Path) -> None:
    dataset = open_dataset(str(extracted / "multistart_workspace" / "sequences"))
    assert [(s.name, len(s)) for s in dataset.sequences] == [
        ("alpha", 90),
        ("beta", 70),
        ("gamma", 120),
        ("delta", 820),
    ]
    assert np.flatnonzero(dataset["alpha"].ground_truth.values["anchor"]).tolist() == [0, 25, 50, 75, 89]
    assert np.flatnonzero(dataset["beta"].ground_truth.values["anchor"]).tolist() == [0, 20, 40, 60, 69]
    alpha = dataset["alpha"]
    assert isinstance(alpha.region(0), Mask)
    assert alpha.ground_truth.boxes[0].tolist() == [83, 33, 33, 31]
    assert 0.5 < overlap(alpha.region(0), alpha.region(1)) < 1
    assert len(alpha.frames) == 90


@pytest.mark.parametrize("value", ["color", "color/"])
def test_a_channel_may_be_a_folder(tmp_path: Path, value: str) -> None:
    """As vot-toolkit's load_sequence: the folder's name stands for %08d.jpg in it."""
    build(tmp_path / "s", sequence=f"channels.color={value}\nlength=3\n")
    assert [path.name for path in only(tmp_path).frames] == [f"{number:08d}.jpg" for number in (1, 2, 3)]


def test_sequences_of_several_objects_are_named(tmp_path: Path) -> None:
    (tmp_path / "vots/animal").mkdir(parents=True)
    (tmp_path / "vots/animal/groundtruth_1.txt").touch()
    with pytest.raises(UsageError, match="its sequences have several objects"):
        open_dataset(str(tmp_path / "vots"))
